/* Freestanding: what QuickJS's sources need of <stdlib.h>. Memory comes from the arena; the
 * functions without a definition are named by inline functions that nothing calls. */
#ifndef FREESTANDING_STDLIB_H
#define FREESTANDING_STDLIB_H
#include <stddef.h>
_Noreturn void abort(void);
void *malloc(size_t byte_count);
void *realloc(void *old, size_t byte_count);
void free(void *old);
#define abs(x) __builtin_abs(x)
#define alloca __builtin_alloca
#endif
