/* DAG-CBOR to values (docs/formats/value.md). Strict: bytes that the encoder would not have written
 * come from a host that lies, or from a damaged record, and trap. */
#include <math.h>

#include "core.h"
#include "value_format.h"

typedef struct { const uint8_t *at, *end; } Reader;

static inline void demand(bool condition) {
    if (!condition) __builtin_trap();
}

static inline uint32_t left_bytes(const Reader *r) { return (uint32_t)(r->end - r->at); }

static inline uint8_t next_byte(Reader *r) {
    demand(r->at < r->end);
    return *r->at++;
}

static inline uint64_t read_big_endian(Reader *r, uint32_t byte_count) {
    demand(left_bytes(r) >= byte_count);
    uint64_t number = 0;
    for (uint32_t i = 0; i < byte_count; i++) number = number << 8 | *r->at++;
    return number;
}

/* The argument of a head, which must be in its shortest form; indefinite lengths are refused. */
static uint64_t read_argument(Reader *r, uint8_t initial) {
    static const uint64_t smallest[] = {24, 0x100, 0x10000, 0x100000000};
    uint32_t small = initial & 31;
    if (small < 24) return small;
    demand(small <= 27);
    uint64_t number = read_big_endian(r, 1u << (small - 24));
    demand(number >= smallest[small - 24]);
    return number;
}

/* A count of things of at least `bytes_each` bytes: more than could follow is a lie. */
static uint32_t read_count(Reader *r, uint8_t initial, uint32_t bytes_each) {
    uint64_t count = read_argument(r, initial);
    demand(count <= left_bytes(r) / bytes_each);
    return (uint32_t)count;
}

static const String *read_text(Reader *r, uint8_t initial) {
    demand(initial >> 5 == CBOR_TEXT);
    uint32_t byte_count = read_count(r, initial, 1);
    const uint8_t *bytes = r->at;
    r->at += byte_count;
    return string_from_utf8(bytes, byte_count);
}

static Value read_bytes(Reader *r, uint8_t initial) {
    uint32_t byte_count = read_count(r, initial, 1);
    String *s = string_new(byte_count, false);
    for (uint32_t i = 0; i < byte_count; i++) new_units(s)[i] = *r->at++;
    return from_string(s);
}

static Value read_integer(Reader *r, uint8_t initial) {
    uint64_t number = read_argument(r, initial);
    bool negative = initial >> 5 == CBOR_NEGATIVE;
    demand(number <= (uint64_t)INTEGER_MAX - negative);
    return from_number(negative ? -1 - (double)number : (double)number);
}

static Value read_double(Reader *r) {
    double d = number_of(read_big_endian(r, 8));
    demand(isfinite(d));
    demand(!(fabs(d) <= INTEGER_MAX && d == trunc(d))); /* an integer is written as one */
    return from_number(d);
}

static Value read_value(Reader *r, uint32_t depth);

static Value read_array(Reader *r, uint8_t initial, uint32_t depth) {
    uint32_t count = read_count(r, initial, 1);
    Array *a = array_new(count);
    for (uint32_t i = 0; i < count; i++) a->items[i] = read_value(r, depth);
    return from_array(a);
}

/* Reads `count` pairs; true: their keys are in DAG-CBOR's order. */
static bool read_pairs(Reader *r, Map *m, uint32_t count, const String *key, uint32_t depth) {
    bool sorted = true;
    for (uint32_t i = 0; i < count; i++) {
        const String *last = key;
        if (i > 0) key = read_text(r, next_byte(r));
        if (i > 0 && compare_keys(last, key) >= 0) sorted = false;
        map_set(m, key, read_value(r, depth));
    }
    demand(map_count(m) == count); /* no key twice */
    demand(map_in_order(m));       /* a value's order is KRL's order */
    return sorted;
}

/* {"/": [k, v, ..]}, for a map whose order is not DAG-CBOR's; never for one that needs it not. */
static Value read_ordered(Reader *r, uint32_t depth) {
    uint8_t initial = next_byte(r);
    demand(initial >> 5 == CBOR_ARRAY);
    uint32_t item_count = read_count(r, initial, 1);
    demand(item_count >= 2 && item_count % 2 == 0);
    Map *m = map_new(item_count / 2);
    const String *first = read_text(r, next_byte(r));
    bool sorted = read_pairs(r, m, item_count / 2, first, depth + 1);
    bool needed = item_count == 2 ? string_equals_ascii(first, ORDERED_KEY) : !sorted;
    demand(needed);
    return from_map(m);
}

