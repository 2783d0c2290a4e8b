/* The guest library as compiled rulesets and its own parts see it: value layout, object layout,
 * and every function that generated code may call. Read this before any .c file.
 *
 * A value is 64 bits. Anything below KRL_TAG_FIRST << 48 is a double; above it, the top 16 bits
 * are a tag and the low 32 bits a payload (an address or a constant's number). A NaN a value may
 * hold is always the canonical one, 0x7FF8000000000000, so hardware never makes a tag.
 *
 * Memory is an arena: allocation bumps a pointer and nothing is freed, for an instance lives for
 * one transition. Objects are aligned to 8 bytes and never move. Arrays and maps are never
 * changed once another part of the program can see them: every KRL operator makes a new one. */
#ifndef KRL_H
#define KRL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t Value;

enum {
    KRL_TAG_FIRST = 0xFFF9,
    KRL_TAG_CONSTANT = 0xFFF9, /* payload: KRL_UNDEFINED_PAYLOAD .. */
    KRL_TAG_STRING = 0xFFFA,
    KRL_TAG_ARRAY = 0xFFFB,
    KRL_TAG_MAP = 0xFFFC,
    KRL_TAG_FUNCTION = 0xFFFD, /* functions, actions and action functions: see Function.kind */
    KRL_TAG_REGEXP = 0xFFFE,
};

#define KRL_BOX(tag, payload) (((Value)(tag) << 48) | (uint32_t)(payload))
#define KRL_UNDEFINED KRL_BOX(KRL_TAG_CONSTANT, 0) /* JavaScript's undefined: a literal null */
#define KRL_NULL KRL_BOX(KRL_TAG_CONSTANT, 1)      /* JavaScript's null: JSON null, missing key */
#define KRL_FALSE KRL_BOX(KRL_TAG_CONSTANT, 2)
#define KRL_TRUE KRL_BOX(KRL_TAG_CONSTANT, 3)
#define KRL_UNSET KRL_BOX(KRL_TAG_CONSTANT, 4)     /* a declaration not reached yet */
#define KRL_NAN 0x7FF8000000000000ull

/* A string holds UTF-16 code units. It is narrow (one byte a unit) exactly when every unit is
 * below 256, so equal strings have equal bytes.
 *
 * Units stand inline, but for strings that grew by concatenation: those point into a buffer that
 * longer strings share, so that appending in a loop costs what is appended. Read units through
 * units_of, wide_units_of or unit_at, never through the member. */
typedef struct {
    uint32_t length;         /* in code units */
    uint32_t hash_and_width; /* bit 0: wide; bit 1: in a buffer; bits 2-31: hash, 0: not yet */
    uint8_t inline_units[];  /* uint8_t or uint16_t each; or the address of the buffer's units */
} String;

enum { KRL_STRING_WIDE = 1, KRL_STRING_BUFFERED = 2 };
enum {
    STRING_UNITS_MAX = 1 << 29, /* JavaScript's limit, and what keeps byte counts in 32 bits */
    STRING_SHARED_MIN = 32,     /* shorter strings are copied: a buffer's head costs more */
};

typedef struct {
    uint32_t length;
    uint32_t reserved;
    Value items[]; /* KRL_UNDEFINED may stand in a hole */
} Array;

/* A map keeps JavaScript's key order: array-index-like keys ascending, then insertion order.
 * Its inside is private to map.c. */
typedef struct Map Map;

typedef enum { KRL_KIND_FUNCTION = 0, KRL_KIND_ACTION = 1, KRL_KIND_BOTH = 2 } FunctionKind;

/* Static data, written by the compiler for each function literal. */
typedef struct {
    uint32_t kind; /* FunctionKind */
    uint32_t parameter_count;
    const String *parameter_names[];
} FunctionShape;

/* What a call through a value runs. Missing arguments are not there: argument_count says how
 * many there are. `self` gives access to the captures. */
struct Function;
typedef Value (*Entry)(struct Function *self, uint32_t argument_count, const Value *arguments);

typedef struct Function {
    Entry entry; /* a table index, as C function pointers are in WebAssembly */
    const FunctionShape *shape;
    uint32_t capture_count;
    uint32_t reserved;
    Value captures[]; /* a variable that may be read before it is set: a cell's address */
} Function;

/* A literal as code (krl/emit/pattern.py): looks from `from` on for a match in the text between
 * `base` and `end`, whose units have two bytes if it is wide. Where each group begins and ends goes
 * to `marks`, 0 if it took no part. */
typedef bool (*Search)(const uint8_t *base, const uint8_t *from, const uint8_t *end, uint32_t wide,
                       int32_t *marks);

