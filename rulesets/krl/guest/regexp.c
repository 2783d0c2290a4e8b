/* Regular expressions: JavaScript's. A pattern that was not compiled with the ruleset is when it is
 * first used, by QuickJS's libregexp; matcher.c runs it. search.c runs what is code of its own. */
#include <string.h>

#include "core.h"
#include "libregexp.h"
#include "libunicode.h"
#include "matcher.h"

/* ---- what libregexp asks of whoever uses it ---- */

static uintptr_t stack_at_start; /* of the compilation that runs */

/* Each nested group of a pattern costs the compiler stack, here and in the engine. This much here
 * is some 150 groups, and half a megabyte there. */
bool lre_check_stack_overflow(void *opaque, size_t alloca_size) {
    enum { COMPILER_STACK_BYTES = 32768 };
    uint8_t here;
    (void)opaque;
    return stack_at_start - (uintptr_t)&here + alloca_size > COMPILER_STACK_BYTES;
}

typedef struct {
    uint32_t byte_count, reserved;
    uint8_t bytes[];
} Block;

/* realloc, with the size that it must know in front of each block. Freeing does nothing. */
void *lre_realloc(void *opaque, void *old, size_t size) {
    (void)opaque;
    uint32_t head = (uint32_t)sizeof(Block), byte_count = (uint32_t)size, old_count = 0;
    if (byte_count == 0 || byte_count > UINT32_MAX / 2) return NULL;
    Block *block = NULL;
    if (old != NULL) {
        block = (Block *)(void *)((uint8_t *)old - offsetof(Block, bytes));
        old_count = block->byte_count;
        if (byte_count <= old_count) return old;
    }
    block = reallocate(block, old == NULL ? 0 : head + old_count, head + byte_count);
    block->byte_count = byte_count;
    return block->bytes;
}

/* Unicode properties need the flag u, which KRL does not have: build.py puts these in their place,
 * and the tables behind the real ones are not linked. */
int no_unicode_script(CharRange *range, const char *name, bool is_extended) {
    (void)range, (void)name, (void)is_extended;
    return -1;
}

int no_unicode_general_category(CharRange *range, const char *name) {
    return no_unicode_script(range, name, false);
}

int no_unicode_prop(CharRange *range, const char *name) {
    return no_unicode_script(range, name, false);
}

int no_unicode_sequence_prop(const char *name, UnicodeSequencePropCB *each, void *opaque,
                             CharRange *range) {
    (void)each, (void)opaque;
    return no_unicode_script(range, name, false);
}

/* ---- patterns ---- */

Regexp *regexp_from(const String *source, uint32_t flags) {
    Regexp *r = allocate(sizeof(Regexp));
    *r = (Regexp){.source = source, .flags = flags};
    return r;
}

static uint8_t *write_three_bytes(uint8_t *out, uint16_t unit) {
    out[0] = (uint8_t)(0xE0 | unit >> 12);
    out[1] = (uint8_t)(0x80 | (unit >> 6 & 0x3F));
    out[2] = (uint8_t)(0x80 | (unit & 0x3F));
    return out + 3;
}

/* CESU-8: without the u flag a pattern is a sequence of code units, surrogates included. */
static uint8_t *cesu8_of(const String *s, uint32_t *byte_count) {
    uint8_t *bytes = allocate(s->length * 3 + 1), *out = bytes;
    for (uint32_t i = 0; i < s->length; i++) {
        uint16_t unit = unit_at(s, i);
        if (unit < 0x80) {
            *out++ = (uint8_t)unit;
        } else if (unit < 0x800) {
            *out++ = (uint8_t)(0xC0 | unit >> 6);
            *out++ = (uint8_t)(0x80 | (unit & 0x3F));
        } else {
            out = write_three_bytes(out, unit);
        }
    }
    *out = 0;
    *byte_count = (uint32_t)(out - bytes);
    return bytes;
}

static NORETURN void throw_malformed(const Regexp *r, const char *problem) {
    StringBuilder b;
    builder_start(&b);
    builder_ascii(&b, "Invalid regular expression: /");
    builder_string(&b, r->source);
    builder_ascii(&b, "/: ");
    builder_ascii(&b, problem);
    throw_message(builder_finish(&b));
}

