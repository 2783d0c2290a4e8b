/* Questions to the engine and acts through it.
 *
 * A question is the map {fn: "ctx:channels", args: [..]}; its answer is {ok: value} or
 * {error: text}, and an error is thrown. Asking changes nothing. To act is to ask first, which
 * checks the arguments and reserves identifiers, and then to emit the effect
 * {kind: "ctx.newChannel", args: [..], answer: value}, which the engine carries out with the
 * commit. */
#include "library.h"

static Value arguments_array(uint32_t argument_count, const Value *arguments) {
    Array *copy = array_new(argument_count);
    for (uint32_t i = 0; i < argument_count; i++) {
        copy->items[i] = arguments[i];
    }
    return from_array(copy);
}

Value ask_engine(const char *function, uint32_t argument_count, const Value *arguments) {
    Map *question = map_new(2);
    set_field(question, "fn", from_ascii(function));
    set_field(question, "args", arguments_array(argument_count, arguments));
    Value answer = ask(from_map(question)), error = map_get_ascii(answer, "error");
    if (!is_undefined(error)) {
        throw_message(to_string(error));
    }
    Value ok = map_get_ascii(answer, "ok");
    return is_undefined(ok) ? KRL_NULL : ok;
}

/* "ctx:newChannel" as the kind of an effect: "ctx.newChannel". */
static Value kind_of(const char *function) {
    StringBuilder kind;
    builder_start(&kind);
    for (const char *at = function; *at; at++) {
        builder_unit(&kind, *at == ':' ? '.' : (uint8_t)*at);
    }
    return from_string(builder_finish(&kind));
}

Value act_through_engine(const char *function, uint32_t argument_count, const Value *arguments) {
    Value answer = ask_engine(function, argument_count, arguments);
    Map *effect = map_new(3);
    set_field(effect, "kind", kind_of(function));
    set_field(effect, "args", arguments_array(argument_count, arguments));
    set_field(effect, "answer", answer);
    emit_effect(effect);
    return answer;
}

/* Functions that need keys of the pico outside the sandbox; the one argument is their name. */
LIBRARY(unavailable) {
    throw_about("@ is not available in picomesh yet", argument(0), KRL_NULL);
}
