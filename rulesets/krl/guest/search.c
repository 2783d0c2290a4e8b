/* Running patterns: those that are functions of their own (krl/emit/pattern.py), with what these
 * call, and through the matcher (matcher.c) all others. */
#include <string.h>

#include "core.h"
#include "matcher.h"

uint32_t regexp_capture_count(Regexp *r) {
    return r->search != NULL ? r->group_count : pattern_groups(bytecode_of(r));
}

/* Addresses become positions; what is not there is -1. */
static void as_positions(int32_t *marks, uint32_t count, const uint8_t *base, uint32_t wide) {
    for (uint32_t i = 0; i < count; i++)
        marks[i] = marks[i] == 0 ? -1 : (marks[i] - (int32_t)(uintptr_t)base) >> wide;
}

bool regexp_run(Regexp *r, const String *subject, uint32_t from, int32_t *captures) {
    if (r->search == NULL) return rt_pattern_matcher(bytecode_of(r), subject, from, captures);
    if (from > subject->length) return false;
    const uint8_t *base = units_of(subject);
    uint32_t wide = is_wide(subject);
    const uint8_t *end = base + (subject->length << wide);
    if (!r->search(base, base + (from << wide), end, wide, captures)) return false;
    as_positions(captures, 2 * r->group_count, base, wide);
    return true;
}

/* Of one that is code, and remembers nothing: only whether it matches. */
static bool is_found(const Regexp *r, const String *subject) {
    enum { GROUPS_MAX = 21 }; /* krl/emit/pattern.py */
    int32_t marks[2 * GROUPS_MAX];
    const uint8_t *base = units_of(subject);
    uint32_t wide = is_wide(subject);
    return r->search(base, base, base + (subject->length << wide), wide, marks);
}

int32_t rt_like(Value a, Value pattern) {
    Regexp *r = is_regexp(pattern) ? address_of(pattern) : to_regexp(pattern);
    const String *subject = is_string(a) ? string_of(a) : to_string(a);
    if (r->search != NULL && !(r->flags & KRL_REGEXP_GLOBAL)) return is_found(r, subject);
    return regexp_test(r, subject);
}

bool regexp_test(Regexp *r, const String *subject) {
    bool is_global = r->flags & KRL_REGEXP_GLOBAL;
    uint8_t *mark = arena_mark();
    uint32_t group_count = regexp_capture_count(r);
    if (mark != arena_mark()) mark = arena_mark(); /* compiled just now: keep that */
    int32_t *captures = allocate(2 * group_count * (uint32_t)sizeof(int32_t));
    bool matched = regexp_run(r, subject, is_global ? r->last_index : 0, captures);
    if (is_global) r->last_index = matched ? (uint32_t)captures[1] : 0;
    arena_release(mark);
    return matched;
}

/* ---- what the functions of patterns call ---- */

static inline uint32_t unit_there(const uint8_t *at, uint32_t wide) {
    return wide ? *(const uint16_t *)(const void *)at : *at;
}

/* Where a text ends that stands at `at`; null if it does not. */
EXPORT(rt_pattern_text)
const uint8_t *rt_pattern_text(const uint8_t *at, const uint8_t *end, uint32_t wide,
                               const String *text) {
    uint32_t byte_count = text->length << wide;
    if ((uint32_t)(end - at) < byte_count) return NULL;
    if (wide == is_wide(text))
        return bytes_equal(at, units_of(text), byte_count) ? at + byte_count : NULL;
    for (uint32_t i = 0; i < text->length; i++, at += 1 + wide)
        if (unit_there(at, wide) != unit_at(text, i)) return NULL;
    return at;
}

static bool is_word(const uint8_t *at, uint32_t wide) {
    uint32_t unit = unit_there(at, wide), letter = unit | 0x20;
    return unit - '0' < 10 || unit == '_' || (unit < 0x80 && letter - 'a' < 26);
}

/* Before the start and behind the end there is no letter. */
EXPORT(rt_pattern_boundary)
int32_t rt_pattern_boundary(const uint8_t *base, const uint8_t *at, const uint8_t *end,
                            uint32_t wide) {
    bool before = at > base && is_word(at - 1 - wide, wide);
    return before != (at < end && is_word(at, wide));
}

EXPORT(rt_is_white_space)
int32_t rt_is_white_space(uint32_t unit) { return is_white_space((uint16_t)unit); }
