/* replace: JavaScript's replacement templates, and replacement by a function. */
#include "library.h"

static bool digit_at(const String *s, uint32_t at, uint32_t *digit) {
    if (at >= s->length) {
        return false;
    }
    *digit = unit_at(s, at) - (uint32_t)'0';
    return *digit < 10;
}

static void append_range(StringBuilder *out, const String *s, int32_t start, int32_t end) {
    if (start >= 0 && start < end) {
        builder_units(out, s, (uint32_t)start, (uint32_t)end);
    }
}

/* Whether the group that opens at `at` ("(") captures, and where its name starts, if it has one:
 * `(` or `(?<name>`, but not `(?:`, `(?=`, `(?<=` ... */
static bool captures_at(const String *source, uint32_t at, uint32_t *name_start) {
    *name_start = 0;
    if (at + 1 >= source->length || unit_at(source, at + 1) != '?') {
        return true;
    }
    if (at + 3 >= source->length || unit_at(source, at + 2) != '<') {
        return false;
    }
    *name_start = at + 3;
    return unit_at(source, at + 3) != '=' && unit_at(source, at + 3) != '!';
}

/* The number of the group called `name`, or 0. `any_named` tells whether any group has a name:
 * without one, `$<` stands for itself. */
static uint32_t group_by_name(const String *source, const String *name, bool *any_named) {
    uint32_t group = 0, found = 0, name_start;
    bool in_class = false;
    *any_named = false;
    for (uint32_t at = 0; at < source->length; at++) {
        uint32_t unit = unit_at(source, at);
        if (unit == '\\') {
            at++;
        } else if (unit == '[' || unit == ']') {
            in_class = unit == '[';
        } else if (unit == '(' && !in_class && captures_at(source, at, &name_start)) {
            group++;
            if (name_start == 0) {
                continue;
            }
            *any_named = true;
            uint32_t name_end = name_start;
            while (name_end < source->length && unit_at(source, name_end) != '>') {
                name_end++;
            }
            if (name && string_equal(substring(source, name_start, name_end), name)) {
                found = group;
            }
        }
    }
    return found;
}

typedef struct {
    StringBuilder *out;
    const String *subject, *template, *source;
    const int32_t *captures;
    uint32_t capture_count; /* group 0 included */
} Expansion;

static void append_group(const Expansion *e, uint32_t group) {
    append_range(e->out, e->subject, e->captures[2 * group], e->captures[2 * group + 1]);
}

/* `$1` to `$99` at `at`; returns how many units it takes, 0 when it is no group of this match. */
static uint32_t expand_number(const Expansion *e, uint32_t at) {
    uint32_t tens, ones;
    if (!digit_at(e->template, at + 1, &tens)) {
        return 0;
    }
    if (digit_at(e->template, at + 2, &ones)) {
        uint32_t group = tens * 10 + ones;
        if (group > 0 && group < e->capture_count) {
            append_group(e, group);
            return 3;
        }
    }
    if (tens > 0 && tens < e->capture_count) {
        append_group(e, tens);
        return 2;
    }
    return 0;
}

/* `$<name>` at `at`; returns how many units it takes, 0 when it stands for itself. */
static uint32_t expand_name(const Expansion *e, uint32_t at) {
    bool any_named = false;
    uint32_t end = at + 2;
    while (end < e->template->length && unit_at(e->template, end) != '>') {
        end++;
    }
    if (!e->source || end >= e->template->length) {
        return 0;
    }
    uint32_t group = group_by_name(e->source, substring(e->template, at + 2, end), &any_named);
    if (!any_named) {
        return 0;
    }
    if (group > 0) {
        append_group(e, group);
    }
    return end + 1 - at;
}

/* Expands what starts with the `$` at `at`; returns how many units it takes, 0 for a plain `$`. */
static uint32_t expand_one(const Expansion *e, uint32_t at) {
    uint32_t next = at + 1 < e->template->length ? unit_at(e->template, at + 1) : 0;
    switch (next) {
    case '$':
        builder_unit(e->out, '$');
        return 2;
    case '&':
        append_group(e, 0);
        return 2;
    case '`':
        append_range(e->out, e->subject, 0, e->captures[0]);
        return 2;
    case '\'':
        append_range(e->out, e->subject, e->captures[1], (int32_t)e->subject->length);
        return 2;
    case '<':
        return expand_name(e, at);
    default:
        return expand_number(e, at);
    }
}