typedef struct {
    const String *source; /* as JavaScript's RegExp.source wants it before escaping */
    uint32_t flags;       /* KRL_REGEXP_GLOBAL | KRL_REGEXP_IGNORE_CASE */
    uint32_t last_index;
    const uint8_t *bytecode; /* libregexp's; null until first use */
    Search search;           /* null: the bytecode is to be run */
    uint32_t group_count;    /* of what has a search, the whole match included */
} Regexp;

enum { KRL_REGEXP_GLOBAL = 1, KRL_REGEXP_IGNORE_CASE = 2 };

#define EXPORT(name) __attribute__((export_name(#name)))
#define NORETURN __attribute__((noreturn))

/* ---- values.c: tags and conversions (reference semantics: docs/language.md) ---- */
static inline bool is_number(Value v) { return v < ((Value)KRL_TAG_FIRST << 48); }
static inline uint32_t tag_of(Value v) { return (uint32_t)(v >> 48); }
static inline bool is_string(Value v) { return tag_of(v) == KRL_TAG_STRING; }
static inline bool is_array(Value v) { return tag_of(v) == KRL_TAG_ARRAY; }
static inline bool is_map(Value v) { return tag_of(v) == KRL_TAG_MAP; }
static inline bool is_function(Value v) { return tag_of(v) == KRL_TAG_FUNCTION; }
static inline bool is_regexp(Value v) { return tag_of(v) == KRL_TAG_REGEXP; }
static inline void *address_of(Value v) { return (void *)(uintptr_t)(uint32_t)v; }
static inline double number_of(Value v) { union { Value v; double d; } u = {.v = v}; return u.d; }
static inline Value from_number(double d) {
    union { double d; Value v; } u = {.d = d};
    return d != d ? KRL_NAN : u.v;
}
static inline Value from_boolean(bool b) { return b ? KRL_TRUE : KRL_FALSE; }
static inline Value from_pointer(uint32_t tag, const void *p) { return KRL_BOX(tag, (uintptr_t)p); }
static inline Value from_string(const String *s) { return from_pointer(KRL_TAG_STRING, s); }
static inline Value from_array(const Array *a) { return from_pointer(KRL_TAG_ARRAY, a); }
static inline Value from_map(const Map *m) { return from_pointer(KRL_TAG_MAP, m); }

bool is_null(Value v);                   /* undefined, null or NaN */
const String *type_name(Value v);        /* "Null", "Boolean", "Hex", ... */
const String *to_string(Value v);        /* KRL's toString */
Value to_number_or_null(Value v);        /* KRL's toNumberOrNull: a number, or KRL_NULL */
EXPORT(rt_truthy) int32_t rt_truthy(Value v);

/* ---- arena.c ---- */
void *allocate(uint32_t byte_count); /* 8-byte aligned, not cleared; traps when memory is full */
EXPORT(rt_allocate) void *rt_allocate(uint32_t byte_count);
EXPORT(cabi_realloc)
void *cabi_realloc(void *old, uint32_t old_bytes, uint32_t alignment, uint32_t bytes);

/* ---- throw.c: KRL has no catch, so a throw ends the transition through effects.emit ---- */
NORETURN void throw_text(const char *ascii);                       /* whole message */
NORETURN void throw_message(const String *message);
EXPORT(rt_throw) NORETURN void rt_throw(Value message);
EXPORT(rt_check_set) Value rt_check_set(Value v, Value name); /* v; throws if it is KRL_UNSET */

/* ---- string.c: building and looking into strings ---- */
static inline bool is_wide(const String *s) { return s->hash_and_width & KRL_STRING_WIDE; }
/* Of a narrow string; in place that is 50 bytes for each use, so it is for loops where rulesets
 * spend their time, and elsewhere there are functions. */
