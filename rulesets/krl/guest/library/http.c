/* The http module. The whole request is made here: {method, url, headers, redirect[, body]}; the
 * engine only carries it out, once, and its answer is {content, content_type, content_length,
 * headers, status_code, status_line}. With autosend nobody waits: the effect
 * {kind: "request", request, event} asks for the request and for an event with the answer. */
#include "library.h"

enum {
    URL, QUERY, HEADERS, BODY, AUTH, JSON, FORM, PARSE_JSON, AUTORAISE, AUTOSEND, NO_REDIRECT,
    PARAMETER_COUNT
};

/* ---- forms: a[b][0]=value, percent-encoded but for RFC 3986's unreserved characters ---- */

static bool is_unreserved(uint8_t byte) {
    return (uint32_t)(byte | 0x20) - 'a' < 26 || (uint32_t)byte - '0' < 10 || byte == '-'
        || byte == '.' || byte == '_' || byte == '~';
}

static void append_encoded(StringBuilder *out, const String *s) {
    Bytes bytes = utf8_bytes(s);
    for (uint32_t i = 0; i < bytes.byte_count; i++) {
        uint8_t byte = bytes.bytes[i];
        if (is_unreserved(byte)) {
            builder_unit(out, byte);
            continue;
        }
        builder_unit(out, '%');
        builder_unit(out, (uint8_t)"0123456789ABCDEF"[byte >> 4]);
        builder_unit(out, (uint8_t)"0123456789ABCDEF"[byte & 15]);
    }
}

static const String *bracketed(const String *prefix, const String *key) {
    if (!prefix) {
        return key;
    }
    StringBuilder name;
    builder_start(&name);
    builder_string(&name, prefix);
    builder_unit(&name, '[');
    builder_string(&name, key);
    builder_unit(&name, ']');
    return builder_finish(&name);
}

static void append_fields(StringBuilder *out, const String *prefix, Value collection, bool *first);

static void append_field(StringBuilder *out, const String *name, Value v, bool *first) {
    if (is_collection(v)) {
        append_fields(out, name, v, first);
        return;
    }
    if (vanishes(v) || is_regexp(v)) {
        return;
    }
    if (!*first) {
        builder_unit(out, '&');
    }
    *first = false;
    append_encoded(out, name);
    builder_unit(out, '=');
    if (v != KRL_NULL) {
        append_encoded(out, js_string(v));
    }
}

static void append_fields(StringBuilder *out, const String *prefix, Value collection, bool *first) {
    if (is_array(collection)) {
        for (uint32_t i = 0; i < array_of(collection)->length; i++) {
            const String *name = bracketed(prefix, number_to_string(i));
            append_field(out, name, array_of(collection)->items[i], first);
        }
        return;
    }
    uint32_t at = 0;
    const String *key;
    Value v;
    while (map_next(map_of(collection), &at, &key, &v)) {
        append_field(out, bracketed(prefix, key), v, first);
    }
}

static const String *form_text(Value v) {
    StringBuilder out;
    bool first = true;
    builder_start(&out);
    if (is_collection(v)) {
        append_fields(&out, NULL, v, &first);
    }
    return builder_finish(&out);
}

/* ---- the request ---- */

static Value basic_authorization(Value username, Value password) {
    StringBuilder plain, header;
    builder_start(&plain);
    builder_string(&plain, string_of(username));
    builder_unit(&plain, ':');
    if (is_string(password)) {
        builder_string(&plain, string_of(password));
    }
    Bytes bytes = utf8_bytes(builder_finish(&plain));
    builder_start(&header);
    builder_ascii(&header, "Basic ");
    builder_string(&header, base64_text(bytes.bytes, bytes.byte_count));
    return from_string(builder_finish(&header));
}

static Map *headers_of(Value given, Value auth) {
    Map *headers = map_new(4);
    map_set_ascii(headers, "user-agent", from_ascii("pico-engine-core-http"));
    if (is_map(given)) {
        uint32_t at = 0;
        const String *key;
        Value v;
        while (map_next(map_of(given), &at, &key, &v)) {
            map_set(headers, key, v);
        }
    }
    Value username = map_get_ascii(auth, "username");
    if (is_string(username)) {
        Value password = map_get_ascii(auth, "password");
        map_set_ascii(headers, "Authorization", basic_authorization(username, password));
    }
    return headers;
}

