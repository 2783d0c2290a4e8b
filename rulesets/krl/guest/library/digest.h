/* Hash functions: one record each, run over a whole message at once. */
#ifndef KRL_DIGEST_H
#define KRL_DIGEST_H

#include "library.h"

enum { DIGEST_BYTES_MAX = 64, BLOCK_BYTES_MAX = 168 };

typedef struct Digest Digest;
typedef void DigestRun(const Digest *digest, const uint8_t *message, uint32_t byte_count,
                       uint8_t *out);
struct Digest {
    uint32_t digest_bytes, block_bytes;
    DigestRun *const *run; /* by a pointer that a ruleset's linker may leave out: digest.c */
    const void *start; /* where members of one family differ: the state they begin with */
};

DigestRun md5_run, sha1_run, sha256_run, sha512_run, sha3_run, shake_run;
DigestRun blake2b_run, blake2s_run, ripemd160_run, sm3_run;
extern const uint32_t sha224_start[8], sha256_start[8];
extern const uint64_t sha384_start[8], sha512_start[8], sha512_224_start[8], sha512_256_start[8];

/* The message with Merkle-Damgard padding: 0x80, zeros, the bit count in the last bytes. */
Bytes digest_padded(const uint8_t *message, uint32_t byte_count, uint32_t block_bytes,
                    bool big_endian);

static inline uint32_t rotate_left(uint32_t x, uint32_t n) { return x << n | x >> (32 - n); }
static inline uint64_t rotate_right_64(uint64_t x, uint32_t n) { return x >> n | x << (64 - n); }
static inline uint32_t load_big(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline uint32_t load_little(const uint8_t *b) {
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}
static inline uint64_t load_little_64(const uint8_t *b) {
    return (uint64_t)load_little(b + 4) << 32 | load_little(b);
}
static inline void store_big(uint8_t *b, uint32_t word) {
    for (uint32_t i = 0; i < 4; i++) b[i] = (uint8_t)(word >> (24 - 8 * i));
}
static inline void store_little(uint8_t *b, uint32_t word) {
    for (uint32_t i = 0; i < 4; i++) b[i] = (uint8_t)(word >> 8 * i);
}

#endif
