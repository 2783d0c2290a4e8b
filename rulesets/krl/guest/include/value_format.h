/* The constants of the value format (docs/formats/value.md), for its encoder and its decoder. */
#ifndef VALUE_FORMAT_H
#define VALUE_FORMAT_H

#include "krl.h"

#define INTEGER_MAX 9007199254740991.0 /* 2^53 - 1: beyond, doubles have gaps */
#define ORDERED_KEY "/"                /* {"/": [k, v, ..]} is a map in the order given */

enum {
    DEPTH_MAX = 128, /* arrays and maps around a value */
    ORDERED_HEAD_BYTES = 3,
    CBOR_UNSIGNED = 0,
    CBOR_NEGATIVE = 1,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_MAP = 5,
    CBOR_FALSE = 0xF4,
    CBOR_TRUE = 0xF5,
    CBOR_NULL = 0xF6,
    CBOR_DOUBLE = 0xFB,
};

int compare_keys(const String *a, const String *b); /* DAG-CBOR's: shorter first, then bytewise */

#endif
