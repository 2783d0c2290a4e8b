/*
 * The floor: what an event costs when nothing is done but what wasmtime, BLAKE3 and a disk must do.
 *
 * For each event a fresh store and a fresh instance from a prepared one, the same message copied
 * in, the guest's handle run with trivial host functions, as many bytes hashed as picomesh hashes
 * and as many appended to a file as it stores; every 64 events one fdatasync. Nothing is encoded,
 * checked, signed, chained or looked up. floor.py gives the engine and the module; it is the same
 * library, with the same settings, in the same process.
 */
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "wasmtime.h"

void floor_blake3(const uint8_t *data, size_t count, uint8_t *digest);

enum { SLOTS_MAX = 16, PATH_BYTES_MAX = 256, VALUE_BYTES_MAX = 4096, DIGEST_BYTES = 32 };
enum { HASHED_BYTES_MAX = 65536, HASHES_MAX = 64, UNREACHABLE_TRAP = 9 };
enum { WHOLE_FUEL = 1000000000, WHOLE_STACK = 65536 };

typedef struct {
    uint8_t path[PATH_BYTES_MAX];
    uint8_t value[VALUE_BYTES_MAX];
    uint32_t path_bytes;
    uint32_t value_bytes;
} slot;

typedef struct {
    void *engine;
    void *prepared;
    int file;
    int sync_every;
    uint32_t append_bytes;
    uint32_t hash_count;
    uint32_t hash_bytes[HASHES_MAX];
} floor_setup;

typedef struct {
    double wall_s;
    double cpu_s;
    int64_t fuel;
} floor_result;

/* The run that goes on: there is one at a time. */
static void *context;
static extern_handle memory, reallocate, handle, fuel, stack;
static slot slots[SLOTS_MAX];
static uint32_t slot_count;
static uint8_t bytes[HASHED_BYTES_MAX];

static uint8_t *guest_memory(void) {
    return wasmtime_memory_data(context, memory.item);
}

/* An address, or 0 when the guest stopped. */
static uint32_t allocate(uint32_t count) {
    raw_value values[4] = {{.i32 = 0}, {.i32 = 0}, {.i32 = 1}, {.i32 = (int32_t)count}};
    void *trap = NULL;
    if (wasmtime_func_call_unchecked(context, reallocate.item, values, 4, &trap) || trap)
        return 0;
    return (uint32_t)values[0].i32;
}

static uint32_t give(const uint8_t *data, uint32_t count) {
    uint32_t address = allocate(count);
    if (address)
        memcpy(guest_memory() + address, data, count);
    return address;
}

static slot *find(const uint8_t *path, uint32_t count) {
    for (uint32_t at = 0; at < slot_count; at++)
        if (slots[at].path_bytes == count && memcmp(slots[at].path, path, count) == 0)
            return &slots[at];
    return NULL;
}

void *floor_get(void *env, void *caller, raw_value *values, size_t count) {
    slot *found = find(guest_memory() + (uint32_t)values[0].i32, (uint32_t)values[1].i32);
    uint32_t words[3] = {0, 0, 0};
    if (found) {
        words[0] = 1;
        words[1] = give(found->value, found->value_bytes);
        words[2] = found->value_bytes;
    }
    memcpy(guest_memory() + (uint32_t)values[2].i32, words, sizeof words);
    return NULL;
}

void *floor_put(void *env, void *caller, raw_value *values, size_t count) {
    const uint8_t *base = guest_memory();
    const uint8_t *path = base + (uint32_t)values[0].i32;
    uint32_t path_bytes = (uint32_t)values[1].i32, value_bytes = (uint32_t)values[3].i32;
    slot *found = find(path, path_bytes);
    if (path_bytes > PATH_BYTES_MAX || value_bytes > VALUE_BYTES_MAX)
        return wasmtime_trap_new_code(UNREACHABLE_TRAP);
    if (!found) {
        if (slot_count == SLOTS_MAX)
            return wasmtime_trap_new_code(UNREACHABLE_TRAP);
        found = &slots[slot_count++];
        memcpy(found->path, path, path_bytes);
        found->path_bytes = path_bytes;
    }
    memcpy(found->value, base + (uint32_t)values[2].i32, value_bytes);
    found->value_bytes = value_bytes;
    return NULL;
}