static inline const uint8_t *units_here(const String *s) {
    bool buffered = s->hash_and_width & KRL_STRING_BUFFERED;
    return buffered ? *(const uint8_t *const *)(const void *)s->inline_units : s->inline_units;
}
static inline uint16_t unit_here(const String *s, uint32_t i) {
    const uint8_t *units = units_here(s);
    return is_wide(s) ? ((const uint16_t *)(const void *)units)[i] : units[i];
}
const uint8_t *units_of(const String *s);
static inline const uint16_t *wide_units_of(const String *s) { return (const void *)units_of(s); }
uint16_t unit_at(const String *s, uint32_t i);
static inline const String *string_of(Value v) { return address_of(v); }
const String *string_from_ascii(const char *text);
const String *string_from_units(const uint16_t *units, uint32_t length); /* narrows if it can */
const String *string_from_utf8(const uint8_t *bytes, uint32_t byte_count); /* traps on bad UTF-8 */
uint32_t utf8_length(const String *s);          /* lone surrogates become U+FFFD */
void utf8_write(const String *s, uint8_t *out);
const String *string_concat(const String *a, const String *b);
const String *substring(const String *s, uint32_t start, uint32_t end);
bool string_equal(const String *a, const String *b);
bool string_equals_ascii(const String *a, const char *text);
int string_compare(const String *a, const String *b); /* by code unit: -1, 0, 1 */
int32_t string_find(const String *in, const String *what, uint32_t from); /* -1: not there */
uint32_t string_hash(const String *s);
typedef struct { uint16_t *units; uint32_t length, capacity; bool wide; } StringBuilder;
void builder_start(StringBuilder *b);
void builder_unit(StringBuilder *b, uint16_t unit);
void builder_string(StringBuilder *b, const String *s);
void builder_ascii(StringBuilder *b, const char *text);
void builder_units(StringBuilder *b, const String *s, uint32_t start, uint32_t end);
const String *builder_finish(StringBuilder *b);

/* ---- array.c, map.c ---- */
Array *array_new(uint32_t length);       /* items are KRL_UNDEFINED */
Array *array_unset(uint32_t length);     /* items are to be set by the caller */
Array *array_copy(const Array *a, uint32_t length); /* longer: padded with undefined */
typedef struct { Value *items; uint32_t length, capacity; } ArrayBuilder;
void array_start(ArrayBuilder *b, uint32_t capacity_hint);
void array_push(ArrayBuilder *b, Value v);
void array_grow(ArrayBuilder *b); /* makes room for at least one more */
Array *array_finish(ArrayBuilder *b);

Map *map_new(uint32_t capacity_hint);
void map_set(Map *m, const String *key, Value v); /* only while no one else can see m */
bool map_remove(Map *m, const String *key);
bool map_find(const Map *m, const String *key, Value *found);
uint32_t map_count(const Map *m);
Map *map_copy(const Map *m);             /* shallow */
bool key_as_index(const String *key, uint32_t *index); /* "0" .. "4294967294", canonical decimal */
/* Iterates in KRL order: uint32_t at = 0; while (map_next(m, &at, &key, &value)) ... */
bool map_next(const Map *m, uint32_t *at, const String **key, Value *value);

/* ---- number.c: ECMAScript's number formatting and parsing ---- */
const String *number_to_string(double d);
const String *number_to_radix(double d, int radix);
bool parse_number(const String *text, double *out); /* lodash toNumber; false: not finite */
double parse_decimal(const char *ascii);            /* a JSON number's text, rounded to nearest */
bool is_white_space(uint16_t unit);                 /* JavaScript's \s */

/* ---- random.c: one stream per instance, from the seeds that come with events ---- */
void random_forget(void); /* the next number is the first of an event */
uint64_t random_bits(void);
double random_unit(void);                           /* [0, 1), 53 bits */

/* ---- operators.c ---- */
EXPORT(rt_add) Value rt_add(Value a, Value b);
EXPORT(rt_subtract) Value rt_subtract(Value a, Value b);
EXPORT(rt_multiply) Value rt_multiply(Value a, Value b);
EXPORT(rt_divide) Value rt_divide(Value a, Value b);
EXPORT(rt_modulo) Value rt_modulo(Value a, Value b);
EXPORT(rt_plus) Value rt_plus(Value a);                 /* unary */
EXPORT(rt_negate) Value rt_negate(Value a);
EXPORT(rt_equal) int32_t rt_equal(Value a, Value b);    /* == */
EXPORT(rt_order) int32_t rt_order(Value a, Value b);    /* <=>: -1, 0, 1; what < > <= >= use */
EXPORT(rt_compare) int32_t rt_compare(Value a, Value b);/* cmp: -1, 0, 1 */
EXPORT(rt_like) int32_t rt_like(Value a, Value pattern);
EXPORT(rt_contains) int32_t rt_contains(Value a, Value b); /* >< */
EXPORT(rt_index) Value rt_index(Value object, Value key);  /* object[key] */
EXPORT(rt_path) Value rt_path(Value object, Value path);   /* object{path} */
EXPORT(rt_property) Value rt_property(Value object, Value name); /* object.name, deprecated */
bool values_equal(Value a, Value b);
Value path_get(Value object, Value path);                  /* path: a key or an array of keys */
bool path_has(Value object, Value path);                   /* lodash has: "a.b" is a path, too */
Value path_set(Value object, Value path, Value v);         /* lodash set on a copy */
Value path_put(Value object, Value path, Value v);         /* KRL put on a copy */
Value put_whole(Value object, Value v);                    /* KRL put without a path: merge, or v */
Value path_remove(Value object, Value path);               /* lodash unset on a copy */

