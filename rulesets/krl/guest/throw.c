/* Throwing. KRL has no catch, so a throw is an effect that ends the transition. */
#include "core.h"

void throw_message(const String *message) {
    Map *effect = map_new(2);
    set_field(effect, "kind", from_string(string_from_ascii("throw")));
    set_field(effect, "message", from_string(message));
    emit_effect(effect);
    __builtin_trap();
}

void throw_text(const char *ascii) { throw_message(string_from_ascii(ascii)); }

void rt_throw(Value message) { throw_message(to_string(message)); }

Value rt_check_set(Value v, Value name) {
    if (v != KRL_UNSET) return v;
    StringBuilder b;
    builder_start(&b);
    builder_ascii(&b, "Cannot access '");
    builder_string(&b, to_string(name));
    builder_ascii(&b, "' before initialization");
    throw_message(builder_finish(&b));
}
