/* Freestanding: a failed assertion is a bug, and traps. */
#ifndef assert
#define assert(condition) ((condition) ? (void)0 : __builtin_trap())
#endif