/* ---- construct.c: literals and calls that generated code makes ---- */
EXPORT(rt_array) Value rt_array(uint32_t count, const Value *items);
EXPORT(rt_map) Value rt_map(uint32_t pair_count, const Value *keys_and_values);
/* Each of at least one piece as text, joined; the pieces are overwritten. (join.c) */
EXPORT(rt_chevron) Value rt_chevron(uint32_t count, Value *pieces);
EXPORT(rt_function)
Value rt_function(Entry entry, const FunctionShape *shape, uint32_t capture_count);
EXPORT(rt_call) Value rt_call(Value callee, uint32_t argument_count, const Value *arguments);
/* Map form: `positional_count` arguments by position, then `named_count` pairs name, value. */
EXPORT(rt_call_named)
Value rt_call_named(Value callee, uint32_t positional_count, uint32_t named_count,
                    const Value *arguments);
/* The same for actions. */
EXPORT(rt_act) Value rt_act(Value callee, uint32_t argument_count, const Value *arguments);
EXPORT(rt_act_named)
Value rt_act_named(Value callee, uint32_t positional_count, uint32_t named_count,
                   const Value *arguments);
/* What foreach walks over. rt_each_values/keys give arrays of equal length; anything but an array,
 * a map or a string gives empty ones. Keys are numbers for arrays, strings otherwise. */
EXPORT(rt_each_values) Value rt_each_values(Value collection);
EXPORT(rt_each_keys) Value rt_each_keys(Value collection);

/* ---- cbor_encode.c, cbor_decode.c (docs/formats/value.md), json_encode.c, json_decode.c ---- */
Value cbor_decode(const uint8_t *bytes, uint32_t byte_count); /* traps on anything not canonical */
/* The outer map of a message, whose fields are decoded when they are asked for: of a dozen a rule
 * wants two or three. Byte strings right inside it are accepted, and become narrow strings. */
enum { ENVELOPE_FIELDS_MAX = 16 };
typedef struct {
    const uint8_t *name, *bytes;
    uint32_t name_length, byte_count;
    Value value; /* KRL_UNSET: nobody asked yet */
} EnvelopeField;
typedef struct { uint32_t count; EnvelopeField fields[ENVELOPE_FIELDS_MAX]; } Envelope;
void envelope_open(Envelope *e, const uint8_t *bytes, uint32_t byte_count);
Value envelope_get(Envelope *e, const char *name); /* KRL_NULL: there is no such field */
bool envelope_has_bytes(Envelope *e, const char *name);
/* Encodes as JSON would see it: functions and undefined vanish from maps, become null in arrays;
 * NaN and infinities are null; a regexp is {}. Throws when nested deeper than a decoder accepts. */
typedef struct { uint8_t *bytes; uint32_t byte_count; } Bytes;
Bytes cbor_encode(Value v);
Bytes cbor_encode_record(const Map *fields); /* a message: its own order does not count */
bool vanishes(Value v);                  /* undefined or a function: JSON has no place for it */
Value through_json(Value v);             /* JSON.parse(JSON.stringify(v)); undefined stays */
const String *json_encode(Value v, uint32_t indent); /* KRL's encode; null: undefined */
bool json_decode(const String *text, Value *out);

/* ---- host.c: the imports, with values on one side and canonical-ABI bytes on the other ---- */
bool state_get(const String *path, Value *out);
void state_put(const String *path, Value v);
void state_delete(const String *path);
/* The outer map of an effect, a question or a request becomes a plain CBOR map, in whatever order
 * its keys were set. */
void emit_effect(const Map *effect);
void set_field(Map *record, const char *name, Value v);
/* An array of [path, value] pairs: what rt_state_scan finds below `prefix` behind `after`. */
EXPORT(rt_state_scan) Value rt_state_scan(Value prefix, Value after, uint32_t limit);
Value ask(Value question);
Value call_ruleset(Value request);

/* ---- regexp.c ---- */
Regexp *regexp_from(const String *source, uint32_t flags); /* not compiled before its first use */
Regexp *regexp_new(const String *source, uint32_t flags); /* throws on a malformed pattern */
/* Runs from `from`; captures receives 2 * capture_count offsets, -1 where a group did not match. */
bool regexp_run(Regexp *r, const String *subject, uint32_t from, int32_t *captures);
uint32_t regexp_capture_count(Regexp *r); /* including group 0; compiles on first use */
bool regexp_test(Regexp *r, const String *subject); /* RegExp.prototype.test, with lastIndex */
const String *regexp_to_string(const Regexp *r);    /* re#...#flags */
Regexp *to_regexp(Value v);                         /* a RegExp, or one made from toString(v) */