void expand_replacement(StringBuilder *out, const String *subject, const String *template,
                        const int32_t *captures, uint32_t capture_count, const String *source) {
    Expansion e = {out, subject, template, source, captures, capture_count};
    for (uint32_t at = 0; at < template->length;) {
        uint32_t taken = unit_at(template, at) == '$' ? expand_one(&e, at) : 0;
        if (taken == 0) {
            builder_unit(out, unit_at(template, at));
            taken = 1;
        }
        at += taken;
    }
}

static const String *replace_text(const String *s, const String *what, const String *template) {
    int32_t at = string_find(s, what, 0);
    if (at < 0) {
        return s;
    }
    int32_t captures[2] = {at, at + (int32_t)what->length};
    StringBuilder out;
    builder_start(&out);
    append_range(&out, s, 0, at);
    expand_replacement(&out, s, template, captures, 1, NULL);
    append_range(&out, s, captures[1], (int32_t)s->length);
    return builder_finish(&out);
}

static const String *replace_regexp(const String *s, Regexp *r, const String *template) {
    uint32_t capture_count = regexp_capture_count(r), from = 0;
    int32_t *captures = allocate(capture_count * 2 * sizeof(int32_t)), copied = 0;
    bool global = r->flags & KRL_REGEXP_GLOBAL;
    StringBuilder out;
    builder_start(&out);
    if (global) {
        r->last_index = 0;
    }
    while (from <= s->length && regexp_run(r, s, from, captures)) {
        append_range(&out, s, copied, captures[0]);
        expand_replacement(&out, s, template, captures, capture_count, r->source);
        copied = captures[1];
        from = (uint32_t)captures[1] + (captures[0] == captures[1]);
        if (!global) {
            break;
        }
    }
    append_range(&out, s, copied, (int32_t)s->length);
    return builder_finish(&out);
}

/* The function sees the match, the groups, the offset and the whole string. */
static Value replacement_by(Value function, const String *s, Regexp *r, const int32_t *captures) {
    uint32_t capture_count = regexp_capture_count(r);
    Array *arguments = array_new(capture_count + 2);
    for (uint32_t i = 0; i < capture_count; i++) {
        if (captures[2 * i] >= 0) {
            arguments->items[i] = from_string(
                substring(s, (uint32_t)captures[2 * i], (uint32_t)captures[2 * i + 1]));
        }
    }
    arguments->items[capture_count] = from_number(captures[0]);
    arguments->items[capture_count + 1] = from_string(s);
    return call_function(function, arguments->length, arguments->items);
}

/* Starts where a global expression's last test ended, as JavaScript's exec does. The reference
 * never ends on an empty global match; here the search goes on one unit later. */
static const String *replace_by_function(const String *s, Regexp *r, Value function) {
    int32_t *captures = allocate(regexp_capture_count(r) * 2 * sizeof(int32_t));
    bool global = r->flags & KRL_REGEXP_GLOBAL;
    uint32_t from = global ? r->last_index : 0;
    int32_t copied = 0;
    StringBuilder out;
    builder_start(&out);
    while (from <= s->length && regexp_run(r, s, from, captures)) {
        int32_t start = captures[0], end = captures[1];
        from = (uint32_t)end + (start == end);
        r->last_index = global ? from : r->last_index;
        append_range(&out, s, copied, start);
        builder_string(&out, js_string(replacement_by(function, s, r, captures)));
        copied = end;
        if (!global) {
            break;
        }
    }
    if (global) {
        r->last_index = 0;
    }
    append_range(&out, s, copied, (int32_t)s->length);
    return builder_finish(&out);
}

LIBRARY(replace) {
    if (argument_count < 2) {
        return argument(0);
    }
    const String *s = to_string(argument(0));
    Value pattern = argument(1), replacement = argument(2);
    if (can_be_called(replacement)) {
        return from_string(replace_by_function(s, to_regexp(pattern), replacement));
    }
    const String *template =
        is_null(replacement) ? string_from_ascii("") : to_string(replacement);
    if (is_regexp(pattern)) {
        return from_string(replace_regexp(s, address_of(pattern), template));
    }
    return from_string(replace_text(s, to_string(pattern), template));
}
