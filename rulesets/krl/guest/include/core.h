/* What the files of the core share among themselves; the library needs only krl.h. */
#ifndef CORE_H
#define CORE_H

#include "krl.h"

/* arena.c */
enum { ARENA_ALIGNMENT = 8 };
extern uint8_t *rt_arena_next, *arena_end;
void arena_make_room(uint64_t end); /* until where there has to be memory */
/* allocate in place: for what is made in every round of a loop. */
static inline void *allocate_here(uint32_t byte_count) {
    uint64_t size = (byte_count + (ARENA_ALIGNMENT - 1ull)) & ~(ARENA_ALIGNMENT - 1ull);
    uint8_t *block = rt_arena_next;
    uint64_t end = (uintptr_t)block + size;
    if (end > (uintptr_t)arena_end) arena_make_room(end);
    rt_arena_next = (uint8_t *)(uintptr_t)end;
    return block;
}
void *reallocate(void *old, uint32_t old_bytes, uint32_t bytes); /* in place if old is the newest */
uint8_t *arena_mark(void);
void arena_release(uint8_t *mark); /* gives back everything allocated since the mark */

/* join.c: a string whose units stand elsewhere, perhaps in a buffer that longer ones share */
struct Buffer;
const String *string_elsewhere(const uint8_t *units, struct Buffer *buffer, uint32_t length,
                               bool wide);
const String *string_of_wide(const uint16_t *units, uint32_t length); /* a part of another */
const String *string_short(const uint8_t *units, uint32_t length, bool wide); /* copies them */

/* compare.c */
bool bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t byte_count);

/* string.c: a string that never changes and needs no arena */
#define STATIC_STRING(name, text) \
    static struct { \
        uint32_t length, hash_and_width; \
        uint8_t units[sizeof(text)]; \
    } name##_storage = {sizeof(text) - 1, 0, text}; \
    static const String *const name = (const String *)(const void *)&name##_storage

String *string_new(uint32_t length, bool wide); /* units to be filled in by the caller */
static inline uint8_t *new_units(String *s) { return s->inline_units; }
static inline uint16_t *new_wide_units(String *s) { return (void *)s->inline_units; }

/* json_encode.c */
bool is_well_formed(const String *s); /* no lone surrogates */

/* path.c */
Value member_get(Value object, const String *key); /* JavaScript's object[key], own members only */
typedef struct { const String **keys; uint32_t count; } Path;
Path path_from(Value path); /* KRL's reading: an array of keys, or one key */
Path lodash_path_from(Value path, Value object); /* lodash's reading: "a.b[0]" has three keys */

/* library/common.c: JavaScript's own String(v) and Number(v), which KRL's are not */
const String *js_string(Value v);
double js_number(Value v);

/* map.c */
bool map_in_order(const Map *m); /* keys were set in the order in which they are read */
void sort_ascending(uint64_t *items, uint32_t count);

/* host.c: lives where the canonical ABI wants a return value: {address, byte count} */
const void *return_area(const uint8_t *bytes, uint32_t byte_count);

/* entity.c */
void entities_forget(void);

/* ruleset.c: what an event has to do at its end; a pointer, so that a program without entity
 * variables carries nothing of them. Volatile, for the optimizer, which sees all that it can point
 * to, would call that. */
extern void (*volatile write_entities)(void);

#endif
