/* Entity variables. A variable is read from the state when it is wanted and written once, at the
 * end of the event; between, reads see writes. What is written goes through JSON at once: it must
 * not look different after the next event has read it back.
 *
 * A large collection is spread over the state (spread.h). Reads and writes by key then go straight
 * to the entry, and the whole is only put together where a program asks for it. */
#include "spread.h"

LIBRARY(append);
LIBRARY(length);

typedef struct {
    const String *name;
    Value value; /* KRL_UNSET: not read as a whole; KRL_NULL: there is none */
    Spread spread;
    bool is_located, is_changed;
} Entity;

static Entity *entities;
static uint32_t entity_count, entity_capacity;

void entities_forget(void) { entity_count = 0; }

static const String *state_path(const String *name) {
    return string_concat(string_from_ascii("ent/"), name);
}

static void write_changed(void);

static Entity *entity_new(const String *name) {
    write_entities = write_changed;
    if (entity_count == entity_capacity) {
        uint32_t bytes = entity_capacity * (uint32_t)sizeof(Entity);
        uint32_t capacity = entity_capacity == 0 ? 8 : entity_capacity * 2;
        entities = reallocate(entities, bytes, capacity * (uint32_t)sizeof(Entity));
        entity_capacity = capacity;
    }
    Entity *entity = &entities[entity_count++];
    *entity = (Entity){.name = name, .value = KRL_UNSET};
    return entity;
}

static Entity *find_entity(Value name) {
    for (uint32_t i = 0; i < entity_count; i++)
        if (string_equal(entities[i].name, string_of(name))) return &entities[i];
    return entity_new(string_of(name));
}

/* How the state keeps the variable. A value that is kept whole is read on the way. */
static void locate(Entity *entity) {
    if (entity->is_located) return;
    entity->is_located = true;
    Value stored = KRL_NULL;
    bool is_whole = state_get(state_path(entity->name), &stored);
    if (is_whole || !spread_load(entity->name, &entity->spread))
        if (entity->value == KRL_UNSET) entity->value = stored;
}

static Value whole(Entity *entity) {
    locate(entity);
    if (entity->value == KRL_UNSET)
        entity->value = spread_read(entity->name, entity->spread.kind);
    return entity->value;
}

static void assign(Entity *entity, Value v) {
    Value kept = through_json(v);
    if (is_function(v)) throw_text("a function cannot be stored in an entity variable");
    entity->value = is_null(kept) ? KRL_NULL : kept;
    entity->is_changed = true;
}

Value rt_entity_get(Value name) { return whole(find_entity(name)); }
void rt_entity_put(Value name, Value v) { assign(find_entity(name), v); }
void rt_entity_clear(Value name) { assign(find_entity(name), KRL_NULL); }

EXPORT(rt_entity_length) Value rt_entity_length(Value name) {
    Entity *entity = find_entity(name);
    locate(entity);
    if (entity->value == KRL_UNSET) return from_number(entity->spread.count);
    return lib_length(NULL, 1, &entity->value);
}

/* ---- by key ---- */

/* The key of the entry that a path leads into, if the variable is spread and has not been read as
 * a whole; else null. */
static const String *entry_key(Entity *entity, const Path *path) {
    if (entity->value != KRL_UNSET || path->count == 0) return NULL;
    locate(entity);
    if (entity->value != KRL_UNSET) return NULL;
    const String *key = path->keys[0];
    if (entity->spread.kind == SPREAD_MAP) return spread_takes_key(key) ? key : NULL;
    uint32_t index;
    return key_as_index(key, &index) ? spread_index(index) : NULL;
}

static Value path_value(const Path *path, uint32_t start) {
    Array *keys = array_new(path->count - start);
    for (uint32_t i = start; i < path->count; i++)
        keys->items[i - start] = from_string(path->keys[i]);
    return from_array(keys);
}

