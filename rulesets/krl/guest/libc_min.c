/* The C library, as far as this guest needs one: copying, comparing, fmod, and the formatter
 * behind the pattern compiler's error messages. Nothing here knows KRL. */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "krl.h"

void *memcpy(void *restrict to, const void *restrict from, size_t byte_count) {
    __builtin_memcpy(to, from, byte_count); /* memory.copy: see -mbulk-memory in build.py */
    return to;
}

void *memmove(void *to, const void *from, size_t byte_count) {
    __builtin_memmove(to, from, byte_count);
    return to;
}

void *memset(void *to, int byte, size_t byte_count) {
    __builtin_memset(to, byte, byte_count);
    return to;
}

int memcmp(const void *a, const void *b, size_t byte_count) {
    const uint8_t *left = a, *right = b;
    for (size_t i = 0; i < byte_count; i++)
        if (left[i] != right[i]) return left[i] < right[i] ? -1 : 1;
    return 0;
}

void *memchr(const void *in, int byte, size_t byte_count) {
    const uint8_t *bytes = in;
    for (size_t i = 0; i < byte_count; i++)
        if (bytes[i] == (uint8_t)byte) return (void *)(uintptr_t)(bytes + i);
    return NULL;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t limit) {
    for (size_t i = 0; i < limit; i++) {
        uint8_t left = (uint8_t)a[i], right = (uint8_t)b[i];
        if (left != right) return left < right ? -1 : 1;
        if (left == 0) break;
    }
    return 0;
}

char *strchr(const char *text, int wanted) {
    for (;; text++) {
        if (*text == (char)wanted) return (char *)(uintptr_t)text;
        if (*text == 0) return NULL;
    }
}

char *strrchr(const char *text, int wanted) {
    const char *last = NULL;
    for (;; text++) {
        if (*text == (char)wanted) last = text;
        if (*text == 0) return (char *)(uintptr_t)last;
    }
}

_Noreturn void abort(void) { __builtin_trap(); }

/* cutils.h falls back to these only for buffers that were given no allocator; ours all are. */
void *malloc(size_t byte_count) { return allocate(byte_count); }
void *realloc(void *old, size_t byte_count) { return old ? (abort(), NULL) : malloc(byte_count); }
void free(void *old) { (void)old; }

int vsnprintf(char *out, size_t capacity, const char *format, va_list arguments) {
    size_t length = 0;
    for (; *format; format++) {
        const char *piece = format;
        size_t piece_length = 1;
        char unit;
        if (format[0] == '%' && format[1] == 's') {
            piece = va_arg(arguments, const char *);
            piece_length = strlen(piece);
            format++;
        } else if (format[0] == '%' && format[1] == 'c') {
            unit = (char)va_arg(arguments, int);
            piece = &unit;
            format++;
        }
        for (size_t i = 0; i < piece_length; i++, length++)
            if (length + 1 < capacity) out[length] = piece[i];
    }
    if (capacity > 0) out[length < capacity ? length : capacity - 1] = 0;
    return (int)length;
}

int snprintf(char *out, size_t capacity, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out, capacity, format, arguments);
    va_end(arguments);
    return length;
}

static uint64_t bits_of(double d) {
    union { double d; uint64_t bits; } u = {.d = d};
    return u.bits;
}

static double from_bits(uint64_t bits) {
    union { uint64_t bits; double d; } u = {.bits = bits};
    return u.d;
}

enum { MANTISSA_BITS = 52 };
static const uint64_t HIDDEN_BIT = 1ull << MANTISSA_BITS;

/* Splits a positive finite number into mantissa * 2^exponent, the mantissa having 53 bits. */
static uint64_t split(uint64_t bits, int *exponent) {
    uint64_t mantissa = bits & (HIDDEN_BIT - 1);
    *exponent = (int)(bits >> MANTISSA_BITS);
    if (*exponent > 0) return mantissa | HIDDEN_BIT;
    int shift = __builtin_clzll(mantissa) - (63 - MANTISSA_BITS);
    *exponent = 1 - shift;
    return mantissa << shift;
}

static double join(uint64_t mantissa, int exponent) {
    if (mantissa == 0) return 0;
    int shift = __builtin_clzll(mantissa) - (63 - MANTISSA_BITS);
    mantissa <<= shift;
    exponent -= shift;
    if (exponent > 0)
        return from_bits((mantissa - HIDDEN_BIT) | (uint64_t)exponent << MANTISSA_BITS);
    return from_bits(mantissa >> (1 - exponent));
}

/* Exact, as IEEE 754 and ECMAScript want it: long division, one bit at a time. */
double fmod(double dividend, double divisor) {
    double a = fabs(dividend), b = fabs(divisor);
    if (!(a < INFINITY) || !(b > 0)) return NAN;
    if (a < b) return dividend;
    int exponent, divisor_exponent;
    uint64_t rest = split(bits_of(a), &exponent);
    uint64_t step = split(bits_of(b), &divisor_exponent);
    if (b == INFINITY) return dividend;
    for (;; exponent--) {
        if (rest >= step) rest -= step;
        if (exponent == divisor_exponent || rest == 0) break;
        rest <<= 1;
    }
    double result = join(rest, exponent);
    return dividend < 0 || (dividend == 0 && signbit(dividend)) ? -result : result;
}
