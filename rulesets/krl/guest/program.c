/* What only generated code calls and no part of KRL's library is: throwing in an expression,
 * configuration, regexp literals with state, constant collections, modules. */
#include "core.h"

/* An expression that can only throw, where a value is wanted. */
EXPORT(rt_throw_value) Value rt_throw_value(Value message) {
    rt_throw(message);
}

/* A constant collection: the bytes of a value (docs/formats/value.md). */
EXPORT(rt_decoded) Value rt_decoded(const uint8_t *bytes, uint32_t byte_count) {
    return cbor_decode(bytes, byte_count);
}

/* What the installation gives for a `configure using` name; undefined if nothing. */
EXPORT(rt_configured) Value rt_configured(Value name) {
    Value config = context_get("config"), found;
    bool given = is_map(config) && map_find(address_of(config), string_of(name), &found);
    return given ? found : KRL_UNDEFINED;
}

/* A literal with the flag g remembers where it was, so each evaluation makes a new object; the
 * literal itself is compiled once. */
EXPORT(rt_fresh_regexp) Value rt_fresh_regexp(Value literal) {
    Regexp *original = address_of(literal);
    regexp_capture_count(original);
    Regexp *fresh = allocate(sizeof(Regexp));
    *fresh = *original;
    fresh->last_index = 0;
    return from_pointer(KRL_TAG_REGEXP, fresh);
}

/* ---- modules: a request to rulesets.call (docs/formats/module.md) ---- */

/* In map form: by position "0", "1", .. and by name. What was not given is not there. */
static Value module_arguments(uint32_t positional_count, uint32_t named_count,
                              const Value *arguments) {
    Map *given = map_new(positional_count + named_count);
    for (uint32_t i = 0; i < positional_count; i++)
        map_set(given, number_to_string(i), arguments[i]);
    const Value *pairs = arguments + positional_count;
    for (uint32_t i = 0; i < named_count; i++)
        map_set(given, string_of(pairs[2 * i]), pairs[2 * i + 1]);
    return from_map(given);
}

static Value call_module(const char *kind, const Value *what, Value arguments) {
    Map *request = map_new(8);
    set_field(request, "kind", from_string(string_from_ascii(kind)));
    set_field(request, "rid", what[0]);
    set_field(request, "name", what[1]);
    set_field(request, "use", what[2]);
    set_field(request, "config", is_map(what[3]) ? what[3] : from_map(map_new(0)));
    set_field(request, "args", arguments);
    set_field(request, "rule", context_get("rule"));
    return call_ruleset(from_map(request));
}

/* `use` says which `use module` of the ruleset is meant, counted from 0; `config` is its `with`. */
EXPORT(rt_module_call)
Value rt_module_call(Value rid, Value name, Value use, Value config, uint32_t positional_count,
                     uint32_t named_count, const Value *arguments) {
    Value what[] = {rid, name, use, config};
    return call_module("function", what,
                       module_arguments(positional_count, named_count, arguments));
}

EXPORT(rt_module_act)
Value rt_module_act(Value rid, Value name, Value use, Value config, uint32_t positional_count,
                    uint32_t named_count, const Value *arguments) {
    Value what[] = {rid, name, use, config};
    return call_module("action", what,
                       module_arguments(positional_count, named_count, arguments));
}
