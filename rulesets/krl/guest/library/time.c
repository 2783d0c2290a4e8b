/* The time module. Now is when the event or query came in: time stands still in a transition. */
#include "calendar.h"

static int64_t now(void) {
    Value time = context_get("time");
    return is_number(time) ? (int64_t)number_of(time) : 0;
}

/* "today" + "T" + text: a time of day alone is a time of today. */
static bool parse_on_today(const String *text, bool extended, int64_t *milliseconds) {
    Moment today = moment_of(now());
    StringBuilder whole;
    builder_start(&whole);
    append_padded(&whole, today.year, 4, '0');
    builder_ascii(&whole, extended ? "-" : "");
    append_padded(&whole, today.month, 2, '0');
    builder_ascii(&whole, extended ? "-" : "");
    append_padded(&whole, today.day, 2, '0');
    builder_unit(&whole, 'T');
    builder_string(&whole, text);
    return iso_parse(builder_finish(&whole), milliseconds);
}

typedef struct {
    const char *missing, *invalid, *no_text;
} Complaints;

static int64_t instant_of(Value date, const Complaints *complaints) {
    if (!rt_truthy(date)) {
        throw_text(complaints->missing);
    }
    const String *text = to_string(date);
    int64_t milliseconds;
    if (iso_parse(text, &milliseconds) || parse_on_today(text, true, &milliseconds)
        || parse_on_today(text, false, &milliseconds)) {
        return milliseconds;
    }
    throw_about(is_string(date) ? complaints->invalid : complaints->no_text, date, KRL_NULL);
}

LIBRARY(time_now) {
    if (rt_truthy(argument(0)) && !is_map(argument(0))) {
        throw_about("time:now was given @ instead of an opts map", argument(0), KRL_NULL);
    }
    return from_string(iso_text(now()));
}

LIBRARY(time_new) {
    static const Complaints complaints = {
        "time:new needs a date string", "time:new was given an invalid date string (@)",
        "time:new was given @ instead of a date string"};
    Value date = argument(0);
    if (is_number(date) && rt_truthy(date) && is_finite(number_of(date))) {
        double milliseconds = integer_of(number_of(date));
        if (__builtin_fabs(milliseconds) > INSTANT_MAX) {
            throw_text("Invalid time value");
        }
        return from_string(iso_text((int64_t)milliseconds));
    }
    return from_string(iso_text(instant_of(date, &complaints)));
}

LIBRARY(time_strftime) {
    static const Complaints complaints = {
        "time:strftime needs a date string", "time:strftime was given an invalid date string (@)",
        "time:strftime was given @ instead of a date string"};
    Value date = argument(0), format = argument(1);
    if (rt_truthy(date) && !rt_truthy(format)) {
        throw_text("time:strftime needs a fmt string");
    }
    int64_t milliseconds = instant_of(date, &complaints);
    if (!is_string(format)) {
        throw_about("time:strftime was given @ instead of a fmt string", format, KRL_NULL);
    }
    return from_string(strftime_text(string_of(format), milliseconds));
}

/* ---- time:add ---- */

typedef enum {
    MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, ISO_WEEK, MONTH, QUARTER, YEAR, UNIT_COUNT
} Unit;

/* A unit goes by its name, its plural, both in any case, and its letter as it stands. */
static const struct {
    const char *name, *plural, *letter;
} unit_names[UNIT_COUNT] = {
    [MILLISECOND] = {"millisecond", "milliseconds", "ms"}, [SECOND] = {"second", "seconds", "s"},
    [MINUTE] = {"minute", "minutes", "m"},                 [HOUR] = {"hour", "hours", "h"},
    [DAY] = {"day", "days", "d"},                          [WEEK] = {"week", "weeks", "w"},
    [ISO_WEEK] = {"isoweek", "isoweeks", "W"},             [MONTH] = {"month", "months", "M"},
    [QUARTER] = {"quarter", "quarters", "Q"},              [YEAR] = {"year", "years", "y"},
};

/* Letters that stand for something else when written large, so that they are not folded. */
static bool means_other(const String *key) {
    return string_equals_ascii(key, "D") || string_equals_ascii(key, "E")
        || string_equals_ascii(key, "M") || string_equals_ascii(key, "Q")
        || string_equals_ascii(key, "W");
}

