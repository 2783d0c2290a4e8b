/* Doubles to the shortest decimal digits that give them back, and digits to the nearest double.
 *
 * Up to 15 digits with a power of ten that is exact, one operation of doubles does either, for it
 * rounds once. All else is computed with integers as long as they have to be: rarely, so what
 * counts there is that it is right and small. */
#include <math.h>
#include <stdlib.h>

#include "core.h"
#include "decimal.h"

enum {
    EXACT_POWER_MAX = 22,       /* 10^22 is the last power of ten that is a double */
    SIGNIFICANT_DIGITS_MAX = 800, /* a double's boundaries have at most 768 */
    LIMB_BITS = 32,
    LIMBS_MAX = 128,            /* 10^(800 + 324) has 117 */
    FRACTION_BITS = 52,
    EXPONENT_MIN = -1074,
    EXPONENT_BIAS = 1075,
    DECIMAL_EXPONENT_MAX = 310, /* what is larger is infinite; what is smaller than -345, zero */
    DECIMAL_EXPONENT_MIN = -345,
};
#define EXACT_MAX 1e15

static const double EXACT_POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                      1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* ---- long integers ---- */

typedef struct {
    uint32_t count; /* of limbs, the lowest first; the highest is not 0 */
    uint32_t limbs[LIMBS_MAX];
} Long;

static void long_set(Long *n, uint64_t value) {
    n->limbs[0] = (uint32_t)value;
    n->limbs[1] = (uint32_t)(value >> LIMB_BITS);
    n->count = n->limbs[1] != 0 ? 2 : value != 0;
}

static void long_push(Long *n, uint32_t limb) {
    if (limb == 0) return;
    if (n->count == LIMBS_MAX) __builtin_trap();
    n->limbs[n->count++] = limb;
}

/* n = n * factor + more */
static void long_multiply(Long *n, uint32_t factor, uint32_t more) {
    uint64_t carry = more;
    for (uint32_t i = 0; i < n->count; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)carry;
        carry >>= LIMB_BITS;
    }
    long_push(n, (uint32_t)carry);
}

static void long_times_power_of_ten(Long *n, uint32_t power) {
    enum { BILLION = 1000000000 };
    for (; power >= 9; power -= 9) long_multiply(n, BILLION, 0);
    for (; power > 0; power--) long_multiply(n, 10, 0);
}

static void long_shift(Long *n, uint32_t bits) {
    uint32_t limbs = bits / LIMB_BITS;
    if (n->count == 0) return;
    long_multiply(n, 1u << bits % LIMB_BITS, 0);
    if (n->count + limbs > LIMBS_MAX) __builtin_trap();
    for (uint32_t i = n->count; i > 0; i--) n->limbs[i - 1 + limbs] = n->limbs[i - 1];
    for (uint32_t i = 0; i < limbs; i++) n->limbs[i] = 0;
    n->count += limbs;
}

static uint32_t long_bits(const Long *n) {
    if (n->count == 0) return 0;
    return n->count * LIMB_BITS - (uint32_t)__builtin_clz(n->limbs[n->count - 1]);
}

/* The sign of a + b - c; b may be null. */
static int long_compare(const Long *a, const Long *b, const Long *c) {
    uint32_t count = a->count > c->count ? a->count : c->count;
    if (b != NULL && b->count > count) count = b->count;
    int64_t difference = 0; /* so far: -1 if what follows can still make up for it, or 0 */
    for (uint32_t i = count; i-- > 0;) {
        difference *= (int64_t)1 << LIMB_BITS;
        difference += i < a->count ? a->limbs[i] : 0;
        difference += b != NULL && i < b->count ? b->limbs[i] : 0;
        difference -= i < c->count ? c->limbs[i] : 0;
        if (difference >= 1) return 1;
        if (difference <= -2) return -1;
    }
    return (int)difference;
}

/* a = a - b, which is not negative. */
static void long_subtract(Long *a, const Long *b) {
    int64_t borrow = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        borrow += a->limbs[i];
        borrow -= i < b->count ? b->limbs[i] : 0;
        a->limbs[i] = (uint32_t)borrow;
        borrow >>= LIMB_BITS;
    }
    while (a->count > 0 && a->limbs[a->count - 1] == 0) a->count--;
}

/* ---- to digits ---- */

static void put_digits(Decimal *out, uint64_t whole, int32_t power) {
    char reversed[DECIMAL_DIGITS_MAX];
    int32_t count = 0, zeros = 0;
    for (; whole > 0; whole /= 10) reversed[count++] = (char)('0' + whole % 10);
    while (reversed[zeros] == '0') zeros++;
    out->point = count + power;
    out->count = count - zeros;
    for (int32_t i = 0; i < out->count; i++) out->digits[i] = reversed[count - 1 - i];
}

