/* Event expressions: the state machine of a `select`, and one step of it for one event.
 *
 * The compiler builds the machine (krl/lower/machine.py); this file runs it. States are numbered,
 * 0 is the start and 1 the end. The states a machine is in, the values its settings and
 * aggregators have gathered, and its `within` clock are part of the pico's state, under
 * select/<rule>; a machine that is where every machine begins has no entry there. */
#include "krl.h"

enum { START = 0, END = 1 };
typedef enum {
    AGGREGATE_NONE,
    AGGREGATE_MAX,
    AGGREGATE_MIN,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_PUSH,
} Aggregate;

/* Static data, written by the compiler. A matcher gives the captures of its attribute matches as
 * an array, or KRL_NULL if an attribute or the `where` does not match; null: always matches. */
typedef struct {
    const String *domain, *name;
    Function *matcher;
    uint32_t setting_count;
    const String *const *settings;
    uint32_t aggregate;
    uint32_t aggregated_count;
    const String *const *aggregated;
} Base;

/* Taken if the event is one of the bases; if negated, if there is one that it is not. */
typedef struct {
    uint32_t from, to, negated, base_count;
    const uint32_t *bases;
} Transition;

typedef struct {
    const String *rule;
    uint32_t state_count, base_count, transition_count;
    const Base *bases;
    const Transition *transitions;
} Machine;

/* States in the order they were reached: it decides which setting is the last. */
typedef struct {
    uint32_t count;
    uint32_t *items;
} States;

typedef struct {
    const Machine *machine;
    States in;      /* where the machine is before the step */
    States reached; /* where this step leads */
    Value *matched; /* by base: KRL_UNSET until asked, else the matcher's answer */
    Map *settings, *gathered;
    double started;
    bool has_started, failed;
} Step;

static Map *selected_settings; /* what rt_setting reads: of the rule that is being selected */

static const String *machine_path(const Machine *machine) {
    StringBuilder path;
    builder_start(&path);
    builder_ascii(&path, "select/");
    builder_string(&path, machine->rule);
    return builder_finish(&path);
}

static States states_new(uint32_t capacity) {
    return (States){0, allocate(capacity * (uint32_t)sizeof(uint32_t))};
}

#define SHARED static __attribute__((noinline)) /* in place it would be too often */

SHARED bool states_have(const States *states, uint32_t state) {
    for (uint32_t i = 0; i < states->count; i++) {
        if (states->items[i] == state) return true;
    }
    return false;
}

SHARED void states_add(States *states, uint32_t state) {
    if (!states_have(states, state)) states->items[states->count++] = state;
}

static void states_be(States *states, uint32_t state) {
    states->count = 0;
    states_add(states, state);
}

static bool leaves(const Machine *machine, uint32_t state) {
    for (uint32_t i = 0; i < machine->transition_count; i++) {
        if (machine->transitions[i].from == state) return true;
    }
    return false;
}

static Map *map_field(const Map *stored, const char *name) {
    Value v;
    if (map_find(stored, string_from_ascii(name), &v) && is_map(v)) return map_copy(address_of(v));
    return map_new(2);
}

static void load_states(Step *step, const Map *stored) {
    Value states;
    if (map_find(stored, string_from_ascii("states"), &states) && is_array(states)) {
        const Array *list = address_of(states);
        for (uint32_t i = 0; i < list->length; i++) {
            uint32_t state = (uint32_t)number_of(list->items[i]);
            if (state < step->machine->state_count) states_add(&step->in, state);
        }
    }
    if (step->in.count == 0) states_add(&step->in, START);
}

static void load(Step *step, const String *path) {
    Value v;
    if (!state_get(path, &v) || !is_map(v)) {
        states_add(&step->in, START);
        step->settings = map_new(2);
        step->gathered = map_new(2);
        return;
    }
    const Map *stored = address_of(v);
    load_states(step, stored);
    step->settings = map_field(stored, "setting");
    step->gathered = map_field(stored, "gathered");
    Value started;
    bool stands_there = map_find(stored, string_from_ascii("started"), &started);
    step->has_started = stands_there && is_number(started);
    if (step->has_started) step->started = number_of(started);
}

