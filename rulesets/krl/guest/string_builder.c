/* Builds a string piece by piece at the top of the arena. It starts narrow and widens when the
 * first wide unit comes, so the result is narrow exactly when it can be. */
#include <string.h>

#include "core.h"

/* The builder's units already stand behind a string's head, so that finishing copies nothing. */
static String *head_of(const StringBuilder *b) {
    return (String *)(void *)((uint8_t *)b->units - offsetof(String, inline_units));
}

static uint32_t bytes_for(uint32_t capacity, bool wide) {
    if (capacity > 1u << 29) __builtin_trap();
    return (uint32_t)sizeof(String) + (capacity << wide);
}

void builder_start(StringBuilder *b) {
    enum { FIRST_CAPACITY = 24 };
    String *s = allocate(bytes_for(FIRST_CAPACITY, false));
    *b = (StringBuilder){.units = new_wide_units(s), .capacity = FIRST_CAPACITY};
}

static __attribute__((noinline)) void reserve(StringBuilder *b, uint32_t more) {
    uint32_t capacity = b->capacity * 2;
    if (capacity - b->length < more) capacity = b->length + more;
    uint32_t room = bytes_for(b->capacity, b->wide);
    String *s = reallocate(head_of(b), room, bytes_for(capacity, b->wide));
    b->units = new_wide_units(s);
    b->capacity = capacity;
}

static __attribute__((noinline)) void widen(StringBuilder *b) {
    const uint8_t *narrow = (const uint8_t *)b->units;
    String *s = allocate(bytes_for(b->capacity, true));
    uint16_t *units = new_wide_units(s);
    for (uint32_t i = 0; i < b->length; i++) units[i] = narrow[i];
    b->units = units;
    b->wide = true;
}

void builder_unit(StringBuilder *b, uint16_t unit) {
    if (b->length == b->capacity) reserve(b, 1);
    if (unit > 255 && !b->wide) widen(b);
    if (b->wide)
        b->units[b->length++] = unit;
    else
        ((uint8_t *)b->units)[b->length++] = (uint8_t)unit;
}

static bool has_wide_unit(const String *s, uint32_t start, uint32_t end) {
    if (!is_wide(s)) return false;
    const uint16_t *units = wide_units_of(s);
    for (uint32_t i = start; i < end; i++)
        if (units[i] > 255) return true;
    return false;
}

void builder_units(StringBuilder *b, const String *s, uint32_t start, uint32_t end) {
    uint32_t count = end - start;
    if (b->capacity - b->length < count) reserve(b, count);
    if (!b->wide && has_wide_unit(s, start, end)) widen(b);
    uint32_t length = b->length;
    b->length += count;
    if (b->wide == is_wide(s)) {
        uint8_t *out = (uint8_t *)b->units + (length << b->wide);
        memcpy(out, units_of(s) + (start << b->wide), count << b->wide);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t unit = unit_at(s, start + i);
        if (b->wide)
            b->units[length + i] = unit;
        else
            ((uint8_t *)b->units)[length + i] = (uint8_t)unit;
    }
}

void builder_string(StringBuilder *b, const String *s) { builder_units(b, s, 0, s->length); }

void builder_ascii(StringBuilder *b, const char *text) {
    for (; *text; text++) builder_unit(b, (uint8_t)*text);
}

const String *builder_finish(StringBuilder *b) {
    uint32_t room = bytes_for(b->capacity, b->wide);
    String *s = reallocate(head_of(b), room, bytes_for(b->length, b->wide));
    s->length = b->length;
    s->hash_and_width = b->wide ? KRL_STRING_WIDE : 0;
    return s;
}
