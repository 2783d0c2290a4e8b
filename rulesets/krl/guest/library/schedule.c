/* The schedule module: what the schedule statement does, and what looks after its entries. An
 * entry is {id, type: "at", time, event} or {id, type: "repeat", timespec, event}; the effect
 * {kind: "schedule", ..entry} puts it on the pico's schedule with the commit. */
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

static Value scheduled(const char *type, const char *when_field, Value when, Value event) {
    Map *entry = map_new(4), *effect = map_new(5);
    Value id = from_string(fresh_identifier());
    set_field(effect, "kind", from_ascii("schedule"));
    const struct { const char *name; Value v; } fields[] = {
        {"id", id}, {"type", from_ascii(type)}, {when_field, when}, {"event", event}};
    for (uint32_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        map_set_ascii(entry, fields[i].name, fields[i].v);
        set_field(effect, fields[i].name, fields[i].v);
    }
    emit_effect(effect);
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
    return ask_engine("schedule:list", 0, NULL);
}

LIBRARY(schedule_get) {
    Value id = argument(0);
    return ask_engine("schedule:get", 1, &id);
}

static void emit_change(const char *kind, uint32_t argument_count, const Value *arguments) {
    Map *effect = map_new(2);
    Array *copy = array_new(argument_count);
    for (uint32_t i = 0; i < argument_count; i++) {
        copy->items[i] = arguments[i];
    }
    set_field(effect, "kind", from_ascii(kind));
    set_field(effect, "args", from_array(copy));
    emit_effect(effect);
}

LIBRARY(schedule_remove) {
    Value id = argument(0);
    emit_change("schedule.remove", 1, &id);
    return KRL_UNDEFINED;
}

LIBRARY(schedule_clear) {
    emit_change("schedule.clear", 0, NULL);
    return KRL_UNDEFINED;
}
