/* math:hash and math:hmac: the table of hash functions by the names OpenSSL gives them, and what
 * does not depend on the function. */
#include "digest.h"

/* Exported as data. Nothing but these leads to the functions: a ruleset that names the one it wants
 * does not carry the others (krl/emit/needs.py). */
DigestRun *rt_digest_md5 = md5_run, *rt_digest_sha1 = sha1_run, *rt_digest_sha256 = sha256_run;
DigestRun *rt_digest_sha512 = sha512_run, *rt_digest_sha3 = sha3_run;
DigestRun *rt_digest_shake = shake_run, *rt_digest_blake2b = blake2b_run;
DigestRun *rt_digest_blake2s = blake2s_run, *rt_digest_ripemd160 = ripemd160_run;
DigestRun *rt_digest_sm3 = sm3_run;

static const Digest md5 = {16, 64, &rt_digest_md5, NULL};
static const Digest sha1 = {20, 64, &rt_digest_sha1, NULL};
static const Digest sha224 = {28, 64, &rt_digest_sha256, sha224_start};
static const Digest sha256 = {32, 64, &rt_digest_sha256, sha256_start};
static const Digest sha384 = {48, 128, &rt_digest_sha512, sha384_start};
static const Digest sha512 = {64, 128, &rt_digest_sha512, sha512_start};
static const Digest sha512_224 = {28, 128, &rt_digest_sha512, sha512_224_start};
static const Digest sha512_256 = {32, 128, &rt_digest_sha512, sha512_256_start};
static const Digest sha3_224 = {28, 144, &rt_digest_sha3, NULL};
static const Digest sha3_256 = {32, 136, &rt_digest_sha3, NULL};
static const Digest sha3_384 = {48, 104, &rt_digest_sha3, NULL};
static const Digest sha3_512 = {64, 72, &rt_digest_sha3, NULL};
static const Digest shake128 = {16, 168, &rt_digest_shake, NULL};
static const Digest shake256 = {32, 136, &rt_digest_shake, NULL};
static const Digest blake2b512 = {64, 128, &rt_digest_blake2b, NULL};
static const Digest blake2s256 = {32, 64, &rt_digest_blake2s, NULL};
static const Digest ripemd160 = {20, 64, &rt_digest_ripemd160, NULL};
static const Digest sm3 = {32, 64, &rt_digest_sm3, NULL};

static void md5_sha1_run(const Digest *d, const uint8_t *message, uint32_t byte_count,
                         uint8_t *out) {
    rt_digest_md5(d, message, byte_count, out);
    rt_digest_sha1(d, message, byte_count, out + md5.digest_bytes);
}

static DigestRun *const run_md5_sha1 = md5_sha1_run;

static const Digest md5_sha1 = {36, 64, &run_md5_sha1, NULL};

static const struct {
    const char *name;
    const Digest *digest;
} names[] = {
    {"RSA-MD5", &md5},
    {"RSA-RIPEMD160", &ripemd160},
    {"RSA-SHA1", &sha1},
    {"RSA-SHA1-2", &sha1},
    {"RSA-SHA224", &sha224},
    {"RSA-SHA256", &sha256},
    {"RSA-SHA3-224", &sha3_224},
    {"RSA-SHA3-256", &sha3_256},
    {"RSA-SHA3-384", &sha3_384},
    {"RSA-SHA3-512", &sha3_512},
    {"RSA-SHA384", &sha384},
    {"RSA-SHA512", &sha512},
    {"RSA-SHA512/224", &sha512_224},
    {"RSA-SHA512/256", &sha512_256},
    {"RSA-SM3", &sm3},
    {"blake2b512", &blake2b512},
    {"blake2s256", &blake2s256},
    {"id-rsassa-pkcs1-v1_5-with-sha3-224", &sha3_224},
    {"id-rsassa-pkcs1-v1_5-with-sha3-256", &sha3_256},
    {"id-rsassa-pkcs1-v1_5-with-sha3-384", &sha3_384},
    {"id-rsassa-pkcs1-v1_5-with-sha3-512", &sha3_512},
    {"md5", &md5},
    {"md5-sha1", &md5_sha1},
    {"md5WithRSAEncryption", &md5},
    {"ripemd", &ripemd160},
    {"ripemd160", &ripemd160},
    {"ripemd160WithRSA", &ripemd160},
    {"rmd160", &ripemd160},
    {"sha1", &sha1},
    {"sha1WithRSAEncryption", &sha1},
    {"sha224", &sha224},
    {"sha224WithRSAEncryption", &sha224},
    {"sha256", &sha256},
    {"sha256WithRSAEncryption", &sha256},
    {"sha3-224", &sha3_224},
    {"sha3-256", &sha3_256},
    {"sha3-384", &sha3_384},
    {"sha3-512", &sha3_512},
    {"sha384", &sha384},
    {"sha384WithRSAEncryption", &sha384},
    {"sha512", &sha512},
    {"sha512-224", &sha512_224},
    {"sha512-224WithRSAEncryption", &sha512_224},
    {"sha512-256", &sha512_256},
    {"sha512-256WithRSAEncryption", &sha512_256},
    {"sha512WithRSAEncryption", &sha512},
    {"shake128", &shake128},
    {"shake256", &shake256},
    {"sm3", &sm3},
    {"sm3WithRSAEncryption", &sm3},
    {"ssl3-md5", &md5},
    {"ssl3-sha1", &sha1},
};

