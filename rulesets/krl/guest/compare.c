/* Comparing and searching strings: what looking up a key and splitting a text spend their time
 * with. */
#include <string.h>

#include "core.h"

static inline uint64_t eight_at(const uint8_t *bytes) {
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    return eight;
}

/* By eights, the last of which may have less: memory goes on behind every string (arena.c). */
bool bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t byte_count) {
    for (; byte_count >= 8; byte_count -= 8, a += 8, b += 8)
        if (eight_at(a) != eight_at(b)) return false;
    return byte_count == 0 || (eight_at(a) ^ eight_at(b)) << (64 - 8 * byte_count) == 0;
}

bool string_equal(const String *a, const String *b) {
    if (a == b) return true;
    if (a->length != b->length || is_wide(a) != is_wide(b)) return false;
    return bytes_equal(units_here(a), units_here(b), a->length << is_wide(a));
}

static bool matches_at(const String *in, const String *what, uint32_t at) {
    if (is_wide(in) == is_wide(what)) {
        const uint8_t *units = units_here(in) + (at << is_wide(in));
        return bytes_equal(units, units_here(what), what->length << is_wide(in));
    }
    for (uint32_t i = 0; i < what->length; i++)
        if (unit_here(in, at + i) != unit_here(what, i)) return false;
    return true;
}

/* Where a unit stands, from a place on; behind `last` if it does not. */
static uint32_t next_unit(const String *in, uint16_t unit, uint32_t at, uint32_t last) {
    if (is_wide(in)) {
        const uint16_t *units = (const void *)units_here(in);
        while (at <= last && units[at] != unit) at++;
    } else {
        const uint64_t ones = 0x0101010101010101, highs = ones << 7;
        const uint8_t *units = units_here(in);
        if (unit > 255) return last + 1;
        for (; at <= last; at += 8) { /* of eight bytes the lowest that is zero, if there is one */
            uint64_t apart = eight_at(units + at) ^ ones * unit;
            uint64_t zeros = (apart - ones) & ~apart & highs;
            if (zeros != 0) return at + (uint32_t)__builtin_ctzll(zeros) / 8;
        }
    }
    return at;
}

int32_t string_find(const String *in, const String *what, uint32_t from) {
    if (from > in->length || what->length > in->length - from) return -1;
    if (what->length == 0) return (int32_t)from;
    uint32_t last = in->length - what->length;
    uint16_t first = unit_here(what, 0);
    for (uint32_t at = next_unit(in, first, from, last); at <= last;
         at = next_unit(in, first, at + 1, last))
        if (what->length == 1 || matches_at(in, what, at)) return (int32_t)at;
    return -1;
}