static void set_content_type(Map *headers, const char *type) {
    if (!rt_truthy(map_get_ascii(from_map(headers), "content-type"))) {
        map_set_ascii(headers, "content-type", from_ascii(type));
    }
}

/* The first of body, json and form that is there. */
static Value body_of(const Value *given, Map *headers) {
    if (rt_truthy(given[BODY])) {
        return from_string(to_string(given[BODY]));
    }
    if (rt_truthy(given[JSON])) {
        set_content_type(headers, "application/json");
        const String *text = json_encode(given[JSON], 0);
        return text == NULL ? KRL_UNDEFINED : from_string(text);
    }
    if (rt_truthy(given[FORM])) {
        set_content_type(headers, "application/x-www-form-urlencoded");
        return from_string(form_text(given[FORM]));
    }
    return KRL_UNDEFINED;
}

static const String *url_of(const Value *given) {
    StringBuilder url;
    builder_start(&url);
    builder_string(&url, string_of(given[URL]));
    if (rt_truthy(given[QUERY])) {
        builder_unit(&url, '?');
        builder_string(&url, form_text(given[QUERY]));
    }
    return builder_finish(&url);
}

static Value request_of(const char *method, const Value *given) {
    Map *request = map_new(5), *headers = headers_of(given[HEADERS], given[AUTH]);
    Value body = body_of(given, headers);
    map_set_ascii(request, "method", from_ascii(method));
    map_set_ascii(request, "url", from_string(url_of(given)));
    map_set_ascii(request, "headers", from_map(headers));
    map_set_ascii(request, "redirect",
                  from_ascii(rt_truthy(given[NO_REDIRECT]) ? "manual" : "follow"));
    if (!is_undefined(body)) {
        map_set_ascii(request, "body", body);
    }
    return from_map(request);
}

/* ---- the answer ---- */

static Value with_parsed_content(Value answer) {
    Value content = map_get_ascii(answer, "content"), parsed;
    if (!is_string(content) || !json_decode(string_of(content), &parsed)) {
        return answer;
    }
    Map *copy = map_copy(map_of(answer));
    map_set_ascii(copy, "content", parsed);
    return from_map(copy);
}

static void raise_answer(const char *event_name, Value answer, Value label) {
    Map *attributes = is_map(answer) ? map_copy(map_of(answer)) : map_new(1);
    map_set_ascii(attributes, "label", from_string(to_string(label)));
    rt_raise(from_ascii("http"), from_ascii(event_name), from_map(attributes));
}

typedef struct {
    const char *method, *event_name, *function, *missing, *no_text;
} Method;

static Value request(const Method *m, uint32_t argument_count, const Value *arguments) {
    Value given[PARAMETER_COUNT];
    for (uint32_t i = 0; i < PARAMETER_COUNT; i++) {
        given[i] = argument(i);
    }
    if (!rt_truthy(given[URL])) {
        throw_text(m->missing);
    }
    if (!is_string(given[URL])) {
        throw_about(m->no_text, given[URL], KRL_NULL);
    }
    Value request = request_of(m->method, given);
    if (rt_truthy(given[AUTOSEND])) {
        Map *effect = map_new(3);
        set_field(effect, "kind", from_ascii("request"));
        set_field(effect, "request", request);
        set_field(effect, "event", given[AUTOSEND]);
        emit_effect(effect);
        return KRL_UNDEFINED;
    }
    Value answer = ask_engine(m->function, 1, &request);
    if (given[PARSE_JSON] == KRL_TRUE) {
        answer = with_parsed_content(answer);
    }
    if (rt_truthy(given[AUTORAISE])) {
        raise_answer(m->event_name, answer, given[AUTORAISE]);
    }
    return answer;
}

#define METHOD(name, upper) \
    LIBRARY(http_##name) { \
        static const Method method = {upper, #name, "http:" #name, \
                                      "http:" #name " needs a url string", \
                                      "http:" #name " was given @ instead of a url string"}; \
        return request(&method, argument_count, arguments); \
    }

METHOD(get, "GET")
METHOD(head, "HEAD")
METHOD(post, "POST")
METHOD(put, "PUT")
METHOD(patch, "PATCH")
METHOD(delete, "DELETE")
