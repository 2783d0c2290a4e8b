/* Operators on strings that need no regular expression. Case mapping is JavaScript's: the full
 * Unicode mapping, with the one context rule there is, that of the final sigma. */
#include "library.h"
#include "core.h"
#include "libunicode.h"

enum { TO_UPPER = 0, TO_LOWER = 1, CAPITAL_SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2 };

static bool is_high(uint32_t unit) {
    return unit >= 0xD800 && unit < 0xDC00;
}

static bool is_low(uint32_t unit) {
    return unit >= 0xDC00 && unit < 0xE000;
}

static uint32_t code_point_at(const String *s, uint32_t at, uint32_t *width) {
    uint32_t unit = unit_at(s, at);
    *width = 1;
    if (is_high(unit) && at + 1 < s->length && is_low(unit_at(s, at + 1))) {
        *width = 2;
        return 0x10000 + ((unit - 0xD800) << 10) + (unit_at(s, at + 1) - 0xDC00u);
    }
    return unit;
}

static uint32_t code_point_before(const String *s, uint32_t end, uint32_t *width) {
    if (end >= 2 && is_low(unit_at(s, end - 1)) && is_high(unit_at(s, end - 2))) {
        return code_point_at(s, end - 2, width);
    }
    *width = 1;
    return unit_at(s, end - 1);
}

static void append_code_point(StringBuilder *out, uint32_t code) {
    if (code < 0x10000) {
        builder_unit(out, (uint16_t)code);
        return;
    }
    builder_unit(out, (uint16_t)(0xD800 + ((code - 0x10000) >> 10)));
    builder_unit(out, (uint16_t)(0xDC00 + ((code - 0x10000) & 0x3FF)));
}

/* Unicode's Final_Sigma: a cased letter before and none after, ignorable characters apart. */
static bool sigma_is_final(const String *s, uint32_t at) {
    uint32_t width, before = at, after = at + 1;
    bool cased = false;
    while (before > 0) {
        uint32_t code = code_point_before(s, before, &width);
        before -= width;
        if (!lre_is_case_ignorable(code)) {
            cased = lre_is_cased(code);
            break;
        }
    }
    if (!cased) {
        return false;
    }
    while (after < s->length) {
        uint32_t code = code_point_at(s, after, &width);
        after += width;
        if (!lre_is_case_ignorable(code)) {
            return !lre_is_cased(code);
        }
    }
    return true;
}

/* Of ASCII, which is by far most text: each letter as it is or with another bit. */
static const String *ascii_mapped(const String *s, int direction) {
    String *mapped = string_new(s->length, false);
    const uint8_t *from = units_of(s);
    uint32_t first = direction == TO_UPPER ? 'a' : 'A';
    for (uint32_t i = 0; i < s->length; i++) {
        uint32_t is_letter = from[i] - first < 26;
        new_units(mapped)[i] = (uint8_t)(from[i] ^ is_letter << 5);
    }
    return mapped;
}

static const String *case_mapped(const String *s, int direction) {
    if (!is_wide(s) && utf8_length(s) == s->length) return ascii_mapped(s, direction);
    StringBuilder out;
    builder_start(&out);
    uint32_t width;
    for (uint32_t at = 0; at < s->length; at += width) {
        uint32_t code = code_point_at(s, at, &width);
        if (code == CAPITAL_SIGMA && direction == TO_LOWER && sigma_is_final(s, at)) {
            builder_unit(&out, FINAL_SIGMA);
            continue;
        }
        uint32_t mapped[LRE_CC_RES_LEN_MAX];
        int count = lre_case_conv(mapped, code, direction);
        for (int i = 0; i < count; i++) {
            append_code_point(&out, mapped[i]);
        }
    }
    return builder_finish(&out);
}

LIBRARY(uc) {
    return from_string(case_mapped(to_string(argument(0)), TO_UPPER));
}

LIBRARY(lc) {
    return from_string(case_mapped(to_string(argument(0)), TO_LOWER));
}

