/* Types and conversions: what KRL says a value is, and what it turns into where another type is
 * wanted (docs/language.md). */
#include <math.h>

#include "core.h"

STATIC_STRING(TEXT_NULL, "null");
STATIC_STRING(TEXT_TRUE, "true");
STATIC_STRING(TEXT_FALSE, "false");
STATIC_STRING(TYPE_NULL, "Null");
STATIC_STRING(TYPE_BOOLEAN, "Boolean");
STATIC_STRING(TYPE_HEX, "Hex");
STATIC_STRING(TYPE_STRING, "String");
STATIC_STRING(TYPE_NUMBER, "Number");
STATIC_STRING(TYPE_REGEXP, "RegExp");
STATIC_STRING(TYPE_ARRAY, "Array");
STATIC_STRING(TYPE_MAP, "Map");
STATIC_STRING(TYPE_FUNCTION, "Function");
STATIC_STRING(TYPE_ACTION, "Action");
STATIC_STRING(TYPE_BOTH, "ActionFunction");
STATIC_STRING(TYPE_OBJECT, "JSObject");
STATIC_STRING(SHOWN_ARRAY, "[Array]");
STATIC_STRING(SHOWN_MAP, "[Map]");
STATIC_STRING(SHOWN_FUNCTION, "[Function]");
STATIC_STRING(SHOWN_ACTION, "[Action]");
STATIC_STRING(SHOWN_BOTH, "[ActionFunction]");
STATIC_STRING(SHOWN_OBJECT, "[JSObject]");

bool is_null(Value v) {
    if (is_number(v)) return isnan(number_of(v));
    return v == KRL_UNDEFINED || v == KRL_NULL;
}

static int hex_digit(uint16_t unit) {
    if (unit >= '0' && unit <= '9') return unit - '0';
    uint16_t lower = unit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* /^0x[A-F0-9]+$/i */
static bool is_hex(const String *s) {
    if (s->length < 3 || is_wide(s)) return false;
    const uint8_t *units = units_of(s);
    if (units[0] != '0' || (units[1] | 0x20) != 'x') return false;
    for (uint32_t i = 2; i < s->length; i++)
        if (hex_digit(units[i]) < 0) return false;
    return true;
}

static FunctionKind kind_of(Value v) {
    const Function *function = address_of(v);
    return (FunctionKind)function->shape->kind;
}

const String *type_name(Value v) {
    if (is_null(v)) return TYPE_NULL;
    if (is_number(v)) return isfinite(number_of(v)) ? TYPE_NUMBER : TYPE_OBJECT;
    switch (tag_of(v)) {
    case KRL_TAG_CONSTANT: return TYPE_BOOLEAN;
    case KRL_TAG_STRING: return is_hex(string_of(v)) ? TYPE_HEX : TYPE_STRING;
    case KRL_TAG_REGEXP: return TYPE_REGEXP;
    case KRL_TAG_ARRAY: return TYPE_ARRAY;
    case KRL_TAG_MAP: return TYPE_MAP;
    }
    switch (kind_of(v)) {
    case KRL_KIND_FUNCTION: return TYPE_FUNCTION;
    case KRL_KIND_ACTION: return TYPE_ACTION;
    case KRL_KIND_BOTH: return TYPE_BOTH;
    }
    __builtin_trap();
}

const String *to_string(Value v) {
    if (is_null(v)) return TEXT_NULL;
    if (is_number(v)) {
        double d = number_of(v);
        return isfinite(d) ? number_to_string(d) : SHOWN_OBJECT;
    }
    switch (tag_of(v)) {
    case KRL_TAG_CONSTANT: return v == KRL_TRUE ? TEXT_TRUE : TEXT_FALSE;
    case KRL_TAG_STRING: return string_of(v);
    case KRL_TAG_REGEXP: return regexp_to_string(address_of(v));
    case KRL_TAG_ARRAY: return SHOWN_ARRAY;
    case KRL_TAG_MAP: return SHOWN_MAP;
    }
    switch (kind_of(v)) {
    case KRL_KIND_FUNCTION: return SHOWN_FUNCTION;
    case KRL_KIND_ACTION: return SHOWN_ACTION;
    case KRL_KIND_BOTH: return SHOWN_BOTH;
    }
    __builtin_trap();
}

static Value string_to_number(const String *s) {
    double d;
    return parse_number(s, &d) ? from_number(d) : KRL_NULL;
}

Value to_number_or_null(Value v) {
    if (is_null(v)) return from_number(0);
    if (is_number(v)) return isfinite(number_of(v)) ? v : KRL_NULL;
    switch (tag_of(v)) {
    case KRL_TAG_CONSTANT: return from_number(v == KRL_TRUE);
    case KRL_TAG_STRING: return string_to_number(string_of(v));
    case KRL_TAG_ARRAY: return from_number(((const Array *)address_of(v))->length);
    case KRL_TAG_MAP: return from_number(map_size(v));
    default: return KRL_NULL;
    }
}

int32_t rt_truthy(Value v) {
    if (is_number(v)) {
        double d = number_of(v);
        return d != 0 && !isnan(d);
    }
    if (tag_of(v) == KRL_TAG_CONSTANT) return v == KRL_TRUE;
    if (is_string(v)) return string_of(v)->length > 0;
    return true;
}
