/* Operators that call a function for each item of an array or map, in KRL order. */
#include "groups.h"

typedef struct {
    Value collection, function;
    uint32_t at;      /* of the array, or of map_next */
    const String *map_key;
    Value key, value; /* the current item */
} Walk;

static Walk walk_start(Value collection, Value function) {
    if (!is_collection(collection)) {
        throw_text("only works on collections");
    }
    return (Walk){.collection = collection, .function = function};
}

static bool walk_next(Walk *w) {
    if (is_map(w->collection)) {
        if (!map_next(map_of(w->collection), &w->at, &w->map_key, &w->value)) {
            return false;
        }
        w->key = from_string(w->map_key);
        return true;
    }
    const Array *a = array_of(w->collection);
    if (w->at >= a->length) {
        return false;
    }
    w->key = from_number(w->at);
    w->value = a->items[w->at++];
    return true;
}

/* Without a function every item stands for itself. */
static Value walk_result(const Walk *w, bool null_is_identity) {
    if (null_is_identity && is_null(w->function)) {
        return w->value;
    }
    return call_iterator(w->function, w->value, w->key, w->collection);
}

static bool any_gives(Value collection, Value function, bool wanted) {
    Walk w = walk_start(collection, function);
    while (walk_next(&w)) {
        if ((rt_truthy(walk_result(&w, false)) != 0) == wanted) {
            return true;
        }
    }
    return false;
}

LIBRARY(all) {
    return from_boolean(!any_gives(argument(0), argument(1), false));
}

LIBRARY(notall) {
    return from_boolean(any_gives(argument(0), argument(1), false));
}

LIBRARY(any) {
    return from_boolean(any_gives(argument(0), argument(1), true));
}

LIBRARY(none) {
    return from_boolean(!any_gives(argument(0), argument(1), true));
}

LIBRARY(map) {
    if (is_array(argument(0))) {
        return map_array(array_of(argument(0)), argument(1));
    }
    Walk w = walk_start(argument(0), argument(1));
    Map *result = map_new(map_count(map_of(w.collection)));
    while (walk_next(&w)) {
        map_set(result, w.map_key, walk_result(&w, true));
    }
    return from_map(result);
}

LIBRARY(filter) {
    if (is_array(argument(0))) {
        return filter_array(array_of(argument(0)), argument(1));
    }
    Walk w = walk_start(argument(0), argument(1));
    Map *kept = map_new(0);
    while (walk_next(&w)) {
        if (rt_truthy(walk_result(&w, true))) {
            map_set(kept, w.map_key, w.value);
        }
    }
    return from_map(kept);
}

/* Groups the values by what the function makes of them, as text. */
LIBRARY(collect) {
    Walk w = walk_start(argument(0), argument(1));
    Groups groups;
    groups_start(&groups);
    while (walk_next(&w)) {
        groups_add(&groups, js_string(walk_result(&w, true)), w.value);
    }
    Map *result = map_new(groups.count);
    uint32_t at = 0;
    const String *key;
    Array *group;
    while (groups_next(&groups, &at, &key, &group)) {
        map_set(result, key, from_array(group));
    }
    return from_map(result);
}

LIBRARY(reduce) {
    if (!is_array(argument(0))) {
        throw_text("only works on Arrays");
    }
    const Array *a = array_of(argument(0));
    bool has_default = argument_count >= 3;
    if (a->length == 0) {
        return has_default ? argument(2) : from_number(0);
    }
    if (!can_be_called(argument(1))) {
        throw_about("The .reduce() operator cannot use @ as a function", argument(1), KRL_NULL);
    }
    Function *f = address_of(argument(1));
    return has_default ? fold_array(a, f, argument(2), 0) : fold_array(a, f, a->items[0], 1);
}

LIBRARY(pairwise) {
    if (!is_array(argument(0))) {
        throw_about("The .pairwise() operator cannot be called on @", argument(0), KRL_NULL);
    }
    const Array *rows = array_of(argument(0));
    if (rows->length < 2) {
        throw_text("The .pairwise() operator needs a longer array");
    }
    if (!can_be_called(argument(1))) {
        throw_about("The .pairwise() operator cannot use @ as a function", argument(1), KRL_NULL);
    }
    Array *wrapped = array_new(rows->length);
    uint32_t longest = 0;
    for (uint32_t i = 0; i < rows->length; i++) {
        wrapped->items[i] = wrap(rows->items[i]);
        uint32_t length = array_of(wrapped->items[i])->length;
        longest = length > longest ? length : longest;
    }
    Array *results = array_new(longest);
    for (uint32_t column = 0; column < longest; column++) {
        Array *cells = array_new(rows->length);
        for (uint32_t i = 0; i < rows->length; i++) {
            const Array *row = array_of(wrapped->items[i]);
            cells->items[i] = column < row->length ? row->items[column] : KRL_UNDEFINED;
        }
        results->items[column] = call_function(argument(1), rows->length, cells->items);
    }
    return from_array(results);
}