static void forget(Step *step) {
    step->settings = map_new(2);
    step->gathered = map_new(2);
}

/* The clock starts with the event that leaves the start, and runs on after a match; too late an
 * event finds a new machine. */
static void check_within(Step *step, Value within, double now) {
    if (!is_number(within)) return;
    if (!step->has_started) step->started = now;
    step->has_started = true;
    if (now - step->started > number_of(within)) {
        states_be(&step->in, START);
        step->settings = map_new(2); /* what was gathered stays, as in the reference */
        step->started = now;
    } else if (states_have(&step->in, START)) {
        step->started = now;
    }
}

SHARED double as_number(Value v) {
    Value number = to_number_or_null(v);
    return is_number(number) ? number_of(number) : 0;
}

static Value aggregate_of(uint32_t operation, const Array *values) {
    bool is_bound = operation == AGGREGATE_MAX || operation == AGGREGATE_MIN;
    if (operation == AGGREGATE_PUSH) return from_array(values);
    if (values->length == 0 && is_bound) return KRL_UNDEFINED;
    double result = values->length ? as_number(values->items[0]) : 0;
    for (uint32_t i = 1; i < values->length; i++) {
        double next = as_number(values->items[i]);
        bool takes_next = operation == AGGREGATE_MAX ? next > result : next < result;
        if (operation == AGGREGATE_SUM || operation == AGGREGATE_AVG) result += next;
        else if (takes_next) result = next;
    }
    if (operation == AGGREGATE_AVG) result /= values->length; /* of nothing: NaN */
    return from_number(result);
}

SHARED void set_setting(Step *step, const String *name, Value v) {
    if (v == KRL_UNDEFINED) map_remove(step->settings, name); /* state does not keep it apart */
    else map_set(step->settings, name, v);
}

/* A machine that may be at its start begins a new window; at its end (repeat) the window slides by
 * one, also when another event led there and it is empty. Only one base's windows are kept. */
static const Array *next_window(const Step *step, const String *name, Value capture) {
    bool is_new = !step->failed && states_have(&step->in, START);
    bool drops = !is_new && !step->failed && states_have(&step->in, END);
    ArrayBuilder values;
    array_start(&values, 4);
    Value before;
    if (!is_new && map_find(step->gathered, name, &before) && is_array(before)) {
        const Array *known = address_of(before);
        for (uint32_t i = drops; i < known->length; i++) array_push(&values, known->items[i]);
        drops = drops && known->length == 0;
    }
    if (!drops) array_push(&values, capture);
    return array_finish(&values);
}

static void gather(Step *step, const Base *base, const Array *captures) {
    Map *gathered = map_new(2);
    for (uint32_t i = 0; i < base->aggregated_count; i++) {
        const String *name = base->aggregated[i];
        Value capture = i < captures->length ? captures->items[i] : KRL_NULL;
        const Array *all = next_window(step, name, capture);
        map_set(gathered, name, from_array(all));
        set_setting(step, name, aggregate_of(base->aggregate, all));
    }
    step->gathered = gathered;
}

/* Exported as data, for few event expressions aggregate: krl/emit/needs.py. */
void (*rt_select_aggregates)(Step *, const Base *, const Array *) = gather;

static void settle(Step *step, const Base *base, Value answer) {
    const Array *captures = is_array(answer) ? address_of(answer) : array_new(0);
    if (base->aggregated_count) rt_select_aggregates(step, base, captures);
    for (uint32_t i = 0; i < base->setting_count; i++) {
        Value capture = i < captures->length ? captures->items[i] : KRL_UNDEFINED;
        set_setting(step, base->settings[i], capture);
    }
}

