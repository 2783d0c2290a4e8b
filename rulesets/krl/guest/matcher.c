/* Runs the code of a pattern, as libregexp's compiler and krl/patterns write it: by trying, with a
 * record of everything that has to be undone when that fails.
 *
 * Positions are in code units. There are two registers for the places of each group, and behind
 * them those of loops, their counters and places, which the code numbers from 0. */
#include <string.h>

#include "core.h"
#include "matcher.h"

#define UNSET UINT32_MAX /* a group that has not matched */

/* What a failure finds on its way back. */
typedef enum {
    UNDO,     /* a register had another value: `at` is its number */
    TRY,      /* there is another way to go on */
    INSIDE,   /* the match so far is inside of a lookahead */
    OPPOSITE, /* the same of a negative one: if it fails, what is behind it goes on */
} Kind;

/* `at` is a place in the code, and `was` the position there. */
typedef struct {
    uint32_t kind, at, was;
} Record;

/* All of it lives in one function's locals: what is called with its address is part of that. */
typedef struct {
    const String *subject;
    const uint8_t *code, *pc, *units;
    uint32_t at, length;
    bool wide;
    uint32_t *registers, *loops; /* of groups; of loops, behind them */
    Record *records;
    uint32_t count, capacity;
} Match;

#define PART static inline __attribute__((always_inline))

static inline uint32_t number_at(const uint8_t *code) {
    uint32_t number;
    memcpy(&number, code, sizeof(number));
    return number;
}

static inline uint32_t short_at(const uint8_t *code) {
    uint16_t number;
    memcpy(&number, code, sizeof(number));
    return number;
}

PART uint32_t unit_of(const Match *m, uint32_t at) {
    return m->wide ? ((const uint16_t *)(const void *)m->units)[at] : m->units[at];
}

/* ---- going back ---- */

/* Nothing else is allocated while a pattern runs, so the records grow where they are. */
static __attribute__((noinline)) Record *grown(Record *records, uint32_t count) {
    uint32_t size = count * (uint32_t)sizeof(Record);
    return reallocate(records, size / 2, size);
}

PART void push(Match *m, Record record) {
    if (m->count == m->capacity) {
        m->capacity *= 2;
        m->records = grown(m->records, m->capacity);
    }
    m->records[m->count++] = record;
}

/* Sets a register; what is returned undoes that. */
PART Record set_register(Match *m, uint32_t *place, uint32_t value) {
    Record before = {UNDO, (uint32_t)(place - m->registers), *place};
    *place = value;
    return before;
}

/* Undoes what was done since the last other way to go on, and goes there. False: there is none. */
PART bool go_back(Match *m) {
    while (m->count > 0) {
        const Record *last = &m->records[--m->count];
        if (last->kind == UNDO) {
            m->registers[last->at] = last->was;
        } else if (last->kind != INSIDE) {
            m->pc = m->code + last->at;
            m->at = last->was;
            return true;
        }
    }
    return false;
}

/* The record of the lookahead that ends here; those inside it have gone. */
static __attribute__((noinline)) uint32_t opening(const Record *records, uint32_t count) {
    while (records[--count].kind < INSIDE) continue;
    return count;
}

/* What matched ahead is not tried in another way, but its groups are undone with what is before. */
PART void leave_lookahead(Match *m) {
    uint32_t kept = opening(m->records, m->count);
    m->at = m->records[kept].was;
    for (uint32_t i = kept + 1; i < m->count; i++)
        if (m->records[i].kind == UNDO) m->records[kept++] = m->records[i];
    m->count = kept;
}

PART void undo_lookahead(Match *m) {
    for (uint32_t open = opening(m->records, m->count); m->count > open;) {
        const Record *last = &m->records[--m->count];
        if (last->kind == UNDO) m->registers[last->at] = last->was;
    }
}

/* ---- instructions that take a unit or look at one ---- */

static inline bool is_line_end(uint32_t unit) {
    return unit == '\n' || unit == '\r' || (unit & ~1u) == 0x2028;
}

/* Before the start and behind the end there is no letter. */
static __attribute__((noinline)) bool is_word_at(const String *s, uint32_t at) {
    if (at >= s->length) return false;
    uint32_t unit = unit_at(s, at), letter = unit | 0x20;
    bool is_digit = unit >= '0' && unit <= '9';
    return is_digit || unit == '_' || (unit < 0x80 && letter >= 'a' && letter <= 'z');
}

PART bool at_boundary(const Match *m) {
    return is_word_at(m->subject, m->at - 1) != is_word_at(m->subject, m->at);
}

static inline uint32_t capital(uint32_t unit) { return (uint32_t)fold_case(unit, false); }

PART bool take(Match *m, uint32_t *unit) {
    if (m->at >= m->length) return false;
    *unit = unit_of(m, m->at++);
    return true;
}

PART bool is_wanted(Match *m, uint32_t unit) {
    m->pc += 2;
    return short_at(m->pc - 2) == unit;
}