EXPORT(rt_entity_path) Value rt_entity_path(Value name, Value path) {
    Entity *entity = find_entity(name);
    Path p = path_from(path);
    const String *key = entry_key(entity, &p);
    if (key == NULL) return path_get(whole(entity), path);
    Value entry;
    if (!spread_get(entity->name, key, &entry)) return KRL_NULL;
    return p.count == 1 ? entry : path_get(entry, path_value(&p, 1));
}

/* Changes a map of this one entry, and keeps what became of the entry. */
static void change_entry(Entity *entity, const String *key, const Path *p, Value v, bool removes) {
    Map *alone = map_new(1);
    Value entry, path = path_value(p, 0);
    if (spread_get(entity->name, key, &entry)) map_set(alone, p->keys[0], entry);
    Value before = from_map(alone);
    Value changed = removes ? path_remove(before, path) : path_set(before, path, v);
    Value kept = through_json(changed);
    if (is_map(kept) && map_find(address_of(kept), p->keys[0], &entry))
        spread_put(entity->name, &entity->spread, key, entry);
    else
        spread_delete(entity->name, &entity->spread, key);
}

void rt_entity_put_path(Value name, Value path, Value v) {
    Entity *entity = find_entity(name);
    Path p = path_from(path);
    const String *key = entry_key(entity, &p);
    if (key != NULL && entity->spread.kind == SPREAD_MAP) change_entry(entity, key, &p, v, false);
    else assign(entity, path_set(whole(entity), path, v));
}

void rt_entity_clear_path(Value name, Value path) {
    Entity *entity = find_entity(name);
    Path p = path_from(path);
    const String *key = entry_key(entity, &p);
    if (key != NULL && entity->spread.kind == SPREAD_MAP) {
        change_entry(entity, key, &p, KRL_NULL, true);
    } else {
        assign(entity, path_remove(whole(entity), path));
    }
}

/* `ent:x := ent:x.append(..)`: what is there already is not touched. */
EXPORT(rt_entity_append)
Value rt_entity_append(Value name, uint32_t argument_count, const Value *arguments) {
    enum { OPERANDS_MAX = 5 }; /* beside what is appended to, as `append` has it */
    Entity *entity = find_entity(name);
    locate(entity);
    if (argument_count > OPERANDS_MAX) argument_count = OPERANDS_MAX;
    if (entity->value != KRL_UNSET || entity->spread.kind != SPREAD_ARRAY) {
        Value *operands = allocate((argument_count + 1) * (uint32_t)sizeof(Value));
        operands[0] = whole(entity);
        for (uint32_t i = 0; i < argument_count; i++) operands[i + 1] = arguments[i];
        assign(entity, lib_append(NULL, argument_count + 1, operands));
        return KRL_UNDEFINED;
    }
    const Array *added = address_of(through_json(lib_append(NULL, argument_count, arguments)));
    for (uint32_t i = 0; i < added->length; i++) {
        const String *key = spread_index(entity->spread.next);
        spread_put(entity->name, &entity->spread, key, added->items[i]);
    }
    return KRL_UNDEFINED;
}

/* ---- writing ---- */

/* Variables of the engine's own, such as _schedule, are always kept whole. */
static SpreadKind kind_of(const Entity *entity) {
    bool is_engines = entity->name->length > 0 && unit_at(entity->name, 0) == '_';
    return is_engines ? SPREAD_NOT : spread_kind_for(entity->value);
}

static void flush(Entity *entity) {
    locate(entity);
    entity->is_changed = false;
    SpreadKind kind = kind_of(entity);
    if (kind != SPREAD_NOT || entity->spread.kind != SPREAD_NOT)
        spread_replace(entity->name, &entity->spread, kind, entity->value);
    if (kind != SPREAD_NOT || entity->value == KRL_NULL)
        state_delete(state_path(entity->name));
    else
        state_put(state_path(entity->name), entity->value);
}

static void write_changed(void) {
    for (uint32_t i = 0; i < entity_count; i++)
        if (entities[i].is_changed) flush(&entities[i]);
}
