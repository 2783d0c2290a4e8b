/* Texts as bytes and bytes as texts, in the encodings that math:base64encode and base64decode
 * know: utf8, hex, base64, base64url, latin1 (binary), ascii, utf16le (ucs2). */
#include "library.h"

typedef const String *(*Decoder)(const uint8_t *bytes, uint32_t byte_count);
typedef Bytes (*Encoder)(const String *s);

enum { REPLACEMENT_CHARACTER = 0xFFFD };

static const char standard_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- texts from bytes ---- */

static const String *digits_of(const uint8_t *bytes, uint32_t byte_count, const char *digits,
                               bool padded) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < byte_count; i += 3) {
        uint32_t have = byte_count - i < 3 ? byte_count - i : 3, group = 0;
        for (uint32_t j = 0; j < 3; j++) {
            group = group << 8 | (j < have ? bytes[i + j] : 0);
        }
        for (uint32_t j = 0; j < 4; j++) {
            if (j <= have) {
                builder_unit(&out, (uint8_t)digits[group >> (18 - 6 * j) & 63]);
            } else if (padded) {
                builder_unit(&out, '=');
            }
        }
    }
    return builder_finish(&out);
}

const String *base64_text(const uint8_t *bytes, uint32_t byte_count) {
    return digits_of(bytes, byte_count, standard_digits, true);
}

static const String *base64url_text(const uint8_t *bytes, uint32_t byte_count) {
    return digits_of(bytes, byte_count, url_digits, false);
}

const String *hex_text(const uint8_t *bytes, uint32_t byte_count) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < byte_count; i++) {
        builder_unit(&out, (uint8_t)"0123456789abcdef"[bytes[i] >> 4]);
        builder_unit(&out, (uint8_t)"0123456789abcdef"[bytes[i] & 15]);
    }
    return builder_finish(&out);
}

static const String *latin1_text(const uint8_t *bytes, uint32_t byte_count) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < byte_count; i++) {
        builder_unit(&out, bytes[i]);
    }
    return builder_finish(&out);
}

static const String *ascii_text(const uint8_t *bytes, uint32_t byte_count) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < byte_count; i++) {
        builder_unit(&out, bytes[i] & 0x7F);
    }
    return builder_finish(&out);
}

static const String *utf16_text(const uint8_t *bytes, uint32_t byte_count) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i + 1 < byte_count; i += 2) {
        builder_unit(&out, (uint16_t)(bytes[i] | bytes[i + 1] << 8));
    }
    return builder_finish(&out);
}

/* How many bytes follow the leading byte, and the range of the first of them, which keeps out
 * overlong forms, surrogates and what is past U+10FFFF. */
static uint32_t followers(uint8_t lead, uint8_t *low, uint8_t *high) {
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 1;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        return 2;
    }
    return lead >= 0xF0 && lead <= 0xF4 ? 3 : 0;
}

/* Every longest start of a character that breaks off becomes one U+FFFD. */
static const String *utf8_text(const uint8_t *bytes, uint32_t byte_count) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t at = 0; at < byte_count;) {
        uint8_t lead = bytes[at++], low, high;
        if (lead < 0x80) {
            builder_unit(&out, lead);
            continue;
        }
        uint32_t missing = followers(lead, &low, &high), code = lead & (0x3Fu >> missing);
        bool valid = missing > 0;
        while (missing > 0 && at < byte_count && bytes[at] >= low && bytes[at] <= high) {
            code = code << 6 | (bytes[at++] & 0x3F);
            low = 0x80;
            high = 0xBF;
            missing--;
        }
        if (!valid || missing > 0) {
            builder_unit(&out, REPLACEMENT_CHARACTER);
        } else if (code < 0x10000) {
            builder_unit(&out, (uint16_t)code);
        } else {
            builder_unit(&out, (uint16_t)(0xD800 + ((code - 0x10000) >> 10)));
            builder_unit(&out, (uint16_t)(0xDC00 + (code & 0x3FF)));
        }
    }
    return builder_finish(&out);
}

/* ---- bytes from texts ---- */

Bytes utf8_bytes(const String *s) {
    Bytes out = {allocate(utf8_length(s)), utf8_length(s)};
    utf8_write(s, out.bytes);
    return out;
}

static Bytes latin1_bytes(const String *s) {
    Bytes out = {allocate(s->length), s->length};
    for (uint32_t i = 0; i < s->length; i++) {
        out.bytes[i] = (uint8_t)unit_at(s, i);
    }
    return out;
}

