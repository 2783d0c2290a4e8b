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

/* Writes the units of `s` at `to`, where they are wide or not. */
static __attribute__((noinline)) void write_units(uint8_t *to, bool wide, const String *s) {
    if (wide == is_wide(s)) {
        memcpy(to, units_of(s), s->length << wide);
    } else { /* narrow into wide: never the other way */
        const uint8_t *units = units_of(s);
        uint16_t *out = (uint16_t *)(void *)to;
        for (uint32_t i = 0; i < s->length; i++) out[i] = units[i];
    }
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

enum { DIGITS_MAX = 9 };

/* A whole number needs no string of its own to be part of another: it becomes a constant, which is
 * none of KRL's, of its digits' count and itself. */
static inline bool is_short_number(Value v, uint32_t *number) {
    *number = __builtin_wasm_trunc_saturate_u_i32_f64(number_of(v));
    return *number < 1000000000 && number_of(v) == *number;
}

static inline uint32_t digit_count(uint32_t n) {
    uint32_t thousands = (n >= 1000) + (n >= 10000) + (n >= 100000) + (n >= 1000000);
    return 1 + (n >= 10) + (n >= 100) + thousands + (n >= 10000000) + (n >= 100000000);
}

static inline Value as_digits(uint32_t number, uint32_t count) {
    return KRL_BOX(KRL_TAG_CONSTANT, number) | (Value)count << 32;
}

/* Writes the digits of such a constant; where they end. */
static inline uint8_t *write_digits(uint8_t *to, Value digits) {
    uint32_t number = (uint32_t)digits;
    uint8_t *end = to + (digits >> 32 & 15);
    for (uint8_t *at = end; at > to;) {
        uint32_t tenth = (uint32_t)(number * 0xCCCCCCCDull >> 35);
        *--at = (uint8_t)('0' + (number - tenth * 10));
        number = tenth;
    }
    return end;
}

/* The units that parts have together, which become strings or digits. */
static inline uint32_t measure(uint32_t count, Value *parts, bool *wide) {
    uint64_t length = 0;
    uint32_t number, flags = 0;
    for (Value *part = parts; part < parts + count; part++) {
        Value v = *part;
        if (!is_string(v)) {
            if (is_short_number(v, &number)) {
                uint32_t digits = digit_count(number);
                *part = as_digits(number, digits);
                length += digits;
                continue;
            }
            *part = v = from_string(to_string(v));
        }
        length += string_of(v)->length;
        flags |= string_of(v)->hash_and_width;
    }
    if (length > STRING_UNITS_MAX) __builtin_trap();
    *wide = flags & KRL_STRING_WIDE;
    return (uint32_t)length;
}

/* Parts that are all narrow, as nearly all are. */
static inline void write_narrow(uint8_t *at, const Value *part, const Value *end) {
    for (; part < end; part++) {
        if (is_string(*part)) {
            const String *s = string_of(*part);
            copy_bytes(at, units_here(s), s->length);
            at += s->length;
        } else {
            at = write_digits(at, *part);
        }
    }
}

static __attribute__((noinline)) void write_wide(uint8_t *at, const Value *part, const Value *end) {
    for (; part < end; part++) {
        bool is_text = is_string(*part);
        const String *s = is_text ? string_of(*part) : to_string(from_number((uint32_t)*part));
        write_units(at, true, s);
        at += 2 * s->length;
    }
}

static inline bool is_all(Value part, uint32_t length) {
    return is_string(part) && string_of(part)->length == length;
}

/* The first piece, if it is long, goes over into the text: in a loop it is the text so far. */
Value rt_chevron(uint32_t count, Value *pieces) {
    bool wide;
    uint32_t length = measure(count, pieces, &wide);
    const Value *piece = pieces, *end = pieces + count;
    if (is_all(*piece, length)) return *piece;
    if (is_all(end[-1], length)) return end[-1];
    const String *first = is_string(*piece) ? string_of(*piece) : NULL, *text;
    uint8_t *at;
    if (first != NULL && first->length >= STRING_SHARED_MIN &&
        first->length >= length - first->length) {
        Buffer *buffer = buffer_behind(first, length, wide);
        buffer->used = length;
        at = buffer->units + (first->length << wide);
        text = string_elsewhere(buffer->units, buffer, length, wide);
        piece++;
    } else {
        String *fresh = string_roomy(length, wide);
        at = new_units(fresh);
        text = fresh;
    }
    if (wide) write_wide(at, piece, end);
    else write_narrow(at, piece, end);
    return from_string(text);
}

const String *string_concat(const String *a, const String *b) {
    Value parts[2] = {from_string(a), from_string(b)};
    return string_of(rt_chevron(2, parts));
}

const String *substring(const String *s, uint32_t start, uint32_t end) {
    if (end > s->length) end = s->length;
    if (start > end) start = end;
    uint32_t length = end - start;
    if (length == s->length) return s;
    bool wide = is_wide(s);
    const uint8_t *units = units_here(s) + (start << wide);
    if (wide) return string_of_wide((const uint16_t *)(const void *)units, length);
    return length < STRING_SHARED_MIN ? string_short(units, length, false)
                                      : string_elsewhere(units, NULL, length, false);
}
