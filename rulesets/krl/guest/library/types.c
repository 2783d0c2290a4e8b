/* Operators about types and conversions: as, isnull, typeof, defaultsTo, klog, noop. */
#include "library.h"

enum { HEXADECIMAL = 16 };

static Value as_boolean(Value v) {
    if (text_is(v, "false")) {
        return KRL_FALSE;
    }
    if (is_number(v) && !is_null(v)) {
        return from_boolean(number_of(v) != 0);
    }
    return from_boolean(rt_truthy(v));
}

static Value as_hexadecimal(Value v) {
    if (is_null(v) && !is_number(v)) {
        throw_text("Cannot use the .as(\"Hex\") operator with null");
    }
    if (is_number(v) && is_finite(number_of(v))) {
        return from_string(number_to_radix(number_of(v), HEXADECIMAL));
    }
    if (is_number(v)) {
        return v == KRL_NAN ? from_ascii("NaN") : KRL_NULL;
    }
    if (is_string(v) || v == KRL_TRUE || v == KRL_FALSE) {
        return from_string(to_string(v));
    }
    return KRL_NULL;
}

/* Texts like [Map] match themselves rather than become a character class. */
static Value as_regexp(Value v) {
    const String *source = to_string(v);
    bool is_type_text = !is_string(v) && !is_regexp(v) && source->length > 0
        && unit_at(source, 0) == '[';
    if (is_type_text) {
        StringBuilder escaped;
        builder_start(&escaped);
        builder_ascii(&escaped, "\\[");
        builder_string(&escaped, substring(source, 1, source->length - 1));
        builder_ascii(&escaped, "\\]");
        source = builder_finish(&escaped);
    }
    return from_pointer(KRL_TAG_REGEXP, regexp_new(source, 0));
}

static NORETURN void throw_unknown_type(Value v, Value type) {
    StringBuilder message;
    builder_start(&message);
    builder_ascii(&message, "Cannot use the .as(\"");
    builder_string(&message, js_string(type));
    builder_ascii(&message, "\") operator with ");
    builder_string(&message, to_string(v));
    builder_ascii(&message, " (type ");
    builder_string(&message, type_name(v));
    builder_ascii(&message, ")");
    throw_message(builder_finish(&message));
}

/* as("Boolean"), as("Number") and as("String"), where the type is written there. */
EXPORT(rt_as_boolean) Value rt_as_boolean(Value v) {
    return as_boolean(v);
}

EXPORT(rt_as_number) Value rt_as_number(Value v) {
    return to_number_or_null(v);
}

EXPORT(rt_as_string) Value rt_as_string(Value v) {
    return from_string(to_string(v));
}

LIBRARY(as) {
    Value v = argument(0);
    if (argument_count < 2) {
        return v;
    }
    Value type = argument(1);
    if (is_string(type) && string_equal(string_of(type), type_name(v))) {
        return v;
    }
    if (text_is(type, "Boolean")) {
        return as_boolean(v);
    }
    if (text_is(type, "Hex")) {
        return as_hexadecimal(v);
    }
    if (text_is(type, "String")) {
        return from_string(to_string(v));
    }
    if (text_is(type, "Number")) {
        return to_number_or_null(v);
    }
    if (text_is(type, "RegExp")) {
        return as_regexp(v);
    }
    throw_unknown_type(v, type);
}

LIBRARY(isnull) {
    return from_boolean(is_null(argument(0)));
}

LIBRARY(typeof) {
    return from_string(type_name(argument(0)));
}

static void emit_message(const char *level, const String *message, Value v) {
    Map *effect = map_new(5);
    set_field(effect, "kind", from_ascii("log"));
    set_field(effect, "level", from_ascii(level));
    set_field(effect, "message", from_string(message));
    set_field(effect, "value", vanishes(v) ? KRL_NULL : v);
    set_field(effect, "rule", context_get("rule"));
    emit_effect(effect);
}

LIBRARY(defaultsTo) {
    if (!is_null(argument(0))) {
        return argument(0);
    }
    if (!is_null(argument(2))) {
        const String *message =
            string_concat(string_from_ascii("[DEFAULTSTO] "), to_string(argument(2)));
        emit_message("debug", message, KRL_NULL);
    }
    return argument(1);
}

LIBRARY(klog) {
    const String *message =
        is_null(argument(1)) ? string_from_ascii("klog") : to_string(argument(1));
    emit_message("klog", message, argument(0));
    return argument(0);
}

LIBRARY(noop) {
    return KRL_NULL;
}
