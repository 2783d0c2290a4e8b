/* What the files of the library share, beside krl.h: JavaScript's own conversions where the
 * language shows them through, errors about values, small helpers for arguments and calls. */
#ifndef KRL_LIBRARY_H
#define KRL_LIBRARY_H

#include "krl.h"

/* ---- common.c ---- */
/* Ends the transition. In `format`, the first @ stands for `a` as text, the second for `b`. */
NORETURN void throw_about(const char *format, Value a, Value b);
const String *js_string(Value v); /* JavaScript's String(v), not KRL's toString */
double js_number(Value v);        /* JavaScript's Number(v) */
bool js_less_or_equal_zero(Value v);
double integer_of(double d);      /* truncates; NaN is 0 */
int32_t to_int32(double d);       /* ECMAScript ToInt32 */
bool is_finite(double d);
static inline bool is_collection(Value v) { return is_array(v) || is_map(v); }
static inline Array *array_of(Value v) { return address_of(v); }
static inline Map *map_of(Value v) { return address_of(v); }
static inline Value from_ascii(const char *text) { return from_string(string_from_ascii(text)); }
static inline bool is_undefined(Value v) { return v == KRL_UNDEFINED; }
bool text_is(Value v, const char *ascii); /* a string of exactly these characters */
Value call3(Value callee, Value a, Value b, Value c);
Value map_get_ascii(Value map, const char *key); /* KRL_UNDEFINED when there is none */
void map_set_ascii(Map *m, const char *key, Value v);
Value null_cleaned(Value v);      /* undefined and NaN, at any depth, become null */
bool can_be_called(Value v);      /* a KRL function, or something that is both */
Value wrap(Value v);              /* v, or [v] when it is not an array */

/* ---- length.c ---- */
double size_of(Value v);          /* how many symbols, items or keys */

/* ---- replace.c ---- */
/* What JavaScript puts in place of a match. `captures` holds offset pairs, group 0 first. */
void expand_replacement(StringBuilder *out, const String *subject, const String *template,
                        const int32_t *captures, uint32_t capture_count, const String *source);

/* ---- base64.c ---- */
const String *base64_text(const uint8_t *bytes, uint32_t byte_count);
const String *hex_text(const uint8_t *bytes, uint32_t byte_count);
Bytes utf8_bytes(const String *s);

/* ---- digest.c: hash functions by name ---- */
enum { DIGEST_BYTES_MAX = 64, BLOCK_BYTES_MAX = 144 };
typedef struct Digest Digest;
struct Digest {
    const char *name;
    uint32_t digest_bytes, block_bytes;
    void (*run)(const Digest *digest, const uint8_t *message, uint32_t byte_count, uint8_t *out);
    const void *parameters;
};
const Digest *digest_by_name(const String *name); /* null: not here */
Value digest_names(void);
void sha1_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out);
void md5_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out);
void sha256_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out);
void sha512_run(const Digest *d, const uint8_t *message, uint32_t byte_count, uint8_t *out);
/* The message with Merkle-Damgard padding: 0x80, zeros, the bit count in the last bytes. */
Bytes digest_padded(const uint8_t *message, uint32_t byte_count, uint32_t block_bytes,
                    bool big_endian);
static inline uint32_t rotate_left(uint32_t x, uint32_t n) { return x << n | x >> (32 - n); }

/* ---- calendar.c: days and fields, proleptic Gregorian, UTC ---- */
typedef struct {
    int64_t year;
    int32_t month, day, hour, minute, second, millisecond; /* month 1-12 */
    int32_t weekday, day_of_year;                          /* Sunday is 0; January 1 is 1 */
} Moment;
int64_t days_from_civil(int64_t year, int32_t month, int32_t day);
int32_t days_in_month(int64_t year, int32_t month);
bool is_leap_year(int64_t year);
Moment moment_of(int64_t milliseconds);
int64_t milliseconds_of(const Moment *m);
const String *iso_text(int64_t milliseconds);
void append_padded(StringBuilder *out, int64_t number, uint32_t width, char pad);
bool iso_parse(const String *text, int64_t *milliseconds);
const String *strftime_text(const String *format, int64_t milliseconds);

/* ---- words.c ---- */
const char *word_at(uint32_t index);
extern const uint32_t word_count;

/* ---- engine.c: what only the engine can answer or do ---- */
Value ask_engine(const char *function, uint32_t argument_count, const Value *arguments);
Value act_through_engine(const char *function, uint32_t argument_count, const Value *arguments);

#endif
