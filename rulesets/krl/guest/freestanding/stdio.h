/* Freestanding: there is no output; error messages of the pattern compiler are formatted by a
 * vsnprintf that knows %s and %c only (libc_min.c). */
#ifndef FREESTANDING_STDIO_H
#define FREESTANDING_STDIO_H
#include <stdarg.h>
#include <stddef.h>
int vsnprintf(char *out, size_t capacity, const char *format, va_list arguments);
int snprintf(char *out, size_t capacity, const char *format, ...);
int printf(const char *format, ...);
#endif
