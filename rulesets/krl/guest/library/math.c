/* The math module, but for hashes and base64. Arguments are coerced as JavaScript coerces them,
 * so that a text or a one-item array may stand for a number. */
#include "decimal.h"
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
    if (d == 0) {
        return 0;
    }
    Decimal n = decimal_of(__builtin_fabs(d));
    double moved = nearest_double(n.digits, (uint32_t)n.count, n.point - n.count + places);
    return __builtin_copysign(moved, d);
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
