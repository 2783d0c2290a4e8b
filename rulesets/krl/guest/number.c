/* Numbers as text, both ways, exactly as ECMAScript has it. decimal.c does the hard part; other
 * radixes follow V8, whose digits the standard leaves open. */
#include <math.h>
#include <string.h>

#include "core.h"
#include "decimal.h"

static const char DIGITS[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static const String *integer_to_string(int32_t number) {
    char text[12];
    uint32_t at = sizeof(text);
    uint32_t rest = number < 0 ? -(uint32_t)number : (uint32_t)number;
    do {
        text[--at] = DIGITS[rest % 10];
        rest /= 10;
    } while (rest > 0);
    if (number < 0) text[--at] = '-';
    String *s = string_new((uint32_t)sizeof(text) - at, false);
    memcpy(new_units(s), text + at, s->length);
    return s;
}

static const String *special_to_string(double d) {
    return string_from_ascii(isnan(d) ? "NaN" : d < 0 ? "-Infinity" : "Infinity");
}

/* Digits with the point among them, zeros where there are none: Number::toString of ECMAScript. */
static char *put_positional(char *at, const Decimal *n) {
    int32_t first = n->point > 0 ? 0 : n->point - 1;
    for (int32_t i = first; i < n->point || i < n->count; i++) {
        if (i == n->point) *at++ = '.';
        *at++ = i >= 0 && i < n->count ? n->digits[i] : '0';
    }
    return at;
}

static char *put_exponential(char *at, const Decimal *n) {
    Decimal mantissa = *n;
    mantissa.point = 1;
    at = put_positional(at, &mantissa);
    int32_t exponent = n->point - 1;
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    uint32_t rest = (uint32_t)(exponent < 0 ? -exponent : exponent);
    if (rest >= 100) *at++ = (char)('0' + rest / 100);
    if (rest >= 10) *at++ = (char)('0' + rest / 10 % 10);
    *at++ = (char)('0' + rest % 10);
    return at;
}

const String *number_to_string(double d) {
    enum { TEXT_MAX = 32, POINT_MIN = -6, POINT_MAX = 21 };
    if (d >= INT32_MIN && d <= INT32_MAX && d == (double)(int32_t)d)
        return integer_to_string((int32_t)d);
    if (!isfinite(d)) return special_to_string(d);
    char text[TEXT_MAX], *at = text;
    if (d < 0) *at++ = '-';
    Decimal n = decimal_of(fabs(d));
    bool is_positional = n.point > POINT_MIN && n.point <= POINT_MAX;
    at = is_positional ? put_positional(at, &n) : put_exponential(at, &n);
    String *s = string_new((uint32_t)(at - text), false);
    memcpy(new_units(s), text, s->length);
    return s;
}

static double next_double(double d) {
    union { double d; uint64_t bits; } u = {.d = d};
    u.bits++;
    return u.d;
}

/* Base 2 needs 1,024 digits before the point and 1,074 behind it. */
enum { RADIX_TEXT_MAX = 2200, POINT_AT = RADIX_TEXT_MAX / 2 };

/* Adds one to the last written digit; false: the carry goes into the integer part. */
static bool carry(char *text, int *end, int radix) {
    while (*end > POINT_AT + 1) {
        int digit = (int)(strchr(DIGITS, text[--*end]) - DIGITS) + 1;
        if (digit < radix) {
            text[(*end)++] = DIGITS[digit];
            return true;
        }
    }
    return false;
}

/* Writes fraction digits while they still tell this double from its neighbours. */
static bool write_fraction(char *text, int *end, double fraction, double delta, int radix) {
    text[(*end)++] = '.';
    do {
        fraction *= radix;
        delta *= radix;
        int digit = (int)fraction;
        text[(*end)++] = DIGITS[digit];
        fraction -= digit;
        bool round_up = fraction > 0.5 || (fraction == 0.5 && (digit & 1));
        if (round_up && fraction + delta > 1) return carry(text, end, radix);
    } while (fraction >= delta);
    return true;
}

const String *number_to_radix(double d, int radix) {
    if (!isfinite(d)) return special_to_string(d);
    char text[RADIX_TEXT_MAX];
    double value = fabs(d), integer = floor(value), fraction = value - integer;
    double delta = 0.5 * (next_double(value) - value);
    if (delta < 5e-324) delta = 5e-324;
    int start = POINT_AT, end = POINT_AT;
    if (fraction >= delta && !write_fraction(text, &end, fraction, delta, radix)) {
        integer += 1;
        end = POINT_AT;
    }
    do {
        double rest = fmod(integer, radix);
        text[--start] = DIGITS[(int)rest];
        integer = (integer - rest) / radix;
    } while (integer > 0);
    if (d < 0) text[--start] = '-';
    String *s = string_new((uint32_t)(end - start), false);
    memcpy(new_units(s), text + start, s->length);
    return s;
}

bool is_white_space(uint16_t unit) {
    if (unit < 0x1680) return unit == ' ' || (unit >= 9 && unit <= 13) || unit == 0xA0;
    if (unit >= 0x2000 && unit <= 0x200A) return true;
    return unit == 0x1680 || unit == 0x2028 || unit == 0x2029 || unit == 0x202F ||
           unit == 0x205F || unit == 0x3000 || unit == 0xFEFF;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_digits(const char *text) {
    while (is_digit(*text)) text++;
    return text;
}

static const char *skip_sign(const char *text) { return text + (*text == '+' || *text == '-'); }

/* Of what may be very long: an exponent so far out decides on its own. */
static const char *read_exponent(const char *text, int32_t *exponent) {
    enum { FAR_OUT = 100000000 };
    bool is_negative = *text == '-';
    for (text = skip_sign(text); is_digit(*text); text++)
        if (*exponent < FAR_OUT) *exponent = *exponent * 10 + (*text - '0');
    if (is_negative) *exponent = -*exponent;
    return text;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit on one side of the point. The end of it, or
 * null where there is no such thing. */
static const char *read_decimal(const char *text, double *out) {
    bool is_negative = *text == '-';
    const char *whole = skip_sign(text), *point = skip_digits(whole);
    const char *end = *point == '.' ? skip_digits(point + 1) : point;
    int32_t fraction_digits = end > point ? (int32_t)(end - point) - 1 : 0, exponent = 0;
    if (point == whole && fraction_digits == 0) return NULL;
    const char *digits_end = end;
    if (*end == 'e' || *end == 'E') {
        if (!is_digit(*skip_sign(end + 1))) return NULL;
        end = read_exponent(end + 1, &exponent);
    }
    double d = nearest_double(whole, (uint32_t)(digits_end - whole), exponent - fraction_digits);
    *out = is_negative ? -d : d;
    return end;
}

double parse_decimal(const char *text) {
    double d = 0;
    read_decimal(text, &d);
    return d;
}

static int radix_of_prefix(const char *text) {
    if (text[0] != '0') return 10;
    switch (text[1] | 0x20) {
    case 'x': return 16;
    case 'o': return 8;
    case 'b': return 2;
    default: return 10;
    }
}

static bool parse_ascii(const char *text, double *out) {
    int radix = radix_of_prefix(text);
    const char *end = radix == 10 ? read_decimal(text, out)
                                  : read_whole(text + 2, (uint32_t)radix, out);
    return end != NULL && *end == 0 && isfinite(*out);
}

bool parse_number(const String *text, double *out) {
    uint32_t start = 0, end = text->length;
    while (start < end && is_white_space(unit_at(text, start))) start++;
    while (end > start && is_white_space(unit_at(text, end - 1))) end--;
    *out = 0;
    if (start == end) return true;
    uint8_t *mark = arena_mark();
    char *ascii = allocate(end - start + 1);
    bool parsed = true;
    for (uint32_t i = start; i < end && parsed; i++) {
        uint16_t unit = unit_at(text, i);
        parsed = unit > 0 && unit < 0x80;
        ascii[i - start] = (char)unit;
    }
    ascii[end - start] = 0;
    parsed = parsed && parse_ascii(ascii, out);
    arena_release(mark);
    return parsed;
}
