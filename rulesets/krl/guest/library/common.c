/* Helpers of the library that no single operator owns. */
#include "library.h"

NORETURN void throw_about(const char *format, Value a, Value b) {
    StringBuilder message;
    builder_start(&message);
    bool first = true;
    for (const char *at = format; *at; at++) {
        if (*at != '@') {
            builder_unit(&message, (uint8_t)*at);
            continue;
        }
        builder_string(&message, to_string(first ? a : b));
        first = false;
    }
    throw_message(builder_finish(&message));
}

bool is_finite(double d) {
    return d - d == 0;
}

double integer_of(double d) {
    return d != d ? 0 : __builtin_trunc(d);
}

int32_t to_int32(double d) {
    if (!is_finite(d)) {
        return 0;
    }
    double whole = __builtin_trunc(d);
    double rest = whole - __builtin_floor(whole / 4294967296.0) * 4294967296.0;
    return (int32_t)(uint32_t)rest;
}

static const String *joined_as_js(const Array *a) {
    StringBuilder text;
    builder_start(&text);
    for (uint32_t i = 0; i < a->length; i++) {
        if (i > 0) {
            builder_unit(&text, ',');
        }
        Value item = a->items[i];
        if (item != KRL_UNDEFINED && item != KRL_NULL) {
            builder_string(&text, js_string(item));
        }
    }
    return builder_finish(&text);
}

/* /source/flags, from KRL's re#source#flags. */
static const String *regexp_as_js(Value v) {
    const String *krl = regexp_to_string(address_of(v));
    uint32_t end = krl->length;
    while (unit_at(krl, end - 1) != '#') {
        end--;
    }
    StringBuilder text;
    builder_start(&text);
    builder_unit(&text, '/');
    builder_string(&text, substring(krl, 3, end - 1));
    builder_unit(&text, '/');
    builder_string(&text, substring(krl, end, krl->length));
    return builder_finish(&text);
}

const String *js_string(Value v) {
    if (v == KRL_UNDEFINED) {
        return string_from_ascii("undefined");
    }
    if (is_number(v)) {
        return number_to_string(number_of(v));
    }
    switch (tag_of(v)) {
    case KRL_TAG_ARRAY:
        return joined_as_js(array_of(v));
    case KRL_TAG_MAP:
        return string_from_ascii("[object Object]");
    case KRL_TAG_FUNCTION:
        return string_from_ascii("[object Function]");
    case KRL_TAG_REGEXP:
        return regexp_as_js(v);
    default:
        return to_string(v); /* strings, null, booleans */
    }
}

double js_number(Value v) {
    if (is_number(v)) {
        return number_of(v);
    }
    if (v == KRL_NULL || v == KRL_FALSE) {
        return 0;
    }
    if (v == KRL_TRUE) {
        return 1;
    }
    if (v == KRL_UNDEFINED) {
        return number_of(KRL_NAN);
    }
    double number;
    return parse_number(js_string(v), &number) ? number : number_of(KRL_NAN);
}

bool js_less_or_equal_zero(Value v) {
    return js_number(v) <= 0;
}

bool text_is(Value v, const char *ascii) {
    if (!is_string(v)) {
        return false;
    }
    const String *s = string_of(v);
    uint32_t i = 0;
    for (; i < s->length && ascii[i]; i++) {
        if (unit_at(s, i) != (uint8_t)ascii[i]) {
            return false;
        }
    }
    return i == s->length && !ascii[i];
}

Value call_iterator(Value callee, Value a, Value b, Value c) {
    if (!is_function(callee)) {
        throw_text("iter is not a function");
    }
    Value arguments[3] = {a, b, c};
    Function *f = address_of(callee);
    return f->entry(f, 3, arguments);
}

Value map_get_ascii(Value map, const char *key) {
    Value found;
    if (is_map(map) && map_find(map_of(map), string_from_ascii(key), &found)) {
        return found;
    }
    return KRL_UNDEFINED;
}

void map_set_ascii(Map *m, const char *key, Value v) {
    map_set(m, string_from_ascii(key), v);
}

Value null_cleaned(Value v) {
    if (is_null(v)) {
        return KRL_NULL;
    }
    if (is_array(v)) {
        const Array *from = array_of(v);
        Array *to = array_new(from->length);
        for (uint32_t i = 0; i < from->length; i++) {
            to->items[i] = null_cleaned(from->items[i]);
        }
        return from_array(to);
    }
    if (is_map(v)) {
        Map *to = map_new(map_count(map_of(v)));
        uint32_t at = 0;
        const String *key;
        Value item;
        while (map_next(map_of(v), &at, &key, &item)) {
            map_set(to, key, null_cleaned(item));
        }
        return from_map(to);
    }
    return v;
}

bool can_be_called(Value v) {
    if (!is_function(v)) {
        return false;
    }
    const Function *f = address_of(v);
    return f->shape->kind != KRL_KIND_ACTION;
}

Value wrap(Value v) {
    if (is_array(v)) {
        return v;
    }
    Array *one = array_new(1);
    one->items[0] = v;
    return from_array(one);
}
