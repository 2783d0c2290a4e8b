/* sprintf: every %d (for a number) or %s (for a string) becomes the value, unless a backslash
 * stands before it; two backslashes stand for one. The value is a JavaScript replacement
 * template, so that $& in it is the match, as the reference has it. */
#include "library.h"

static bool specifier_at(const String *s, uint32_t at, uint16_t letter) {
    return at + 1 < s->length && unit_at(s, at) == '%' && unit_at(s, at + 1) == letter;
}

/* A match is the specifier with the unit before it, which must not be a backslash. */
static uint32_t match_at(const String *piece, uint32_t at, uint16_t letter, int32_t *captures) {
    uint32_t before;
    if (at == 0 && specifier_at(piece, 0, letter)) {
        before = 0;
    } else if (unit_at(piece, at) != '\\' && specifier_at(piece, at + 1, letter)) {
        before = 1;
    } else {
        return 0;
    }
    captures[0] = captures[2] = (int32_t)at;
    captures[3] = (int32_t)(at + before);
    captures[1] = captures[3] + 2;
    return before + 2;
}

static void fill_piece(StringBuilder *out, const String *piece, uint16_t letter,
                       const String *template) {
    int32_t captures[4];
    for (uint32_t at = 0; at < piece->length;) {
        uint32_t taken = match_at(piece, at, letter, captures);
        if (taken > 0) {
            expand_replacement(out, piece, template, captures, 2, NULL);
            at += taken;
        } else {
            builder_unit(out, unit_at(piece, at++));
        }
    }
}

static const String *unescaped(const String *s, uint16_t letter) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t at = 0; at < s->length; at++) {
        if (unit_at(s, at) != '\\' || !specifier_at(s, at + 1, letter)) {
            builder_unit(&out, unit_at(s, at));
        }
    }
    return builder_finish(&out);
}

static const String *filled(const String *text, uint16_t letter, const String *value) {
    const String *template = string_concat(string_from_ascii("$1"), value);
    const String *escaped_backslash = string_from_ascii("\\\\");
    StringBuilder out;
    builder_start(&out);
    uint32_t start = 0;
    int32_t at;
    while ((at = string_find(text, escaped_backslash, start)) >= 0) {
        fill_piece(&out, substring(text, start, (uint32_t)at), letter, template);
        builder_unit(&out, '\\');
        start = (uint32_t)at + 2;
    }
    fill_piece(&out, substring(text, start, text->length), letter, template);
    return unescaped(builder_finish(&out), letter);
}

LIBRARY(sprintf) {
    Value v = argument(0);
    if (is_null(argument(1))) {
        return from_ascii("");
    }
    const String *text = to_string(argument(1));
    if (is_string(v)) {
        text = filled(text, 's', string_of(v));
    } else if (is_number(v) && is_finite(number_of(v))) {
        text = filled(text, 'd', number_to_string(number_of(v)));
    }
    return from_string(text);
}
