/* How long things are. A string's length is counted in what lodash calls symbols: surrogate
 * pairs, a character with one combining mark, flags, and sequences glued with a zero-width
 * joiner count one each. The grammar, in code units:
 *
 *   symbol   = fitz &fitz | (plain combo? | combo | regional regional | pair | lone) tail
 *   tail     = variant? modifier? (joiner (plain | regional regional | pair) variant? modifier?)*
 *   modifier = combo | fitz */
#include "library.h"

enum { ZERO_WIDTH_JOINER = 0x200D };

static uint32_t unit_or_zero(const String *s, uint32_t at) {
    return at < s->length ? unit_at(s, at) : 0;
}

static bool is_surrogate(uint32_t unit) {
    return unit >= 0xD800 && unit <= 0xDFFF;
}

static bool is_combo(uint32_t unit) {
    return (unit >= 0x300 && unit <= 0x36F) || (unit >= 0xFE20 && unit <= 0xFE2F)
        || (unit >= 0x20D0 && unit <= 0x20FF);
}

static bool is_variant(uint32_t unit) {
    return unit == 0xFE0E || unit == 0xFE0F;
}

/* A skin tone. */
static bool fitz_at(const String *s, uint32_t at) {
    uint32_t low = unit_or_zero(s, at + 1);
    return unit_or_zero(s, at) == 0xD83C && low >= 0xDFFB && low <= 0xDFFF;
}

/* One half of a flag. */
static bool regional_at(const String *s, uint32_t at) {
    uint32_t low = unit_or_zero(s, at + 1);
    return unit_or_zero(s, at) == 0xD83C && low >= 0xDDE6 && low <= 0xDDFF;
}

static bool pair_at(const String *s, uint32_t at) {
    uint32_t high = unit_or_zero(s, at), low = unit_or_zero(s, at + 1);
    return high >= 0xD800 && high <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF;
}

/* Units of the plain character, flag or pair at `at`; 0 if none of them stands there. */
static uint32_t core_at(const String *s, uint32_t at) {
    if (at >= s->length) {
        return 0;
    }
    if (!is_surrogate(unit_at(s, at))) {
        return 1;
    }
    if (regional_at(s, at) && regional_at(s, at + 2)) {
        return 4;
    }
    return pair_at(s, at) ? 2 : 0;
}

static uint32_t after_variant_and_modifier(const String *s, uint32_t at) {
    if (is_variant(unit_or_zero(s, at))) {
        at++;
    }
    if (is_combo(unit_or_zero(s, at))) {
        return at + 1;
    }
    return fitz_at(s, at) ? at + 2 : at;
}

static uint32_t after_symbol(const String *s, uint32_t at) {
    if (fitz_at(s, at) && fitz_at(s, at + 2)) {
        return at + 2;
    }
    uint32_t core = core_at(s, at);
    at += core > 0 ? core : 1;
    if (core == 1 && is_combo(unit_or_zero(s, at))) {
        at++;
    }
    at = after_variant_and_modifier(s, at);
    while (unit_or_zero(s, at) == ZERO_WIDTH_JOINER && core_at(s, at + 1) > 0) {
        at = after_variant_and_modifier(s, at + 1 + core_at(s, at + 1));
    }
    return at;
}

static double symbol_count(const String *s) {
    if (!is_wide(s)) {
        return s->length;
    }
    uint32_t count = 0;
    for (uint32_t at = 0; at < s->length; at = after_symbol(s, at)) {
        count++;
    }
    return count;
}

/* The reference takes a map for a list when it has a whole number for "length". */
double map_size(Value v) {
    Value length = map_get_ascii(v, "length");
    if (is_number(length)) {
        double d = number_of(length);
        if (d >= 0 && d <= 9007199254740991.0 && __builtin_floor(d) == d) {
            return d;
        }
    }
    return map_count(map_of(v));
}

double size_of(Value v) {
    if (is_array(v)) {
        return array_of(v)->length;
    }
    if (is_map(v)) {
        return map_size(v);
    }
    return is_string(v) ? symbol_count(string_of(v)) : 0;
}

LIBRARY(length) {
    return from_number(size_of(argument(0)));
}

LIBRARY(isEmpty) {
    Value v = argument(0);
    if (is_function(v)) {
        return KRL_FALSE;
    }
    if (is_map(v)) {
        return from_boolean(map_count(map_of(v)) == 0);
    }
    return from_boolean(size_of(v) == 0);
}
