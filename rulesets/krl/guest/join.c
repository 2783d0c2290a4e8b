/* Joining strings, and integers as text: what a ruleset does that writes text in a loop. Where a
 * string grows at its end, the longer one takes its units over. */
#include <string.h>

#include "core.h"

/* A buffer that grows at its end. Strings that share it begin at its start and differ in length,
 * so units behind a string's own length may be written without anyone seeing it. */
typedef struct Buffer {
    uint32_t used, capacity; /* in units */
    uint8_t units[];
} Buffer;

/* A string whose units stand elsewhere; `buffer` is null for a part of another string. */
typedef struct {
    uint32_t length, hash_and_width;
    const uint8_t *units;
    Buffer *buffer;
} BufferedString;

const String *string_elsewhere(const uint8_t *units, Buffer *buffer, uint32_t length, bool wide) {
    BufferedString *s = allocate(sizeof(BufferedString));
    s->length = length;
    s->hash_and_width = KRL_STRING_BUFFERED | (wide ? KRL_STRING_WIDE : 0);
    s->units = units;
    s->buffer = buffer;
    return (const String *)(const void *)s;
}

/* Writes the units of `s` at `to`, where they are wide or not; where it ends. */
static uint8_t *write_units(uint8_t *to, bool wide, const String *s) {
    const uint8_t *units = units_of(s);
    uint32_t byte_count = s->length << wide;
    if (wide == is_wide(s)) {
        memcpy(to, units, byte_count);
    } else { /* narrow into wide: never the other way */
        uint16_t *out = (uint16_t *)(void *)to;
        for (uint32_t i = 0; i < s->length; i++) out[i] = units[i];
    }
    return to + byte_count;
}

/* The buffer that `a` ends in, if it has room for `length` units, else a new one with twice that,
 * which begins with `a`. */
static Buffer *buffer_behind(const String *a, uint32_t length, bool wide) {
    if (a->hash_and_width & KRL_STRING_BUFFERED) {
        Buffer *buffer = ((const BufferedString *)(const void *)a)->buffer;
        if (buffer != NULL && is_wide(a) == wide && buffer->used == a->length &&
            buffer->capacity >= length)
            return buffer;
    }
    Buffer *buffer = allocate((uint32_t)sizeof(Buffer) + ((length * 2) << wide));
    buffer->capacity = length * 2;
    write_units(buffer->units, wide, a);
    return buffer;
}

const String *string_join(uint32_t count, const Value *parts) {
    uint32_t length = 0;
    bool wide = false;
    for (uint32_t i = 0; i < count; i++) {
        length += string_of(parts[i])->length;
        wide |= is_wide(string_of(parts[i]));
        if (length > STRING_UNITS_MAX) __builtin_trap();
    }
    const String *first = string_of(parts[0]), *last = string_of(parts[count - 1]), *made;
    if (first->length == length) return first;
    if (last->length == length) return last;
    uint8_t *at;
    uint32_t done = 0;
    if (first->length >= STRING_SHARED_MIN && first->length >= length - first->length) {
        Buffer *buffer = buffer_behind(first, length, wide);
        buffer->used = length;
        made = string_elsewhere(buffer->units, buffer, length, wide);
        at = buffer->units + (first->length << wide);
        done = 1;
    } else {
        String *fresh = string_new(length, wide);
        at = new_units(fresh);
        made = fresh;
    }
    for (uint32_t i = done; i < count; i++) at = write_units(at, wide, string_of(parts[i]));
    return made;
}

const String *string_concat(const String *a, const String *b) {
    Value parts[2] = {from_string(a), from_string(b)};
    return string_join(2, parts);
}

const String *integer_to_string(int32_t number) {
    char text[12];
    uint32_t at = sizeof(text);
    uint32_t rest = number < 0 ? -(uint32_t)number : (uint32_t)number;
    do {
        uint32_t tenth = rest / 10;
        text[--at] = (char)('0' + (rest - tenth * 10));
        rest = tenth;
    } while (rest > 0);
    if (number < 0) text[--at] = '-';
    String *s = string_new((uint32_t)sizeof(text) - at, false);
    memcpy(new_units(s), text + at, s->length);
    return s;
}
