/* SHA-3 and SHAKE (FIPS 202): a sponge over Keccak-f[1600]. The block is the sponge's rate. */
#include "digest.h"

enum { LANES = 25, ROUNDS = 24, SHA3_SUFFIX = 0x06, SHAKE_SUFFIX = 0x1F };

static uint64_t rotate_left_64(uint64_t x, uint32_t n) {
    return n == 0 ? x : rotate_right_64(x, 64 - n);
}

static void mix_columns(uint64_t *a) {
    uint64_t parity[5];
    for (uint32_t x = 0; x < 5; x++) {
        parity[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    }
    for (uint32_t i = 0; i < LANES; i++) {
        a[i] ^= parity[(i + 4) % 5] ^ rotate_left_64(parity[(i + 1) % 5], 1);
    }
}

/* Lane (x, y) goes to (y, 2x + 3y), turned by the triangular numbers along the way. */
static void turn_and_move(uint64_t *a) {
    uint32_t x = 1, y = 0;
    uint64_t carried = a[1];
    for (uint32_t t = 0; t < ROUNDS; t++) {
        uint32_t next_y = (2 * x + 3 * y) % 5;
        x = y;
        y = next_y;
        uint64_t lane = a[x + 5 * y];
        a[x + 5 * y] = rotate_left_64(carried, (t + 1) * (t + 2) / 2 % 64);
        carried = lane;
    }
}

static void mix_rows(uint64_t *a) {
    for (uint32_t y = 0; y < LANES; y += 5) {
        uint64_t row[5] = {a[y], a[y + 1], a[y + 2], a[y + 3], a[y + 4]};
        for (uint32_t x = 0; x < 5; x++) {
            a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
        }
    }
}

/* The round constants come from a shift register, one bit for each of seven places. */
static uint64_t round_constant(uint32_t *shift_register) {
    uint64_t constant = 0;
    for (uint32_t j = 0; j < 7; j++) {
        constant |= (uint64_t)(*shift_register & 1) << ((1u << j) - 1);
        *shift_register = *shift_register << 1 ^ (*shift_register >> 7) * 0x171;
    }
    return constant;
}

static void permute(uint64_t *a) {
    uint32_t shift_register = 1;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        mix_columns(a);
        turn_and_move(a);
        mix_rows(a);
        a[0] ^= round_constant(&shift_register);
    }
}

static void sponge(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t suffix,
                   uint8_t *out) {
    uint32_t rate = d->block_bytes, blocks = byte_count / rate + 1;
    uint8_t *padded = allocate(blocks * rate);
    for (uint32_t i = 0; i < blocks * rate; i++) {
        padded[i] = i < byte_count ? message[i] : i == byte_count ? suffix : 0;
    }
    padded[blocks * rate - 1] |= 0x80;
    uint64_t lanes[LANES] = {0};
    for (uint32_t block = 0; block < blocks; block++) {
        for (uint32_t i = 0; i < rate / 8; i++) {
            lanes[i] ^= load_little_64(padded + block * rate + 8 * i);
        }
        permute(lanes);
    }
    for (uint32_t i = 0; i < d->digest_bytes; i++) {
        out[i] = (uint8_t)(lanes[i / 8] >> 8 * (i % 8));
    }
}

void sha3_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    sponge(d, message, byte_count, SHA3_SUFFIX, out);
}

void shake_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    sponge(d, message, byte_count, SHAKE_SUFFIX, out);
}
