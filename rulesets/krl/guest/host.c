/* The host, as wit/pico.wit has it: values on this side, canonical-ABI bytes on the other. */
#include "core.h"

#define IMPORT(interface, name) \
    __attribute__((import_module("picomesh:pico/" interface "@1.0.0"), import_name(name)))

/* What the canonical ABI writes for a list<u8>, and for an option of one. */
typedef struct {
    const uint8_t *bytes;
    uint32_t byte_count;
} List;

typedef struct {
    uint32_t is_some; /* the ABI writes its lowest byte only */
    List list;
} OptionalList;

IMPORT("state", "get") void host_get(const uint8_t *path, uint32_t path_bytes, OptionalList *out);
IMPORT("state", "put")
void host_put(const uint8_t *path, uint32_t path_bytes, const uint8_t *value, uint32_t value_bytes);
IMPORT("state", "delete") void host_delete(const uint8_t *path, uint32_t path_bytes);
IMPORT("state", "scan")
void host_scan(const uint8_t *prefix, uint32_t prefix_bytes, const uint8_t *after,
               uint32_t after_bytes, uint32_t limit, List *out);
IMPORT("effects", "emit") void host_emit(const uint8_t *effect, uint32_t effect_bytes);
IMPORT("pico", "ask") void host_ask(const uint8_t *question, uint32_t question_bytes, List *out);
IMPORT("rulesets", "call")
void host_call(const uint8_t *request, uint32_t request_bytes, List *out);

static Bytes utf8_of(const String *s) {
    uint32_t byte_count = utf8_length(s);
    Bytes out = {.bytes = allocate(byte_count), .byte_count = byte_count};
    utf8_write(s, out.bytes);
    return out;
}

bool state_get(const String *path, Value *out) {
    Bytes p = utf8_of(path);
    OptionalList found = {0};
    host_get(p.bytes, p.byte_count, &found);
    if ((found.is_some & 0xFF) == 0) return false;
    *out = cbor_decode(found.list.bytes, found.list.byte_count);
    return true;
}

void state_put(const String *path, Value v) {
    Bytes p = utf8_of(path), value = cbor_encode(v);
    host_put(p.bytes, p.byte_count, value.bytes, value.byte_count);
}

void state_delete(const String *path) {
    Bytes p = utf8_of(path);
    host_delete(p.bytes, p.byte_count);
}

/* One entry of a scan's result, as the canonical ABI lays it out. */
typedef struct {
    List path, value;
} ScanEntry;

Value rt_state_scan(Value prefix, Value after, uint32_t limit) {
    Bytes p = utf8_of(to_string(prefix)), a = utf8_of(to_string(after));
    List found = {0};
    host_scan(p.bytes, p.byte_count, a.bytes, a.byte_count, limit, &found);
    const ScanEntry *entries = (const void *)found.bytes;
    Array *pairs = array_new(found.byte_count);
    for (uint32_t i = 0; i < found.byte_count; i++) {
        const List *path = &entries[i].path, *value = &entries[i].value;
        Array *pair = array_new(2);
        pair->items[0] = from_string(string_from_utf8(path->bytes, path->byte_count));
        pair->items[1] = cbor_decode(value->bytes, value->byte_count);
        pairs->items[i] = from_array(pair);
    }
    return from_array(pairs);
}

void set_field(Map *record, const char *name, Value v) {
    map_set(record, string_from_ascii(name), v);
}

void emit_effect(const Map *effect) {
    Bytes b = cbor_encode_record(effect);
    host_emit(b.bytes, b.byte_count);
}

/* Questions and requests are records where they are maps, so that their bytes do not depend on the
 * order in which their fields were set. */
static Bytes encode_message(Value v) {
    return is_map(v) ? cbor_encode_record(address_of(v)) : cbor_encode(v);
}

Value ask(Value question) {
    Bytes b = encode_message(question);
    List answer = {0};
    host_ask(b.bytes, b.byte_count, &answer);
    return cbor_decode(answer.bytes, answer.byte_count);
}

Value call_ruleset(Value request) {
    Bytes b = encode_message(request);
    List answer = {0};
    host_call(b.bytes, b.byte_count, &answer);
    return cbor_decode(answer.bytes, answer.byte_count);
}

const void *return_area(const uint8_t *bytes, uint32_t byte_count) {
    static List area; /* read by the host before it calls again */
    area = (List){.bytes = bytes, .byte_count = byte_count};
    return &area;
}
