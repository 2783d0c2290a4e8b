/* What generated code builds: literals, chevrons, functions, and what a foreach walks over. */
#include <string.h>

#include "core.h"

Value rt_array(uint32_t count, const Value *items) {
    Array *a = array_new(count);
    memcpy(a->items, items, count * sizeof(Value));
    return from_array(a);
}

Value rt_map(uint32_t pair_count, const Value *keys_and_values) {
    Map *m = map_new(pair_count);
    for (uint32_t i = 0; i < pair_count; i++)
        map_set(m, to_string(keys_and_values[2 * i]), keys_and_values[2 * i + 1]);
    return from_map(m);
}

Value rt_function(Entry entry, const FunctionShape *shape, uint32_t capture_count) {
    Function *f = allocate((uint32_t)(sizeof(Function) + capture_count * sizeof(Value)));
    *f = (Function){.entry = entry, .shape = shape, .capture_count = capture_count};
    for (uint32_t i = 0; i < capture_count; i++) f->captures[i] = KRL_UNDEFINED;
    return from_pointer(KRL_TAG_FUNCTION, f);
}

/* ---- foreach ---- */

static Value characters(const String *s) {
    Array *a = array_new(s->length);
    for (uint32_t i = 0; i < s->length; i++) a->items[i] = from_string(substring(s, i, i + 1));
    return from_array(a);
}

static Value counted(uint32_t length, bool as_text) {
    Array *a = array_new(length);
    for (uint32_t i = 0; i < length; i++)
        a->items[i] = as_text ? from_string(number_to_string(i)) : from_number(i);
    return from_array(a);
}

static Value map_column(const Map *m, bool keys) {
    Array *a = array_new(map_count(m));
    const String *key;
    Value v;
    uint32_t i = 0;
    for (uint32_t at = 0; map_next(m, &at, &key, &v); i++)
        a->items[i] = keys ? from_string(key) : v;
    return from_array(a);
}

Value rt_each_values(Value collection) {
    switch (tag_of(collection)) {
    case KRL_TAG_ARRAY: return collection;
    case KRL_TAG_MAP: return map_column(address_of(collection), false);
    case KRL_TAG_STRING: return characters(string_of(collection));
    default: return from_array(array_new(0));
    }
}

Value rt_each_keys(Value collection) {
    switch (tag_of(collection)) {
    case KRL_TAG_ARRAY: return counted(((const Array *)address_of(collection))->length, false);
    case KRL_TAG_MAP: return map_column(address_of(collection), true);
    case KRL_TAG_STRING: return counted(string_of(collection)->length, true);
    default: return from_array(array_new(0));
    }
}
