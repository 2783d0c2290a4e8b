/* Operators on numbers: bits, chr, range. */
#include "library.h"

static int32_t bits_of(Value v, const char *format, Value left, Value right) {
    Value number = to_number_or_null(v);
    if (number == KRL_NULL) {
        throw_about(format, left, right);
    }
    return to_int32(number_of(number));
}

#define BIT_OPERATOR(name, format, expression) \
    LIBRARY(name) { \
        int32_t left = bits_of(argument(0), format, argument(0), argument(1)); \
        int32_t right = bits_of(argument(1), format, argument(0), argument(1)); \
        return from_number((double)(int32_t)(expression)); \
    }

BIT_OPERATOR(shiftLeft, "@ cannot be shifted by @", (uint32_t)left << (right & 31))
BIT_OPERATOR(shiftRight, "@ cannot be shifted by @", left >> (right & 31))
BIT_OPERATOR(band, "@ cannot be bitwise anded @", left & right)
BIT_OPERATOR(bor, "@ cannot be bitwise ored @", left | right)
BIT_OPERATOR(bxor, "@ cannot be bitwise xored @", left ^ right)

LIBRARY(bnot) {
    return from_number(~bits_of(argument(0), "@ cannot be inverted", argument(0), KRL_NULL));
}

LIBRARY(chr) {
    Value code = to_number_or_null(argument(0));
    if (code == KRL_NULL) {
        return KRL_NULL;
    }
    uint16_t unit = (uint16_t)to_int32(number_of(code));
    return from_string(string_from_units(&unit, 1));
}

/* From start towards end in steps of one, the last item being the first that is not before end. */
LIBRARY(range) {
    Value start = to_number_or_null(argument(0)), end = to_number_or_null(argument(1));
    if (argument_count < 2 || start == KRL_NULL || end == KRL_NULL) {
        return from_array(array_new(0));
    }
    double first = number_of(start), last = number_of(end);
    double step = first < last ? 1 : -1;
    double count = __builtin_ceil((last + step - first) / step);
    if (count > UINT32_MAX) {
        __builtin_trap();
    }
    Array *items = array_unset(count > 0 ? (uint32_t)count : 0);
    double item = first;
    for (uint32_t i = 0; i < items->length; i++, item += step) {
        items->items[i] = from_number(item);
    }
    return from_array(items);
}
