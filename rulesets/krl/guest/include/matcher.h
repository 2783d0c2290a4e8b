/* The code of patterns, as libregexp's compiler writes it, and what runs it (matcher.c). */
#ifndef MATCHER_H
#define MATCHER_H

#include "krl.h"

enum {
#define DEF(name, size) OPCODE_##name,
#include "libregexp-opcode.h"
#undef DEF
};

/* In front of the code: flags (2 bytes), groups, loop registers, byte count (4). */
enum { PATTERN_HEAD_BYTES = 8 };
static inline uint32_t pattern_groups(const uint8_t *code) { return code[2]; } /* with group 0 */
static inline uint32_t pattern_registers(const uint8_t *code) { return 2u * code[2] + code[3]; }

/* Searches from a position on. captures[2n] and captures[2n + 1] are then where group n begins and
 * ends, or -1: the registers of groups as they are. */
bool match_from(const uint8_t *code, const String *subject, uint32_t from, int32_t *captures);

/* regexp.c: a pattern's code, compiled on first use */
const uint8_t *bytecode_of(Regexp *r);
extern bool (*rt_pattern_matcher)(const uint8_t *, const String *, uint32_t, int32_t *);

/* regexp.c: the capital of a unit, as patterns of flag i compare */
int fold_case(uint32_t c, bool is_unicode);

#endif
