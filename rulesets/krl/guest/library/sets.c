/* Arrays as sets: items are the same when KRL's == says so; the first occurrence stays. */
#include "library.h"

static bool holds(const Value *items, uint32_t count, Value v) {
    for (uint32_t i = 0; i < count; i++) {
        if (values_equal(items[i], v)) {
            return true;
        }
    }
    return false;
}

static void push_new(ArrayBuilder *out, Value v) {
    if (!holds(out->items, out->length, v)) {
        array_push(out, v);
    }
}

static void push_all_new(ArrayBuilder *out, const Array *a) {
    for (uint32_t i = 0; i < a->length; i++) {
        push_new(out, a->items[i]);
    }
}

LIBRARY(unique) {
    if (!is_array(argument(0))) {
        return argument(0);
    }
    ArrayBuilder out;
    array_start(&out, 8);
    push_all_new(&out, array_of(argument(0)));
    return from_array(array_finish(&out));
}

LIBRARY(union) {
    if (argument_count < 2) {
        return argument(0);
    }
    ArrayBuilder out;
    array_start(&out, 8);
    push_all_new(&out, array_of(wrap(argument(0))));
    push_all_new(&out, array_of(wrap(argument(1))));
    return from_array(array_finish(&out));
}

LIBRARY(intersection) {
    ArrayBuilder out;
    array_start(&out, 8);
    if (argument_count < 2) {
        return from_array(array_finish(&out));
    }
    const Array *a = array_of(wrap(argument(0))), *b = array_of(wrap(argument(1)));
    for (uint32_t i = 0; i < a->length; i++) {
        if (holds(b->items, b->length, a->items[i])) {
            push_new(&out, a->items[i]);
        }
    }
    return from_array(array_finish(&out));
}

static Array *items_not_in(Value from, Value other) {
    const Array *a = array_of(wrap(from)), *b = array_of(wrap(other));
    ArrayBuilder out;
    array_start(&out, 8);
    for (uint32_t i = 0; i < a->length; i++) {
        if (!holds(b->items, b->length, a->items[i])) {
            array_push(&out, a->items[i]);
        }
    }
    return array_finish(&out);
}

LIBRARY(difference) {
    return argument_count < 2 ? argument(0)
                              : from_array(items_not_in(argument(0), argument(1)));
}

LIBRARY(has) {
    return from_boolean(items_not_in(argument(1), argument(0))->length == 0);
}
