/* MD5 (RFC 1321) and SHA-1 (FIPS 180-4): broken as signatures, still asked for as names. */
#include "digest.h"

static const uint32_t md5_sines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a,
    0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
    0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
    0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
    0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
    0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
    0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
    0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
    0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const uint8_t md5_turns[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t md5_mixed(uint32_t t, const uint32_t *s) {
    switch (t / 16) {
    case 0:
        return (s[1] & s[2]) | (~s[1] & s[3]);
    case 1:
        return (s[3] & s[1]) | (~s[3] & s[2]);
    case 2:
        return s[1] ^ s[2] ^ s[3];
    default:
        return s[2] ^ (s[1] | ~s[3]);
    }
}

/* Which word of the block step t reads: t, 5t + 1, 3t + 5 or 7t, by round. */
static uint32_t md5_word(uint32_t t) {
    static const uint8_t factors[4] = {1, 5, 3, 7}, offsets[4] = {0, 1, 5, 0};
    return (factors[t / 16] * t + offsets[t / 16]) % 16;
}

static void md5_block(uint32_t *state, const uint8_t *block) {
    uint32_t s[4] = {state[0], state[1], state[2], state[3]};
    for (uint32_t t = 0; t < 64; t++) {
        uint32_t sum = s[0] + md5_mixed(t, s) + md5_sines[t] + load_little(block + 4 * md5_word(t));
        uint32_t next = s[1] + rotate_left(sum, md5_turns[t / 16][t % 4]);
        s[0] = s[3];
        s[3] = s[2];
        s[2] = s[1];
        s[1] = next;
    }
    for (uint32_t i = 0; i < 4; i++) {
        state[i] += s[i];
    }
}

void md5_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, false);
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        md5_block(state, padded.bytes + at);
    }
    for (uint32_t i = 0; i < 4; i++) {
        store_little(out + 4 * i, state[i]);
    }
}

static uint32_t sha1_mixed(uint32_t t, const uint32_t *s) {
    switch (t / 20) {
    case 0:
        return ((s[1] & s[2]) | (~s[1] & s[3])) + 0x5a827999;
    case 1:
        return (s[1] ^ s[2] ^ s[3]) + 0x6ed9eba1;
    case 2:
        return ((s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])) + 0x8f1bbcdc;
    default:
        return (s[1] ^ s[2] ^ s[3]) + 0xca62c1d6;
    }
}

static void sha1_block(uint32_t *state, const uint8_t *block) {
    uint32_t w[80], s[5];
    for (uint32_t t = 0; t < 80; t++) {
        w[t] = t < 16 ? load_big(block + 4 * t)
                      : rotate_left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    for (uint32_t i = 0; i < 5; i++) {
        s[i] = state[i];
    }
    for (uint32_t t = 0; t < 80; t++) {
        uint32_t next = rotate_left(s[0], 5) + sha1_mixed(t, s) + s[4] + w[t];
        s[4] = s[3];
        s[3] = s[2];
        s[2] = rotate_left(s[1], 30);
        s[1] = s[0];
        s[0] = next;
    }
    for (uint32_t i = 0; i < 5; i++) {
        state[i] += s[i];
    }
}

void sha1_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, true);
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        sha1_block(state, padded.bytes + at);
    }
    for (uint32_t i = 0; i < 5; i++) {
        store_big(out + 4 * i, state[i]);
    }
}
