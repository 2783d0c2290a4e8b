/* The event module, and send_directive: what a rule knows of its event, and what it sends out. */
#include "library.h"

static Value event_field(const char *field) {
    return in_event() ? context_get(field) : KRL_NULL;
}

#define EVENT_PROPERTY(name) \
    LIBRARY(event_##name) { \
        return event_field(#name); \
    }

EVENT_PROPERTY(eci)
EVENT_PROPERTY(domain)
EVENT_PROPERTY(name)
EVENT_PROPERTY(attrs)
EVENT_PROPERTY(eid)
EVENT_PROPERTY(time)

LIBRARY(event_attr) {
    if (!in_event()) {
        return KRL_NULL;
    }
    Value attributes = context_get("attrs"), found;
    if (is_map(attributes) && map_find(map_of(attributes), js_string(argument(0)), &found)) {
        return found;
    }
    return KRL_UNDEFINED;
}

static void set_unless_undefined(Map *record, const char *name, Value v) {
    if (!is_undefined(v)) {
        set_field(record, name, v);
    }
}

/* Where an event goes: an ECI, or the other end of a subscription. */
static Value destination(Value options, Value *host) {
    Value eci = map_get_ascii(options, "eci"), subscription = map_get_ascii(options, "sub");
    if (!rt_truthy(eci) && rt_truthy(subscription)) {
        eci = map_get_ascii(subscription, "Tx");
        *host = map_get_ascii(subscription, "Tx_host");
    } else if (!rt_truthy(eci) && rt_truthy(map_get_ascii(options, "did"))) {
        throw_text("event:send to a DID is not available in picomesh yet");
    }
    if (!is_string(eci)) {
        throw_about("eci was @ instead of a string", eci, KRL_NULL);
    }
    return eci;
}

LIBRARY(event_send) {
    Value options = argument(0), host = argument(1);
    Value eci = destination(options, &host), name = map_get_ascii(options, "name");
    Map *effect = map_new(8);
    set_field(effect, "kind", from_ascii("send"));
    set_field(effect, "eci", eci);
    set_unless_undefined(effect, "domain", map_get_ascii(options, "domain"));
    set_unless_undefined(effect, "name", rt_truthy(name) ? name : map_get_ascii(options, "type"));
    set_unless_undefined(effect, "attrs", map_get_ascii(options, "attrs"));
    Value eid = KRL_UNDEFINED;
    if (rt_truthy(host)) {
        set_field(effect, "host", host);
    } else {
        eid = from_string(fresh_identifier());
        set_field(effect, "eid", eid);
    }
    emit_effect(effect);
    return eid;
}

/* Fields in DAG-CBOR's order of keys, so that the record is written as it is. */
static void emit_directive(Value name, Value options) {
    Map *effect = map_new(4);
    set_field(effect, "kind", from_ascii("directive"));
    set_field(effect, "name", name);
    set_field(effect, "rule", context_get("rule"));
    set_field(effect, "options", options);
    emit_effect(effect);
}

static Value options_or_none(Value options) {
    return is_undefined(options) ? from_map(map_new(0)) : options;
}

/* The action where nobody asks for its result. */
EXPORT(rt_send_directive) void rt_send_directive(Value name, Value options) {
    emit_directive(name, options_or_none(options));
}

LIBRARY(send_directive) {
    Value name = argument(0), options = options_or_none(argument(1));
    emit_directive(name, options);
    Map *meta = map_new(3);
    map_set_ascii(meta, "rid", manifest_get("rid"));
    map_set_ascii(meta, "rule_name", context_get("rule"));
    map_set_ascii(meta, "txnId", context_get("txn"));
    Map *directive = map_new(4);
    map_set_ascii(directive, "type", from_ascii("directive"));
    map_set_ascii(directive, "name", name);
    map_set_ascii(directive, "options", options);
    map_set_ascii(directive, "meta", from_map(meta));
    return from_map(directive);
}
