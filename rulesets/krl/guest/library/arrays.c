/* map, filter and reduce of arrays, where rulesets spend their time: iterate.c has the rest. */
#include "groups.h"

static Function *iterator(Value callee) {
    if (!is_function(callee)) {
        throw_text("iter is not a function");
    }
    return address_of(callee);
}

/* `arguments` has room for three, of which the last is the array itself. */
static inline Value call_for_item(Function *f, const Array *a, uint32_t i, Value *arguments) {
    arguments[0] = a->items[i];
    arguments[1] = from_number(i);
    return f->entry(f, 3, arguments);
}

static inline bool holds(Value v) {
    return v == KRL_TRUE || (v != KRL_FALSE && rt_truthy(v));
}

Value map_array(const Array *a, Value function) {
    if (a->length == 0 || is_null(function)) {
        return from_array(array_copy(a, a->length));
    }
    Function *f = iterator(function);
    Array *result = array_unset(a->length);
    Value passed[3] = {0, 0, from_array(a)};
    for (uint32_t i = 0; i < a->length; i++) {
        result->items[i] = call_for_item(f, a, i, passed);
    }
    return from_array(result);
}

Value filter_array(const Array *a, Value function) {
    ArrayBuilder kept;
    array_start(&kept, 4);
    Function *f = a->length == 0 || is_null(function) ? NULL : iterator(function);
    Value passed[3] = {0, 0, from_array(a)};
    for (uint32_t i = 0; i < a->length; i++) {
        if (!holds(f == NULL ? a->items[i] : call_for_item(f, a, i, passed))) {
            continue;
        }
        if (kept.length == kept.capacity) {
            array_grow(&kept);
        }
        kept.items[kept.length++] = a->items[i];
    }
    return from_array(array_finish(&kept));
}

Value fold_array(const Array *a, Function *f, Value accumulator, uint32_t from) {
    Value passed[4] = {0, 0, 0, from_array(a)};
    for (uint32_t i = from; i < a->length; i++) {
        passed[0] = accumulator;
        passed[1] = a->items[i];
        passed[2] = from_number(i);
        accumulator = f->entry(f, 4, passed);
    }
    return accumulator;
}
