/* Calls through values: what generated code and the library do when the callee is not known. */
#include "core.h"

static const FunctionShape LIBRARY_SHAPES[] = {
    {.kind = KRL_KIND_FUNCTION},
    {.kind = KRL_KIND_ACTION},
    {.kind = KRL_KIND_BOTH},
};

Function *library_function(Entry entry, uint32_t kind) {
    if (kind > KRL_KIND_BOTH) __builtin_trap();
    return address_of(rt_function(entry, &LIBRARY_SHAPES[kind], 0));
}

Value rt_library_function(Entry entry, uint32_t kind) {
    return from_pointer(KRL_TAG_FUNCTION, library_function(entry, kind));
}

static NORETURN __attribute__((noinline)) void throw_not_callable(Value callee, const char *what) {
    throw_message(string_concat(to_string(callee), string_from_ascii(what)));
}

/* Kinds differ in what may call them: KRL_KIND_BOTH passes as either. */
static inline Function *callable(Value callee, FunctionKind wrong_kind, const char *complaint) {
    Function *f = is_function(callee) ? address_of(callee) : NULL;
    if (f == NULL || f->shape->kind == wrong_kind) throw_not_callable(callee, complaint);
    return f;
}

static inline Function *as_function(Value callee) {
    return callable(callee, KRL_KIND_ACTION, " is not a function");
}

static inline Function *as_action(Value callee) {
    return callable(callee, KRL_KIND_FUNCTION, " is not an action");
}

Value rt_call(Value callee, uint32_t argument_count, const Value *arguments) {
    Function *f = as_function(callee);
    return f->entry(f, argument_count, arguments);
}

Value call_function(Value callee, uint32_t argument_count, const Value *arguments) {
    return rt_call(callee, argument_count, arguments);
}

Value rt_act(Value callee, uint32_t argument_count, const Value *arguments) {
    Function *f = as_action(callee);
    return f->entry(f, argument_count, arguments);
}

/* The last argument of that name, as a map literal with a key twice keeps the last. */
static bool find_named(const String *name, uint32_t count, const Value *pairs, Value *found) {
    for (uint32_t i = count; i > 0; i--) {
        if (!string_equal(string_of(pairs[2 * i - 2]), name)) continue;
        *found = pairs[2 * i - 1];
        return true;
    }
    return false;
}

/* For each parameter the argument of its name, else the one in its place. */
static Value call_in_map_form(Function *f, uint32_t positional_count, uint32_t named_count,
                              const Value *arguments) {
    const Value *pairs = arguments + positional_count;
    uint32_t parameter_count = f->shape->parameter_count;
    if (parameter_count < positional_count) parameter_count = positional_count;
    Value *chosen = allocate(parameter_count * (uint32_t)sizeof(Value));
    uint32_t passed = 0;
    for (uint32_t i = 0; i < parameter_count; i++) {
        bool named = i < f->shape->parameter_count &&
                     find_named(f->shape->parameter_names[i], named_count, pairs, &chosen[i]);
        bool placed = !named && i < positional_count;
        if (!named) chosen[i] = placed ? arguments[i] : KRL_UNDEFINED;
        if (named || placed) passed = i + 1;
    }
    return f->entry(f, passed, chosen);
}

Value rt_call_named(Value callee, uint32_t positional_count, uint32_t named_count,
                    const Value *arguments) {
    return call_in_map_form(as_function(callee), positional_count, named_count, arguments);
}

Value rt_act_named(Value callee, uint32_t positional_count, uint32_t named_count,
                   const Value *arguments) {
    return call_in_map_form(as_action(callee), positional_count, named_count, arguments);
}
