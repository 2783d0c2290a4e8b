/* Doubles and decimal digits: decimal.c. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stdint.h>

enum { DECIMAL_DIGITS_MAX = 17 };

/* 0.d1d2d3.. times ten to the power `point`; the first and the last digit are not 0. */
typedef struct {
    char digits[DECIMAL_DIGITS_MAX + 1];
    int32_t count, point;
} Decimal;

/* The shortest digits that give a finite number above 0 back, and of those the nearest to it. */
Decimal decimal_of(double d);

/* The number nearest to digits times ten to a power; a point among the digits does not count. */
double nearest_double(const char *digits, uint32_t length, int32_t exponent);

/* Reads digits below a radix up to 16 as the nearest number; the end of them, null if none. */
const char *read_whole(const char *digits, uint32_t radix, double *out);

#endif