/* The number and its neighbours, scaled: next digits are those of value / unit. */
typedef struct {
    Long value, unit;
    Long above, below; /* half the way to the next number */
    int is_even;       /* then a number half the way is read as this one */
} Scaled;

static void scale_up(Scaled *s, uint32_t power) {
    long_times_power_of_ten(&s->value, power);
    long_times_power_of_ten(&s->above, power);
    long_times_power_of_ten(&s->below, power);
}

static bool reaches_above(const Scaled *s) {
    return long_compare(&s->value, &s->above, &s->unit) >= !s->is_even;
}

static void generate(Scaled *s, Decimal *out) {
    bool low, high;
    out->count = 0;
    do {
        char digit = '0';
        for (; long_compare(&s->value, NULL, &s->unit) >= 0; digit++)
            long_subtract(&s->value, &s->unit);
        low = long_compare(&s->value, NULL, &s->below) < s->is_even;
        high = reaches_above(s);
        int rest = long_compare(&s->value, &s->value, &s->unit);
        bool nearer = rest > 0 || (rest == 0 && (digit & 1)); /* to the next digit; or the even */
        bool rounds_up = high && (!low || nearer);
        out->digits[out->count++] = (char)(digit + rounds_up);
        scale_up(s, 1);
    } while (!low && !high);
}

static __attribute__((noinline)) void put_shortest(Decimal *out, double d) {
    union { double d; uint64_t bits; } u = {.d = d};
    uint64_t fraction = u.bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    int32_t field = (int32_t)(u.bits >> FRACTION_BITS);
    bool is_normal = field > 0, is_power_of_two = fraction == 0 && field > 1;
    uint64_t whole = fraction | (uint64_t)is_normal << FRACTION_BITS;
    int32_t exponent = (is_normal ? field : 1) - EXPONENT_BIAS;
    Scaled s = {.is_even = (whole & 1) == 0};
    long_set(&s.value, whole * 4);
    long_set(&s.unit, 4);
    long_set(&s.above, 2);
    long_set(&s.below, is_power_of_two ? 1 : 2);
    if (exponent > 0) {
        long_shift(&s.value, (uint32_t)exponent);
        long_shift(&s.above, (uint32_t)exponent);
        long_shift(&s.below, (uint32_t)exponent);
    } else {
        long_shift(&s.unit, (uint32_t)-exponent);
    }
    int32_t bits = 64 - __builtin_clzll(whole) + exponent;
    out->point = (int32_t)ceil((bits - 1) * 0.30102999566398114 - 1e-10); /* or one too small */
    if (out->point > 0) long_times_power_of_ten(&s.unit, (uint32_t)out->point);
    else scale_up(&s, (uint32_t)-out->point);
    if (reaches_above(&s)) out->point++;
    else scale_up(&s, 1);
    generate(&s, out);
}

/* The bits of a * b above the lowest 64, for factors of less than 54 bits. */
static uint64_t multiply_high(uint64_t a, uint64_t b) {
    uint64_t a_low = a & UINT32_MAX, b_low = b & UINT32_MAX, a_high = a >> 32, b_high = b >> 32;
    uint64_t middle = a_high * b_low + a_low * b_high + (a_low * b_low >> 32);
    return a_high * b_high + (middle >> 32);
}

/* For numbers of 16 or 17 digits that are not very small or large, which are what division gives:
 * all of it fits into 128 bits. `power` is such that d * 10^power has 17 digits. False: it does not
 * apply. */
static bool put_division(Decimal *out, double d, int32_t power) {
    union { double d; uint64_t bits; } u = {.d = d};
    uint64_t top = (uint64_t)1 << FRACTION_BITS, whole = top | (u.bits & (top - 1)), five = 1;
    int32_t shift = EXPONENT_BIAS - (int32_t)(u.bits >> FRACTION_BITS) - power;
    if (power > EXACT_POWER_MAX || whole == top || shift < 1 || shift > 60) return false;
    for (int32_t i = 0; i < power; i++) five *= 5;
    uint64_t exact = whole * five; /* but for what is above 64 bits */
    uint64_t digits = (exact >> shift) | multiply_high(whole, five) << (64 - shift);
    uint64_t rest = exact & (((uint64_t)1 << shift) - 1), half = (uint64_t)1 << (shift - 1);
    uint64_t fewer = digits / 10, last = digits % 10;
    fewer += last > 5 || (last == 5 && (rest > 0 || (fewer & 1)));
    int64_t distance = (int64_t)((fewer * 10 << shift) - exact);
    uint64_t twice = 2 * (uint64_t)(distance < 0 ? -distance : distance);
    if (twice < five || (twice == five && (whole & 1) == 0)) {
        put_digits(out, fewer, 1 - power);
    } else {
        digits += rest > half || (rest == half && (digits & 1));
        put_digits(out, digits, -power);
    }
    return true;
}