static const uint8_t *compile(Regexp *r) {
    uint8_t *mark = arena_mark();
    uint32_t byte_count;
    const char *pattern = (const char *)cesu8_of(r->source, &byte_count);
    int flags = LRE_FLAG_STICKY | (r->flags & KRL_REGEXP_IGNORE_CASE ? LRE_FLAG_IGNORECASE : 0);
    int length;
    char problem[64];
    stack_at_start = (uintptr_t)problem;
    uint8_t *made =
        lre_compile(&length, problem, sizeof(problem), pattern, byte_count, flags, NULL);
    if (made == NULL) throw_malformed(r, problem);
    arena_release(mark); /* the compiler's scraps; the code moves to where they began */
    uint8_t *kept = allocate((uint32_t)length);
    memmove(kept, made, (size_t)length);
    r->bytecode = kept;
    return kept;
}

/* Exported as data. Nothing but these leads to the compiler of patterns, to the matcher and to the
 * tables of letters, which together are half of the library: the linker of a ruleset leaves out
 * what a program does not need (docs/formats/guest.md). */
const uint8_t *(*rt_pattern_compiler)(Regexp *r) = compile;
bool (*rt_pattern_matcher)(const uint8_t *, const String *, uint32_t, int32_t *) = match_from;
int (*rt_case_folding)(uint32_t c, bool is_unicode) = lre_canonicalize;

/* What libregexp calls for lre_canonicalize: build.py. */
int fold_case(uint32_t c, bool is_unicode) { return rt_case_folding(c, is_unicode); }

const uint8_t *bytecode_of(Regexp *r) {
    return r->bytecode != NULL ? r->bytecode : rt_pattern_compiler(r);
}

/* Whoever calls this needs the compiler: krl/emit/needs.py knows them all. */
__attribute__((noinline)) Regexp *regexp_new(const String *source, uint32_t flags) {
    Regexp *r = regexp_from(source, flags);
    bytecode_of(r);
    return r;
}

Regexp *to_regexp(Value v) {
    return is_regexp(v) ? address_of(v) : regexp_new(to_string(v), 0);
}

/* What a line end is written as behind a backslash; null: it is none. */
static const char *line_end_escape(uint16_t unit) {
    switch (unit) {
    case '\n': return "n";
    case '\r': return "r";
    case 0x2028: return "u2028";
    case 0x2029: return "u2029";
    default: return NULL;
    }
}

/* JavaScript's source: a slash that would end a literal is escaped, and so are line ends. */
static void append_source(StringBuilder *b, const String *source) {
    bool in_class = false, escaped = false;
    for (uint32_t i = 0; i < source->length; i++) {
        uint16_t unit = unit_at(source, i);
        const char *line_end = line_end_escape(unit);
        bool ends_literal = unit == '/' && !in_class;
        if ((line_end != NULL || ends_literal) && !escaped) builder_unit(b, '\\');
        if (line_end != NULL)
            builder_ascii(b, line_end);
        else
            builder_unit(b, unit);
        if (!escaped && (unit == '[' || unit == ']')) in_class = unit == '[';
        escaped = unit == '\\' && !escaped;
    }
}

static const String *shown(const Regexp *r) {
    StringBuilder b;
    builder_start(&b);
    builder_ascii(&b, "re#");
    if (r->source->length == 0)
        builder_ascii(&b, "(?:)");
    else
        append_source(&b, r->source);
    builder_unit(&b, '#');
    if (r->flags & KRL_REGEXP_GLOBAL) builder_unit(&b, 'g');
    if (r->flags & KRL_REGEXP_IGNORE_CASE) builder_unit(&b, 'i');
    return builder_finish(&b);
}

/* Exported as data: a program whose patterns are used where they are written shows none. */
const String *(*rt_pattern_shown)(const Regexp *r) = shown;

const String *regexp_to_string(const Regexp *r) { return rt_pattern_shown(r); }
