/* The schedule module: what the schedule statement does, and what looks after its entries. An
 * entry is {id, type: "at", time, event} or {id, type: "repeat", timespec, event}. */
#include "calendar.h"

/* "domain:name" given as one text, as the statement's dynamic form has it. */
static void split_name(Value *domain, Value *name) {
    if (!is_undefined(*name)) {
        return;
    }
    StringBuilder out;
    builder_start(&out);
    const String *given = to_string(*domain);
    for (uint32_t i = 0; i < given->length; i++) {
        if (!is_white_space(unit_at(given, i))) {
            builder_unit(&out, unit_at(given, i));
        }
    }
    const String *text = builder_finish(&out);
    int32_t colon = string_find(text, string_from_ascii(":"), 0);
    if (colon < 0) {
        throw_about("schedule expected domain:name but got @", *domain, KRL_NULL);
    }
    *domain = from_string(substring(text, 0, (uint32_t)colon));
    *name = from_string(substring(text, (uint32_t)colon + 1, text->length));
}

static Value event_of(Value eci, Value domain, Value name, Value attributes) {
    split_name(&domain, &name);
    Map *data = map_new(1), *event = map_new(5);
    map_set_ascii(data, "attrs", through_json(attributes));
    map_set_ascii(event, "eci", eci);
    map_set_ascii(event, "domain", domain);
    map_set_ascii(event, "name", name);
    map_set_ascii(event, "data", from_map(data));
    map_set_ascii(event, "time", from_number(0));
    return from_map(event);
}

/* The schedule is an entity variable, so it is part of the state, travels with the pico and is
 * there after a restart; the engine reads it after each transition. */
static Value schedule_name(void) { return from_ascii("_schedule"); }

static const Map *entries(void) {
    Value stored = rt_entity_get(schedule_name());
    return is_map(stored) ? address_of(stored) : map_new(0);
}

static Value scheduled(const char *type, const char *when_field, Value when, Value event) {
    Map *entry = map_new(4), *all = map_copy(entries());
    const String *id = fresh_identifier();
    map_set_ascii(entry, "id", from_string(id));
    map_set_ascii(entry, "type", from_ascii(type));
    map_set_ascii(entry, when_field, when);
    map_set_ascii(entry, "event", event);
    map_set(all, id, from_map(entry));
    rt_entity_put(schedule_name(), from_map(all));
    return from_map(entry);
}

LIBRARY(schedule_at) {
    Value time = argument(0);
    int64_t milliseconds;
    if (is_string(time) && iso_parse(string_of(time), &milliseconds)) {
        time = from_number((double)milliseconds);
    }
    if (!is_number(time) || !is_finite(number_of(time))) {
        throw_about("schedule .. at expected a timestamp but got @",
                    from_string(type_name(time)), KRL_NULL);
    }
    Value event = event_of(argument(1), argument(2), argument(3), argument(4));
    return scheduled("at", "time", time, event);
}

LIBRARY(schedule_repeat) {
    Value event = event_of(argument(1), argument(2), argument(3), argument(4));
    return scheduled("repeat", "timespec", argument(0), event);
}

LIBRARY(schedule_list) {
    ArrayBuilder all;
    array_start(&all, 4);
    const String *id;
    Value entry;
    for (uint32_t at = 0; map_next(entries(), &at, &id, &entry);) array_push(&all, entry);
    return from_array(array_finish(&all));
}

LIBRARY(schedule_get) {
    Value entry;
    return map_find(entries(), to_string(argument(0)), &entry) ? entry : KRL_NULL;
}

LIBRARY(schedule_remove) {
    Map *left = map_copy(entries());
    if (map_remove(left, to_string(argument(0)))) {
        rt_entity_put(schedule_name(), from_map(left));
    }
    return KRL_UNDEFINED;
}

LIBRARY(schedule_clear) {
    rt_entity_put(schedule_name(), from_map(map_new(0)));
    return KRL_UNDEFINED;
}