static Bytes utf16_bytes(const String *s) {
    Bytes out = {allocate(2 * s->length), 2 * s->length};
    for (uint32_t i = 0; i < s->length; i++) {
        out.bytes[2 * i] = (uint8_t)unit_at(s, i);
        out.bytes[2 * i + 1] = (uint8_t)(unit_at(s, i) >> 8);
    }
    return out;
}

static int32_t hex_digit(uint32_t unit) {
    uint32_t letter = (unit | 0x20) - 'a';
    return unit - '0' < 10 ? (int32_t)(unit - '0') : letter < 6 ? (int32_t)letter + 10 : -1;
}

/* Ends before the first pair that is not hexadecimal. */
static Bytes hex_bytes(const String *s) {
    Bytes out = {allocate(s->length / 2), 0};
    for (uint32_t i = 0; i + 1 < s->length; i += 2) {
        int32_t high = hex_digit(unit_at(s, i)), low = hex_digit(unit_at(s, i + 1));
        if (high < 0 || low < 0) {
            break;
        }
        out.bytes[out.byte_count++] = (uint8_t)(high << 4 | low);
    }
    return out;
}

static int32_t base64_digit(uint32_t unit) {
    for (int32_t i = 0; i < 64; i++) {
        if (unit == (uint8_t)standard_digits[i] || unit == (uint8_t)url_digits[i]) {
            return i;
        }
    }
    return -1;
}

/* Both alphabets; ends at a `=`; what is no digit is passed over. */
static Bytes base64_bytes(const String *s) {
    Bytes out = {allocate(s->length), 0};
    uint32_t group = 0, digit_count = 0;
    for (uint32_t i = 0; i < s->length && unit_at(s, i) != '='; i++) {
        int32_t digit = base64_digit(unit_at(s, i));
        if (digit < 0) {
            continue;
        }
        group = group << 6 | (uint32_t)digit;
        digit_count++;
        if (digit_count % 4 != 1) {
            out.bytes[out.byte_count++] = (uint8_t)(group >> (6 - 2 * ((digit_count - 1) % 4)));
        }
    }
    return out;
}

static const struct {
    const char *name;
    Encoder bytes_of;
    Decoder text_of;
} encodings[] = {
    {"utf8", utf8_bytes, utf8_text},          {"utf-8", utf8_bytes, utf8_text},
    {"hex", hex_bytes, hex_text},             {"base64", base64_bytes, base64_text},
    {"base64url", base64_bytes, base64url_text}, {"latin1", latin1_bytes, latin1_text},
    {"binary", latin1_bytes, latin1_text},    {"ascii", latin1_bytes, ascii_text},
    {"ucs2", utf16_bytes, utf16_text},        {"ucs-2", utf16_bytes, utf16_text},
    {"utf16le", utf16_bytes, utf16_text},     {"utf-16le", utf16_bytes, utf16_text},
};

static const String *ascii_lower(const String *s) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < s->length; i++) {
        uint32_t unit = unit_at(s, i);
        builder_unit(&out, (uint16_t)(unit - 'A' < 26 ? unit | 0x20 : unit));
    }
    return builder_finish(&out);
}

static uint32_t encoding_named(Value v) {
    if (is_string(v)) {
        const String *name = ascii_lower(string_of(v));
        for (uint32_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
            if (string_equals_ascii(name, encodings[i].name)) {
                return i;
            }
        }
    }
    throw_about("Unknown encoding: @", v, KRL_NULL);
}

/* Whatever is no text stands for utf8. */
LIBRARY(math_base64encode) {
    Value encoding = argument(1);
    bool given = is_string(encoding) && string_of(encoding)->length > 0;
    Encoder bytes_of = given ? encodings[encoding_named(encoding)].bytes_of : utf8_bytes;
    Bytes bytes = bytes_of(to_string(argument(0)));
    return from_string(base64_text(bytes.bytes, bytes.byte_count));
}

LIBRARY(math_base64decode) {
    Bytes bytes = base64_bytes(to_string(argument(0)));
    bool given = !is_undefined(argument(1)) && bytes.byte_count > 0;
    Decoder text_of = given ? encodings[encoding_named(argument(1))].text_of : utf8_text;
    return from_string(text_of(bytes.bytes, bytes.byte_count));
}
