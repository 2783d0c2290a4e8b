/* BLAKE2b and BLAKE2s (RFC 7693), without a key. They start from SHA-2's constants. */
#include "digest.h"

enum { ROUNDS_B = 12, ROUNDS_S = 10 };

static const uint8_t schedules[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

/* The four places that each of a round's eight mixings works on: columns, then diagonals. */
static const uint8_t places[8][4] = {{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15},
                                     {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}};

static void mix_b(uint64_t *v, const uint8_t *p, uint64_t x, uint64_t y) {
    v[p[0]] += v[p[1]] + x;
    v[p[3]] = rotate_right_64(v[p[3]] ^ v[p[0]], 32);
    v[p[2]] += v[p[3]];
    v[p[1]] = rotate_right_64(v[p[1]] ^ v[p[2]], 24);
    v[p[0]] += v[p[1]] + y;
    v[p[3]] = rotate_right_64(v[p[3]] ^ v[p[0]], 16);
    v[p[2]] += v[p[3]];
    v[p[1]] = rotate_right_64(v[p[1]] ^ v[p[2]], 63);
}

static void mix_s(uint32_t *v, const uint8_t *p, uint32_t x, uint32_t y) {
    v[p[0]] += v[p[1]] + x;
    v[p[3]] = rotate_left(v[p[3]] ^ v[p[0]], 16);
    v[p[2]] += v[p[3]];
    v[p[1]] = rotate_left(v[p[1]] ^ v[p[2]], 20);
    v[p[0]] += v[p[1]] + y;
    v[p[3]] = rotate_left(v[p[3]] ^ v[p[0]], 24);
    v[p[2]] += v[p[3]];
    v[p[1]] = rotate_left(v[p[1]] ^ v[p[2]], 25);
}

static void compress_b(uint64_t *state, const uint8_t *block, uint64_t bytes_so_far, bool last) {
    uint64_t v[16], m[16];
    for (uint32_t i = 0; i < 16; i++) {
        v[i] = i < 8 ? state[i] : sha512_start[i - 8];
        m[i] = load_little_64(block + 8 * i);
    }
    v[12] ^= bytes_so_far;
    v[14] ^= last ? ~0ull : 0;
    for (uint32_t round = 0; round < ROUNDS_B; round++) {
        const uint8_t *order = schedules[round % 10];
        for (uint32_t i = 0; i < 8; i++) {
            mix_b(v, places[i], m[order[2 * i]], m[order[2 * i + 1]]);
        }
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] ^= v[i] ^ v[i + 8];
    }
}

static void compress_s(uint32_t *state, const uint8_t *block, uint64_t bytes_so_far, bool last) {
    uint32_t v[16], m[16];
    for (uint32_t i = 0; i < 16; i++) {
        v[i] = i < 8 ? state[i] : sha256_start[i - 8];
        m[i] = load_little(block + 4 * i);
    }
    v[12] ^= (uint32_t)bytes_so_far;
    v[13] ^= (uint32_t)(bytes_so_far >> 32);
    v[14] ^= last ? ~0u : 0;
    for (uint32_t round = 0; round < ROUNDS_S; round++) {
        const uint8_t *order = schedules[round];
        for (uint32_t i = 0; i < 8; i++) {
            mix_s(v, places[i], m[order[2 * i]], m[order[2 * i + 1]]);
        }
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] ^= v[i] ^ v[i + 8];
    }
}

/* Whole blocks with zeros behind the message; an empty message is one block of zeros. */
static Bytes zero_padded(const Digest *d, const uint8_t *message, uint32_t byte_count) {
    uint32_t blocks = byte_count == 0 ? 1 : (byte_count + d->block_bytes - 1) / d->block_bytes;
    Bytes out = {allocate(blocks * d->block_bytes), blocks * d->block_bytes};
    for (uint32_t i = 0; i < out.byte_count; i++) {
        out.bytes[i] = i < byte_count ? message[i] : 0;
    }
    return out;
}

void blake2b_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = zero_padded(d, message, byte_count);
    uint64_t state[8];
    for (uint32_t i = 0; i < 8; i++) {
        state[i] = sha512_start[i];
    }
    state[0] ^= 0x01010000 ^ d->digest_bytes;
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        bool last = at + d->block_bytes == padded.byte_count;
        compress_b(state, padded.bytes + at, last ? byte_count : at + d->block_bytes, last);
    }
    for (uint32_t i = 0; i < d->digest_bytes; i++) {
        out[i] = (uint8_t)(state[i / 8] >> 8 * (i % 8));
    }
}

void blake2s_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = zero_padded(d, message, byte_count);
    uint32_t state[8];
    for (uint32_t i = 0; i < 8; i++) {
        state[i] = sha256_start[i];
    }
    state[0] ^= 0x01010000 ^ d->digest_bytes;
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        bool last = at + d->block_bytes == padded.byte_count;
        compress_s(state, padded.bytes + at, last ? byte_count : at + d->block_bytes, last);
    }
    for (uint32_t i = 0; i < d->digest_bytes; i++) {
        out[i] = (uint8_t)(state[i / 4] >> 8 * (i % 4));
    }
}
