/* One event or query: what came with it, which rule runs, and what it does besides computing. */
#include <string.h>

#include "core.h"

ManifestPlace rt_manifest; /* exported as data: the linker of a ruleset fills it in */

typedef enum { RUNNING_NOTHING, RUNNING_EVENT, RUNNING_QUERY, RUNNING_MODULE } Running;

static Running running;
static Envelope context;
static Value event_domain, event_name; /* asked for by every rule */
static Value current_rule = KRL_NULL;
static ArrayBuilder rules_run;
void (*volatile write_entities)(void); /* null until a rule uses one */

static void begin(const uint8_t *bytes, uint32_t byte_count, Running what) {
    envelope_open(&context, bytes, byte_count);
    if (!envelope_has_bytes(&context, "seed")) __builtin_trap();
    running = what;
    current_rule = KRL_NULL;
    entities_forget();
    random_forget();
    event_domain = context_get("domain");
    event_name = context_get("name");
}

Value context_get(const char *field) {
    if (strcmp(field, "rule") == 0) return current_rule;
    return envelope_get(&context, field);
}

bool in_event(void) { return running == RUNNING_EVENT; }
bool in_query(void) { return running == RUNNING_QUERY; }

Value manifest_get(const char *field) {
    static const Map *manifest;
    if (manifest == NULL) {
        if (rt_manifest.bytes == NULL) return KRL_NULL;
        Value decoded = cbor_decode(rt_manifest.bytes, rt_manifest.byte_count);
        manifest = is_map(decoded) ? address_of(decoded) : map_new(0);
    }
    Value found = KRL_NULL;
    map_find(manifest, string_from_ascii(field), &found);
    return found;
}

const void *rt_describe(const uint8_t *manifest, uint32_t byte_count) {
    return return_area(manifest, byte_count);
}

/* ---- events ---- */

static bool same_text(Value a, Value b) {
    return is_string(a) && string_equal(string_of(a), string_of(b));
}

void rt_event_begin(const uint8_t *bytes, uint32_t byte_count) {
    begin(bytes, byte_count, RUNNING_EVENT);
    array_start(&rules_run, 4);
}

int32_t rt_event_is(Value domain, Value name) {
    return same_text(event_name, name) && same_text(event_domain, domain);
}

const void *rt_event_end(void) {
    if (write_entities != NULL) write_entities();
    Bytes b = cbor_encode(from_array(array_finish(&rules_run)));
    running = RUNNING_NOTHING;
    return return_area(b.bytes, b.byte_count);
}

void rt_rule_begin(Value name) { current_rule = name; }

void rt_rule_end(int32_t fired) {
    Value row[] = {current_rule, from_boolean(fired != 0)};
    array_push(&rules_run, rt_array(2, row));
    current_rule = KRL_NULL;
}

Value rt_attribute_match(Value captures, Value attribute_name, Value regexp) {
    Regexp *r = address_of(regexp); /* a literal */
    Value attributes = context_get("attrs"), found;
    bool is_present = is_map(attributes) &&
                      map_find(address_of(attributes), to_string(attribute_name), &found);
    const String *subject = is_present ? to_string(found) : string_from_ascii("");
    uint32_t group_count = regexp_capture_count(r);
    int32_t *offsets = allocate(2 * group_count * (uint32_t)sizeof(int32_t));
    if (!regexp_run(r, subject, 0, offsets)) return KRL_NULL;
    const Array *before = is_array(captures) ? address_of(captures) : array_new(0);
    Array *all = array_copy(before, before->length + group_count - 1);
    for (uint32_t i = 1; i < group_count; i++) {
        if (offsets[2 * i] < 0) continue; /* stays undefined */
        uint32_t start = (uint32_t)offsets[2 * i], end = (uint32_t)offsets[2 * i + 1];
        all->items[before->length + i - 1] = from_string(substring(subject, start, end));
    }
    return from_array(all);
}

Value rt_capture(Value captures, uint32_t index) {
    if (!is_array(captures)) return KRL_UNDEFINED;
    const Array *a = address_of(captures);
    return index < a->length ? a->items[index] : KRL_UNDEFINED;
}

/* ---- queries ---- */

/* A request with a kind is another ruleset's: it reaches what this one provides, not what it
 * shares (docs/formats/module.md). */
void rt_query_begin(const uint8_t *bytes, uint32_t byte_count) {
    begin(bytes, byte_count, RUNNING_QUERY);
    if (is_string(context_get("kind"))) running = RUNNING_MODULE;
}

int32_t rt_query_is(Value name) { return running == RUNNING_QUERY && same_text(event_name, name); }
int32_t rt_module_is(Value name) {
    return running == RUNNING_MODULE && same_text(event_name, name);
}

/* In map form: each parameter takes the argument of its name, else that of its position. */
static Value call_with_given(Value function, Value (*call)(Value, uint32_t, const Value *)) {
    const Function *f = address_of(function);
    Value given = context_get("args");
    uint32_t count = f->shape->parameter_count, passed = 0;
    Value *arguments = allocate(count * (uint32_t)sizeof(Value));
    for (uint32_t i = 0; i < count; i++) {
        arguments[i] = KRL_UNDEFINED;
        if (!is_map(given)) continue;
        const Map *named = address_of(given);
        if (map_find(named, f->shape->parameter_names[i], &arguments[i]) ||
            map_find(named, number_to_string(i), &arguments[i]))
            passed = i + 1;
    }
    return call(function, passed, arguments);
}

Value rt_query_call(Value function) {
    return is_function(function) ? call_with_given(function, rt_call) : function;
}

/* A module provides functions and actions; a plain value throws, saying that it is neither. */
Value rt_module_run(Value provided) {
    bool is_action = string_equals_ascii(to_string(context_get("kind")), "action");
    Value (*call)(Value, uint32_t, const Value *) = is_action ? rt_act : rt_call;
    return is_function(provided) ? call_with_given(provided, call) : call(provided, 0, NULL);
}

const void *rt_query_end(Value answer) {
    if (running == RUNNING_MODULE && write_entities != NULL) write_entities();
    Bytes b = cbor_encode(answer);
    running = RUNNING_NOTHING;
    return return_area(b.bytes, b.byte_count);
}

void rt_query_unknown(void) {
    StringBuilder b;
    builder_start(&b);
    builder_ascii(&b, "Ruleset ");
    builder_string(&b, to_string(manifest_get("rid")));
    builder_ascii(&b, " does not have query function \"");
    builder_string(&b, to_string(context_get("name")));
    builder_unit(&b, '"');
    throw_message(builder_finish(&b));
}
