/* Large collections, entry by entry: reading or writing one key of ten thousand touches one path.
 *
 * The header of a spread variable x is at ent/x/ and its entries are at ent/x/:key, each with the
 * order it has in the collection. docs/formats/entity.md describes the layout. */
#include "spread.h"

enum { KEY_UNITS_MAX = 200, SCAN_ENTRIES = 500, INDEX_DIGITS = 10 };

static const String *header_path(const String *name) {
    StringBuilder path;
    builder_start(&path);
    builder_ascii(&path, "ent/");
    builder_string(&path, name);
    builder_unit(&path, '/');
    return builder_finish(&path);
}

static const String *entry_path(const String *name, const String *key) {
    StringBuilder path;
    builder_start(&path);
    builder_ascii(&path, "ent/");
    builder_string(&path, name);
    builder_ascii(&path, "/:");
    builder_string(&path, key);
    return builder_finish(&path);
}

const String *spread_index(uint32_t index) {
    uint16_t digits[INDEX_DIGITS];
    for (uint32_t i = INDEX_DIGITS; i > 0; i--, index /= 10) digits[i - 1] = '0' + index % 10;
    return string_from_units(digits, INDEX_DIGITS);
}

/* A key becomes part of a path, so it must fit into one and be text. */
bool spread_takes_key(const String *key) {
    return key->length <= KEY_UNITS_MAX && is_well_formed(key);
}

/* ---- header and entries ---- */

bool spread_load(const String *name, Spread *out) {
    Value stored;
    if (!state_get(header_path(name), &stored) || !is_array(stored)) return false;
    const Array *fields = address_of(stored);
    if (fields->length != 3) __builtin_trap();
    out->kind = (SpreadKind)number_of(fields->items[0]);
    out->count = (uint32_t)number_of(fields->items[1]);
    out->next = (uint32_t)number_of(fields->items[2]);
    return true;
}

static void save_header(const String *name, const Spread *spread) {
    Value fields[] = {from_number(spread->kind), from_number(spread->count),
                      from_number(spread->next)};
    state_put(header_path(name), rt_array(3, fields));
}

/* An entry is [order, value]. */
static const Array *read_entry(const String *name, const String *key) {
    Value stored;
    if (!state_get(entry_path(name, key), &stored) || !is_array(stored)) return NULL;
    const Array *entry = address_of(stored);
    return entry->length == 2 ? entry : NULL;
}

static void write_entry(const String *name, const String *key, uint32_t order, Value v) {
    Value entry[] = {from_number(order), v};
    state_put(entry_path(name, key), rt_array(2, entry));
}

bool spread_get(const String *name, const String *key, Value *out) {
    const Array *entry = read_entry(name, key);
    if (entry != NULL) *out = entry->items[1];
    return entry != NULL;
}

void spread_put(const String *name, Spread *spread, const String *key, Value v) {
    const Array *entry = read_entry(name, key);
    if (entry != NULL) {
        write_entry(name, key, (uint32_t)number_of(entry->items[0]), v);
        return;
    }
    write_entry(name, key, spread->next, v);
    spread->next++;
    spread->count++;
    save_header(name, spread);
}

void spread_delete(const String *name, Spread *spread, const String *key) {
    if (read_entry(name, key) == NULL) return;
    state_delete(entry_path(name, key));
    spread->count--;
    save_header(name, spread);
}

/* ---- the whole ---- */

typedef struct {
    uint32_t order;
    const String *key;
    Value value;
} SpreadEntry;

typedef struct {
    SpreadEntry *items;
    uint32_t count, capacity;
} Entries;

static void entries_push(Entries *all, SpreadEntry entry) {
    if (all->count == all->capacity) {
        uint32_t bytes = all->capacity * (uint32_t)sizeof(SpreadEntry);
        all->capacity = all->capacity == 0 ? SCAN_ENTRIES : all->capacity * 2;
        all->items = reallocate(all->items, bytes, all->capacity * (uint32_t)sizeof(SpreadEntry));
    }
    all->items[all->count++] = entry;
}

/* Entries as they lie in the state: by key. */
static Entries scan_entries(const String *name) {
    Entries all = {0};
    const String *prefix = entry_path(name, string_from_ascii(""));
    const String *after = string_from_ascii("");
    for (;;) {
        Value found = rt_state_scan(from_string(prefix), from_string(after), SCAN_ENTRIES);
        const Array *pairs = address_of(found);
        if (pairs->length == 0) return all;
        for (uint32_t i = 0; i < pairs->length; i++) {
            const Array *pair = address_of(pairs->items[i]);
            after = string_of(pair->items[0]);
            const Array *entry = address_of(pair->items[1]);
            const String *key = substring(after, prefix->length, after->length);
            uint32_t order = (uint32_t)number_of(entry->items[0]);
            entries_push(&all, (SpreadEntry){order, key, entry->items[1]});
        }
    }
}

