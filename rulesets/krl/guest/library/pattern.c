/* match, extract, split: JavaScript's string methods with regular expressions. */
#include "library.h"

static Value capture_value(const String *s, const int32_t *captures, uint32_t group) {
    if (captures[2 * group] < 0) {
        return KRL_UNDEFINED;
    }
    return from_string(
        substring(s, (uint32_t)captures[2 * group], (uint32_t)captures[2 * group + 1]));
}

static int32_t *captures_for(Regexp *r) {
    return allocate(regexp_capture_count(r) * 2 * sizeof(int32_t));
}

LIBRARY(match) {
    Value pattern = argument(1);
    if (!is_string(pattern) && !is_regexp(pattern)) {
        return KRL_FALSE;
    }
    return from_boolean(regexp_test(to_regexp(pattern), to_string(argument(0))));
}

static Value all_matches(Regexp *r, const String *s) {
    ArrayBuilder found;
    array_start(&found, 4);
    int32_t *captures = captures_for(r);
    uint32_t from = 0;
    r->last_index = 0;
    while (from <= s->length && regexp_run(r, s, from, captures)) {
        array_push(&found, capture_value(s, captures, 0));
        from = (uint32_t)captures[1] + (captures[0] == captures[1]);
    }
    return from_array(array_finish(&found));
}

LIBRARY(extract) {
    if (argument_count < 2) {
        return from_array(array_new(0));
    }
    const String *s = to_string(argument(0));
    Regexp *r = to_regexp(argument(1));
    if (r->flags & KRL_REGEXP_GLOBAL) {
        return all_matches(r, s);
    }
    int32_t *captures = captures_for(r);
    if (!regexp_run(r, s, 0, captures)) {
        return from_array(array_new(0));
    }
    Array *groups = array_new(regexp_capture_count(r) - 1);
    for (uint32_t i = 0; i < groups->length; i++) {
        groups->items[i] = capture_value(s, captures, i + 1);
    }
    return from_array(groups);
}

static Value split_to_units(const String *s) {
    Array *units = array_new(s->length);
    for (uint32_t i = 0; i < s->length; i++) {
        units->items[i] = from_string(substring(s, i, i + 1));
    }
    return from_array(units);
}

static Value split_by_text(const String *s, const String *separator) {
    if (separator->length == 0) {
        return split_to_units(s);
    }
    ArrayBuilder parts;
    array_start(&parts, 8);
    uint32_t start = 0;
    int32_t at;
    while ((at = string_find(s, separator, start)) >= 0) {
        array_push(&parts, from_string(substring(s, start, (uint32_t)at)));
        start = (uint32_t)at + separator->length;
    }
    array_push(&parts, from_string(substring(s, start, s->length)));
    return from_array(array_finish(&parts));
}

/* An empty match counts only where it leaves something behind it and before the end. */
static Value split_by_regexp(const String *s, Regexp *r) {
    int32_t *captures = captures_for(r);
    if (s->length == 0 && regexp_run(r, s, 0, captures)) {
        return from_array(array_new(0));
    }
    ArrayBuilder parts;
    array_start(&parts, 8);
    uint32_t start = 0, from = 0;
    while (from < s->length && regexp_run(r, s, from, captures)) {
        uint32_t match_start = (uint32_t)captures[0], match_end = (uint32_t)captures[1];
        if (match_start >= s->length) {
            break;
        }
        if (match_end == start) {
            from = match_start + 1;
            continue;
        }
        array_push(&parts, from_string(substring(s, start, match_start)));
        for (uint32_t group = 1; group < regexp_capture_count(r); group++) {
            array_push(&parts, capture_value(s, captures, group));
        }
        start = from = match_end;
    }
    array_push(&parts, from_string(substring(s, start, s->length)));
    return from_array(array_finish(&parts));
}

LIBRARY(split) {
    const String *s = to_string(argument(0));
    if (is_regexp(argument(1))) {
        return split_by_regexp(s, address_of(argument(1)));
    }
    return split_by_text(s, to_string(argument(1)));
}
