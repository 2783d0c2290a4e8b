/* Freestanding: every one of these is a WebAssembly instruction, but fmod (libc_min.c). */
#ifndef FREESTANDING_MATH_H
#define FREESTANDING_MATH_H
#define NAN __builtin_nan("")
#define INFINITY __builtin_inf()
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)
#define fabs(x) __builtin_fabs(x)
#define floor(x) __builtin_floor(x)
#define ceil(x) __builtin_ceil(x)
#define trunc(x) __builtin_trunc(x)
#define sqrt(x) __builtin_sqrt(x)
double fmod(double dividend, double divisor);
/* Named by inline functions of cutils.h that nothing calls. */
double scalbn(double x, int exponent);
double frexp(double x, int *exponent);
#define copysign(x, y) __builtin_copysign(x, y)
#endif
