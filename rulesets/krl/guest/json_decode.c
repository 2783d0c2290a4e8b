/* JSON in: JSON.parse, with an explicit stack of open containers, for a text may nest as deep as it
 * likes while this module's own stack is small. */
#include "core.h"

typedef struct {
    const String *text;
    uint32_t at;
} Parser;

/* An open container: the text is inside it. */
typedef struct {
    Map *map; /* null: an array */
    const String *key;
    ArrayBuilder items;
} Level;

typedef struct {
    Level *levels;
    uint32_t count, capacity;
} Stack;

static uint16_t peek(const Parser *p) {
    return p->at < p->text->length ? unit_at(p->text, p->at) : 0;
}

static void skip_space(Parser *p) {
    for (;; p->at++) {
        uint16_t unit = peek(p);
        if (unit != ' ' && unit != '\t' && unit != '\n' && unit != '\r') return;
    }
}

static bool take(Parser *p, uint16_t unit) {
    if (peek(p) != unit || p->at >= p->text->length) return false;
    p->at++;
    return true;
}

static bool take_word(Parser *p, const char *word) {
    uint32_t at = p->at;
    for (; *word; word++, p->at++)
        if (peek(p) != (uint8_t)*word) {
            p->at = at;
            return false;
        }
    return true;
}

static bool take_digits(Parser *p) {
    uint32_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') p->at++;
    return p->at > start;
}

static bool parse_number_text(Parser *p, Value *out) {
    uint32_t start = p->at;
    take(p, '-');
    if (!take(p, '0') && !take_digits(p)) return false;
    if (take(p, '.') && !take_digits(p)) return false;
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+')) take(p, '-');
        if (!take_digits(p)) return false;
    }
    uint8_t *mark = arena_mark();
    char *ascii = allocate(p->at - start + 1);
    for (uint32_t i = start; i < p->at; i++) ascii[i - start] = (char)unit_at(p->text, i);
    ascii[p->at - start] = 0;
    *out = from_number(parse_decimal(ascii));
    arena_release(mark);
    return true;
}

static bool parse_hex_unit(Parser *p, uint16_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        uint16_t unit = peek(p), lower = unit | 0x20;
        uint16_t digit = unit >= '0' && unit <= '9' ? unit - '0'
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 16;
        if (digit == 16) return false;
        *out = (uint16_t)(*out << 4 | digit);
    }
    return true;
}

static bool parse_escape(Parser *p, uint16_t *out) {
    uint16_t unit = peek(p);
    p->at++;
    switch (unit) {
    case '"':
    case '\\':
    case '/': *out = unit; return true;
    case 'b': *out = '\b'; return true;
    case 'f': *out = '\f'; return true;
    case 'n': *out = '\n'; return true;
    case 'r': *out = '\r'; return true;
    case 't': *out = '\t'; return true;
    case 'u': return parse_hex_unit(p, out);
    default: return false;
    }
}

/* The text between quotes; a text without escapes is a part of the source. */
static const String *parse_text(Parser *p) {
    if (!take(p, '"')) return NULL;
    uint32_t start = p->at;
    while (p->at < p->text->length && peek(p) != '"' && peek(p) != '\\' && peek(p) >= 0x20) p->at++;
    if (take(p, '"')) return substring(p->text, start, p->at - 1);
    StringBuilder b;
    builder_start(&b);
    builder_units(&b, p->text, start, p->at);
    while (p->at < p->text->length) {
        uint16_t unit = peek(p);
        p->at++;
        if (unit == '"') return builder_finish(&b);
        if (unit < 0x20) return NULL;
        if (unit == '\\' && !parse_escape(p, &unit)) return NULL;
        builder_unit(&b, unit);
    }
    return NULL;
}

static bool parse_scalar(Parser *p, Value *out) {
    uint16_t unit = peek(p);
    if (unit == '"') {
        const String *s = parse_text(p);
        if (s != NULL) *out = from_string(s);
        return s != NULL;
    }
    if (unit == '-' || (unit >= '0' && unit <= '9')) return parse_number_text(p, out);
    *out = unit == 't' ? KRL_TRUE : unit == 'f' ? KRL_FALSE : KRL_NULL;
    return take_word(p, unit == 't' ? "true" : unit == 'f' ? "false" : "null");
}

static Level *push(Stack *s, bool is_map) {
    if (s->count == s->capacity) {
        uint32_t bytes = s->capacity * (uint32_t)sizeof(Level);
        s->levels = reallocate(s->levels, bytes, bytes == 0 ? 8 * sizeof(Level) : bytes * 2);
        s->capacity = s->capacity == 0 ? 8 : s->capacity * 2;
    }
    Level *level = &s->levels[s->count++];
    *level = (Level){.map = is_map ? map_new(0) : NULL};
    if (!is_map) array_start(&level->items, 0);
    return level;
}

static bool parse_key(Parser *p, Level *level) {
    skip_space(p);
    level->key = parse_text(p);
    if (level->key == NULL) return false;
    skip_space(p);
    return take(p, ':');
}

static Value close(Level *level) {
    return level->map != NULL ? from_map(level->map) : from_array(array_finish(&level->items));
}

/* Puts a complete value where it belongs; closes what ends behind it. False: malformed. */
static bool complete(Parser *p, Stack *s, Value *v) {
    while (s->count > 0) {
        Level *level = &s->levels[s->count - 1];
        if (level->map != NULL)
            map_set(level->map, level->key, *v);
        else
            array_push(&level->items, *v);
        skip_space(p);
        if (take(p, ',')) return level->map == NULL || parse_key(p, level);
        if (!take(p, level->map != NULL ? '}' : ']')) return false;
        *v = close(level);
        s->count--;
    }
    return true;
}

/* Opens containers until one is empty or a scalar stands there. */
static bool parse_innermost(Parser *p, Stack *s, Value *v) {
    for (;;) {
        skip_space(p);
        bool is_map = take(p, '{');
        if (!is_map && !take(p, '[')) return parse_scalar(p, v);
        Level *level = push(s, is_map);
        skip_space(p);
        if (take(p, is_map ? '}' : ']')) {
            *v = close(level);
            s->count--;
            return true;
        }
        if (is_map && !parse_key(p, level)) return false;
    }
}

bool json_decode(const String *text, Value *out) {
    Parser p = {.text = text};
    Stack open = {0};
    do {
        if (!parse_innermost(&p, &open, out)) return false;
        if (!complete(&p, &open, out)) return false;
    } while (open.count > 0);
    skip_space(&p);
    return p.at == text->length;
}