/* Positions of the entries by their order in the collection. */
static const uint64_t *by_order(Entries all) {
    uint64_t *sorted = allocate(all.count * (uint32_t)sizeof(uint64_t));
    for (uint32_t i = 0; i < all.count; i++) sorted[i] = (uint64_t)all.items[i].order << 32 | i;
    sort_ascending(sorted, all.count);
    return sorted;
}

Value spread_read(const String *name, SpreadKind kind) {
    Entries all = scan_entries(name);
    const uint64_t *sorted = by_order(all);
    Array *a = array_new(kind == SPREAD_ARRAY ? all.count : 0);
    Map *m = map_new(all.count);
    for (uint32_t i = 0; i < all.count; i++) {
        const SpreadEntry *entry = &all.items[(uint32_t)sorted[i]];
        if (kind == SPREAD_ARRAY) a->items[i] = entry->value;
        else map_set(m, entry->key, entry->value);
    }
    return kind == SPREAD_ARRAY ? from_array(a) : from_map(m);
}

/* ---- replacing the whole ---- */

SpreadKind spread_kind_for(Value v) {
    if (is_array(v)) {
        const Array *a = address_of(v);
        return a->length < SPREAD_ENTRIES_MIN ? SPREAD_NOT : SPREAD_ARRAY;
    }
    if (!is_map(v) || map_count(address_of(v)) < SPREAD_ENTRIES_MIN) return SPREAD_NOT;
    const String *key;
    Value item;
    for (uint32_t at = 0; map_next(address_of(v), &at, &key, &item);)
        if (!spread_takes_key(key)) return SPREAD_NOT;
    return SPREAD_MAP;
}

static bool same_bytes(Value a, Value b) {
    uint8_t *mark = arena_mark();
    Bytes x = cbor_encode(a), y = cbor_encode(b);
    bool same = x.byte_count == y.byte_count;
    for (uint32_t i = 0; same && i < x.byte_count; i++) same = x.bytes[i] == y.bytes[i];
    arena_release(mark);
    return same;
}

/* The keys and values of what is to be stored, in order. */
static Entries wanted_entries(SpreadKind kind, Value v) {
    Entries wanted = {0};
    if (kind == SPREAD_ARRAY) {
        const Array *a = address_of(v);
        for (uint32_t i = 0; i < a->length; i++)
            entries_push(&wanted, (SpreadEntry){i, spread_index(i), a->items[i]});
    } else if (kind == SPREAD_MAP) {
        const String *key;
        Value item;
        for (uint32_t at = 0; map_next(address_of(v), &at, &key, &item);)
            entries_push(&wanted, (SpreadEntry){0, key, item});
    }
    return wanted;
}

/* What entry of the old ones has a key; it is taken out of them. */
static SpreadEntry *take_entry(Entries *old, const Map *known, const String *key) {
    Value at;
    if (!map_find(known, key, &at)) return NULL;
    SpreadEntry *entry = &old->items[(uint32_t)number_of(at)];
    entry->key = NULL;
    return entry;
}

/* Writes only what differs: an entry keeps its order as long as orders still grow. */
void spread_replace(const String *name, const Spread *before, SpreadKind kind, Value v) {
    Entries old = {0}, wanted = wanted_entries(kind, v);
    if (before->kind != SPREAD_NOT) old = scan_entries(name);
    Map *known = map_new(old.count);
    for (uint32_t i = 0; i < old.count; i++) map_set(known, old.items[i].key, from_number(i));
    uint32_t next = 0;
    for (uint32_t i = 0; i < wanted.count; i++) {
        const SpreadEntry *entry = &wanted.items[i], *was = take_entry(&old, known, entry->key);
        uint32_t order = was != NULL && was->order >= next ? was->order : next;
        bool unchanged = was != NULL && was->order == order && same_bytes(was->value, entry->value);
        if (!unchanged) write_entry(name, entry->key, order, entry->value);
        next = order + 1;
    }
    for (uint32_t i = 0; i < old.count; i++)
        if (old.items[i].key != NULL) state_delete(entry_path(name, old.items[i].key));
    Spread after = {kind, wanted.count, next};
    if (kind != SPREAD_NOT) save_header(name, &after);
    else if (before->kind != SPREAD_NOT) state_delete(header_path(name));
}
