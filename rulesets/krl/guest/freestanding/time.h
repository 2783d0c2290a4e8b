/* Freestanding: declarations for inline functions of cutils.h that nothing calls. A ruleset has
 * no clock. */
#ifndef FREESTANDING_TIME_H
#define FREESTANDING_TIME_H
#include <stdint.h>
#define CLOCK_MONOTONIC 1
struct timespec {
    int64_t tv_sec;
    long tv_nsec;
};
int clock_gettime(int clock, struct timespec *out);
#endif