/* ---- call.c ---- */
Function *library_function(Entry entry, uint32_t kind);
Value call_function(Value callee, uint32_t argument_count, const Value *arguments);

/* ---- ruleset.c: one event or query, and the rule that is running ---- */
/* Generated `handle` calls rt_event_begin, for each rule rt_event_is and the rule, rt_event_end. */
EXPORT(rt_event_begin) void rt_event_begin(const uint8_t *bytes, uint32_t byte_count);
EXPORT(rt_event_is) int32_t rt_event_is(Value domain, Value name);
EXPORT(rt_event_end) const void *rt_event_end(void);     /* canonical-ABI return area */
EXPORT(rt_query_begin) void rt_query_begin(const uint8_t *bytes, uint32_t byte_count);
EXPORT(rt_query_is) int32_t rt_query_is(Value name);
EXPORT(rt_module_is) int32_t rt_module_is(Value name);
EXPORT(rt_module_run) Value rt_module_run(Value provided);
EXPORT(rt_query_call) Value rt_query_call(Value function); /* a value is its own answer */
EXPORT(rt_query_end) const void *rt_query_end(Value answer);
EXPORT(rt_query_unknown) NORETURN void rt_query_unknown(void);
EXPORT(rt_describe) const void *rt_describe(const uint8_t *manifest, uint32_t byte_count);
EXPORT(rt_rule_begin) void rt_rule_begin(Value name);    /* this rule was selected */
EXPORT(rt_rule_end) void rt_rule_end(int32_t fired);
/* One attribute match of a select: the captures (group 1 ..) are appended to `captures`, which is
 * KRL_UNDEFINED at first; returns the longer array, or KRL_NULL when it does not match. */
EXPORT(rt_attribute_match)
Value rt_attribute_match(Value captures, Value attribute_name, Value regexp);
EXPORT(rt_capture) Value rt_capture(Value captures, uint32_t index);
EXPORT(rt_entity_get) Value rt_entity_get(Value name);
EXPORT(rt_entity_put) void rt_entity_put(Value name, Value v);
EXPORT(rt_entity_put_path) void rt_entity_put_path(Value name, Value path, Value v);
EXPORT(rt_entity_clear) void rt_entity_clear(Value name);
EXPORT(rt_entity_clear_path) void rt_entity_clear_path(Value name, Value path);
EXPORT(rt_raise) void rt_raise(Value domain, Value name, Value attributes);
EXPORT(rt_raise_dynamic) void rt_raise_dynamic(Value domain_and_name, Value attributes);
EXPORT(rt_log) void rt_log(Value level, Value v);        /* the `log` statement */
EXPORT(rt_error) void rt_error(Value level, Value v);    /* the `error` statement */
EXPORT(rt_sample) uint32_t rt_sample(uint32_t count);    /* a random index for `sample` */
/* A field of the event or query that runs: attrs, config, domain, eci, eid, host, name, pico, time,
 * txn, args; or "rule", the name of the rule that runs. KRL_NULL when there is no such field. */
Value context_get(const char *field);
bool in_event(void);
bool in_query(void);
void emit_log(const char *level, const char *message, Value v);
/* The decoded manifest (rid, meta ..): KRL_NULL unless the linker filled in rt_manifest. */
typedef struct { const uint8_t *bytes; uint32_t byte_count; } ManifestPlace;
extern ManifestPlace rt_manifest;
Value manifest_get(const char *field);

/* ---- library: every operator of KRL and every function of its modules ----
 * Exported as lib_<name> (lib_map, lib_split, ...) or lib_<domain>_<name> (lib_math_round,
 * lib_event_attr, ...), all with this one signature. `self` is not used and may be null.
 * An argument that was not passed is not there; argument(n) reads it as KRL_UNDEFINED. */
#define LIBRARY(name) \
    __attribute__((export_name("lib_" #name))) \
    Value lib_##name(Function *self, uint32_t argument_count, const Value *arguments)
#define argument(n) ((n) < argument_count ? arguments[n] : KRL_UNDEFINED)
double size_of(Value v);  /* library/length.c: how many symbols, items or keys */
double map_size(Value v); /* of a map */
/* A library function as a value (`["a"].map(uc)`); kind: FunctionKind. */
EXPORT(rt_library_function) Value rt_library_function(Entry entry, uint32_t kind);

#endif
