/* Groups of values under text keys, and the operators that look at the size of such groups. */
#include "groups.h"

enum { GROUPS_AT_FIRST = 8, GROUP_ITEMS_AT_FIRST = 2 };

void groups_start(Groups *g) {
    g->slots = map_new(GROUPS_AT_FIRST);
    g->count = 0;
    g->capacity = GROUPS_AT_FIRST;
    g->groups = allocate(g->capacity * sizeof *g->groups);
}

static void grow(Groups *g) {
    ArrayBuilder *wider = allocate(2 * g->capacity * sizeof *wider);
    for (uint32_t i = 0; i < g->count; i++) {
        wider[i] = g->groups[i];
    }
    g->groups = wider;
    g->capacity *= 2;
}

void groups_add(Groups *g, const String *key, Value v) {
    Value slot;
    if (!map_find(g->slots, key, &slot)) {
        if (g->count == g->capacity) {
            grow(g);
        }
        slot = from_number(g->count);
        map_set(g->slots, key, slot);
        array_start(&g->groups[g->count++], GROUP_ITEMS_AT_FIRST);
    }
    array_push(&g->groups[(uint32_t)number_of(slot)], v);
}

bool groups_next(Groups *g, uint32_t *at, const String **key, Array **group) {
    Value slot;
    if (!map_next(g->slots, at, key, &slot)) {
        return false;
    }
    *group = array_finish(&g->groups[(uint32_t)number_of(slot)]);
    return true;
}

/* The first of every group that occurs once, or of every group that occurs more than once. */
static Value first_of_groups(Value v, bool wanted_single) {
    const Array *items = array_of(null_cleaned(v));
    Groups groups;
    groups_start(&groups);
    for (uint32_t i = 0; i < items->length; i++) {
        groups_add(&groups, js_string(items->items[i]), items->items[i]);
    }
    ArrayBuilder result;
    array_start(&result, groups.count);
    uint32_t at = 0;
    const String *key;
    Array *group;
    while (groups_next(&groups, &at, &key, &group)) {
        if ((group->length == 1) == wanted_single) {
            array_push(&result, group->items[0]);
        }
    }
    return from_array(array_finish(&result));
}

LIBRARY(once) {
    return is_array(argument(0)) ? first_of_groups(argument(0), true) : argument(0);
}

LIBRARY(duplicates) {
    return is_array(argument(0)) ? first_of_groups(argument(0), false)
                                 : from_array(array_new(0));
}