/* Sorted ranges of units; the last one may end at 0xFFFF. */
PART bool in_ranges(Match *m, uint32_t unit) {
    uint32_t low = 0, high = short_at(m->pc);
    const uint8_t *ranges = m->pc + 2;
    m->pc = ranges + 4 * high;
    while (low < high) {
        uint32_t middle = (low + high) / 2, bounds = number_at(ranges + 4 * middle);
        if (unit < (bounds & 0xFFFF)) high = middle;
        else if (unit > bounds >> 16) low = middle + 1;
        else return true;
    }
    return false;
}

/* Where what the group matched ends when it stands here again; UNSET if it does not. `pc` is at
 * the numbers of groups that may be meant: of those that share a name, one has matched. */
static __attribute__((noinline)) uint32_t behind_same(const String *s, const uint32_t *registers,
                                                      const uint8_t *pc, uint32_t at) {
    bool backward = pc[-1] >= OPCODE_backward_back_reference;
    bool folds = pc[-1] == OPCODE_back_reference_i || pc[-1] == OPCODE_backward_back_reference_i;
    uint32_t start = UNSET, end = UNSET;
    for (uint32_t i = 1; i <= pc[0] && (start == UNSET || end == UNSET); i++) {
        start = registers[2 * pc[i]];
        end = registers[2 * pc[i] + 1];
    }
    if (start == UNSET || end == UNSET || start > end) return at;
    uint32_t length = end - start;
    if (length > (backward ? at : s->length - at)) return UNSET;
    uint32_t from = backward ? at - length : at;
    for (uint32_t i = 0; i < length; i++) {
        uint32_t a = unit_at(s, start + i), b = unit_at(s, from + i);
        if (folds ? fold_case(a, false) != fold_case(b, false) : a != b) return UNSET;
    }
    return backward ? from : at + length;
}

PART bool same_again(Match *m) {
    m->at = behind_same(m->subject, m->registers, m->pc, m->at);
    m->pc += 1 + m->pc[0];
    return m->at != UNSET;
}

/* What looks around without taking anything; or takes what a group did. */
PART bool holds(Match *m) {
    switch (m->pc[-1]) {
    case OPCODE_line_start: return m->at == 0;
    case OPCODE_line_end: return m->at == m->length;
    case OPCODE_line_start_m: return m->at == 0 || is_line_end(unit_of(m, m->at - 1));
    case OPCODE_line_end_m: return m->at == m->length || is_line_end(unit_of(m, m->at));
    case OPCODE_word_boundary: return at_boundary(m);
    case OPCODE_not_word_boundary: return !at_boundary(m);
    case OPCODE_back_reference:
    case OPCODE_back_reference_i:
    case OPCODE_backward_back_reference:
    case OPCODE_backward_back_reference_i: return same_again(m);
    default: return false; /* char32, which stands for a class of nothing */
    }
}

/* ---- instructions that say where to go on ---- */

PART void jump(Match *m) { m->pc += 4 + (int32_t)number_at(m->pc); }

/* Two ways to go on: one now, the other, which is returned, after a failure. */
PART Record branch(Match *m, uint8_t instruction) {
    bool goes_first = instruction == OPCODE_split_goto_first;
    uint32_t kind = instruction < OPCODE_lookahead ? TRY : INSIDE + instruction - OPCODE_lookahead;
    const uint8_t *behind = m->pc + 4, *there = behind + (int32_t)number_at(m->pc);
    m->pc = goes_first ? there : behind;
    return (Record){kind, (uint32_t)((goes_first ? behind : there) - m->code), m->at};
}

PART Record mark_group(Match *m) {
    uint32_t is_end = m->pc[-1] - OPCODE_save_start;
    return set_register(m, &m->registers[2 * *m->pc++ + is_end], m->at);
}

PART void forget_groups(Match *m) {
    for (uint32_t i = 2 * m->pc[0]; i < 2u * m->pc[1] + 2; i++)
        push(m, set_register(m, &m->registers[i], UNSET));
    m->pc += 2;
}

PART Record mark_place(Match *m) { return set_register(m, &m->loops[*m->pc++], m->at); }
PART bool has_moved(Match *m) { return m->loops[*m->pc++] != m->at; }

PART Record start_count(Match *m) {
    uint32_t *left = &m->loops[*m->pc], rounds = number_at(m->pc + 1);
    m->pc += 5;
    return set_register(m, left, rounds);
}

PART Record end_counted_round(Match *m) {
    uint32_t *left = &m->loops[*m->pc++], rounds = *left - 1;
    if (rounds != 0) jump(m);
    else m->pc += 4;
    return set_register(m, left, rounds);
}

/* The counter goes down to 0; above the limit rounds are owed, from there on they are free. False:
 * the round that ends here has not moved on, so another would be the same. */
