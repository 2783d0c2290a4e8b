/* UTF-8 at the boundary, UTF-16 inside. Reading is strict: what is not well-formed UTF-8 came from
 * a host that lies, and traps. Writing turns a lone surrogate into U+FFFD, as JavaScript does. */
#include <string.h>

#include "core.h"

enum { REPLACEMENT = 0xFFFD, FIRST_OUTSIDE_BMP = 0x10000 };

static uint32_t continuation(const uint8_t *bytes, uint32_t byte_count, uint32_t *at) {
    if (*at >= byte_count) __builtin_trap();
    uint8_t byte = bytes[(*at)++];
    if ((byte & 0xC0) != 0x80) __builtin_trap();
    return byte & 0x3F;
}

static uint32_t next_code_point(const uint8_t *bytes, uint32_t byte_count, uint32_t *at) {
    uint8_t lead = bytes[(*at)++];
    if (lead < 0x80) return lead;
    uint32_t following = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4) __builtin_trap();
    uint32_t code = lead & (0x3F >> following);
    for (uint32_t i = 0; i < following; i++) code = code << 6 | continuation(bytes, byte_count, at);
    static const uint32_t smallest[] = {0, 0x80, 0x800, FIRST_OUTSIDE_BMP};
    bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (code < smallest[following] || code > 0x10FFFF || surrogate) __builtin_trap();
    return code;
}

/* First pass: how many units, and is any of them wide. */
static uint32_t measure(const uint8_t *bytes, uint32_t byte_count, bool *wide) {
    uint32_t length = 0;
    for (uint32_t at = 0; at < byte_count; length++) {
        uint32_t code = next_code_point(bytes, byte_count, &at);
        if (code > 255) *wide = true;
        if (code >= FIRST_OUTSIDE_BMP) length++;
    }
    return length;
}

/* How many bytes are beyond ASCII. By eights, the last of which may have less: memory goes on
 * behind every string and every message (arena.c). */
static uint32_t count_beyond_ascii(const uint8_t *bytes, uint32_t byte_count) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < byte_count; at += 8) {
        uint64_t eight;
        memcpy(&eight, bytes + at, 8);
        if (byte_count - at < 8) eight <<= 8 * (8 - (byte_count - at));
        count += (uint32_t)__builtin_popcountll(eight & 0x8080808080808080);
    }
    return count;
}

const String *string_from_utf8(const uint8_t *bytes, uint32_t byte_count) {
    if (count_beyond_ascii(bytes, byte_count) == 0) {
        String *ascii = string_new(byte_count, false);
        memcpy(new_units(ascii), bytes, byte_count);
        return ascii;
    }
    bool wide = false;
    uint32_t length = measure(bytes, byte_count, &wide);
    String *s = string_new(length, wide);
    uint32_t i = 0;
    for (uint32_t at = 0; at < byte_count;) {
        uint32_t code = next_code_point(bytes, byte_count, &at);
        if (!wide) {
            new_units(s)[i++] = (uint8_t)code;
        } else if (code < FIRST_OUTSIDE_BMP) {
            new_wide_units(s)[i++] = (uint16_t)code;
        } else {
            new_wide_units(s)[i++] = (uint16_t)(0xD7C0 + (code >> 10));
            new_wide_units(s)[i++] = (uint16_t)(0xDC00 | (code & 0x3FF));
        }
    }
    return s;
}

/* Reads one code point of a wide string; a surrogate without its partner is U+FFFD. */
static uint32_t wide_code_point(const String *s, uint32_t *at) {
    uint16_t unit = wide_units_of(s)[(*at)++];
    if ((unit & 0xF800) != 0xD800) return unit;
    if (unit >= 0xDC00 || *at >= s->length) return REPLACEMENT;
    uint16_t next = wide_units_of(s)[*at];
    if ((next & 0xFC00) != 0xDC00) return REPLACEMENT;
    (*at)++;
    return FIRST_OUTSIDE_BMP + ((uint32_t)(unit & 0x3FF) << 10 | (next & 0x3FF));
}

static uint32_t bytes_needed(uint32_t code) {
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < FIRST_OUTSIDE_BMP ? 3 : 4;
}

uint32_t utf8_length(const String *s) {
    if (!is_wide(s)) return s->length + count_beyond_ascii(units_of(s), s->length);
    uint32_t byte_count = 0;
    for (uint32_t at = 0; at < s->length;) byte_count += bytes_needed(wide_code_point(s, &at));
    return byte_count;
}

static uint8_t *write_code_point(uint8_t *out, uint32_t code) {
    uint32_t count = bytes_needed(code);
    if (count == 1) {
        *out = (uint8_t)code;
        return out + 1;
    }
    for (uint32_t i = count - 1; i > 0; i--, code >>= 6) out[i] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)(0xF00 >> count | code);
    return out + count;
}

void utf8_write(const String *s, uint8_t *out) {
    if (!is_wide(s)) {
        const uint8_t *units = units_of(s);
        for (uint32_t i = 0; i < s->length; i++) out = write_code_point(out, units[i]);
        return;
    }
    for (uint32_t at = 0; at < s->length;) out = write_code_point(out, wide_code_point(s, &at));
}
