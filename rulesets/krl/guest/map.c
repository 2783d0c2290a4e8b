/* Maps: hash maps that keep JavaScript's key order, and whose copies share what they have alike.
 *
 * Entries stand in insertion order in chunks of up to 64, and a map is a table of chunks:
 *
 *     Map -- table --> [ chunk 0 | chunk 1 | .. ]   copies share chunks, and copy one when they
 *      |                                            overwrite an item in it
 *      +-- index --> hash slots: item positions     shared by every copy of one line of descent
 *
 * Copying is O(1), appending a key to a copy O(1), overwriting or removing one O(n / 64). That is
 * what makes `acc.put(k, v)` in a reduce, and one change of a large entity variable, affordable.
 * A copy does not see entries at or behind its own `end`, so a younger copy may append to shared
 * chunks; only one copy can be first to do so, which `index->used` decides: the others fork. */
#include <string.h>

#include "core.h"

enum { CHUNK_ITEMS = 64, SMALL_CHUNK_ITEMS = 4, INDEX_FROM = 8, RETIRED = UINT32_MAX };

typedef struct {
    const String *key; /* null: removed */
    uint32_t hash;
    Value value;
} Item;

typedef struct {
    uint32_t owner; /* the token of the one map that may overwrite entries here */
    uint32_t capacity;
    Item entries[];
} Chunk;

typedef struct {
    uint32_t used; /* positions given out in this line of descent */
    uint32_t slot_count; /* a power of two; 0: so few entries that looking at each is faster */
    uint32_t slots[];    /* position + 1; 0: empty */
} Index;

struct Map {
    Chunk **table;
    Index *index;
    uint32_t end, live; /* positions in use, and those of them not removed */
    uint32_t token, table_owner, table_capacity;
    uint32_t array_keys;     /* how many array-index-like keys came so far */
    uint32_t last_array_key; /* of those, the last one */
    bool in_order;           /* insertion order is key order */
    const uint32_t *order;   /* else: positions in key order, made when first asked for */
};

static uint32_t tokens_given;

static inline Item *item_at(const Map *m, uint32_t position) {
    return &m->table[position / CHUNK_ITEMS]->entries[position % CHUNK_ITEMS];
}

static inline uint32_t chunk_count(uint32_t end) {
    return (end + CHUNK_ITEMS - 1) / CHUNK_ITEMS;
}

static Chunk *chunk_new(uint32_t owner, uint32_t capacity) {
    Chunk *chunk = allocate((uint32_t)(sizeof(Chunk) + capacity * sizeof(Item)));
    chunk->owner = owner;
    chunk->capacity = capacity;
    return chunk;
}

static Index *index_new(uint32_t used, uint32_t slot_count) {
    Index *index = allocate((uint32_t)(sizeof(Index) + slot_count * sizeof(uint32_t)));
    index->used = used;
    index->slot_count = slot_count;
    memset(index->slots, 0, slot_count * sizeof(uint32_t));
    return index;
}

static void index_add(Index *index, uint32_t hash, uint32_t position) {
    uint32_t mask = index->slot_count - 1;
    uint32_t slot = (hash >> 2) & mask; /* the two lowest bits of a hash are flags */
    while (index->slots[slot] != 0) slot = (slot + 1) & mask;
    index->slots[slot] = position + 1;
}

/* A power of two that `count` entries fill to at most two thirds. */
static uint32_t slots_for(uint32_t count) {
    uint32_t slot_count = 16;
    while (slot_count < count + count / 2) slot_count *= 2;
    return slot_count;
}

Map *map_new(uint32_t capacity_hint) {
    Map *m = allocate(sizeof(Map));
    *m = (Map){.token = ++tokens_given, .table_capacity = 1, .in_order = true};
    uint32_t capacity = capacity_hint < SMALL_CHUNK_ITEMS ? SMALL_CHUNK_ITEMS : capacity_hint;
    if (capacity > CHUNK_ITEMS) {
        m->table_capacity = capacity < (1 << 22) ? chunk_count(capacity) : 1;
        capacity = CHUNK_ITEMS;
    }
    m->table = allocate((uint32_t)(m->table_capacity * sizeof(Chunk *)));
    m->table_owner = m->token;
    m->table[0] = chunk_new(m->token, capacity);
    bool large = capacity_hint > INDEX_FROM && capacity_hint < (1 << 22);
    m->index = index_new(0, large ? slots_for(capacity_hint) : 0);
    return m;
}

uint32_t map_count(const Map *m) { return m->live; }

