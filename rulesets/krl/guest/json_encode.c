/* JSON out: KRL's encode, and what a round trip through JSON does to a value. */
#include <math.h>

#include "core.h"

typedef struct {
    StringBuilder text;
    uint32_t indent; /* spaces a level; 0: everything on one line */
} Writer;

static void write_escape(StringBuilder *b, uint16_t unit) {
    static const char digits[] = "0123456789abcdef";
    builder_ascii(b, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4)
        builder_unit(b, (uint8_t)digits[unit >> shift & 15]);
}

static char short_escape(uint16_t unit) {
    switch (unit) {
    case '"': return '"';
    case '\\': return '\\';
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

/* A surrogate at `i` that has no partner: well-formed JSON escapes it. */
static bool is_lone_surrogate(const String *s, uint32_t i) {
    uint16_t unit = unit_at(s, i);
    if ((unit & 0xF800) != 0xD800) return false;
    if (unit >= 0xDC00) return i == 0 || (unit_at(s, i - 1) & 0xFC00) != 0xD800;
    return i + 1 == s->length || (unit_at(s, i + 1) & 0xFC00) != 0xDC00;
}

static void write_text(StringBuilder *b, const String *s) {
    builder_unit(b, '"');
    uint32_t plain_from = 0;
    for (uint32_t i = 0; i < s->length; i++) {
        uint16_t unit = unit_at(s, i);
        char escape = short_escape(unit);
        bool lone = is_wide(s) && is_lone_surrogate(s, i);
        if (escape == 0 && unit >= 0x20 && !lone) continue;
        builder_units(b, s, plain_from, i);
        plain_from = i + 1;
        if (escape != 0) {
            builder_unit(b, '\\');
            builder_unit(b, (uint8_t)escape);
        } else {
            write_escape(b, unit);
        }
    }
    builder_units(b, s, plain_from, s->length);
    builder_unit(b, '"');
}

/* encode() drops an action function, as JSON.stringify drops undefined; others become text. */
static bool is_dropped(Value v) {
    return is_function(v) && ((const Function *)address_of(v))->shape->kind == KRL_KIND_BOTH;
}

static void new_line(Writer *w, uint32_t depth) {
    if (w->indent == 0) return;
    builder_unit(&w->text, '\n');
    for (uint32_t i = 0; i < depth * w->indent; i++) builder_unit(&w->text, ' ');
}

static void write_value(Writer *w, Value v, uint32_t depth);

static void write_array(Writer *w, const Array *a, uint32_t depth) {
    builder_unit(&w->text, '[');
    for (uint32_t i = 0; i < a->length; i++) {
        if (i > 0) builder_unit(&w->text, ',');
        new_line(w, depth + 1);
        write_value(w, a->items[i], depth + 1);
    }
    if (a->length > 0) new_line(w, depth);
    builder_unit(&w->text, ']');
}

static void write_map(Writer *w, const Map *m, uint32_t depth) {
    const String *key;
    Value v;
    bool any = false;
    builder_unit(&w->text, '{');
    for (uint32_t at = 0; map_next(m, &at, &key, &v);) {
        if (is_dropped(v)) continue;
        if (any) builder_unit(&w->text, ',');
        any = true;
        new_line(w, depth + 1);
        write_text(&w->text, key);
        builder_unit(&w->text, ':');
        if (w->indent > 0) builder_unit(&w->text, ' ');
        write_value(w, v, depth + 1);
    }
    if (any) new_line(w, depth);
    builder_unit(&w->text, '}');
}

static void write_value(Writer *w, Value v, uint32_t depth) {
    bool plain = is_number(v) ? isfinite(number_of(v)) : tag_of(v) == KRL_TAG_CONSTANT;
    if (is_null(v) || is_dropped(v))
        builder_ascii(&w->text, "null");
    else if (plain)
        builder_string(&w->text, to_string(v));
    else if (is_array(v))
        write_array(w, address_of(v), depth);
    else if (is_map(v))
        write_map(w, address_of(v), depth);
    else
        write_text(&w->text, to_string(v));
}

const String *json_encode(Value v, uint32_t indent) {
    enum { INDENT_MAX = 10 }; /* JSON.stringify's */
    if (is_dropped(v)) return NULL;
    Writer w = {.indent = indent < INDENT_MAX ? indent : INDENT_MAX};
    builder_start(&w.text);
    write_value(&w, v, 0);
    return builder_finish(&w.text);
}

/* ---- the round trip ---- */

bool is_well_formed(const String *s) {
    if (!is_wide(s)) return true;
    for (uint32_t i = 0; i < s->length; i++)
        if (is_lone_surrogate(s, i)) return false;
    return true;
}

/* State is UTF-8, which has no lone surrogates: they become U+FFFD at once, not after a restart. */
static const String *well_formed(const String *s) {
    if (is_well_formed(s)) return s;
    StringBuilder b;
    builder_start(&b);
    for (uint32_t i = 0; i < s->length; i++)
        builder_unit(&b, is_lone_surrogate(s, i) ? 0xFFFD : unit_at(s, i));
    return builder_finish(&b);
}

/* The same array if nothing in it changes: most values already are what JSON makes of them. */
static Value array_through(const Array *a) {
    Array *changed = NULL;
    for (uint32_t i = 0; i < a->length; i++) {
        Value item = vanishes(a->items[i]) ? KRL_NULL : through_json(a->items[i]);
        if (item == a->items[i]) continue;
        if (changed == NULL) changed = array_copy(a, a->length);
        changed->items[i] = item;
    }
    return from_array(changed != NULL ? changed : a);
}

static bool map_is_unchanged(const Map *m) {
    const String *key;
    Value v;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);)
        if (vanishes(v) || !is_well_formed(key) || through_json(v) != v) return false;
    return true;
}

static Value map_through(const Map *m) {
    if (map_is_unchanged(m)) return from_map(m);
    Map *changed = map_new(map_count(m));
    const String *key;
    Value v;
    for (uint32_t at = 0; map_next(m, &at, &key, &v);)
        if (!vanishes(v)) map_set(changed, well_formed(key), through_json(v));
    return from_map(changed);
}

Value through_json(Value v) {
    if (is_number(v)) {
        double d = number_of(v);
        return !isfinite(d) ? KRL_NULL : d == 0 ? from_number(0) : v;
    }
    switch (tag_of(v)) {
    case KRL_TAG_STRING: {
        const String *s = string_of(v);
        return is_well_formed(s) ? v : from_string(well_formed(s));
    }
    case KRL_TAG_ARRAY: return array_through(address_of(v));
    case KRL_TAG_MAP: return map_through(address_of(v));
    case KRL_TAG_REGEXP: return from_map(map_new(0));
    case KRL_TAG_FUNCTION: return KRL_UNDEFINED;
    default: return v;
    }
}
