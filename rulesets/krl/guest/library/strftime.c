/* strftime in UTC. A conversion is a percent sign, any of the flags - (no padding), _ (spaces),
 * 0 (zeros) and : (a colon in this zone and all that follow), and a letter; a letter that means
 * nothing stands for itself after its percent sign, and an unfinished conversion vanishes. */
#include "calendar.h"

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

enum { PAD_DEFAULT = -1, PAD_NONE = 0, ABBREVIATION_LENGTH = 3 };

typedef struct {
    StringBuilder *out;
    Moment m;
    int64_t milliseconds;
    bool colon;
} Clock;

static void append_format(Clock *c, const char *format);

/* Two places, unless a flag says otherwise. */
static void two_places(const Clock *c, int64_t number, int32_t pad, char usual) {
    if (pad != PAD_NONE && number <= 9) {
        builder_unit(c->out, (uint8_t)(pad == PAD_DEFAULT ? usual : pad));
    }
    append_padded(c->out, number, 0, ' ');
}

static void abbreviated(const Clock *c, const char *name) {
    for (uint32_t i = 0; i < ABBREVIATION_LENGTH; i++) {
        builder_unit(c->out, (uint8_t)name[i]);
    }
}

static int32_t hour_of_twelve(const Clock *c) {
    return c->m.hour % 12 == 0 ? 12 : c->m.hour % 12;
}

static const char *ordinal_suffix(int32_t number) {
    int32_t ones = number % 10;
    if (number / 10 == 1 || ones == 0 || ones > 3) {
        return "th";
    }
    return ones == 1 ? "st" : ones == 2 ? "nd" : "rd";
}

/* Weeks begun so far, where they begin on `first_weekday` (Sunday 0, Monday 1). */
static int32_t week_of_year(const Clock *c, int32_t first_weekday) {
    int32_t weekday = (c->m.weekday + 7 - first_weekday) % 7;
    return (c->m.day_of_year - 1 + 7 - weekday) / 7;
}

static int64_t floor_of(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Conversions that are short for others. */
static const char *expansion(char letter) {
    switch (letter) {
    case 'D':
    case 'x':
        return "%m/%d/%y";
    case 'F':
        return "%Y-%m-%d";
    case 'R':
        return "%H:%M";
    case 'T':
        return "%H:%M:%S";
    case 'r':
    case 'X':
        return "%I:%M:%S %p";
    case 'c':
        return "%a %d %b %Y %X %Z";
    case 'v':
        return "%e-%b-%Y";
    default:
        return NULL;
    }
}

static const char *text_of(const Clock *c, char letter) {
    switch (letter) {
    case 'A':
        return weekdays[c->m.weekday];
    case 'B':
        return months[c->m.month - 1];
    case 'p':
        return c->m.hour < 12 ? "AM" : "PM";
    case 'P':
        return c->m.hour < 12 ? "am" : "pm";
    case 'Z':
        return "Coordinated Universal Time";
    case 'n':
        return "\n";
    case 't':
        return "\t";
    case '%':
        return "%";
    default:
        return NULL;
    }
}

/* The numbers that two places hold; false for other letters. */
static bool append_two_places(const Clock *c, char letter, int32_t pad) {
    const struct { char letter, usual; int64_t number; } fields[] = {
        {'C', '0', floor_of(c->m.year, 100)}, {'d', '0', c->m.day},
        {'e', ' ', c->m.day},                 {'H', '0', c->m.hour},
        {'I', '0', hour_of_twelve(c)},        {'k', ' ', c->m.hour},
        {'l', ' ', hour_of_twelve(c)},        {'M', '0', c->m.minute},
        {'m', '0', c->m.month},               {'S', '0', c->m.second},
        {'U', '0', week_of_year(c, 0)},       {'W', '0', week_of_year(c, 1)},
        {'y', '0', c->m.year % 100},
    };
    for (uint32_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].letter == letter) {
            two_places(c, fields[i].number, pad, fields[i].usual);
            return true;
        }
    }
    return false;
}

/* The remaining conversions, whose padding no flag changes; false for other letters. */
static bool append_other(const Clock *c, char letter) {
    switch (letter) {
    case 'a':
        abbreviated(c, weekdays[c->m.weekday]);
        return true;
    case 'b':
    case 'h':
        abbreviated(c, months[c->m.month - 1]);
        return true;
    case 'j':
        append_padded(c->out, c->m.day_of_year, 3, '0');
        return true;
    case 'L':
        append_padded(c->out, c->m.millisecond, 3, '0');
        return true;
    case 'o':
        append_padded(c->out, c->m.day, 0, ' ');
        builder_ascii(c->out, ordinal_suffix(c->m.day));
        return true;
    case 's':
        append_padded(c->out, floor_of(c->milliseconds, 1000), 0, ' ');
        return true;
    case 'u':
        append_padded(c->out, c->m.weekday == 0 ? 7 : c->m.weekday, 0, ' ');
        return true;
    case 'w':
        append_padded(c->out, c->m.weekday, 0, ' ');
        return true;
    case 'Y':
        append_padded(c->out, c->m.year, 0, ' ');
        return true;
    case 'z':
        builder_ascii(c->out, c->colon ? "+00:00" : "+0000");
        return true;
    default:
        return false;
    }
}

static void append_conversion(Clock *c, uint16_t unit, int32_t pad) {
    char letter = unit < 128 ? (char)unit : 0;
    const char *text = text_of(c, letter);
    if (expansion(letter)) {
        append_format(c, expansion(letter));
    } else if (text) {
        builder_ascii(c->out, text);
    } else if (!append_two_places(c, letter, pad) && !append_other(c, letter)) {
        builder_unit(c->out, '%');
        builder_unit(c->out, unit);
    }
}

static void append_text(Clock *c, const String *format) {
    for (uint32_t at = 0; at < format->length; at++) {
        uint16_t unit = unit_at(format, at);
        if (unit != '%') {
            builder_unit(c->out, unit);
            continue;
        }
        int32_t pad = PAD_DEFAULT;
        for (at++; at < format->length; at++) {
            unit = unit_at(format, at);
            if (unit == ':') {
                c->colon = true;
            } else if (unit == '-' || unit == '_' || unit == '0') {
                pad = unit == '-' ? PAD_NONE : unit == '_' ? ' ' : '0';
            } else {
                append_conversion(c, unit, pad);
                break;
            }
        }
    }
}

static void append_format(Clock *c, const char *format) {
    append_text(c, string_from_ascii(format));
}

const String *strftime_text(const String *format, int64_t milliseconds) {
    StringBuilder out;
    builder_start(&out);
    Clock clock = {&out, moment_of(milliseconds), milliseconds, false};
    append_text(&clock, format);
    return builder_finish(&out);
}