enum { NAME_COUNT = sizeof names / sizeof *names };

static const Digest *digest_named(Value name, const char *unknown, const char *no_text) {
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        if (text_is(name, names[i].name)) {
            return names[i].digest;
        }
    }
    throw_about(is_string(name) ? unknown : no_text, name, KRL_NULL);
}

Bytes digest_padded(const uint8_t *message, uint32_t byte_count, uint32_t block_bytes,
                    bool big_endian) {
    uint32_t length_bytes = block_bytes / 8;
    uint32_t blocks = (byte_count + 1 + length_bytes + block_bytes - 1) / block_bytes;
    Bytes out = {allocate(blocks * block_bytes), blocks * block_bytes};
    for (uint32_t i = 0; i < out.byte_count; i++) {
        out.bytes[i] = i < byte_count ? message[i] : i == byte_count ? 0x80 : 0;
    }
    uint64_t bit_count = (uint64_t)byte_count * 8;
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t place = big_endian ? out.byte_count - 1 - i : out.byte_count - 8 + i;
        out.bytes[place] = (uint8_t)(bit_count >> 8 * i);
    }
    return out;
}

static bool is_base64(Value encoding, const char *unknown) {
    if (!rt_truthy(encoding) || text_is(encoding, "hex")) {
        return false;
    }
    if (!text_is(encoding, "base64")) {
        throw_about(unknown, encoding, KRL_NULL);
    }
    return true;
}

static Value digest_text(const uint8_t *bytes, uint32_t byte_count, bool base64) {
    return from_string(base64 ? base64_text(bytes, byte_count) : hex_text(bytes, byte_count));
}

LIBRARY(math_hash) {
    const Digest *d = digest_named(argument(0), "math:hash doesn't recognize the hash algorithm @",
                                   "math:hash was given @ instead of a algorithm string");
    bool base64 = is_base64(argument(2),
                            "math:hash encoding must be \"hex\" or \"base64\" but was @");
    Bytes message = utf8_bytes(to_string(argument(1)));
    uint8_t digest[DIGEST_BYTES_MAX];
    (*d->run)(d, message.bytes, message.byte_count, digest);
    return digest_text(digest, d->digest_bytes, base64);
}

/* H((key ^ pad) . message), where a key longer than a block is hashed first. */
static void keyed(const Digest *d, const uint8_t *key_block, uint8_t pad, const uint8_t *message,
                  uint32_t byte_count, uint8_t *out) {
    uint8_t *input = allocate(d->block_bytes + byte_count);
    for (uint32_t i = 0; i < d->block_bytes; i++) {
        input[i] = key_block[i] ^ pad;
    }
    for (uint32_t i = 0; i < byte_count; i++) {
        input[d->block_bytes + i] = message[i];
    }
    (*d->run)(d, input, d->block_bytes + byte_count, out);
}

/* A sponge whose output has no fixed length makes no HMAC. */
static void refuse_extendable(const Digest *d) {
    if (d->run == &rt_digest_shake) {
        throw_text("math:hmac has no use for an extendable-output function");
    }
}

LIBRARY(math_hmac) {
    enum { INNER_PAD = 0x36, OUTER_PAD = 0x5C };
    if (!is_string(argument(1))) {
        throw_text("math:hmac needs a key string");
    }
    const Digest *d = digest_named(argument(0), "math:hmac doesn't recognize the hash algorithm @",
                                   "math:hmac was given @ instead of a algorithm string");
    refuse_extendable(d);
    bool base64 = is_base64(argument(3),
                            "math:hmac encoding must be \"hex\" or \"base64\" but was @");
    Bytes key = utf8_bytes(string_of(argument(1))), message = utf8_bytes(to_string(argument(2)));
    uint8_t block[BLOCK_BYTES_MAX] = {0}, inner[DIGEST_BYTES_MAX], outer[DIGEST_BYTES_MAX];
    if (key.byte_count > d->block_bytes) {
        (*d->run)(d, key.bytes, key.byte_count, block);
    } else {
        for (uint32_t i = 0; i < key.byte_count; i++) {
            block[i] = key.bytes[i];
        }
    }
    keyed(d, block, INNER_PAD, message.bytes, message.byte_count, inner);
    keyed(d, block, OUTER_PAD, inner, d->digest_bytes, outer);
    return digest_text(outer, d->digest_bytes, base64);
}

static Value algorithm_names(void) {
    Array *all = array_new(NAME_COUNT);
    for (uint32_t i = 0; i < NAME_COUNT; i++) {
        all->items[i] = from_ascii(names[i].name);
    }
    return from_array(all);
}

LIBRARY(math_hashAlgorithms) {
    return algorithm_names();
}

LIBRARY(math_hashFunctions) {
    emit_log("warn", "math:hashFunctions() is DEPRECATED use math:hashAlgorithms instead",
             KRL_UNDEFINED);
    return algorithm_names();
}
