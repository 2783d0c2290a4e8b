/* Random numbers: xoshiro256** over the 32-byte seeds that come with events. The same event with
 * the same seed gives the same numbers, on every engine. */
#include "core.h"

static uint64_t state[4];
static bool is_seeded; /* with the seed of the event that runs: few events want random numbers */

static uint64_t rotate_left(uint64_t bits, int count) {
    return bits << count | bits >> (64 - count);
}

static uint64_t next_bits(void) {
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

/* Mixed into what is there, so that an instance that handles two events never starts over. */
static __attribute__((noinline)) void mix_in_seed(void) {
    Value v = context_get("seed");
    if (!is_string(v)) __builtin_trap();
    const String *seed = string_of(v);
    for (uint32_t i = 0; i < seed->length && i < sizeof(state); i++)
        state[i / 8] ^= (uint64_t)unit_at(seed, i) << (8 * (i % 8));
    if ((state[0] | state[1] | state[2] | state[3]) == 0) state[0] = 1; /* the one fixed point */
    enum { WARM_UP = 8 }; /* spreads seeds that differ in few bits */
    for (int i = 0; i < WARM_UP; i++) next_bits();
    is_seeded = true;
}

void random_forget(void) { is_seeded = false; }

uint64_t random_bits(void) {
    if (!is_seeded) mix_in_seed();
    return next_bits();
}

double random_unit(void) {
    enum { BITS_OF_A_DOUBLE = 53 };
    const double unit = 1.0 / (double)(1ull << BITS_OF_A_DOUBLE);
    return (double)(random_bits() >> (64 - BITS_OF_A_DOUBLE)) * unit;
}

uint32_t rt_sample(uint32_t count) { return (uint32_t)(random_unit() * count); }
