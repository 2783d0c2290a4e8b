/* A large map or array in the state, one path for each entry (docs/formats/entity.md). */
#ifndef SPREAD_H
#define SPREAD_H

#include "core.h"

enum { SPREAD_ENTRIES_MIN = 64 }; /* smaller collections are kept whole */

typedef enum { SPREAD_NOT, SPREAD_MAP, SPREAD_ARRAY } SpreadKind;

/* `next` is the order that a new entry gets: orders only grow, so they keep KRL's order. */
typedef struct {
    SpreadKind kind;
    uint32_t count, next;
} Spread;

bool spread_load(const String *name, Spread *out);        /* false: the variable is not spread */
Value spread_read(const String *name, SpreadKind kind);   /* the whole collection */
bool spread_get(const String *name, const String *key, Value *out); /* one entry */
void spread_put(const String *name, Spread *spread, const String *key, Value v);
void spread_delete(const String *name, Spread *spread, const String *key);
const String *spread_index(uint32_t index);               /* the key of an array's element */
bool spread_takes_key(const String *key);
SpreadKind spread_kind_for(Value v);                      /* how a value should be kept */
void spread_replace(const String *name, const Spread *before, SpreadKind kind, Value v);

#endif
