/* Joining strings and numbers to a text: what a ruleset does that writes one in a loop. Where a
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
    BufferedString *s = allocate_here(sizeof(BufferedString));
    s->length = length;
    s->hash_and_width = KRL_STRING_BUFFERED | (wide ? KRL_STRING_WIDE : 0);
    s->units = units;
    s->buffer = buffer;
    return (const String *)(const void *)s;
}

/* Short ones by eights: what is written behind the last byte is room that was left there, or that
 * of the next part; and memory goes on behind what is read (arena.c). */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, uint32_t byte_count) {
    enum { EIGHTS_MAX = 64 };
    if (byte_count > EIGHTS_MAX) {
        memcpy(to, from, byte_count);
        return;
    }
    for (uint32_t i = 0; i < byte_count; i += 8) {
        uint64_t eight;
        memcpy(&eight, from + i, 8);
        memcpy(to + i, &eight, 8);
    }
}

/* A string with room to spare behind its units. */
static String *string_roomy(uint32_t length, bool wide) {
    String *s = allocate_here((uint32_t)sizeof(String) + (length << wide) + 8);
    s->length = length;
    s->hash_and_width = wide ? KRL_STRING_WIDE : 0;
    return s;
}

const String *string_short(const uint8_t *units, uint32_t length, bool wide) {
    String *s = string_roomy(length, wide);
    copy_bytes(new_units(s), units, length << wide);
    return s;
}

/* Writes the units of `s` at `to`, where they are wide or not; where it ends. */
static uint8_t *write_units(uint8_t *to, bool wide, const String *s) {
    const uint8_t *units = units_of(s);
    uint32_t byte_count = s->length << wide;
    if (wide == is_wide(s)) {
        copy_bytes(to, units, byte_count);
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
    Buffer *buffer = allocate((uint32_t)sizeof(Buffer) + ((length * 2) << wide) + 8);
    buffer->capacity = length * 2;
    write_units(buffer->units, wide, a);
    return buffer;
}

/* Whole numbers need no string of their own to be part of another: nine digits at most here. */
enum { DIGITS_MAX = 9 };

static bool is_short_number(Value v, uint32_t *number) {
    if (!is_number(v)) return false;
    double d = number_of(v);
    *number = __builtin_wasm_trunc_saturate_u_i32_f64(d);
    return *number < 1000000000 && d == *number;
}

static uint32_t digit_count(uint32_t number) {
    uint32_t count = 1;
    for (uint32_t limit = 10; count < DIGITS_MAX && number >= limit; limit *= 10) count++;
    return count;
}

/* Writes the digits of a number whose count is known; where they end. */
static uint8_t *write_digits(uint8_t *to, bool wide, uint32_t number) {
    uint32_t step = 1 + wide;
    uint8_t *end = to + digit_count(number) * step;
    for (uint8_t *at = end; at > to; at -= step) {
        uint32_t tenth = (uint32_t)(number * 0xCCCCCCCDull >> 35), digit = number - tenth * 10;
        if (wide) *(uint16_t *)(void *)(at - 2) = (uint16_t)('0' + digit);
        else at[-1] = (uint8_t)('0' + digit);
        number = tenth;
    }
    return end;
}

/* The units that parts have together, which become strings or short numbers. */
static uint32_t measure(uint32_t count, Value *parts, bool *wide) {
    uint32_t length = 0, number;
    for (uint32_t i = 0; i < count; i++) {
        if (is_short_number(parts[i], &number)) {
            length += digit_count(number);
            continue;
        }
        if (!is_string(parts[i])) parts[i] = from_string(to_string(parts[i]));
        const String *s = string_of(parts[i]);
        length += s->length;
        *wide |= is_wide(s);
        if (length > STRING_UNITS_MAX) __builtin_trap();
    }
    return length;
}

static void write_parts(uint8_t *at, bool wide, uint32_t count, const Value *parts) {
    uint32_t number;
    for (uint32_t i = 0; i < count; i++)
        at = is_short_number(parts[i], &number) ? write_digits(at, wide, number)
                                                : write_units(at, wide, string_of(parts[i]));
}

static bool is_all(Value part, uint32_t length) {
    return is_string(part) && string_of(part)->length == length;
}

const String *string_join(uint32_t count, Value *parts) {
    bool wide = false;
    uint32_t length = measure(count, parts, &wide);
    if (is_all(parts[0], length)) return string_of(parts[0]);
    if (is_all(parts[count - 1], length)) return string_of(parts[count - 1]);
    const String *first = is_string(parts[0]) ? string_of(parts[0]) : NULL;
    if (first == NULL || first->length < STRING_SHARED_MIN ||
        first->length < length - first->length) {
        String *fresh = string_roomy(length, wide);
        write_parts(new_units(fresh), wide, count, parts);
        return fresh;
    }
    Buffer *buffer = buffer_behind(first, length, wide);
    buffer->used = length;
    write_parts(buffer->units + (first->length << wide), wide, count - 1, parts + 1);
    return string_elsewhere(buffer->units, buffer, length, wide);
}

const String *string_concat(const String *a, const String *b) {
    Value parts[2] = {from_string(a), from_string(b)};
    return string_join(2, parts);
}