static const String *folded(const String *key) {
    StringBuilder out;
    builder_start(&out);
    for (uint32_t i = 0; i < key->length; i++) {
        uint32_t unit = unit_at(key, i);
        builder_unit(&out, (uint16_t)(unit - 'A' < 26 ? unit | 0x20 : unit));
    }
    return builder_finish(&out);
}

static Unit unit_of(const String *key) {
    const String *lower = folded(key);
    for (uint32_t i = 0; i < UNIT_COUNT; i++) {
        const String *letter = means_other(key) ? key : lower;
        if (string_equals_ascii(lower, unit_names[i].name)
            || string_equals_ascii(lower, unit_names[i].plural)
            || string_equals_ascii(letter, unit_names[i].letter)) {
            return i;
        }
    }
    return UNIT_COUNT;
}

/* What is falsy counts as nothing; what is no number spoils the whole sum it is part of. */
static double amount(const Value *amounts, Unit unit) {
    return rt_truthy(amounts[unit]) ? js_number(amounts[unit]) : 0;
}

static double rounded_away(double d) {
    return d < 0 ? -__builtin_floor(-d + 0.5) : __builtin_floor(d + 0.5);
}

static bool in_reach(double d) {
    return __builtin_fabs(d) <= INSTANT_MAX;
}

/* The day is cut to the length of the month that is reached. */
static int64_t months_later(int64_t milliseconds, double months) {
    Moment m = moment_of(milliseconds);
    int64_t index = m.year * 12 + m.month - 1 + (int64_t)months;
    m.year = index / 12 - (index % 12 < 0);
    m.month = (int32_t)(index - m.year * 12 + 1);
    int32_t length = days_in_month(m.year, m.month);
    m.day = m.day < length ? m.day : length;
    return milliseconds_of(&m);
}

/* Months first, then days, then the rest; a sum that is no number adds nothing. */
static Value added(int64_t start, const Value *amounts) {
    enum { MONTHS_MAX = 400000 * 12 };
    double months = rounded_away(amount(amounts, MONTH) + amount(amounts, QUARTER) * 3
                                 + amount(amounts, YEAR) * 12);
    double weeks = amount(amounts, rt_truthy(amounts[WEEK]) ? WEEK : ISO_WEEK);
    double days = rounded_away(amount(amounts, DAY) + weeks * 7);
    double rest = amount(amounts, MILLISECOND) + amount(amounts, SECOND) * 1000
        + amount(amounts, MINUTE) * 60000 + amount(amounts, HOUR) * 3600000;
    if (__builtin_fabs(months) > MONTHS_MAX) {
        return KRL_NULL;
    }
    double sum = (double)(months == months ? months_later(start, months) : start);
    if (!in_reach(sum)) {
        return KRL_NULL;
    }
    sum += days == days ? days * MILLISECONDS_PER_DAY : 0;
    if (!in_reach(sum)) {
        return KRL_NULL;
    }
    sum += rest == rest ? rest : 0;
    return in_reach(sum) ? from_string(iso_text((int64_t)sum)) : KRL_NULL;
}

LIBRARY(time_add) {
    static const Complaints complaints = {
        "time:add needs a date string", "time:add was given an invalid date string (@)",
        "time:add was given @ instead of a date string"};
    Value date = argument(0), spec = argument(1);
    if (rt_truthy(date) && !rt_truthy(spec)) {
        throw_text("time:add needs a spec map");
    }
    int64_t start = instant_of(date, &complaints);
    if (!is_map(spec)) {
        throw_about("time:add was given @ instead of a spec map", spec, KRL_NULL);
    }
    Value amounts[UNIT_COUNT + 1]; /* the last takes what is no unit */
    for (uint32_t i = 0; i <= UNIT_COUNT; i++) {
        amounts[i] = KRL_UNDEFINED;
    }
    uint32_t at = 0;
    const String *key;
    Value v;
    while (map_next(map_of(spec), &at, &key, &v)) {
        amounts[unit_of(key)] = v;
    }
    return added(start, amounts);
}
