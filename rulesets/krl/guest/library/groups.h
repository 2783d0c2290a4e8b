/* Values gathered under text keys, in KRL's key order: collect, once, duplicates. */
#ifndef KRL_GROUPS_H
#define KRL_GROUPS_H

#include "library.h"

typedef struct {
    Map *slots; /* key -> index into groups */
    ArrayBuilder *groups;
    uint32_t count, capacity;
} Groups;

void groups_start(Groups *g);
void groups_add(Groups *g, const String *key, Value v);
/* uint32_t at = 0; while (groups_next(g, &at, &key, &group)) ... */
bool groups_next(Groups *g, uint32_t *at, const String **key, Array **group);

#endif
