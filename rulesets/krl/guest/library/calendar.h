/* Instants, their calendar fields in UTC, and their texts. */
#ifndef KRL_CALENDAR_H
#define KRL_CALENDAR_H

#include "library.h"

typedef struct {
    int64_t year;
    int32_t month, day, hour, minute, second, millisecond; /* month 1-12 */
    int32_t weekday, day_of_year;                          /* Sunday is 0; January 1 is 1 */
} Moment;

#define MILLISECONDS_PER_DAY 86400000LL
#define INSTANT_MAX 8640000000000000LL /* ECMAScript's time values reach so far, both ways */

int64_t days_from_civil(int64_t year, int32_t month, int32_t day);
int32_t days_in_month(int64_t year, int32_t month);
bool is_leap_year(int64_t year);
Moment moment_of(int64_t milliseconds);
int64_t milliseconds_of(const Moment *m); /* weekday and day_of_year do not count */
const String *iso_text(int64_t milliseconds);
void append_padded(StringBuilder *out, int64_t number, uint32_t width, char pad);

/* ISO 8601, whole: a date, or a date and a time of day. */
bool iso_parse(const String *text, int64_t *milliseconds);
const String *strftime_text(const String *format, int64_t milliseconds);

#endif
