/* Freestanding: what QuickJS's sources need of <string.h>; libc_min.c defines it. */
#ifndef FREESTANDING_STRING_H
#define FREESTANDING_STRING_H
#include <stddef.h>
void *memcpy(void *restrict to, const void *restrict from, size_t byte_count);
void *memmove(void *to, const void *from, size_t byte_count);
void *memset(void *to, int byte, size_t byte_count);
int memcmp(const void *a, const void *b, size_t byte_count);
void *memchr(const void *in, int byte, size_t byte_count);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *text, int wanted);
char *strrchr(const char *text, int wanted);
#endif
