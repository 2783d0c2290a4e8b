/* Paths as lists of keys: KRL's own reading, and lodash's, which `><` follows ("a.b[0]"). */
#include "core.h"

static Path path_of_one(const String *key) {
    const String **keys = allocate(sizeof(*keys));
    keys[0] = key;
    return (Path){.keys = keys, .count = 1};
}

Path path_from(Value path) {
    if (!is_array(path)) return path_of_one(to_string(path));
    const Array *array = address_of(path);
    const String **keys = allocate(array->length * (uint32_t)sizeof(*keys));
    for (uint32_t i = 0; i < array->length; i++) keys[i] = to_string(array->items[i]);
    return (Path){.keys = keys, .count = array->length};
}

/* ---- lodash's path syntax ---- */

/* The index behind the quoted text that opens at `at`, or 0 if it is not closed before a `]`. */
static uint32_t after_quoted(const String *s, uint32_t at) {
    uint16_t quote = unit_at(s, at);
    for (uint32_t i = at + 1; i + 1 < s->length; i++) {
        uint16_t unit = unit_at(s, i);
        if (unit == '\\')
            i++;
        else if (unit == quote)
            return unit_at(s, i + 1) == ']' ? i + 1 : 0;
    }
    return 0;
}

static bool is_quote(uint16_t unit) { return unit == '"' || unit == '\''; }

/* The index behind `[..]` that opens at `at`, its inside without brackets or quoted; 0: none. */
static uint32_t after_bracket(const String *s, uint32_t at) {
    for (uint32_t i = at + 1; i < s->length; i++) {
        uint16_t unit = unit_at(s, i);
        if (unit == ']') return i + 1;
        if (unit == '[') break;
    }
    if (at + 1 < s->length && is_quote(unit_at(s, at + 1))) {
        uint32_t end = after_quoted(s, at + 1);
        if (end > 0) return end + 1;
    }
    return 0;
}

/* Does lodash read this text as more than one plain property name? */
static bool is_deep(const String *s) {
    for (uint32_t i = 0; i < s->length; i++) {
        uint16_t unit = unit_at(s, i);
        if (unit == '.') return true;
        if (unit == '[' && after_bracket(s, i) > 0) return true;
    }
    return false;
}

/* -?digits[.digits] up to `]`: the index of the `]`, or 0. */
static uint32_t after_number(const String *s, uint32_t at) {
    uint32_t i = at;
    if (i < s->length && unit_at(s, i) == '-') i++;
    for (int part = 0; part < 2; part++) {
        uint32_t digits_from = i;
        while (i < s->length && unit_at(s, i) >= '0' && unit_at(s, i) <= '9') i++;
        if (i == digits_from) return 0;
        if (i >= s->length || unit_at(s, i) != '.') break;
        i++;
    }
    return i < s->length && unit_at(s, i) == ']' ? i : 0;
}

static const String *unescaped(const String *s, uint32_t start, uint32_t end) {
    StringBuilder b;
    builder_start(&b);
    for (uint32_t i = start; i < end; i++) {
        if (unit_at(s, i) == '\\' && i + 1 < end) i++;
        builder_unit(&b, unit_at(s, i));
    }
    return builder_finish(&b);
}

/* An empty name is read where a dot, or "[]", is followed by a dot, "[]" or the end. */
static bool empty_name_at(const String *s, uint32_t at) {
    for (int part = 0; part < 2; part++) {
        if (at == s->length) return part == 1;
        if (unit_at(s, at) == '.')
            at++;
        else if (unit_at(s, at) == '[' && at + 1 < s->length && unit_at(s, at + 1) == ']')
            at += 2;
        else
            return false;
        if (part == 1) return true;
    }
    return false;
}

static uint32_t name_end(const String *s, uint32_t at) {
    while (at < s->length) {
        uint16_t unit = unit_at(s, at);
        if (unit == '.' || unit == '[' || unit == ']') break;
        at++;
    }
    return at;
}

/* Reads the name at `at`, which moves behind it; undefined: only a delimiter stands there. */
static Value read_name(const String *s, uint32_t *at) {
    uint32_t start = *at, end = name_end(s, start);
    if (end > start) {
        *at = end;
        return from_string(substring(s, start, end));
    }
    if (unit_at(s, start) == '[' && start + 1 < s->length) {
        uint32_t close = after_number(s, start + 1);
        if (close > 0) {
            *at = close + 1;
            return from_string(substring(s, start + 1, close));
        }
        close = is_quote(unit_at(s, start + 1)) ? after_quoted(s, start + 1) : 0;
        if (close > 0) {
            *at = close + 1;
            return from_string(unescaped(s, start + 2, close - 1));
        }
    }
    *at = start + 1;
    return empty_name_at(s, start) ? from_string(string_from_ascii("")) : KRL_UNDEFINED;
}

static Path split_path(const String *s) {
    ArrayBuilder names;
    array_start(&names, 4);
    bool opens_empty = s->length > 0 && unit_at(s, 0) == '.';
    if (opens_empty) array_push(&names, from_string(string_from_ascii("")));
    for (uint32_t at = 0; at < s->length;) {
        Value name = read_name(s, &at);
        if (name != KRL_UNDEFINED) array_push(&names, name);
    }
    return path_from(from_array(array_finish(&names)));
}

Path lodash_path_from(Value path, Value object) {
    if (is_array(path)) {
        const Array *array = address_of(path);
        const String **keys = allocate(array->length * (uint32_t)sizeof(*keys));
        for (uint32_t i = 0; i < array->length; i++) keys[i] = js_string(array->items[i]);
        return (Path){.keys = keys, .count = array->length};
    }
    const String *text = js_string(path);
    Value ignored;
    bool plain = is_number(path) || tag_of(path) == KRL_TAG_CONSTANT || !is_deep(text) ||
                 (is_map(object) && map_find(address_of(object), text, &ignored));
    return plain ? path_of_one(text) : split_path(text);
}
