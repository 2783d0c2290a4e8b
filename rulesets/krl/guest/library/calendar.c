/* Days and fields of the proleptic Gregorian calendar, in UTC, and the ISO text of an instant.
 * Instants are milliseconds since 1970-01-01; JavaScript's limit of 8.64e15 keeps them small. */
#include "calendar.h"

enum { DAYS_PER_ERA = 146097, YEARS_PER_ERA = 400, EPOCH_DAY_OF_ERA_0 = 719468 };

static int64_t floor_divide(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Years are counted from March 1, so that the leap day is the last of its year. */
int64_t days_from_civil(int64_t year, int32_t month, int32_t day) {
    year -= month <= 2;
    int64_t era = floor_divide(year, YEARS_PER_ERA);
    int64_t year_of_era = year - era * YEARS_PER_ERA;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAY_OF_ERA_0;
}

bool is_leap_year(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int32_t days_in_month(int64_t year, int32_t month) {
    return month == 2 ? 28 + is_leap_year(year) : 30 + (month + month / 8) % 2;
}

static void set_date(Moment *m, int64_t days) {
    int64_t shifted = days + EPOCH_DAY_OF_ERA_0;
    int64_t era = floor_divide(shifted, DAYS_PER_ERA), day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    m->day = (int32_t)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    m->month = (int32_t)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    m->year = year_of_era + era * YEARS_PER_ERA + (m->month <= 2);
    m->weekday = (int32_t)(days + 4 - floor_divide(days + 4, 7) * 7);
    m->day_of_year = (int32_t)(days - days_from_civil(m->year, 1, 1) + 1);
}

Moment moment_of(int64_t milliseconds) {
    Moment m;
    int64_t days = floor_divide(milliseconds, MILLISECONDS_PER_DAY);
    int32_t rest = (int32_t)(milliseconds - days * MILLISECONDS_PER_DAY);
    set_date(&m, days);
    m.hour = rest / 3600000;
    m.minute = rest / 60000 % 60;
    m.second = rest / 1000 % 60;
    m.millisecond = rest % 1000;
    return m;
}

int64_t milliseconds_of(const Moment *m) {
    int64_t seconds = (m->hour * 60 + m->minute) * 60 + m->second;
    return days_from_civil(m->year, m->month, m->day) * MILLISECONDS_PER_DAY + seconds * 1000
        + m->millisecond;
}

void append_padded(StringBuilder *out, int64_t number, uint32_t width, char pad) {
    const String *digits = number_to_string((double)number);
    for (uint32_t i = digits->length; i < width; i++) {
        builder_unit(out, (uint8_t)pad);
    }
    builder_string(out, digits);
}

const String *iso_text(int64_t milliseconds) {
    Moment m = moment_of(milliseconds);
    StringBuilder out;
    builder_start(&out);
    if (m.year < 0 || m.year > 9999) {
        builder_unit(&out, m.year < 0 ? '-' : '+');
        append_padded(&out, m.year < 0 ? -m.year : m.year, 6, '0');
    } else {
        append_padded(&out, m.year, 4, '0');
    }
    const struct { char before; int32_t number; uint32_t width; } fields[] = {
        {'-', m.month, 2},  {'-', m.day, 2},    {'T', m.hour, 2},
        {':', m.minute, 2}, {':', m.second, 2}, {'.', m.millisecond, 3},
    };
    for (uint32_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        builder_unit(&out, (uint8_t)fields[i].before);
        append_padded(&out, fields[i].number, fields[i].width, '0');
    }
    builder_unit(&out, 'Z');
    return builder_finish(&out);
}
