/* Memory: one pointer that only goes up. An instance lives for one transition, so nothing is
 * freed; what little is worth giving back (a matcher's stack) is given back to the top. */
#include <string.h>

#include "core.h"

extern uint8_t __heap_base;

/* Behind the last object memory goes on: functions read arguments that are not there, and know
 * better (krl/emit/emit.py), and patterns read two bytes where one is left. */
enum { WASM_PAGE_BYTES = 65536, SPARE_BYTES = 64 };

/* Exported as data: the linker of a ruleset puts its constants behind __heap_base and overwrites
 * this word, so that the arena starts behind them. */
uint8_t *rt_arena_next = &__heap_base;
uint8_t *arena_end; /* null until the first allocation asks how large memory is */

static uint8_t *memory_end(void) {
    return (uint8_t *)(__builtin_wasm_memory_size(0) * WASM_PAGE_BYTES) - SPARE_BYTES;
}

/* Doubles, so that growing costs little however much is needed; traps when it may not. */
void arena_make_room(uint64_t end) {
    arena_end = memory_end();
    if (end <= (uintptr_t)arena_end) return;
    uint64_t missing = end - (uintptr_t)arena_end;
    uint64_t pages = (missing + WASM_PAGE_BYTES - 1) / WASM_PAGE_BYTES;
    if (pages > UINT16_MAX) __builtin_trap();
    uint32_t generous = (uint32_t)__builtin_wasm_memory_size(0);
    if (generous < pages || __builtin_wasm_memory_grow(0, generous) == SIZE_MAX)
        if (__builtin_wasm_memory_grow(0, (uint32_t)pages) == SIZE_MAX) __builtin_trap();
    arena_end = memory_end();
}

static inline uint32_t aligned(uint32_t byte_count) {
    if (byte_count > UINT32_MAX - ARENA_ALIGNMENT) __builtin_trap();
    return (byte_count + ARENA_ALIGNMENT - 1) & ~(uint32_t)(ARENA_ALIGNMENT - 1);
}

void *allocate(uint32_t byte_count) { return allocate_here(byte_count); }

void *rt_allocate(uint32_t byte_count) { return allocate(byte_count); }

void *reallocate(void *old, uint32_t old_bytes, uint32_t bytes) {
    uint32_t old_size = aligned(old_bytes), size = aligned(bytes);
    bool newest = (uint8_t *)old + old_size == rt_arena_next && old != NULL;
    if (newest && size <= old_size) {
        rt_arena_next = (uint8_t *)old + size;
        return old;
    }
    if (newest) {
        allocate(size - old_size);
        return old;
    }
    if (size <= old_size && old != NULL) return old;
    void *block = allocate(size);
    if (old_bytes > 0) memcpy(block, old, old_bytes);
    return block;
}

uint8_t *arena_mark(void) { return rt_arena_next; }
void arena_release(uint8_t *mark) { rt_arena_next = mark; }

/* The host calls this while an import runs: it must not call an import itself, and does not. */
void *cabi_realloc(void *old, uint32_t old_bytes, uint32_t alignment, uint32_t bytes) {
    if (alignment > ARENA_ALIGNMENT) __builtin_trap();
    return reallocate(old_bytes > 0 ? old : NULL, old_bytes, bytes);
}
