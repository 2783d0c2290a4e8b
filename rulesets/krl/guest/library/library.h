/* What the files of the library share, beside krl.h: JavaScript's own conversions where the
 * language shows them through, errors about values, small helpers for arguments and calls. */
#ifndef KRL_LIBRARY_H
#define KRL_LIBRARY_H

#include "krl.h"

/* ---- common.c ---- */
/* Ends the transition. In `format`, the first @ stands for `a` as text, the second for `b`. */
NORETURN void throw_about(const char *format, Value a, Value b);
const String *js_string(Value v); /* JavaScript's String(v), not KRL's toString */
double js_number(Value v);        /* JavaScript's Number(v) */
bool js_less_or_equal_zero(Value v);
double integer_of(double d);      /* truncates; NaN is 0 */
int32_t to_int32(double d);       /* ECMAScript ToInt32 */
bool is_finite(double d);
static inline bool is_collection(Value v) { return is_array(v) || is_map(v); }
static inline Array *array_of(Value v) { return address_of(v); }
static inline Map *map_of(Value v) { return address_of(v); }
static inline Value from_ascii(const char *text) { return from_string(string_from_ascii(text)); }
static inline bool is_undefined(Value v) { return v == KRL_UNDEFINED; }
bool text_is(Value v, const char *ascii); /* a string of exactly these characters */
Value call_iterator(Value callee, Value a, Value b, Value c); /* an action will do, too */
Value map_get_ascii(Value map, const char *key); /* KRL_UNDEFINED when there is none */
void map_set_ascii(Map *m, const char *key, Value v);
Value null_cleaned(Value v);      /* undefined and NaN, at any depth, become null */
bool can_be_called(Value v);      /* a KRL function, or something that is both */
Value wrap(Value v);              /* v, or [v] when it is not an array */

/* ---- arrays.c ---- */
Value map_array(const Array *a, Value function);
Value filter_array(const Array *a, Value function);
Value fold_array(const Array *a, Function *f, Value accumulator, uint32_t from);

/* ---- replace.c ---- */
/* What JavaScript puts in place of a match. `captures` holds offset pairs, group 0 first. */
void expand_replacement(StringBuilder *out, const String *subject, const String *template,
                        const int32_t *captures, uint32_t capture_count, const String *source);

/* ---- base64.c ---- */
const String *base64_text(const uint8_t *bytes, uint32_t byte_count);
const String *hex_text(const uint8_t *bytes, uint32_t byte_count);
Bytes utf8_bytes(const String *s);

/* ---- random.c ---- */
const String *fresh_identifier(void); /* like the identifiers of channels and events */

/* ---- engine.c: what only the engine can answer or do ---- */
Value ask_engine(const char *function, uint32_t argument_count, const Value *arguments);
Value act_through_engine(const char *function, uint32_t argument_count, const Value *arguments);

#endif
