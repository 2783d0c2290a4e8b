/* The math module, but for hashes and base64. Arguments are coerced as JavaScript coerces them,
 * so that a text or a one-item array may stand for a number. */
#include "library.h"

enum { PRECISION_MAX = 292, PRECISION_MIN = -100000 };

typedef double (*Rounding)(double);

static double round_half_up(double d) {
    double below = __builtin_floor(d);
    return d - below >= 0.5 ? below + 1 : below;
}

static double round_up(double d) {
    return __builtin_ceil(d);
}

static double round_down(double d) {
    return __builtin_floor(d);
}

/* The number whose decimal text is that of `d` with the exponent moved by `places`: moving the
 * point in the text is exact where multiplying by a power of ten is not (1.005 to 100.5). */
static double point_moved(double d, int32_t places) {
    enum { TEXT_BYTES_MAX = 64 };
    char text[TEXT_BYTES_MAX];
    const String *digits = number_to_string(d);
    uint32_t at = 0, length = 0;
    while (at < digits->length && unit_at(digits, at) != 'e') {
        text[length++] = (char)unit_at(digits, at++);
    }
    int32_t exponent = 0, sign = 1;
    for (at++; at < digits->length; at++) {
        uint32_t unit = unit_at(digits, at);
        sign = unit == '-' ? -1 : sign;
        exponent = unit - '0' < 10 ? exponent * 10 + (int32_t)(unit - '0') : exponent;
    }
    exponent = sign * exponent + places;
    text[length++] = 'e';
    text[length++] = exponent < 0 ? '-' : '+';
    uint32_t magnitude = (uint32_t)(exponent < 0 ? -exponent : exponent), divisor = 1000000;
    for (; divisor > 0; divisor /= 10) {
        text[length++] = (char)('0' + magnitude / divisor % 10);
    }
    text[length] = 0;
    return parse_decimal(text);
}

static Value rounded(double d, Value precision, Rounding rounding) {
    double places = integer_of(js_number(precision));
    if (precision == KRL_UNDEFINED || places == 0 || !is_finite(d)) {
        return from_number(rounding(d));
    }
    int32_t moved = places > PRECISION_MAX   ? PRECISION_MAX
                    : places < PRECISION_MIN ? PRECISION_MIN
                                             : (int32_t)places;
    double scaled = point_moved(d, moved);
    if (!is_finite(scaled)) {
        return KRL_NAN;
    }
    return from_number(point_moved(rounding(scaled), -moved));
}

LIBRARY(math_abs) {
    return from_number(__builtin_fabs(js_number(argument(0))));
}

LIBRARY(math_ceiling) {
    return rounded(js_number(argument(0)), argument(1), round_up);
}

LIBRARY(math_floor) {
    return rounded(js_number(argument(0)), argument(1), round_down);
}

LIBRARY(math_round) {
    return rounded(js_number(argument(0)), argument(1), round_half_up);
}

LIBRARY(math_int) {
    return from_number(__builtin_trunc(js_number(argument(0))));
}
