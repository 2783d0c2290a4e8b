/* Getting and changing what a path leads to. Nothing is changed in place: a changed value is a new
 * one, which shares with the old what the path does not touch. keys.c reads paths. */
#include <math.h>

#include "core.h"

/* ---- members ---- */

static Value array_member(const Array *a, const String *key) {
    uint32_t index;
    if (key_as_index(key, &index)) return index < a->length ? a->items[index] : KRL_UNDEFINED;
    if (string_equals_ascii(key, "length")) return from_number(a->length);
    return KRL_UNDEFINED;
}

static Value string_member(const String *s, const String *key) {
    uint32_t index;
    if (key_as_index(key, &index))
        return index < s->length ? from_string(substring(s, index, index + 1)) : KRL_UNDEFINED;
    if (string_equals_ascii(key, "length")) return from_number(s->length);
    return KRL_UNDEFINED;
}

static Value regexp_member(const Regexp *r, const String *key) {
    if (string_equals_ascii(key, "source")) return from_string(r->source);
    if (string_equals_ascii(key, "lastIndex")) return from_number(r->last_index);
    return KRL_UNDEFINED;
}

Value member_get(Value object, const String *key) {
    Value found = KRL_UNDEFINED;
    switch (tag_of(object)) {
    case KRL_TAG_MAP: map_find(address_of(object), key, &found); return found;
    case KRL_TAG_ARRAY: return array_member(address_of(object), key);
    case KRL_TAG_STRING: return string_member(string_of(object), key);
    case KRL_TAG_REGEXP: return regexp_member(address_of(object), key);
    default: return KRL_UNDEFINED;
    }
}

static bool has_member(Value object, const String *key) {
    Value ignored;
    uint32_t index;
    if (is_map(object)) return map_find(address_of(object), key, &ignored);
    if (is_array(object) && key_as_index(key, &index))
        return index < ((const Array *)address_of(object))->length;
    return member_get(object, key) != KRL_UNDEFINED && !is_regexp(object);
}

static bool is_collection(Value v) { return is_array(v) || is_map(v); }

/* `array[3]` and `map["x"]`, without making a path first. */
static Value get_by_one_key(Value object, Value key) {
    if (is_array(object) && is_number(key)) {
        const Array *array = address_of(object);
        double d = number_of(key);
        if (d >= 0 && d < array->length && d == (uint32_t)d) return array->items[(uint32_t)d];
        return KRL_UNDEFINED;
    }
    return member_get(object, to_string(key));
}

Value path_get(Value object, Value path) {
    if (!is_collection(object)) return KRL_NULL;
    Value found = KRL_UNDEFINED;
    if (!is_array(path)) {
        found = get_by_one_key(object, path);
    } else {
        const Array *keys = address_of(path);
        if (keys->length > 0) found = object;
        for (uint32_t i = 0; i < keys->length && found != KRL_UNDEFINED; i++)
            found = member_get(found, to_string(keys->items[i]));
    }
    return found == KRL_UNDEFINED ? KRL_NULL : found;
}

bool path_has(Value object, Value path) {
    Path p = lodash_path_from(path, object);
    for (uint32_t i = 0; i < p.count; i++) {
        if (!has_member(object, p.keys[i])) return false;
        object = member_get(object, p.keys[i]);
    }
    return p.count > 0;
}

/* ---- changes ---- */

static Value empty_map(void) { return from_map(map_new(0)); }

/* JavaScript's `array.length = v`, on a copy. */
static Value with_length(const Array *a, Value v) {
    double length = js_number(v);
    bool is_length = length >= 0 && length <= UINT32_MAX && length == floor(length);
    if (!is_length) throw_text("Invalid array length");
    return from_array(array_copy(a, (uint32_t)length));
}

static Value with_item(const Array *a, const String *key, Value v) {
    uint32_t index;
    if (!key_as_index(key, &index))
        return string_equals_ascii(key, "length") ? with_length(a, v) : from_array(a);
    Array *copy = array_copy(a, index < a->length ? a->length : index + 1);
    copy->items[index] = v;
    return from_array(copy);
}

/* A copy of the object with one member set; what has no members stays what it is. */
static Value with_member(Value object, const String *key, Value v) {
    if (is_array(object)) return with_item(address_of(object), key, v);
    if (!is_map(object)) return object;
    Map *copy = map_copy(address_of(object));
    map_set(copy, key, v);
    return from_map(copy);
}

