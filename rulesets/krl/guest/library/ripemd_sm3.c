/* RIPEMD-160 (ISO/IEC 10118-3) and SM3 (GB/T 32905). */
#include "digest.h"

/* ---- RIPEMD-160: two lines of five rounds, added at the end ---- */

static const uint8_t left_words[80] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9,
    5, 2, 14, 11, 8, 3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12, 1, 9, 11, 10, 0, 8,
    12, 4, 13, 3, 7, 15, 14, 5, 6, 2, 4, 0, 5, 9, 7, 12, 2, 10, 14, 1, 3, 8, 11, 6, 15, 13};
static const uint8_t right_words[80] = {
    5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12, 6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8,
    12, 4, 9, 1, 2, 15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13, 8, 6, 4, 1, 3, 11,
    15, 0, 5, 12, 2, 13, 9, 7, 10, 14, 12, 15, 10, 4, 1, 5, 8, 7, 6, 2, 13, 14, 0, 3, 9, 11};
static const uint8_t left_turns[80] = {
    11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8, 7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15,
    9, 11, 7, 13, 12, 11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5, 11, 12, 14, 15, 14,
    15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12, 9, 15, 5, 11, 6, 8, 13, 12, 5, 12, 13, 14, 11, 8, 5, 6};
static const uint8_t right_turns[80] = {
    8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6, 9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12,
    7, 6, 15, 13, 11, 9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5, 15, 5, 8, 11, 14,
    14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8, 8, 5, 12, 9, 12, 5, 14, 6, 8, 13, 6, 5, 15, 13, 11, 11};
static const uint32_t left_constants[5] = {0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e};
static const uint32_t right_constants[5] = {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0};

static uint32_t ripemd_mixed(uint32_t function, uint32_t x, uint32_t y, uint32_t z) {
    switch (function) {
    case 0:
        return x ^ y ^ z;
    case 1:
        return (x & y) | (~x & z);
    case 2:
        return (x | ~y) ^ z;
    case 3:
        return (x & z) | (y & ~z);
    default:
        return x ^ (y | ~z);
    }
}

static void ripemd_step(uint32_t *s, uint32_t function, uint32_t word, uint32_t constant,
                        uint32_t turn) {
    uint32_t sum = s[0] + ripemd_mixed(function, s[1], s[2], s[3]) + word + constant;
    uint32_t next = rotate_left(sum, turn) + s[4];
    s[0] = s[4];
    s[4] = s[3];
    s[3] = rotate_left(s[2], 10);
    s[2] = s[1];
    s[1] = next;
}

static void ripemd_block(uint32_t *state, const uint8_t *block) {
    uint32_t left[5], right[5], next[5];
    for (uint32_t i = 0; i < 5; i++) {
        left[i] = right[i] = state[i];
    }
    for (uint32_t t = 0; t < 80; t++) {
        uint32_t round = t / 16;
        ripemd_step(left, round, load_little(block + 4 * left_words[t]), left_constants[round],
                    left_turns[t]);
        ripemd_step(right, 4 - round, load_little(block + 4 * right_words[t]),
                    right_constants[round], right_turns[t]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        next[i] = state[(i + 1) % 5] + left[(i + 2) % 5] + right[(i + 3) % 5];
    }
    for (uint32_t i = 0; i < 5; i++) {
        state[i] = next[i];
    }
}

void ripemd160_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, false);
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        ripemd_block(state, padded.bytes + at);
    }
    for (uint32_t i = 0; i < 5; i++) {
        store_little(out + 4 * i, state[i]);
    }
}

/* ---- SM3 ---- */

static uint32_t turned(uint32_t x, uint32_t n) {
    return n % 32 == 0 ? x : rotate_left(x, n % 32);
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z) {
    return (x & y) | (x & z) | (y & z);
}

static void sm3_expand(uint32_t *w, const uint8_t *block) {
    for (uint32_t t = 0; t < 68; t++) {
        if (t < 16) {
            w[t] = load_big(block + 4 * t);
            continue;
        }
        uint32_t x = w[t - 16] ^ w[t - 9] ^ turned(w[t - 3], 15);
        w[t] = x ^ turned(x, 15) ^ turned(x, 23) ^ turned(w[t - 13], 7) ^ w[t - 6];
    }
}

static void sm3_step(uint32_t *s, const uint32_t *w, uint32_t t) {
    bool early = t < 16;
    uint32_t constant = turned(early ? 0x79cc4519 : 0x7a879d8a, t), a12 = turned(s[0], 12);
    uint32_t first = turned(a12 + s[4] + constant, 7), second = first ^ a12;
    uint32_t upper = early ? s[0] ^ s[1] ^ s[2] : majority(s[0], s[1], s[2]);
    uint32_t lower = early ? s[4] ^ s[5] ^ s[6] : (s[4] & s[5]) | (~s[4] & s[6]);
    uint32_t up = upper + s[3] + second + (w[t] ^ w[t + 4]);
    uint32_t down = lower + s[7] + first + w[t];
    s[3] = s[2];
    s[2] = turned(s[1], 9);
    s[1] = s[0];
    s[0] = up;
    s[7] = s[6];
    s[6] = turned(s[5], 19);
    s[5] = s[4];
    s[4] = down ^ turned(down, 9) ^ turned(down, 17);
}

void sm3_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, true);
    uint32_t state[8] = {0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
                         0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e};
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        uint32_t w[68], s[8];
        sm3_expand(w, padded.bytes + at);
        for (uint32_t i = 0; i < 8; i++) {
            s[i] = state[i];
        }
        for (uint32_t t = 0; t < 64; t++) {
            sm3_step(s, w, t);
        }
        for (uint32_t i = 0; i < 8; i++) {
            state[i] ^= s[i];
        }
    }
    for (uint32_t i = 0; i < 8; i++) {
        store_big(out + 4 * i, state[i]);
    }
}