PART bool end_round(Match *m) {
    uint8_t instruction = m->pc[-1];
    uint32_t *left = &m->loops[*m->pc], limit = number_at(m->pc + 1);
    m->pc += 5;
    push(m, set_register(m, left, *left - 1));
    if (*left > limit) {
        jump(m);
        return true;
    }
    bool checks = instruction >= OPCODE_loop_check_adv_split_goto_first;
    if (checks && *left != limit && left[1] == m->at) return false;
    uint8_t next_first = (instruction - OPCODE_loop_split_goto_first) & 1;
    if (*left > 0) push(m, branch(m, OPCODE_split_goto_first + next_first));
    else m->pc += 4;
    return true;
}

/* ---- the machine ---- */

#define NEEDS(condition) \
    if (condition) continue; \
    goto failed

/* An instruction goes on with the next one, or leaves a record first, or was no match. */
static bool match_at(Match m) {
    for (;;) {
        uint32_t unit;
        bool wants_space;
        Record record;
        switch (*m.pc++) {
        case OPCODE_match: return true;
        case OPCODE_char_i:
            if (!take(&m, &unit)) goto failed;
            unit = capital(unit);
            goto is_one;
        case OPCODE_char:
            if (!take(&m, &unit)) goto failed;
        is_one:
            NEEDS(is_wanted(&m, unit));
        case OPCODE_range_i:
            if (!take(&m, &unit)) goto failed;
            unit = capital(unit);
            goto is_of_many;
        case OPCODE_range:
            if (!take(&m, &unit)) goto failed;
        is_of_many:
            NEEDS(in_ranges(&m, unit));
        case OPCODE_dot: NEEDS(take(&m, &unit) && !is_line_end(unit));
        case OPCODE_any: NEEDS(take(&m, &unit));
        case OPCODE_space:
        case OPCODE_not_space:
            wants_space = m.pc[-1] == OPCODE_space;
            NEEDS(take(&m, &unit) && is_white_space((uint16_t)unit) == wants_space);
        case OPCODE_prev: NEEDS(m.at-- > 0);
        case OPCODE_goto: jump(&m); continue;
        case OPCODE_split_goto_first:
        case OPCODE_split_next_first:
        case OPCODE_lookahead:
        case OPCODE_negative_lookahead: record = branch(&m, m.pc[-1]); break;
        case OPCODE_lookahead_match: leave_lookahead(&m); continue;
        case OPCODE_negative_lookahead_match: undo_lookahead(&m); goto failed;
        case OPCODE_save_start:
        case OPCODE_save_end: record = mark_group(&m); break;
        case OPCODE_save_reset: forget_groups(&m); continue;
        case OPCODE_set_i32: record = start_count(&m); break;
        case OPCODE_set_char_pos: record = mark_place(&m); break;
        case OPCODE_check_advance: NEEDS(has_moved(&m));
        case OPCODE_loop: record = end_counted_round(&m); break;
        case OPCODE_loop_split_goto_first:
        case OPCODE_loop_split_next_first:
        case OPCODE_loop_check_adv_split_goto_first:
        case OPCODE_loop_check_adv_split_next_first: NEEDS(end_round(&m));
        default: NEEDS(holds(&m));
        }
        push(&m, record);
        continue;
    failed:
        if (!go_back(&m)) return false;
    }
}

/* ---- searching ---- */

/* Patterns are compiled to match in one place, and the search for the place is here: often the
 * first instruction says what a match begins with, and trying elsewhere is a waste. */

static const uint8_t *first_instruction(const uint8_t *code) {
    enum { SAVE_START_BYTES = 2 };
    const uint8_t *at = code + PATTERN_HEAD_BYTES;
    while (*at == OPCODE_save_start) at += SAVE_START_BYTES;
    return at;
}

/* Where, from a place on, a match could begin; past the end if nowhere. */
static uint32_t next_start(const uint8_t *first, const String *subject, uint32_t from) {
    if (*first == OPCODE_line_start) return from == 0 ? 0 : subject->length + 1;
    if (*first != OPCODE_char) return from;
    uint32_t wanted = short_at(first + 1);
    while (from < subject->length && unit_at(subject, from) != wanted) from++;
    return from < subject->length ? from : subject->length + 1;
}

bool match_from(const uint8_t *code, const String *subject, uint32_t from, int32_t *captures) {
    enum { RECORDS_FIRST = 16 };
    uint8_t *mark = arena_mark();
    uint32_t count = 2 * pattern_groups(code), size = (uint32_t)sizeof(uint32_t);
    Match m = {.subject = subject, .code = code, .units = units_of(subject)};
    m.length = subject->length;
    m.wide = is_wide(subject);
    m.registers = allocate(pattern_registers(code) * size);
    m.loops = m.registers + count;
    m.capacity = RECORDS_FIRST;
    m.records = allocate(RECORDS_FIRST * (uint32_t)sizeof(Record));
    const uint8_t *first = first_instruction(code);
    bool matched = false;
    for (m.at = from; !matched; m.at++) {
        m.at = next_start(first, subject, m.at);
        if (m.at > m.length) break;
        memset(m.registers, 0xFF, count * size);
        m.pc = code + PATTERN_HEAD_BYTES;
        matched = match_at(m);
    }
    if (matched) memcpy(captures, m.registers, count * size);
    arena_release(mark);
    return matched;
}
