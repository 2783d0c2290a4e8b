/* Entity variables. A variable is read from the state once an event and written once, at its end;
 * between, reads see writes. What is written goes through JSON at once: it must not look different
 * after the next event has read it back. */
#include "core.h"

typedef struct {
    const String *name;
    Value value; /* KRL_NULL: there is none */
    bool is_changed;
} Entity;

static Entity *entities;
static uint32_t entity_count, entity_capacity;

void entities_forget(void) { entity_count = 0; }

static const String *state_path(const String *name) {
    return string_concat(string_from_ascii("ent/"), name);
}

static Entity *entity_new(const String *name) {
    if (entity_count == entity_capacity) {
        uint32_t bytes = entity_capacity * (uint32_t)sizeof(Entity);
        uint32_t capacity = entity_capacity == 0 ? 8 : entity_capacity * 2;
        entities = reallocate(entities, bytes, capacity * (uint32_t)sizeof(Entity));
        entity_capacity = capacity;
    }
    Entity *entity = &entities[entity_count++];
    *entity = (Entity){.name = name, .value = KRL_NULL};
    return entity;
}

static Entity *find_entity(const String *name) {
    for (uint32_t i = 0; i < entity_count; i++)
        if (string_equal(entities[i].name, name)) return &entities[i];
    return NULL;
}

Value rt_entity_get(Value name) {
    const String *wanted = string_of(name);
    Entity *entity = find_entity(wanted);
    if (entity != NULL) return entity->value;
    Value stored = KRL_NULL;
    state_get(state_path(wanted), &stored);
    entity_new(wanted)->value = stored;
    return stored;
}

void rt_entity_put(Value name, Value v) {
    const String *wanted = string_of(name);
    Entity *entity = find_entity(wanted);
    if (entity == NULL) entity = entity_new(wanted);
    Value kept = through_json(v);
    entity->value = is_null(kept) ? KRL_NULL : kept;
    entity->is_changed = true;
}

void rt_entity_put_path(Value name, Value path, Value v) {
    rt_entity_put(name, path_set(rt_entity_get(name), path, v));
}

void rt_entity_clear(Value name) { rt_entity_put(name, KRL_NULL); }

void rt_entity_clear_path(Value name, Value path) {
    rt_entity_put(name, path_remove(rt_entity_get(name), path));
}

void entities_flush(void) {
    for (uint32_t i = 0; i < entity_count; i++) {
        Entity *entity = &entities[i];
        if (!entity->is_changed) continue;
        entity->is_changed = false;
        if (entity->value == KRL_NULL)
            state_delete(state_path(entity->name));
        else
            state_put(state_path(entity->name), entity->value);
    }
}