Decimal decimal_of(double d) {
    Decimal out;
    int32_t power = 0;
    for (; power <= EXACT_POWER_MAX; power++) {
        double whole = __builtin_rint(d * EXACT_POWERS[power]);
        if (whole >= EXACT_MAX) break;
        if (whole / EXACT_POWERS[power] != d) continue;
        put_digits(&out, (uint64_t)whole, -power);
        return out;
    }
    if (!put_division(&out, d, power + 1)) put_shortest(&out, d);
    return out;
}

/* ---- from digits ---- */

/* value / unit, rounded once, to even where it is half the way. Both are used up. */
static double nearest_ratio(Long *value, Long *unit) {
    if (value->count == 0) return 0;
    int32_t exponent = (int32_t)long_bits(value) - (int32_t)long_bits(unit);
    if (exponent > 0) long_shift(unit, (uint32_t)exponent);
    else long_shift(value, (uint32_t)-exponent);
    if (long_compare(value, NULL, unit) < 0) {
        long_multiply(value, 2, 0);
        exponent--;
    }
    int32_t missing = EXPONENT_MIN + FRACTION_BITS - exponent; /* bits below the last one */
    int32_t bit_count = FRACTION_BITS + 1 - (missing > 0 ? missing : 0);
    if (bit_count < 0) return 0;
    uint64_t bits = 0;
    for (int32_t i = 0; i < bit_count; i++) {
        bool one = long_compare(value, NULL, unit) >= 0;
        if (one) long_subtract(value, unit);
        long_multiply(value, 2, 0);
        bits = bits << 1 | one;
    }
    int order = long_compare(value, NULL, unit);
    bits += order > 0 || (order == 0 && (bits & 1));
    int32_t field = missing > 0 ? 0 : exponent + EXPONENT_BIAS - FRACTION_BITS - 1;
    union { uint64_t bits; double d; } u = {.bits = bits + ((uint64_t)field << FRACTION_BITS)};
    return u.bits >> FRACTION_BITS >= 0x7FF ? INFINITY : u.d;
}

/* For what one operation of doubles does not give exactly. */
static __attribute__((noinline)) double nearest_long(const char *digits, uint32_t length,
                                                     int32_t exponent) {
    Long value = {0}, unit;
    uint32_t taken = 0;
    bool more = false;
    for (uint32_t i = 0; i < length; i++) {
        if (digits[i] == '.' || (taken == 0 && digits[i] == '0')) continue;
        if (taken == SIGNIFICANT_DIGITS_MAX) {
            more |= digits[i] != '0';
            exponent++;
            continue;
        }
        long_multiply(&value, 10, (uint32_t)(digits[i] - '0'));
        taken++;
    }
    if (more) { /* beyond what tells two numbers apart, only that there is something matters */
        long_multiply(&value, 10, 1);
        exponent--;
    }
    long_set(&unit, 1);
    long_times_power_of_ten(exponent < 0 ? &unit : &value, (uint32_t)abs(exponent));
    return nearest_ratio(&value, &unit);
}

double nearest_double(const char *digits, uint32_t length, int32_t exponent) {
    enum { EXACT_DIGITS = 15 };
    uint64_t whole = 0;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < length; i++) {
        if (digits[i] == '.' || (taken == 0 && digits[i] == '0')) continue;
        if (taken++ < EXACT_DIGITS) whole = whole * 10 + (uint64_t)(digits[i] - '0');
    }
    if (taken <= EXACT_DIGITS && abs(exponent) <= EXACT_POWER_MAX) {
        double d = (double)whole, power = EXACT_POWERS[abs(exponent)];
        return exponent < 0 ? d / power : d * power;
    }
    int64_t magnitude = (int64_t)taken + exponent;
    if (taken == 0 || magnitude < DECIMAL_EXPONENT_MIN) return 0;
    if (magnitude > DECIMAL_EXPONENT_MAX) return INFINITY;
    return nearest_long(digits, length, exponent);
}

const char *read_whole(const char *digits, uint32_t radix, double *out) {
    enum { BITS_MAX = 1100 };
    Long value = {0}, unit;
    const char *start = digits;
    for (;; digits++) {
        uint32_t letter = (uint32_t)(*digits | 0x20) - 'a';
        uint32_t digit = letter < 26 ? letter + 10 : (uint32_t)*digits - '0';
        if (digit >= radix) break;
        if (long_bits(&value) < BITS_MAX) long_multiply(&value, radix, digit);
    }
    long_set(&unit, 1);
    *out = nearest_ratio(&value, &unit);
    return digits > start ? digits : NULL;
}
