/* Freestanding: the integer types; nothing here formats them. */
#include <stdint.h>
