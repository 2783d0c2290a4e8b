/* The random module. All of it comes from the one stream that the event's seed starts, so that
 * the same event gives the same numbers on every engine. */
#include "words.h"

#include "library.h"

/* The shape of a cuid: a `c` and 24 digits or letters. */
const String *fresh_identifier(void) {
    enum { IDENTIFIER_LENGTH = 25, DIGITS_PER_DRAW = 12, RADIX = 36 };
    StringBuilder out;
    builder_start(&out);
    builder_unit(&out, 'c');
    uint64_t bits = 0;
    for (uint32_t i = 1; i < IDENTIFIER_LENGTH; i++) {
        if (i % DIGITS_PER_DRAW == 1) {
            bits = random_bits();
        }
        builder_unit(&out, (uint8_t)"0123456789abcdefghijklmnopqrstuvwxyz"[bits % RADIX]);
        bits /= RADIX;
    }
    return builder_finish(&out);
}

LIBRARY(random_uuid) {
    return from_string(fresh_identifier());
}

LIBRARY(random_word) {
    return from_ascii(words[random_bits() % WORD_COUNT]);
}

typedef struct {
    double low, high;
} Bounds;

static double round_half_up(double d) {
    return __builtin_floor(d + 0.5);
}

/* What is no number counts as 0 below and as 1 above, or as 0 when the other one is given. */
static Bounds bounds_of(Value upper, Value lower, bool whole) {
    Value high = to_number_or_null(upper), low = to_number_or_null(lower);
    double first = low == KRL_NULL ? 0 : number_of(low);
    double last = high != KRL_NULL ? number_of(high) : low == KRL_NULL ? 1 : 0;
    if (whole) {
        first = round_half_up(first);
        last = high != KRL_NULL ? round_half_up(last) : last;
    }
    return first <= last ? (Bounds){first, last} : (Bounds){last, first};
}

LIBRARY(random_integer) {
    Bounds b = bounds_of(argument(0), argument(1), true);
    double drawn = b.low + __builtin_floor(random_unit() * (b.high - b.low + 1));
    return from_number(drawn < b.high ? drawn : b.high);
}

LIBRARY(random_number) {
    Bounds b = bounds_of(argument(0), argument(1), false);
    double drawn = b.low + random_unit() * (b.high - b.low);
    return from_number(drawn < b.high ? drawn : b.high);
}