/* An event of the right name whose attributes do not match makes the machine forget its place. */
static bool event_is(Step *step, uint32_t index) {
    const Base *base = &step->machine->bases[index];
    if (!rt_event_is(from_string(base->domain), from_string(base->name))) return false;
    if (step->matched[index] == KRL_UNSET) {
        step->matched[index] =
            base->matcher == NULL
                ? KRL_UNDEFINED
                : call_function(from_pointer(KRL_TAG_FUNCTION, base->matcher), 0, NULL);
    }
    if (step->matched[index] == KRL_NULL) {
        step->failed = true;
        step->has_started = false;
        forget(step);
        return false;
    }
    settle(step, base, step->matched[index]);
    return true;
}

static bool takes(Step *step, const Transition *transition) {
    for (uint32_t i = 0; i < transition->base_count; i++) {
        bool is_it = event_is(step, transition->bases[i]);
        if (is_it != (bool)transition->negated) return true;
    }
    return false;
}

/* What nothing leaves is no place to go on from; from no place at all it goes from the start. */
static void leave_dead_ends(Step *step) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < step->in.count; i++) {
        uint32_t state = step->in.items[i];
        if (leaves(step->machine, state)) step->in.items[kept++] = state;
    }
    step->in.count = kept;
    if (kept == 0) states_add(&step->in, START);
}

static void advance(Step *step) {
    const Machine *machine = step->machine;
    for (uint32_t i = 0; i < step->in.count; i++) {
        for (uint32_t k = 0; k < machine->transition_count; k++) {
            const Transition *transition = &machine->transitions[k];
            if (transition->from == step->in.items[i] && takes(step, transition))
                states_add(&step->reached, transition->to);
        }
    }
}

static Value states_value(const States *states) {
    ArrayBuilder values;
    array_start(&values, 2);
    for (uint32_t i = 0; i < states->count; i++)
        array_push(&values, from_number(states->items[i]));
    return from_array(array_finish(&values));
}

static bool is_where_it_began(const Step *step, const States *in, bool keeps_clock) {
    for (uint32_t i = 0; i < in->count; i++) {
        uint32_t state = in->items[i];
        if (state != START && (state != END || keeps_clock)) return false;
    }
    return map_count(step->settings) == 0 && map_count(step->gathered) == 0;
}

static void save(Step *step, const String *path, const States *in, bool keeps_clock) {
    if (is_where_it_began(step, in, keeps_clock)) {
        state_delete(path);
        return;
    }
    Map *stored = map_new(4);
    map_set(stored, string_from_ascii("states"), states_value(in));
    if (map_count(step->settings)) set_field(stored, "setting", from_map(step->settings));
    if (map_count(step->gathered)) set_field(stored, "gathered", from_map(step->gathered));
    if (step->has_started) set_field(stored, "started", from_number(step->started));
    state_put(path, from_map(stored));
}

/* One step for the event that runs; whether the rule is selected. `within` is in milliseconds, or
 * undefined. */
EXPORT(rt_select_step) int32_t rt_select_step(const Machine *machine, Value within) {
    Step step = {.machine = machine};
    step.in = states_new(machine->state_count);
    step.reached = states_new(machine->state_count);
    step.matched = allocate(machine->base_count * (uint32_t)sizeof(Value));
    for (uint32_t i = 0; i < machine->base_count; i++) step.matched[i] = KRL_UNSET;
    const String *path = machine_path(machine);
    load(&step, path);
    check_within(&step, within, as_number(context_get("time")));
    leave_dead_ends(&step);
    advance(&step);
    bool selected = states_have(&step.reached, END), moved = step.reached.count > 0;
    if (selected) states_be(&step.reached, END);
    selected_settings = step.settings;
    if (selected) step.settings = map_new(1);
    if (!moved && step.failed) states_add(&step.reached, START);
    const States *now = moved || step.failed ? &step.reached : &step.in;
    save(&step, path, now, is_number(within) || leaves(machine, END));
    return selected;
}

/* What a setting or aggregator of the selected rule's event expression gathered. */
EXPORT(rt_setting) Value rt_setting(Value name) {
    Value v;
    return map_find(selected_settings, string_of(name), &v) ? v : KRL_UNDEFINED;
}
