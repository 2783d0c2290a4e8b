/* Operators that look into, or make changed copies of, nested collections. */
#include "library.h"

LIBRARY(get) {
    return is_collection(argument(0)) ? path_get(argument(0), argument(1)) : KRL_NULL;
}

LIBRARY(set) {
    Value target = is_collection(argument(0)) ? argument(0) : from_map(map_new(0));
    return path_set(target, argument(1), argument(2));
}

LIBRARY(delete) {
    if (is_function(argument(0))) {
        return from_map(map_new(0)); /* what is left of a function that is cloned */
    }
    return is_collection(argument(0)) ? path_remove(argument(0), argument(1)) : argument(0);
}

static Value merged_maps(Value base, Value added) {
    Map *result = map_copy(map_of(base));
    uint32_t at = 0;
    const String *key;
    Value v;
    while (map_next(map_of(added), &at, &key, &v)) {
        map_set(result, key, v);
    }
    return from_map(result);
}

static Value merged_arrays(Value base, Value added) {
    const Array *under = array_of(base), *over = array_of(added);
    Array *result = array_new(under->length > over->length ? under->length : over->length);
    for (uint32_t i = 0; i < result->length; i++) {
        result->items[i] = i < over->length ? over->items[i] : under->items[i];
    }
    return from_array(result);
}

/* put without a path: collections of one kind merge, anything else takes the place. */
static Value merged(Value base, Value added) {
    if (is_map(base) && is_map(added)) {
        return merged_maps(base, added);
    }
    if (is_array(base) && is_array(added)) {
        return merged_arrays(base, added);
    }
    return added;
}

LIBRARY(put) {
    Value base = argument(0);
    if (!is_collection(base) || argument_count < 2) {
        return base;
    }
    if (argument_count < 3) {
        return merged(base, argument(1));
    }
    if (is_array(argument(1)) && array_of(argument(1))->length == 0) {
        return merged(base, argument(2));
    }
    return path_put(base, argument(1), argument(2));
}

/* What keys and values look at: the collection, or what a path in it leads to. */
static Value at_path(Value collection, Value path) {
    if (!is_collection(collection)) {
        return KRL_NULL;
    }
    return rt_truthy(path) ? path_get(collection, path) : collection;
}

static Value keys_of_map(const Map *m) {
    ArrayBuilder out;
    array_start(&out, map_count(m));
    uint32_t at = 0;
    const String *key;
    Value v;
    while (map_next(m, &at, &key, &v)) {
        array_push(&out, from_string(key));
    }
    return from_array(array_finish(&out));
}

static Value values_of_map(const Map *m) {
    ArrayBuilder out;
    array_start(&out, map_count(m));
    uint32_t at = 0;
    const String *key;
    Value v;
    while (map_next(m, &at, &key, &v)) {
        array_push(&out, v);
    }
    return from_array(array_finish(&out));
}

LIBRARY(keys) {
    Value v = at_path(argument(0), argument(1));
    if (is_map(v)) {
        return keys_of_map(map_of(v));
    }
    uint32_t count = is_array(v) ? array_of(v)->length : is_string(v) ? string_of(v)->length : 0;
    Array *keys = array_new(count);
    for (uint32_t i = 0; i < count; i++) {
        keys->items[i] = from_string(number_to_string(i));
    }
    return from_array(keys);
}

LIBRARY(values) {
    Value v = at_path(argument(0), argument(1));
    if (is_map(v)) {
        return values_of_map(map_of(v));
    }
    uint32_t count = is_array(v) ? array_of(v)->length : is_string(v) ? string_of(v)->length : 0;
    Array *values = array_new(count);
    for (uint32_t i = 0; i < count; i++) {
        values->items[i] = is_array(v) ? array_of(v)->items[i]
                                       : from_string(substring(string_of(v), i, i + 1));
    }
    return from_array(values);
}