static bool is_object(Value v) { return is_collection(v) || is_regexp(v) || is_function(v); }

static Value set_from(Value object, Path path, uint32_t at, Value v) {
    const String *key = path.keys[at];
    if (at + 1 == path.count) return with_member(object, key, v);
    Value inner = member_get(object, key);
    uint32_t index;
    if (!is_object(inner)) {
        bool numbered = key_as_index(path.keys[at + 1], &index);
        inner = numbered ? from_array(array_new(0)) : empty_map();
    }
    return with_member(object, key, set_from(inner, path, at + 1, v));
}

Value path_set(Value object, Value path, Value v) {
    if (!is_collection(object)) object = empty_map();
    Path p = path_from(path);
    return p.count == 0 ? object : set_from(object, p, 0, v);
}

static Value map_from_array(const Array *a) {
    Map *m = map_new(a->length);
    for (uint32_t i = 0; i < a->length; i++)
        map_set(m, number_to_string(i), a->items[i]);
    return from_map(m);
}

/* JavaScript's parseInt(key, 10) lies in 0 .. length. */
static bool may_index(const String *key, uint32_t length) {
    uint32_t at = 0;
    while (at < key->length && is_white_space(unit_at(key, at))) at++;
    bool negative = at < key->length && unit_at(key, at) == '-';
    if (at < key->length && (negative || unit_at(key, at) == '+')) at++;
    uint32_t digits_from = at;
    double number = 0;
    for (; at < key->length && unit_at(key, at) >= '0' && unit_at(key, at) <= '9'; at++)
        number = number * 10 + (unit_at(key, at) - '0');
    return at > digits_from && (negative ? number == 0 : number <= length);
}

/* What put finds under a key, ready to take the next key: never anything but a collection, and
 * an array only if the next key may be an index of it. */
static Value collection_for(Value inner, const String *next_key) {
    if (is_map(inner)) return inner;
    if (!is_array(inner)) return empty_map();
    const Array *array = address_of(inner);
    return may_index(next_key, array->length) ? inner : map_from_array(array);
}

static Value put_from(Value object, Path path, uint32_t at, Value v) {
    const String *key = path.keys[at];
    if (at + 1 == path.count) return with_member(object, key, v);
    Value inner = collection_for(member_get(object, key), path.keys[at + 1]);
    return with_member(object, key, put_from(inner, path, at + 1, v));
}

static Value merge_arrays(const Array *a, const Array *b) {
    Array *merged = array_copy(a, a->length > b->length ? a->length : b->length);
    for (uint32_t i = 0; i < b->length; i++) merged->items[i] = b->items[i];
    return from_array(merged);
}

static Value merge_maps(const Map *a, const Map *b) {
    Map *merged = map_copy(a);
    const String *key;
    Value v;
    for (uint32_t at = 0; map_next(b, &at, &key, &v);) map_set(merged, key, v);
    return from_map(merged);
}

Value put_whole(Value object, Value v) {
    if (!is_collection(object)) return object;
    if (is_array(object) && is_array(v)) return merge_arrays(address_of(object), address_of(v));
    if (is_map(object) && is_map(v)) return merge_maps(address_of(object), address_of(v));
    return v;
}

Value path_put(Value object, Value path, Value v) {
    if (!is_collection(object)) return object;
    Path p = path_from(path);
    return p.count == 0 ? put_whole(object, v) : put_from(object, p, 0, v);
}

static Value without_member(Value object, const String *key) {
    uint32_t index;
    if (is_map(object)) {
        Map *copy = map_copy(address_of(object));
        map_remove(copy, key);
        return from_map(copy);
    }
    const Array *array = address_of(object);
    if (!key_as_index(key, &index) || index >= array->length) return object;
    return with_item(array, key, KRL_UNDEFINED); /* JavaScript leaves a hole */
}

static Value remove_from(Value object, Path path, uint32_t at) {
    if (!is_collection(object) || !has_member(object, path.keys[at])) return object;
    if (at + 1 == path.count) return without_member(object, path.keys[at]);
    Value inner = member_get(object, path.keys[at]);
    Value changed = remove_from(inner, path, at + 1);
    return changed == inner ? object : with_member(object, path.keys[at], changed);
}

Value path_remove(Value object, Value path) {
    Path p = path_from(path);
    return p.count == 0 ? object : remove_from(object, p, 0);
}
