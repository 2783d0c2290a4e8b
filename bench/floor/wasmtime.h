/*
 * The functions of libwasmtime that an event needs: the wheel has the library without its headers.
 *
 * Sizes are those of wasmtime 50; runtime/picomesh/sandbox/native.py checks the same ones.
 */
#ifndef PICOMESH_FLOOR_WASMTIME_H
#define PICOMESH_FLOOR_WASMTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t bytes[2];
} instance_handle;

typedef struct {
    uint8_t kind;
    uint64_t item[3]; /* a function, a memory or a global */
} extern_handle;

typedef struct {
    uint8_t kind;
    union {
        int32_t i32;
        int64_t i64;
        uint64_t room[3];
    } of;
} global_value;

typedef union {
    int32_t i32;
    int64_t i64;
    uint64_t room[2];
} raw_value;

enum { KIND_I32 = 0, KIND_I64 = 1 };

void *wasmtime_store_new(void *engine, void *data, void (*finalizer)(void *));
void *wasmtime_store_context(void *store);
void wasmtime_store_delete(void *store);
void *wasmtime_instance_pre_instantiate(void *pre, void *context, instance_handle *into,
                                        void **trap);
bool wasmtime_instance_export_get(void *context, const instance_handle *instance,
                                  const char *name, size_t name_bytes, extern_handle *into);
uint8_t *wasmtime_memory_data(void *context, const void *memory);
size_t wasmtime_memory_data_size(void *context, const void *memory);
void wasmtime_global_get(void *context, const void *global, global_value *into);
void *wasmtime_global_set(void *context, const void *global, const global_value *value);
void *wasmtime_func_call_unchecked(void *context, const void *function, raw_value *values,
                                   size_t count, void **trap);
void *wasmtime_trap_new_code(uint8_t code);

#endif
