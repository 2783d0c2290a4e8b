/* Freestanding: see time.h. */
#ifndef FREESTANDING_SYS_TIME_H
#define FREESTANDING_SYS_TIME_H
#include <stdint.h>
struct timeval {
    int64_t tv_sec;
    long tv_usec;
};
int gettimeofday(struct timeval *out, void *zone);
#endif
