/* sort. By name it follows the reference's engine step by step (one run, then binary insertion)
 * for short arrays, for <=> is not transitive over mixed types and the result shows the steps.
 * By function it is the merge sort of the reference: the function says `a` may stay before `b`
 * with anything that JavaScript takes for <= 0, so that booleans work. */
#include "library.h"

typedef int32_t (*Comparator)(Value a, Value b);

enum { INSERTION_LENGTH_MAX = 63, CHUNK_LENGTH = 32 };

static int32_t by_text(Value a, Value b) {
    return rt_compare(a, b);
}

static int32_t by_text_descending(Value a, Value b) {
    return -rt_compare(a, b);
}

static int32_t by_number(Value a, Value b) {
    return rt_order(a, b);
}

static int32_t by_number_descending(Value a, Value b) {
    return -rt_order(a, b);
}

static const struct {
    const char *name;
    Comparator compare;
} orders[] = {
    {"default", by_text},
    {"reverse", by_text_descending},
    {"numeric", by_number},
    {"ciremun", by_number_descending},
};

static Comparator comparator_for(Value order) {
    if (is_array(order) && array_of(order)->length == 1) {
        order = array_of(order)->items[0];
    }
    for (uint32_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        if (text_is(order, orders[i].name)) {
            return orders[i].compare;
        }
    }
    return by_text;
}

/* The length of the ascending run at the start; a strictly descending one is turned round. */
static uint32_t first_run(Value *items, uint32_t count, Comparator compare) {
    if (count < 2) {
        return count;
    }
    bool descending = compare(items[1], items[0]) < 0;
    uint32_t length = 2;
    while (length < count && (compare(items[length], items[length - 1]) < 0) == descending) {
        length++;
    }
    for (uint32_t i = 0; descending && i < length / 2; i++) {
        Value swapped = items[i];
        items[i] = items[length - 1 - i];
        items[length - 1 - i] = swapped;
    }
    return length;
}

static void sort_short(Value *items, uint32_t count, Comparator compare) {
    for (uint32_t next = first_run(items, count, compare); next < count; next++) {
        Value pivot = items[next];
        uint32_t left = 0, right = next;
        while (left < right) {
            uint32_t middle = left + (right - left) / 2;
            if (compare(pivot, items[middle]) < 0) {
                right = middle;
            } else {
                left = middle + 1;
            }
        }
        for (uint32_t i = next; i > left; i--) {
            items[i] = items[i - 1];
        }
        items[left] = pivot;
    }
}

static void merge(const Value *from, Value *to, uint32_t left, uint32_t middle, uint32_t end,
                  Comparator compare) {
    uint32_t right = middle, left_end = middle;
    for (uint32_t write = left; write < end; write++) {
        bool take_left =
            left < left_end && (right >= end || compare(from[right], from[left]) >= 0);
        to[write] = from[take_left ? left++ : right++];
    }
}

static Value *sort_long(Value *items, uint32_t count, Comparator compare) {
    for (uint32_t start = 0; start < count; start += CHUNK_LENGTH) {
        uint32_t rest = count - start;
        sort_short(items + start, rest < CHUNK_LENGTH ? rest : CHUNK_LENGTH, compare);
    }
    Value *other = allocate(count * sizeof(Value));
    for (uint32_t width = CHUNK_LENGTH; width < count; width *= 2) {
        for (uint32_t left = 0; left < count; left += 2 * width) {
            uint32_t middle = left + width < count ? left + width : count;
            uint32_t end = left + 2 * width < count ? left + 2 * width : count;
            merge(items, other, left, middle, end, compare);
        }
        Value *swapped = items;
        items = other;
        other = swapped;
    }
    return items;
}

/* What is undefined goes to the end without being compared. */
static Value sort_by_name(const Array *a, Value order) {
    Array *sorted = array_new(a->length);
    uint32_t count = 0;
    for (uint32_t i = 0; i < a->length; i++) {
        if (!is_undefined(a->items[i])) {
            sorted->items[count++] = a->items[i];
        }
    }
    Comparator compare = comparator_for(order);
    if (count <= INSERTION_LENGTH_MAX) {
        sort_short(sorted->items, count, compare);
        return from_array(sorted);
    }
    Value *items = sort_long(sorted->items, count, compare);
    for (uint32_t i = 0; i < count && items != sorted->items; i++) {
        sorted->items[i] = items[i];
    }
    return from_array(sorted);
}

typedef struct {
    Value function;
    const Value *from;
    Value *to;
} FunctionMerge;

static bool stays_first(const FunctionMerge *m, uint32_t left, uint32_t right) {
    Value arguments[2] = {m->from[left], m->from[right]};
    return js_less_or_equal_zero(call_function(m->function, 2, arguments));
}

/* Merges from[left..middle) and from[middle..end). */
static void merge_by_function(const FunctionMerge *m, uint32_t left, uint32_t middle,
                              uint32_t end) {
    uint32_t right = middle, write = left;
    while (left < middle && right < end) {
        bool take_left = stays_first(m, left, right);
        m->to[write++] = m->from[take_left ? left++ : right++];
    }
    while (left < middle) {
        m->to[write++] = m->from[left++];
    }
    while (right < end) {
        m->to[write++] = m->from[right++];
    }
}

/* Bottom-up, with strides that halve the length exactly, so that runs differ by one at most. */
static Value sort_by_function(const Array *a, Value function) {
    double count = a->length, width = count;
    Array *current = array_new(a->length), *other = array_new(a->length);
    for (uint32_t i = 0; i < a->length; i++) {
        current->items[i] = a->items[i];
    }
    while (width > 1) {
        width /= 2;
    }
    for (; width < count; width *= 2) {
        FunctionMerge m = {function, current->items, other->items};
        uint32_t left = 0;
        for (double middle = width; left < a->length; middle += 2 * width) {
            uint32_t end = (uint32_t)__builtin_ceil(middle + width);
            merge_by_function(&m, left, (uint32_t)__builtin_ceil(middle), end);
            left = end;
        }
        Array *swapped = current;
        current = other;
        other = swapped;
    }
    return from_array(current);
}

LIBRARY(sort) {
    if (!is_array(argument(0))) {
        return argument(0);
    }
    if (can_be_called(argument(1))) {
        return sort_by_function(array_of(argument(0)), argument(1));
    }
    return sort_by_name(array_of(argument(0)), argument(1));
}
