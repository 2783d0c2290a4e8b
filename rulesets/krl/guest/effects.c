/* The effects that statements have: raise, log, error. Directives are the library's. */
#include "core.h"

static Map *effect_of(const char *kind) {
    Map *effect = map_new(6);
    set_field(effect, "kind", from_string(string_from_ascii(kind)));
    return effect;
}

static bool is_space_only(const String *s) {
    for (uint32_t i = 0; i < s->length; i++)
        if (!is_white_space(unit_at(s, i))) return false;
    return true;
}

static const String *trimmed(const String *s) {
    uint32_t start = 0, end = s->length;
    while (start < end && is_white_space(unit_at(s, start))) start++;
    while (end > start && is_white_space(unit_at(s, end - 1))) end--;
    return substring(s, start, end);
}

static Value event_word(Value v, const char *complaint) {
    if (!is_string(v) || is_space_only(string_of(v))) throw_text(complaint);
    return from_string(trimmed(string_of(v)));
}

static void raise(Value domain, Value name, Value attributes, Value only) {
    if (is_null(attributes)) attributes = from_map(map_new(0));
    if (!is_map(attributes)) throw_text("Expected a JSON map for event.data.attrs");
    Map *effect = effect_of("raise");
    set_field(effect, "domain", event_word(domain, "missing event.domain"));
    set_field(effect, "name", event_word(name, "missing event.name"));
    set_field(effect, "attrs", attributes);
    set_field(effect, "for", only);
    emit_effect(effect);
}

void rt_raise(Value domain, Value name, Value attributes) {
    raise(domain, name, attributes, KRL_UNDEFINED);
}

static const String *without_space(const String *s) {
    StringBuilder b;
    builder_start(&b);
    for (uint32_t i = 0; i < s->length; i++)
        if (!is_white_space(unit_at(s, i))) builder_unit(&b, unit_at(s, i));
    return builder_finish(&b);
}

void rt_raise_dynamic(Value domain_and_name, Value attributes) {
    const String *whole = without_space(to_string(domain_and_name));
    int32_t colon = string_find(whole, string_from_ascii(":"), 0);
    uint32_t domain_end = colon < 0 ? whole->length : (uint32_t)colon;
    Value domain = from_string(substring(whole, 0, domain_end));
    Value name = colon < 0 ? KRL_UNDEFINED
                           : from_string(substring(whole, domain_end + 1, whole->length));
    raise(domain, name, attributes, KRL_UNDEFINED);
}

void emit_log(const char *level, const char *message, Value v) {
    Map *effect = effect_of("log");
    set_field(effect, "level", from_string(string_from_ascii(level)));
    set_field(effect, "message", from_string(string_from_ascii(message)));
    set_field(effect, "value", vanishes(v) ? KRL_NULL : v);
    set_field(effect, "rule", context_get("rule"));
    emit_effect(effect);
}

void rt_log(Value level, Value v) {
    Map *effect = effect_of("log");
    set_field(effect, "level", level);
    set_field(effect, "message", from_string(string_from_ascii("")));
    set_field(effect, "value", vanishes(v) ? KRL_NULL : v);
    set_field(effect, "rule", context_get("rule"));
    emit_effect(effect);
}

/* system:error, for this ruleset only. At level error nothing else that waits in this transition
 * happens, and the rule ends; generated code sees to that. */
void rt_error(Value level, Value v) {
    if (string_equals_ascii(to_string(level), "error")) emit_effect(effect_of("abandon"));
    Map *attributes = map_new(5);
    Value rid = manifest_get("rid");
    set_field(attributes, "level", level);
    set_field(attributes, "data", v);
    set_field(attributes, "rid", rid);
    set_field(attributes, "rule_name", context_get("rule"));
    set_field(attributes, "genus", from_string(string_from_ascii("user")));
    Value only = is_string(rid) ? rid : KRL_UNDEFINED;
    raise(from_string(string_from_ascii("system")), from_string(string_from_ascii("error")),
          from_map(attributes), only);
}