LIBRARY(capitalize) {
    const String *s = to_string(argument(0));
    if (s->length == 0) {
        return from_string(s);
    }
    const String *first = case_mapped(substring(s, 0, 1), TO_UPPER);
    return from_string(string_concat(first, substring(s, 1, s->length)));
}

LIBRARY(ord) {
    const String *s = to_string(argument(0));
    return s->length == 0 ? KRL_NULL : from_number(unit_at(s, 0));
}

static Value trimmed(Value v, bool leading, bool trailing) {
    const String *s = to_string(v);
    uint32_t start = 0, end = s->length;
    while (leading && start < end && lre_is_space(unit_at(s, start))) {
        start++;
    }
    while (trailing && end > start && lre_is_space(unit_at(s, end - 1))) {
        end--;
    }
    return from_string(substring(s, start, end));
}

LIBRARY(trim) {
    return trimmed(argument(0), true, true);
}

LIBRARY(trimLeading) {
    return trimmed(argument(0), true, false);
}

LIBRARY(trimTrailing) {
    return trimmed(argument(0), false, true);
}

static bool stands_at(const String *s, const String *target, uint32_t at) {
    return string_equal(substring(s, at, at + target->length), target);
}

LIBRARY(startsWith) {
    const String *s = to_string(argument(0)), *target = to_string(argument(1));
    return from_boolean(target->length <= s->length && stands_at(s, target, 0));
}

LIBRARY(endsWith) {
    const String *s = to_string(argument(0)), *target = to_string(argument(1));
    return from_boolean(target->length <= s->length
                        && stands_at(s, target, s->length - target->length));
}

LIBRARY(contains) {
    return from_boolean(string_find(to_string(argument(0)), to_string(argument(1)), 0) >= 0);
}

static double clamped(double position, double length) {
    position = integer_of(position);
    return position < 0 ? 0 : position > length ? length : position;
}

/* JavaScript's substring: clamps both ends and swaps them when they are the wrong way round. */
LIBRARY(substr) {
    const String *s = to_string(argument(0));
    Value start = to_number_or_null(argument(1)), count = to_number_or_null(argument(2));
    if (start == KRL_NULL) {
        return from_string(s);
    }
    double length = s->length, first = number_of(start), last = length;
    if (first > length) {
        return from_string(string_from_ascii(""));
    }
    if (count != KRL_NULL) {
        last = number_of(count) > 0 ? first + number_of(count) : length + number_of(count);
    }
    first = clamped(first, length);
    last = clamped(last, length);
    return from_string(first <= last ? substring(s, (uint32_t)first, (uint32_t)last)
                                     : substring(s, (uint32_t)last, (uint32_t)first));
}

LIBRARY(decode) {
    Value decoded;
    if (is_string(argument(0)) && json_decode(string_of(argument(0)), &decoded)) {
        return decoded;
    }
    return argument(0);
}

/* The integer at the start of the text, as JavaScript's parseInt(text, 10); 0 if there is none. */
static double leading_integer(const String *s) {
    uint32_t at = 0;
    while (at < s->length && lre_is_space(unit_at(s, at))) {
        at++;
    }
    bool negative = at < s->length && unit_at(s, at) == '-';
    if (negative || (at < s->length && unit_at(s, at) == '+')) {
        at++;
    }
    double number = 0;
    for (; at < s->length && unit_at(s, at) - (uint32_t)'0' < 10; at++) {
        number = number * 10 + (unit_at(s, at) - '0');
    }
    return negative ? -number : number;
}

LIBRARY(encode) {
    enum { INDENT_MAX = 10 };
    double indent = leading_integer(js_string(argument(1)));
    uint32_t columns = indent < 0 ? 0 : indent > INDENT_MAX ? INDENT_MAX : (uint32_t)indent;
    const String *text = json_encode(argument(0), columns);
    return text == NULL ? KRL_UNDEFINED : from_string(text);
}
