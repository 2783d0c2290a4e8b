/* Operators on arrays that need no function. */
#include "library.h"

static const Array *array_argument(Value v) {
    if (!is_array(v)) {
        throw_text("only works on Arrays");
    }
    return array_of(v);
}

static Value part(const Array *a, uint32_t start, uint32_t end) {
    Array *copy = array_new(end > start ? end - start : 0);
    for (uint32_t i = 0; i < copy->length; i++) {
        copy->items[i] = a->items[start + i];
    }
    return from_array(copy);
}

/* Appends v, or its items when it is an array. */
static void push_flat(ArrayBuilder *out, Value v) {
    if (!is_array(v)) {
        array_push(out, v);
        return;
    }
    for (uint32_t i = 0; i < array_of(v)->length; i++) {
        array_push(out, array_of(v)->items[i]);
    }
}

LIBRARY(append) {
    enum { OPERANDS_MAX = 6 };
    ArrayBuilder out;
    array_start(&out, 8);
    for (uint32_t i = 0; i < argument_count && i < OPERANDS_MAX; i++) {
        push_flat(&out, arguments[i]);
    }
    return from_array(array_finish(&out));
}

LIBRARY(head) {
    if (!is_array(argument(0))) {
        return argument(0);
    }
    const Array *a = array_of(argument(0));
    return a->length > 0 ? a->items[0] : KRL_UNDEFINED;
}

LIBRARY(tail) {
    if (!is_array(argument(0))) {
        return from_array(array_new(0));
    }
    return part(array_of(argument(0)), 1, array_of(argument(0))->length);
}

LIBRARY(index) {
    const Array *a = array_argument(argument(0));
    for (uint32_t i = 0; i < a->length; i++) {
        if (values_equal(argument(1), a->items[i])) {
            return from_number(i);
        }
    }
    return from_number(-1);
}

LIBRARY(join) {
    if (!is_array(argument(0))) {
        return from_string(to_string(argument(0)));
    }
    const Array *a = array_of(argument(0));
    const String *separator =
        is_null(argument(1)) ? string_from_ascii(",") : to_string(argument(1));
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < a->length; i++) {
        if (i > 0) {
            builder_string(&out, separator);
        }
        builder_string(&out, to_string(a->items[i]));
    }
    return from_string(builder_finish(&out));
}

LIBRARY(reverse) {
    const Array *a = array_argument(argument(0));
    Array *reversed = array_new(a->length);
    for (uint32_t i = 0; i < a->length; i++) {
        reversed->items[i] = a->items[a->length - 1 - i];
    }
    return from_array(reversed);
}

static double index_argument(Value v, const char *error) {
    Value number = to_number_or_null(v);
    if (number == KRL_NULL) {
        throw_about(error, v, KRL_NULL);
    }
    return number_of(number);
}

/* A position as lodash's slice takes it: truncated, negative from the end, clamped. */
static uint32_t position(double index, uint32_t length) {
    index = integer_of(index);
    index = index < 0 ? index + length : index;
    return index < 0 ? 0 : index > length ? length : (uint32_t)index;
}

LIBRARY(slice) {
    const Array *a = array_argument(argument(0));
    if (a->length == 0 || argument_count < 2) {
        return argument(0);
    }
    double first =
        index_argument(argument(1), "The .slice() operator cannot use @ as an index");
    if (argument_count == 2) {
        uint32_t end = first > a->length ? 0 : position(first + 1, a->length);
        return part(a, 0, end);
    }
    double second =
        index_argument(argument(2), "The .slice() operator cannot use @ as the other index");
    double start = first < second ? first : second, end = first < second ? second : first;
    if (start < 0 || end >= a->length) {
        return from_array(array_new(0));
    }
    return part(a, position(start, a->length), position(end + 1, a->length));
}

LIBRARY(splice) {
    const Array *a = array_argument(argument(0));
    if (a->length == 0) {
        return argument(0);
    }
    double start =
        index_argument(argument(1), "The .splice() operator cannot use @ as an index");
    double count =
        index_argument(argument(2), "The .splice() operator cannot use @ as a number of elements");
    start = start < 0 ? 0 : start > a->length - 1 ? a->length - 1 : start;
    if (count < 0 || start + count > a->length) {
        count = a->length - start;
    }
    ArrayBuilder out;
    array_start(&out, a->length);
    push_flat(&out, part(a, 0, position(start, a->length)));
    if (argument_count > 3) {
        push_flat(&out, argument(3));
    }
    push_flat(&out, part(a, position(start + count, a->length), a->length));
    return from_array(array_finish(&out));
}
