/* Values to DAG-CBOR (docs/formats/value.md), as JSON would see them: what JSON has no place for
 * vanishes. The bytes are measured first, so that they are written once, into their place. */
#include <math.h>
#include <string.h>

#include "core.h"
#include "value_format.h"

/* ---- measuring ---- */

bool vanishes(Value v) { return v == KRL_UNDEFINED || v == KRL_UNSET || is_function(v); }

static uint32_t head_bytes(uint64_t number) {
    if (number < 0x10000) return number < 24 ? 1 : number < 0x100 ? 2 : 3;
    return number <= UINT32_MAX ? 5 : 9;
}

static bool is_integer(double d) { return fabs(d) <= INTEGER_MAX && d == trunc(d); }

static uint64_t integer_head(double d) { return (uint64_t)(d < 0 ? -d - 1 : d); }

static uint64_t text_bytes(const String *s) {
    uint32_t byte_count = utf8_length(s);
    return (uint64_t)byte_count + head_bytes(byte_count);
}

/* Two keys could become one if lone surrogates in them became U+FFFD. */
static uint64_t key_bytes(const String *key) {
    if (!is_well_formed(key)) throw_text("a map key is not well-formed Unicode");
    return text_bytes(key);
}

static uint32_t kept_pairs(const Map *m) {
    const String *key;
    Value v;
    uint32_t count = 0;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);) count += !vanishes(v);
    return count;
}

/* Shorter first, then by byte: DAG-CBOR's order of map keys. */
int compare_keys(const String *a, const String *b) {
    if (!is_wide(a) && !is_wide(b) && utf8_length(a) == a->length && utf8_length(b) == b->length) {
        if (a->length != b->length) return a->length < b->length ? -1 : 1;
        return memcmp(units_of(a), units_of(b), a->length);
    }
    uint32_t left_count = utf8_length(a), right_count = utf8_length(b);
    if (left_count != right_count) return left_count < right_count ? -1 : 1;
    uint8_t *mark = arena_mark();
    uint8_t *left = allocate(left_count), *right = allocate(right_count);
    utf8_write(a, left);
    utf8_write(b, right);
    int order = memcmp(left, right, left_count);
    arena_release(mark);
    return order;
}

/* May this map be a CBOR map, or must its order be kept in an array (value.md, "Maps")? */
static bool is_plain(const Map *m, uint32_t count) {
    const String *key, *last = NULL;
    Value v;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);) {
        if (vanishes(v)) continue;
        if (last != NULL && compare_keys(last, key) >= 0) return false;
        last = key;
    }
    return !(count == 1 && string_equals_ascii(last, ORDERED_KEY));
}

static uint64_t measure(Value v, uint32_t depth);

static uint64_t measure_array(const Array *a, uint32_t depth) {
    uint64_t total = head_bytes(a->length);
    for (uint32_t i = 0; i < a->length; i++) total += measure(a->items[i], depth);
    return total;
}

static uint64_t measure_pairs(const Map *m, uint32_t depth) {
    const String *key;
    Value v;
    uint64_t total = 0;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);)
        if (!vanishes(v)) total += key_bytes(key) + measure(v, depth);
    return total;
}

static uint64_t measure_map(const Map *m, uint32_t depth) {
    uint32_t count = kept_pairs(m);
    if (is_plain(m, count)) return head_bytes(count) + measure_pairs(m, depth);
    return ORDERED_HEAD_BYTES + head_bytes(2ull * count) + measure_pairs(m, depth + 1);
}

/* `depth` counts the CBOR arrays and maps that stand around this value. */
static uint64_t measure(Value v, uint32_t depth) {
    if (depth > DEPTH_MAX) throw_text("a value is nested too deeply");
    if (is_number(v)) {
        double d = number_of(v);
        if (!isfinite(d)) return 1;
        return is_integer(d) ? head_bytes(integer_head(d)) : 9;
    }
    if (is_string(v)) return text_bytes(string_of(v));
    if (is_array(v)) return measure_array(address_of(v), depth + 1);
    if (is_map(v)) return measure_map(address_of(v), depth + 1);
    return 1;
}

/* ---- writing ---- */

static uint8_t *write_head(uint8_t *out, uint32_t major, uint64_t number) {
    static const uint8_t follows[] = {[2] = 24, [3] = 25, [5] = 26, [9] = 27};
    uint32_t count = head_bytes(number);
    *out++ = (uint8_t)(major << 5 | (count == 1 ? number : follows[count]));
    for (uint32_t i = count - 1; i > 0; i--) *out++ = (uint8_t)(number >> (8 * (i - 1)));
    return out;
}