void *floor_emit(void *env, void *caller, raw_value *values, size_t count) {
    return NULL;
}

/* What the counter never calls. */
void *floor_refuse(void *env, void *caller, raw_value *values, size_t count) {
    return wasmtime_trap_new_code(UNREACHABLE_TRAP);
}

static bool find_exports(const instance_handle *instance) {
    return wasmtime_instance_export_get(context, instance, "memory", 6, &memory) &&
           wasmtime_instance_export_get(context, instance, "cabi_realloc", 12, &reallocate) &&
           wasmtime_instance_export_get(context, instance, "pico-1:fuel", 11, &fuel) &&
           wasmtime_instance_export_get(context, instance, "pico-1:stack", 12, &stack) &&
           wasmtime_instance_export_get(context, instance, "handle", 6, &handle);
}

/* The guest's part of an event, or its instance alone: its fuel, -1 if it did not come back. */
static int64_t transition(const floor_setup *setup, const uint8_t *message, uint32_t count) {
    instance_handle instance;
    void *trap = NULL;
    global_value budget = {.kind = KIND_I64, .of.i64 = WHOLE_FUEL};
    global_value words = {.kind = KIND_I32, .of.i32 = WHOLE_STACK};
    raw_value values[2];

    if (wasmtime_instance_pre_instantiate(setup->prepared, context, &instance, &trap) || trap ||
        !find_exports(&instance))
        return -1;
    if (count == 0)
        return 0;
    wasmtime_global_set(context, fuel.item, &budget);
    wasmtime_global_set(context, stack.item, &words);
    values[0].i32 = (int32_t)give(message, count);
    values[1].i32 = (int32_t)count;
    if (wasmtime_func_call_unchecked(context, handle.item, values, 2, &trap) || trap)
        return -1;
    uint32_t answer[2];
    memcpy(answer, guest_memory() + (uint32_t)values[0].i32, sizeof answer);
    if (answer[1] > HASHED_BYTES_MAX)
        return -1;
    memcpy(bytes, guest_memory() + answer[0], answer[1]);
    wasmtime_global_get(context, fuel.item, &budget);
    return WHOLE_FUEL - budget.of.i64;
}

/* The rest: hashes, each over the one before, and the append. */
static bool record(const floor_setup *setup, int64_t number) {
    for (uint32_t at = 0; at < setup->hash_count; at++)
        floor_blake3(bytes, setup->hash_bytes[at], bytes);
    if (write(setup->file, bytes, setup->append_bytes) != (ssize_t)setup->append_bytes)
        return false;
    return setup->sync_every == 0 || number % setup->sync_every || fdatasync(setup->file) == 0;
}

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Runs the same event again and again. False when an event did not come to its end. */
bool floor_run(const floor_setup *setup, const uint8_t *message, uint32_t count, int64_t events,
               floor_result *result) {
    double wall_s = now(CLOCK_MONOTONIC), cpu_s = now(CLOCK_PROCESS_CPUTIME_ID);
    for (int64_t number = 1; number <= events; number++) {
        void *store = wasmtime_store_new(setup->engine, NULL, NULL);
        context = wasmtime_store_context(store);
        result->fuel = transition(setup, message, count);
        wasmtime_store_delete(store);
        if (result->fuel < 0 || !record(setup, number))
            return false;
    }
    result->wall_s = now(CLOCK_MONOTONIC) - wall_s;
    result->cpu_s = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    return true;
}

/* The value that a path has now; its size, or 0. */
uint32_t floor_value(const uint8_t *path, uint32_t path_bytes, uint8_t *into) {
    slot *found = find(path, path_bytes);
    if (!found)
        return 0;
    memcpy(into, found->value, found->value_bytes);
    return found->value_bytes;
}
