/* ISO 8601 as the reference's date library reads it: white space may lead; date and time are both
 * in the extended form (2010-08-08T05:06) or both in the basic one (20100808T0506); a reduced date
 * has no time; a zone is Z or an offset between -12:00 and +14:00. */
#include "calendar.h"
#include "decimal.h"

typedef struct {
    const String *text;
    uint32_t at;
    bool extended;
} Reader;

static uint32_t peek(const Reader *r) {
    return r->at < r->text->length ? unit_at(r->text, r->at) : 0;
}

static bool accept(Reader *r, uint32_t unit) {
    if (peek(r) != unit || unit == 0) {
        return false;
    }
    r->at++;
    return true;
}

static uint32_t digits_ahead(const Reader *r) {
    uint32_t count = 0;
    while (r->at + count < r->text->length
           && unit_at(r->text, r->at + count) - (uint32_t)'0' < 10) {
        count++;
    }
    return count;
}

static bool read_number(Reader *r, uint32_t digit_count, int32_t *number) {
    if (digits_ahead(r) < digit_count) {
        return false;
    }
    *number = 0;
    for (uint32_t i = 0; i < digit_count; i++) {
        *number = *number * 10 + (int32_t)(peek(r) - '0');
        r->at++;
    }
    return true;
}

/* The Monday that week 1 begins with: the one on or before January 4. */
static int64_t first_monday(int64_t year) {
    int64_t january_4 = days_from_civil(year, 1, 4);
    return january_4 - (moment_of(january_4 * MILLISECONDS_PER_DAY).weekday + 6) % 7;
}

static bool read_week(Reader *r, int64_t year, int64_t *days, bool *whole) {
    int32_t week, weekday = 1;
    if (!read_number(r, 2, &week)) {
        return false;
    }
    *whole = r->extended ? accept(r, '-') : digits_ahead(r) > 0;
    if (*whole && !read_number(r, 1, &weekday)) {
        return false;
    }
    int64_t weeks = (first_monday(year + 1) - first_monday(year)) / 7;
    *days = first_monday(year) + (week - 1) * 7 + weekday - 1;
    return week >= 1 && week <= weeks && weekday >= 1 && weekday <= 7;
}

static bool read_day_of_year(Reader *r, int64_t year, int64_t *days) {
    int32_t day;
    if (!read_number(r, 3, &day) || day < 1 || day > 365 + is_leap_year(year)) {
        return false;
    }
    *days = days_from_civil(year, 1, 1) + day - 1;
    return true;
}

static bool read_month(Reader *r, int64_t year, int64_t *days, bool *whole) {
    int32_t month, day = 1;
    if (!read_number(r, 2, &month)) {
        return false;
    }
    *whole = r->extended ? accept(r, '-') : digits_ahead(r) > 0;
    if (*whole && !read_number(r, 2, &day)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        return false;
    }
    *days = days_from_civil(year, month, day);
    return true;
}

/* The date as days since 1970; `whole` tells whether it names a day, so that a time may follow. */
static bool read_date(Reader *r, int64_t *days, bool *whole) {
    bool negative = accept(r, '-'), is_signed = negative || accept(r, '+');
    int32_t number;
    if (!read_number(r, is_signed ? 6 : 4, &number)) {
        return false;
    }
    int64_t year = negative ? -number : number;
    r->extended = accept(r, '-');
    *whole = true;
    if (accept(r, 'W')) {
        return read_week(r, year, days, whole);
    }
    uint32_t ahead = digits_ahead(r);
    if (ahead == 3) {
        return read_day_of_year(r, year, days);
    }
    if (ahead > 0) {
        return (r->extended ? ahead == 2 : ahead == 2 || ahead == 4)
            && read_month(r, year, days, whole);
    }
    *whole = false;
    *days = days_from_civil(year, 1, 1);
    return !r->extended;
}

static bool read_fraction(Reader *r, int32_t *milliseconds) {
    enum { DIGITS_MAX = 40 };
    char digits[DIGITS_MAX];
    uint32_t count = digits_ahead(r);
    for (uint32_t i = 0; i < count; i++, r->at++) {
        if (i < DIGITS_MAX) {
            digits[i] = (char)peek(r);
        }
    }
    uint32_t kept = count < DIGITS_MAX ? count : DIGITS_MAX;
    *milliseconds = (int32_t)(nearest_double(digits, kept, -(int32_t)kept) * 1000);
    return count > 0;
}

/* A following part of the time, when there is one: after a colon, or at once in the basic form. */
static bool next_part(Reader *r) {
    return r->extended ? accept(r, ':') : digits_ahead(r) > 0;
}

static bool read_time(Reader *r, Moment *m) {
    if (!read_number(r, 2, &m->hour)) {
        return false;
    }
    if (next_part(r)) {
        if (!read_number(r, 2, &m->minute)) {
            return false;
        }
        if (next_part(r)) {
            if (!read_number(r, 2, &m->second)) {
                return false;
            }
            if ((accept(r, '.') || accept(r, ',')) && !read_fraction(r, &m->millisecond)) {
                return false;
            }
        }
    }
    bool midnight = m->hour == 24 && m->minute == 0 && m->second == 0 && m->millisecond == 0;
    return (m->hour < 24 || midnight) && m->minute < 60 && m->second < 60 && m->millisecond < 1000;
}

static bool read_zone(Reader *r, int64_t *offset_minutes) {
    enum { WEST_MAX = -12 * 60, EAST_MAX = 14 * 60 };
    *offset_minutes = 0;
    uint32_t before_space = r->at;
    while (is_white_space((uint16_t)peek(r)) && r->at < r->text->length) {
        r->at++;
    }
    if (accept(r, 'Z')) {
        return true;
    }
    r->at = before_space;
    bool west = accept(r, '-');
    if (!west && !accept(r, '+')) {
        return true;
    }
    int32_t hours, minutes = 0;
    if (!read_number(r, 2, &hours)) {
        return false;
    }
    bool colon = accept(r, ':');
    if ((colon || digits_ahead(r) > 0) && !read_number(r, 2, &minutes)) {
        return false;
    }
    *offset_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return minutes < 60 && *offset_minutes >= WEST_MAX && *offset_minutes <= EAST_MAX;
}

bool iso_parse(const String *text, int64_t *milliseconds) {
    Reader r = {.text = text};
    int64_t days, offset_minutes = 0;
    bool whole;
    while (r.at < text->length && is_white_space(unit_at(text, r.at))) {
        r.at++;
    }
    if (!read_date(&r, &days, &whole)) {
        return false;
    }
    Moment m = {.year = 1970, .month = 1, .day = 1};
    if (r.at < text->length) {
        bool separated = whole && (accept(&r, 'T') || accept(&r, ' '));
        if (!separated || !read_time(&r, &m) || !read_zone(&r, &offset_minutes)) {
            return false;
        }
    }
    *milliseconds =
        days * MILLISECONDS_PER_DAY + milliseconds_of(&m) - offset_minutes * 60 * 1000;
    return r.at == text->length && *milliseconds <= INSTANT_MAX && *milliseconds >= -INSTANT_MAX;
}