static uint8_t *write_number(uint8_t *out, double d) {
    if (!isfinite(d)) {
        *out++ = CBOR_NULL;
        return out;
    }
    uint32_t major = d < 0 ? CBOR_NEGATIVE : CBOR_UNSIGNED;
    if (is_integer(d)) return write_head(out, major, integer_head(d));
    uint64_t bits = from_number(d);
    *out++ = CBOR_DOUBLE;
    for (int shift = 56; shift >= 0; shift -= 8) *out++ = (uint8_t)(bits >> shift);
    return out;
}

static uint8_t *write_text(uint8_t *out, const String *s) {
    uint32_t byte_count = utf8_length(s);
    out = write_head(out, CBOR_TEXT, byte_count);
    if (byte_count == s->length && !is_wide(s)) {
        memcpy(out, units_of(s), byte_count);
    } else {
        utf8_write(s, out);
    }
    return out + byte_count;
}

static uint8_t *write_value(uint8_t *out, Value v);

static uint8_t *write_pairs(uint8_t *out, const Map *m) {
    const String *key;
    Value v;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);) {
        if (vanishes(v)) continue;
        out = write_text(out, key);
        out = write_value(out, v);
    }
    return out;
}

static uint8_t *write_map(uint8_t *out, const Map *m) {
    uint32_t count = kept_pairs(m);
    if (is_plain(m, count)) return write_pairs(write_head(out, CBOR_MAP, count), m);
    static const uint8_t head[ORDERED_HEAD_BYTES] = {CBOR_MAP << 5 | 1, CBOR_TEXT << 5 | 1, '/'};
    memcpy(out, head, ORDERED_HEAD_BYTES);
    return write_pairs(write_head(out + ORDERED_HEAD_BYTES, CBOR_ARRAY, 2ull * count), m);
}

static uint8_t *write_array(uint8_t *out, const Array *a) {
    out = write_head(out, CBOR_ARRAY, a->length);
    for (uint32_t i = 0; i < a->length; i++) out = write_value(out, a->items[i]);
    return out;
}

static uint8_t *write_value(uint8_t *out, Value v) {
    if (is_number(v)) return write_number(out, number_of(v));
    switch (tag_of(v)) {
    case KRL_TAG_STRING: return write_text(out, string_of(v));
    case KRL_TAG_ARRAY: return write_array(out, address_of(v));
    case KRL_TAG_MAP: return write_map(out, address_of(v));
    case KRL_TAG_REGEXP: return write_head(out, CBOR_MAP, 0);
    }
    *out++ = v == KRL_TRUE ? CBOR_TRUE : v == KRL_FALSE ? CBOR_FALSE : CBOR_NULL;
    return out;
}

static Bytes room_for(uint64_t byte_count) {
    if (byte_count > UINT32_MAX) __builtin_trap();
    return (Bytes){.bytes = allocate((uint32_t)byte_count), .byte_count = (uint32_t)byte_count};
}

Bytes cbor_encode(Value v) {
    Bytes out = room_for(measure(v, 0));
    write_value(out.bytes, v);
    return out;
}

/* ---- records ---- */

typedef struct { const String *key; Value value; } Field;

/* The fields that do not vanish, in the order of their keys; there are few. */
static uint32_t sort_fields(const Map *record, Field *fields) {
    const String *key;
    Value v;
    uint32_t count = 0;
    for (uint32_t at = 0; map_next(record, &at, &key, &v);) {
        if (vanishes(v)) continue;
        uint32_t place = count++;
        for (; place > 0 && compare_keys(fields[place - 1].key, key) > 0; place--)
            fields[place] = fields[place - 1];
        fields[place] = (Field){.key = key, .value = v};
    }
    return count;
}

Bytes cbor_encode_record(const Map *record) {
    Field *fields = allocate(map_count(record) * (uint32_t)sizeof(Field));
    uint32_t count = sort_fields(record, fields);
    uint64_t total = head_bytes(count);
    for (uint32_t i = 0; i < count; i++)
        total += key_bytes(fields[i].key) + measure(fields[i].value, 1);
    Bytes bytes = room_for(total);
    uint8_t *out = write_head(bytes.bytes, CBOR_MAP, count);
    for (uint32_t i = 0; i < count; i++)
        out = write_value(write_text(out, fields[i].key), fields[i].value);
    return bytes;
}
