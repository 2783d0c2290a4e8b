/* Arrays, and the builder that grows one at the top of the arena. */
#include <string.h>

#include "core.h"

enum { ITEMS_MAX = 1 << 27 }; /* one more would not fit into the address space */

static uint32_t array_bytes(uint32_t length) {
    if (length > ITEMS_MAX) __builtin_trap();
    return (uint32_t)sizeof(Array) + length * (uint32_t)sizeof(Value);
}

Array *array_unset(uint32_t length) {
    Array *a = allocate(array_bytes(length));
    a->length = length;
    a->reserved = 0;
    return a;
}

/* Unrolled it would be four times as large, for what is soon overwritten. */
static void leave_empty(Array *a, uint32_t from) {
#pragma clang loop unroll(disable)
    for (uint32_t i = from; i < a->length; i++) a->items[i] = KRL_UNDEFINED;
}

Array *array_new(uint32_t length) {
    Array *a = array_unset(length);
    leave_empty(a, 0);
    return a;
}

Array *array_copy(const Array *a, uint32_t length) {
    Array *copy = array_unset(length);
    uint32_t kept = a->length < length ? a->length : length;
    memcpy(copy->items, a->items, kept * sizeof(Value));
    leave_empty(copy, kept);
    return copy;
}

/* The builder's items already stand behind an array's head, so that finishing copies nothing. */
static Array *head_of(const ArrayBuilder *b) {
    return (Array *)(void *)((uint8_t *)b->items - offsetof(Array, items));
}

void array_start(ArrayBuilder *b, uint32_t capacity_hint) {
    Array *a = allocate(array_bytes(capacity_hint));
    *b = (ArrayBuilder){.items = a->items, .length = 0, .capacity = capacity_hint};
}

__attribute__((noinline)) void array_grow(ArrayBuilder *b) {
    uint32_t capacity = b->capacity < 4 ? 8 : b->capacity * 2;
    Array *a = reallocate(head_of(b), array_bytes(b->capacity), array_bytes(capacity));
    b->items = a->items;
    b->capacity = capacity;
}

void array_push(ArrayBuilder *b, Value v) {
    if (b->length == b->capacity) array_grow(b);
    b->items[b->length++] = v;
}

Array *array_finish(ArrayBuilder *b) {
    Array *a = reallocate(head_of(b), array_bytes(b->capacity), array_bytes(b->length));
    a->length = b->length;
    a->reserved = 0;
    return a;
}