/* ---- looking up ---- */

static const uint32_t NOWHERE = UINT32_MAX;

static bool is_at(const Map *m, uint32_t position, const String *key, uint32_t hash) {
    const Item *item = item_at(m, position);
    return item->hash == hash && item->key != NULL && string_equal(item->key, key);
}

static uint32_t find(const Map *m, const String *key, uint32_t hash) {
    const Index *index = m->index;
    if (index->slot_count == 0) {
        for (uint32_t i = 0; i < m->end; i++)
            if (is_at(m, i, key, hash)) return i;
        return NOWHERE;
    }
    uint32_t mask = index->slot_count - 1;
    for (uint32_t slot = (hash >> 2) & mask; index->slots[slot] != 0; slot = (slot + 1) & mask) {
        uint32_t position = index->slots[slot] - 1;
        if (position < m->end && is_at(m, position, key, hash)) return position;
    }
    return NOWHERE;
}

bool map_find(const Map *m, const String *key, Value *found) {
    uint32_t position = find(m, key, string_hash(key));
    if (position == NOWHERE) return false;
    *found = item_at(m, position)->value;
    return true;
}

/* ---- changing ---- */

static void own_table(Map *m, uint32_t capacity) {
    if (m->table_owner == m->token && m->table_capacity >= capacity) return;
    if (capacity < m->table_capacity) capacity = m->table_capacity;
    Chunk **table = allocate((uint32_t)(capacity * sizeof(Chunk *)));
    memcpy(table, m->table, chunk_count(m->end) * sizeof(Chunk *));
    if (m->end == 0) table[0] = m->table[0];
    m->table = table;
    m->table_capacity = capacity;
    m->table_owner = m->token;
}

/* Makes chunk `number` this map's own, with room for `capacity` entries. */
static void own_chunk(Map *m, uint32_t number, uint32_t capacity) {
    Chunk *old = m->table[number];
    own_table(m, number + 1);
    Chunk *chunk = chunk_new(m->token, capacity);
    uint32_t kept = m->end - number * CHUNK_ITEMS;
    if (kept > CHUNK_ITEMS) kept = CHUNK_ITEMS;
    memcpy(chunk->entries, old->entries, kept * sizeof(Item));
    m->table[number] = chunk;
}

/* The item at a position, to be overwritten. */
static Item *own_item(Map *m, uint32_t position) {
    uint32_t number = position / CHUNK_ITEMS;
    Chunk *chunk = m->table[number];
    if (chunk->owner != m->token) own_chunk(m, number, chunk->capacity);
    return item_at(m, position);
}

/* Leaves the line of descent: new index, and removed entries are gone. */
static void fork(Map *m, uint32_t capacity_hint) {
    Map *copy = map_new(capacity_hint);
    for (uint32_t i = 0; i < m->end; i++) {
        const Item *item = item_at(m, i);
        if (item->key != NULL) map_set(copy, item->key, item->value);
    }
    *m = *copy;
}

static void grow_index(Map *m) {
    Index *index = index_new(m->end, slots_for(m->end * 2));
    for (uint32_t i = 0; i < m->end; i++) {
        const Item *item = item_at(m, i);
        if (item->key != NULL) index_add(index, item->hash, i);
    }
    m->index->used = RETIRED; /* older copies in this line can no longer append without forking */
    m->index = index;
}

/* Room for one item at `end`, in the chunk that ends there. */
static void make_room(Map *m) {
    uint32_t number = m->end / CHUNK_ITEMS, within = m->end % CHUNK_ITEMS;
    if (within == 0 && m->end > 0) {
        if (number >= m->table_capacity) own_table(m, m->table_capacity * 2);
        m->table[number] = chunk_new(m->token, CHUNK_ITEMS);
        return;
    }
    uint32_t capacity = m->table[number]->capacity;
    if (within < capacity) return;
    own_chunk(m, number, capacity * 2 < CHUNK_ITEMS ? capacity * 2 : CHUNK_ITEMS);
}

static void note_order(Map *m, const String *key) {
    m->order = NULL;
    uint32_t array_key;
    if (!key_as_index(key, &array_key)) return;
    bool behind_others = m->array_keys == m->live;
    bool ascending = m->array_keys == 0 || array_key > m->last_array_key;
    if (!behind_others || !ascending) m->in_order = false;
    m->array_keys++;
    m->last_array_key = array_key;
}

