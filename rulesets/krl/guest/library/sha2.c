/* SHA-2 (FIPS 180-4): SHA-224 and SHA-256 on 32-bit words, the others on 64-bit words. */
#include "digest.h"

const uint32_t sha224_start[8] = {
    0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939,
    0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4,
};

const uint32_t sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

const uint64_t sha384_start[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17,
    0x152fecd8f70e5939, 0x67332667ffc00b31, 0x8eb44a8768581511,
    0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};

const uint64_t sha512_start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
    0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
    0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

const uint64_t sha512_224_start[8] = {
    0x8c3d37c819544da2, 0x73e1996689dcd4d6, 0x1dfab7ae32ff9c82,
    0x679dd514582f9fcf, 0x0f6d2b697bd44da8, 0x77e36f7304c48942,
    0x3f9d85a86a1d36c8, 0x1112e6ad91d692a1,
};

const uint64_t sha512_256_start[8] = {
    0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151,
    0x963877195940eabd, 0x96283ee2a88effe3, 0xbe5e1e2553863992,
    0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2,
};

/* The first bits of the fractional parts of the cube roots of the first primes; the upper halves
 * are the constants of the 32-bit family. */
static const uint64_t cube_roots[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f,
    0xe9b5dba58189dbbc, 0x3956c25bf348b538, 0x59f111f1b605d019,
    0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242,
    0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3,
    0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65, 0x2de92c6f592b0275,
    0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f,
    0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc,
    0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6,
    0x92722c851482353b, 0xa2bfe8a14cf10364, 0xa81a664bbc423001,
    0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99,
    0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb,
    0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc,
    0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915,
    0xc67178f2e372532b, 0xca273eceea26619c, 0xd186b8c721c0c207,
    0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba,
    0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a,
    0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static uint32_t rotate_right(uint32_t x, uint32_t n) {
    return rotate_left(x, 32 - n);
}

static void sha256_block(uint32_t *state, const uint8_t *block) {
    uint32_t w[64], s[8];
    for (uint32_t t = 0; t < 16; t++) {
        w[t] = load_big(block + 4 * t);
    }
    for (uint32_t t = 16; t < 64; t++) {
        uint32_t x = w[t - 15], y = w[t - 2];
        w[t] = w[t - 16] + (rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3) + w[t - 7]
            + (rotate_right(y, 17) ^ rotate_right(y, 19) ^ y >> 10);
    }
    for (uint32_t i = 0; i < 8; i++) {
        s[i] = state[i];
    }
    for (uint32_t t = 0; t < 64; t++) {
        uint32_t a = s[0], e = s[4];
        uint32_t first = s[7] + (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25))
            + ((e & s[5]) ^ (~e & s[6])) + (uint32_t)(cube_roots[t] >> 32) + w[t];
        uint32_t second = (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22))
            + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        for (uint32_t i = 7; i > 0; i--) {
            s[i] = s[i - 1];
        }
        s[4] += first;
        s[0] = first + second;
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void sha256_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, true);
    uint32_t state[8];
    for (uint32_t i = 0; i < 8; i++) {
        state[i] = ((const uint32_t *)d->start)[i];
    }
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        sha256_block(state, padded.bytes + at);
    }
    for (uint32_t i = 0; i < d->digest_bytes; i++) {
        out[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
    }
}

static void sha512_block(uint64_t *state, const uint8_t *block) {
    uint64_t w[80], s[8];
    for (uint32_t t = 0; t < 16; t++) {
        w[t] = (uint64_t)load_big(block + 8 * t) << 32 | load_big(block + 8 * t + 4);
    }
    for (uint32_t t = 16; t < 80; t++) {
        uint64_t x = w[t - 15], y = w[t - 2];
        w[t] = w[t - 16] + (rotate_right_64(x, 1) ^ rotate_right_64(x, 8) ^ x >> 7) + w[t - 7]
            + (rotate_right_64(y, 19) ^ rotate_right_64(y, 61) ^ y >> 6);
    }
    for (uint32_t i = 0; i < 8; i++) {
        s[i] = state[i];
    }
    for (uint32_t t = 0; t < 80; t++) {
        uint64_t a = s[0], e = s[4];
        uint64_t first = s[7]
            + (rotate_right_64(e, 14) ^ rotate_right_64(e, 18) ^ rotate_right_64(e, 41))
            + ((e & s[5]) ^ (~e & s[6])) + cube_roots[t] + w[t];
        uint64_t second =
            (rotate_right_64(a, 28) ^ rotate_right_64(a, 34) ^ rotate_right_64(a, 39))
            + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        for (uint32_t i = 7; i > 0; i--) {
            s[i] = s[i - 1];
        }
        s[4] += first;
        s[0] = first + second;
    }
    for (uint32_t i = 0; i < 8; i++) {
        state[i] += s[i];
    }
}

void sha512_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out) {
    Bytes padded = digest_padded(message, byte_count, d->block_bytes, true);
    uint64_t state[8];
    for (uint32_t i = 0; i < 8; i++) {
        state[i] = ((const uint64_t *)d->start)[i];
    }
    for (uint32_t at = 0; at < padded.byte_count; at += d->block_bytes) {
        sha512_block(state, padded.bytes + at);
    }
    for (uint32_t i = 0; i < d->digest_bytes; i++) {
        out[i] = (uint8_t)(state[i / 8] >> (56 - i % 8 * 8));
    }
}