static Value read_map(Reader *r, uint8_t initial, uint32_t depth) {
    uint32_t count = read_count(r, initial, 2);
    if (count == 0) return from_map(map_new(0));
    const String *first = read_text(r, next_byte(r));
    if (count == 1 && string_equals_ascii(first, ORDERED_KEY)) return read_ordered(r, depth);
    Map *m = map_new(count);
    demand(read_pairs(r, m, count, first, depth));
    return from_map(m);
}

static Value read_value(Reader *r, uint32_t depth) {
    demand(depth <= DEPTH_MAX);
    uint8_t initial = next_byte(r);
    switch (initial >> 5) {
    case CBOR_UNSIGNED:
    case CBOR_NEGATIVE: return read_integer(r, initial);
    case CBOR_TEXT: return from_string(read_text(r, initial));
    case CBOR_ARRAY: return read_array(r, initial, depth + 1);
    case CBOR_MAP: return read_map(r, initial, depth + 1);
    }
    switch (initial) {
    case CBOR_FALSE: return KRL_FALSE;
    case CBOR_TRUE: return KRL_TRUE;
    case CBOR_NULL: return KRL_NULL;
    case CBOR_DOUBLE: return read_double(r);
    }
    __builtin_trap();
}

Value cbor_decode(const uint8_t *bytes, uint32_t byte_count) {
    Reader r = {.at = bytes, .end = bytes + byte_count};
    Value v = read_value(&r, 0);
    demand(r.at == r.end);
    return v;
}

static Value decode_field(const uint8_t *bytes, uint32_t byte_count) {
    Reader r = {.at = bytes, .end = bytes + byte_count};
    uint8_t initial = *bytes;
    if (initial >> 5 != CBOR_BYTES) return read_value(&r, 1);
    r.at++;
    return read_bytes(&r, initial);
}

/* ---- messages of the host ---- */

static void skip_value(Reader *r, uint32_t depth) {
    demand(depth <= DEPTH_MAX);
    uint8_t initial = next_byte(r);
    uint32_t major = initial >> 5;
    if (major == CBOR_ARRAY || major == CBOR_MAP) {
        uint32_t count = read_count(r, initial, 1) << (major == CBOR_MAP);
        for (uint32_t i = 0; i < count; i++) skip_value(r, depth + 1);
    } else if (major == CBOR_TEXT || major == CBOR_BYTES) {
        r->at += read_count(r, initial, 1);
    } else if (major <= CBOR_NEGATIVE) {
        read_argument(r, initial);
    } else if (initial == CBOR_DOUBLE) {
        read_big_endian(r, 8);
    }
}

void envelope_open(Envelope *e, const uint8_t *bytes, uint32_t byte_count) {
    Reader r = {.at = bytes, .end = bytes + byte_count};
    uint8_t initial = next_byte(&r);
    demand(initial >> 5 == CBOR_MAP);
    e->count = read_count(&r, initial, 2);
    demand(e->count <= ENVELOPE_FIELDS_MAX);
    for (EnvelopeField *f = e->fields; f < e->fields + e->count; f++) {
        uint8_t head = next_byte(&r);
        demand(head >> 5 == CBOR_TEXT);
        f->name_length = read_count(&r, head, 1);
        f->name = r.at;
        f->bytes = r.at += f->name_length;
        skip_value(&r, 1);
        f->byte_count = (uint32_t)(r.at - f->bytes);
        f->value = KRL_UNSET;
    }
    demand(r.at == r.end);
}

static bool is_called(const EnvelopeField *f, const char *name) {
    for (uint32_t i = 0; i < f->name_length; i++)
        if (f->name[i] != (uint8_t)name[i]) return false;
    return name[f->name_length] == 0;
}

static EnvelopeField *find_field(Envelope *e, const char *name) {
    for (EnvelopeField *f = e->fields; f < e->fields + e->count; f++)
        if (is_called(f, name)) return f;
    return NULL;
}

Value envelope_get(Envelope *e, const char *name) {
    EnvelopeField *f = find_field(e, name);
    if (f == NULL) return KRL_NULL;
    if (f->value == KRL_UNSET) f->value = decode_field(f->bytes, f->byte_count);
    return f->value;
}

bool envelope_has_bytes(Envelope *e, const char *name) {
    const EnvelopeField *f = find_field(e, name);
    return f != NULL && *f->bytes >> 5 == CBOR_BYTES;
}