static void append(Map *m, const String *key, uint32_t hash, Value v) {
    if (m->index->used != m->end) fork(m, m->live + 1);
    make_room(m);
    note_order(m, key);
    *item_at(m, m->end) = (Item){.key = key, .hash = hash, .value = v};
    m->end++;
    m->live++;
    Index *index = m->index;
    index->used = m->end;
    bool full = index->slot_count == 0 ? m->end > INDEX_FROM
                                       : m->end > index->slot_count - index->slot_count / 4;
    if (full)
        grow_index(m);
    else if (index->slot_count > 0)
        index_add(index, hash, m->end - 1);
}

void map_set(Map *m, const String *key, Value v) {
    uint32_t hash = string_hash(key);
    uint32_t position = find(m, key, hash);
    if (position == NOWHERE)
        append(m, key, hash, v);
    else
        own_item(m, position)->value = v;
}

bool map_remove(Map *m, const String *key) {
    uint32_t position = find(m, key, string_hash(key));
    if (position == NOWHERE) return false;
    own_item(m, position)->key = NULL;
    m->live--;
    m->order = NULL;
    uint32_t array_key;
    if (m->in_order && key_as_index(key, &array_key)) m->array_keys--;
    uint32_t removed = m->end - m->live;
    if (removed > INDEX_FROM && removed > m->live) fork(m, m->live);
    return true;
}

Map *map_copy(const Map *m) {
    Map *copy = allocate(sizeof(Map));
    *copy = *m;
    copy->token = ++tokens_given;
    /* Not a change that anyone can see: the original, too, must copy before it overwrites. */
    ((Map *)(uintptr_t)m)->token = ++tokens_given;
    return copy;
}

/* ---- in key order ---- */

bool map_in_order(const Map *m) { return m->in_order; }

bool key_as_index(const String *key, uint32_t *index) {
    enum { DIGITS_MAX = 10 };
    if (is_wide(key) || key->length == 0 || key->length > DIGITS_MAX) return false;
    const uint8_t *units = units_of(key);
    if (units[0] == '0' && key->length > 1) return false;
    uint64_t number = 0;
    for (uint32_t i = 0; i < key->length; i++) {
        if (units[i] < '0' || units[i] > '9') return false;
        number = number * 10 + (units[i] - '0');
    }
    if (number >= UINT32_MAX) return false;
    *index = (uint32_t)number;
    return true;
}

static void sift_down(uint64_t *heap, uint32_t root, uint32_t count) {
    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count) return;
        if (child + 1 < count && heap[child] < heap[child + 1]) child++;
        if (heap[root] >= heap[child]) return;
        uint64_t moved = heap[root];
        heap[root] = heap[child];
        heap[child] = moved;
        root = child;
    }
}

void sort_ascending(uint64_t *items, uint32_t count) {
    for (uint32_t i = count / 2; i > 0; i--) sift_down(items, i - 1, count);
    for (uint32_t end = count; end > 1; end--) {
        uint64_t largest = items[0];
        items[0] = items[end - 1];
        items[end - 1] = largest;
        sift_down(items, 0, end - 1);
    }
}

/* Array-index-like keys ascending, then the others as they came. */
static const uint32_t *key_order(const Map *m) {
    uint32_t *order = allocate((uint32_t)(m->live * sizeof(uint32_t)));
    uint8_t *mark = arena_mark();
    uint64_t *numbered = allocate((uint32_t)(m->live * sizeof(uint64_t)));
    uint32_t numbered_count = 0, array_key, filled;
    for (uint32_t i = 0; i < m->end; i++) {
        const String *key = item_at(m, i)->key;
        if (key != NULL && key_as_index(key, &array_key))
            numbered[numbered_count++] = (uint64_t)array_key << 32 | i;
    }
    sort_ascending(numbered, numbered_count);
    for (filled = 0; filled < numbered_count; filled++) order[filled] = (uint32_t)numbered[filled];
    for (uint32_t i = 0; i < m->end; i++) {
        const String *key = item_at(m, i)->key;
        if (key != NULL && !key_as_index(key, &array_key)) order[filled++] = i;
    }
    arena_release(mark);
    return order;
}

bool map_next(const Map *m, uint32_t *at, const String **key, Value *value) {
    const Item *item;
    if (m->in_order) {
        do {
            if (*at >= m->end) return false;
            item = item_at(m, (*at)++);
        } while (item->key == NULL);
    } else {
        if (*at >= m->live) return false;
        if (m->order == NULL) ((Map *)(uintptr_t)m)->order = key_order(m);
        item = item_at(m, m->order[(*at)++]);
    }
    *key = item->key;
    *value = item->value;
    return true;
}
