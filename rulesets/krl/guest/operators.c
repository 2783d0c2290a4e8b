/* KRL's operators, for the operands that generated code does not handle inline. */
#include <math.h>

#include "core.h"

static NORETURN void throw_about(Value a, const char *middle, Value b) {
    throw_message(string_concat(to_string(a),
                                string_concat(string_from_ascii(middle), to_string(b))));
}

static bool is_finite_number(Value v) { return is_number(v) && isfinite(number_of(v)); }

/* Both operands as numbers; false: at least one of them is none. */
static bool both_numbers(Value a, Value b, double *left, double *right) {
    *left = number_of(a);
    *right = number_of(b);
    if (*left - *left == 0 && *right - *right == 0) return true; /* finite, so both are numbers */
    Value x = to_number_or_null(a), y = to_number_or_null(b);
    if (x == KRL_NULL || y == KRL_NULL) return false;
    *left = number_of(x);
    *right = number_of(y);
    return true;
}

Value rt_add(Value a, Value b) {
    if (is_finite_number(a) && is_finite_number(b)) return from_number(number_of(a) + number_of(b));
    return from_string(string_concat(to_string(a), to_string(b)));
}

Value rt_subtract(Value a, Value b) {
    double left, right;
    if (!both_numbers(a, b, &left, &right)) throw_about(b, " cannot be subtracted from ", a);
    return from_number(left - right);
}

Value rt_multiply(Value a, Value b) {
    double left, right;
    if (!both_numbers(a, b, &left, &right)) throw_about(a, " cannot be multiplied by ", b);
    return from_number(left * right);
}

/* The result 0 is easily overlooked, so the log says so; once, for it may be in a loop. */
static double note_zero_divisor(Value dividend) {
    static bool is_noted;
    if (!is_noted) emit_log("debug", "[DIVISION BY ZERO]", dividend);
    is_noted = true;
    return 0;
}

Value rt_divide(Value a, Value b) {
    double left, right;
    if (!both_numbers(a, b, &left, &right)) throw_about(a, " cannot be divided by ", b);
    return from_number(right == 0 ? note_zero_divisor(a) : left / right);
}

static NORETURN void throw_about_modulo(Value a, Value b) {
    const String *start = string_concat(string_from_ascii("Cannot calculate "), to_string(a));
    throw_about(from_string(start), " modulo ", b);
}

/* The nearest integer towards 0; of what is no number, 0. */
static inline int32_t whole(double d) { return __builtin_wasm_trunc_saturate_s_i32_f64(d); }

Value rt_modulo(Value a, Value b) {
    double left = number_of(a), right = number_of(b);
    int32_t dividend = whole(left), divisor = whole(right);
    if (dividend > 0 && divisor > 0 && dividend == left && divisor == right)
        return from_number(dividend % divisor);
    if (!both_numbers(a, b, &left, &right)) throw_about_modulo(a, b);
    return from_number(right == 0 ? note_zero_divisor(a) : fmod(left, right));
}

Value rt_plus(Value a) { return a; }

Value rt_negate(Value a) {
    Value number = to_number_or_null(a);
    if (number == KRL_NULL)
        throw_message(string_concat(string_from_ascii("Cannot negate "), to_string(a)));
    return from_number(-number_of(number));
}

static bool arrays_equal(const Array *a, const Array *b) {
    if (a->length != b->length) return false;
    for (uint32_t i = 0; i < a->length; i++)
        if (!values_equal(a->items[i], b->items[i])) return false;
    return true;
}

static bool maps_equal(const Map *a, const Map *b) {
    if (map_count(a) != map_count(b)) return false;
    const String *key;
    Value left, right;
    for (uint32_t at = 0; map_next(a, &at, &key, &left);)
        if (!map_find(b, key, &right) || !values_equal(left, right)) return false;
    return true;
}

static bool regexps_equal(const Regexp *a, const Regexp *b) {
    return a->flags == b->flags && string_equal(a->source, b->source);
}

/* A function that captures nothing is its code: `uc == uc`, wherever the two are written. */
static bool functions_equal(const Function *a, const Function *b) {
    return a->entry == b->entry && a->capture_count == 0 && b->capture_count == 0;
}

bool values_equal(Value a, Value b) {
    if (a == b) return true;
    if (is_null(a) || is_null(b)) return is_null(a) && is_null(b);
    if (is_number(a) || is_number(b))
        return is_number(a) && is_number(b) && number_of(a) == number_of(b);
    if (tag_of(a) != tag_of(b)) return false;
    switch (tag_of(a)) {
    case KRL_TAG_STRING: return string_equal(string_of(a), string_of(b));
    case KRL_TAG_ARRAY: return arrays_equal(address_of(a), address_of(b));
    case KRL_TAG_MAP: return maps_equal(address_of(a), address_of(b));
    case KRL_TAG_REGEXP: return regexps_equal(address_of(a), address_of(b));
    case KRL_TAG_FUNCTION: return functions_equal(address_of(a), address_of(b));
    default: return false;
    }
}

int32_t rt_equal(Value a, Value b) { return values_equal(a, b); }

int32_t rt_order(Value a, Value b) {
    double left, right;
    if (!both_numbers(a, b, &left, &right)) return rt_compare(a, b);
    return left == right ? 0 : left < right ? -1 : 1;
}

int32_t rt_compare(Value a, Value b) { return string_compare(to_string(a), to_string(b)); }

int32_t rt_contains(Value a, Value b) {
    if (is_map(a)) return path_has(a, b);
    if (!is_array(a)) return false;
    const Array *array = address_of(a);
    for (uint32_t i = 0; i < array->length; i++)
        if (values_equal(array->items[i], b)) return true;
    return false;
}

Value rt_index(Value object, Value key) {
    if (is_array(key)) key = from_string(to_string(key)); /* one key, never a path */
    return path_get(object, key);
}

Value rt_path(Value object, Value path) { return path_get(object, path); }

Value rt_property(Value object, Value name) {
    if (is_null(object) && !is_number(object)) {
        StringBuilder b;
        builder_start(&b);
        builder_ascii(&b, "Cannot read properties of ");
        builder_ascii(&b, object == KRL_UNDEFINED ? "undefined" : "null");
        builder_ascii(&b, " (reading '");
        builder_string(&b, to_string(name));
        builder_ascii(&b, "')");
        throw_message(builder_finish(&b));
    }
    return member_get(object, to_string(name));
}
