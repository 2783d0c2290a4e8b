/* Strings: UTF-16 code units in one or two bytes each. Here: making, cutting, comparing and
 * searching them. join.c joins them, utf8.c converts them, string_builder.c builds them piece by
 * piece. */
#include <string.h>

#include "core.h"

__attribute__((noinline)) const uint8_t *units_of(const String *s) { return units_here(s); }
__attribute__((noinline)) uint16_t unit_at(const String *s, uint32_t i) { return unit_here(s, i); }

String *string_new(uint32_t length, bool wide) {
    if (length > STRING_UNITS_MAX) __builtin_trap();
    String *s = allocate((uint32_t)sizeof(String) + (length << wide));
    s->length = length;
    s->hash_and_width = wide ? KRL_STRING_WIDE : 0;
    return s;
}

const String *string_from_ascii(const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    String *s = string_new(length, false);
    memcpy(new_units(s), text, length);
    return s;
}

static bool all_narrow(const uint16_t *units, uint32_t length) {
    uint16_t seen = 0;
    for (uint32_t i = 0; i < length; i++) seen |= units[i];
    return seen < 256;
}

static void narrow_units(uint8_t *to, const uint16_t *from, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) to[i] = (uint8_t)from[i];
}

const String *string_from_units(const uint16_t *units, uint32_t length) {
    bool wide = !all_narrow(units, length);
    String *s = string_new(length, wide);
    if (wide)
        memcpy(new_wide_units(s), units, length * sizeof(uint16_t));
    else
        narrow_units(new_units(s), units, length);
    return s;
}

const String *string_of_wide(const uint16_t *units, uint32_t length) {
    if (!all_narrow(units, length) && length >= STRING_SHARED_MIN)
        return string_elsewhere((const uint8_t *)units, NULL, length, true);
    return string_from_units(units, length);
}

bool string_equals_ascii(const String *a, const char *text) {
    if (is_wide(a)) return false;
    const uint8_t *units = units_of(a);
    uint32_t i = 0;
    for (; i < a->length; i++)
        if (text[i] == 0 || units[i] != (uint8_t)text[i]) return false;
    return text[i] == 0;
}

int string_compare(const String *a, const String *b) {
    uint32_t shorter = a->length < b->length ? a->length : b->length;
    for (uint32_t i = 0; i < shorter; i++) {
        uint16_t left = unit_at(a, i), right = unit_at(b, i);
        if (left != right) return left < right ? -1 : 1;
    }
    return a->length == b->length ? 0 : a->length < b->length ? -1 : 1;
}

enum { FLAGS_MASK = KRL_STRING_WIDE | KRL_STRING_BUFFERED };

uint32_t string_hash(const String *s) {
    uint32_t kept = s->hash_and_width & ~(uint32_t)FLAGS_MASK;
    if (kept != 0) return kept;
    uint32_t hash = 0x811C9DC5;
    bool wide = is_wide(s);
    const uint8_t *units = units_of(s), *end = units + (s->length << wide);
    for (; units < end; units += 1 + wide) {
        uint32_t unit = wide ? *(const uint16_t *)(const void *)units : *units;
        hash = (hash ^ unit) * 0x01000193;
    }
    hash ^= hash >> 15;
    hash &= ~(uint32_t)FLAGS_MASK;
    if (hash == 0) hash = FLAGS_MASK + 1;
    /* A cache inside what is otherwise constant: the value never changes. */
    ((String *)(uintptr_t)s)->hash_and_width |= hash;
    return hash;
}
