// KRL values as bytes and back (docs/formats/value.md).
//
// In JavaScript: maps are Map in KRL's order, which is that of JavaScript's objects: keys that look
// like array indexes ascending, then the others as they came. Numbers are Number.

import { compareBytes, concat, utf8 } from './bytes.js';
import { DEPTH_MAX, Reader, head, simple } from './block.js';
import { Refused } from './refused.js';

const INDEX_MAX = 4294967294;
const FLOAT64 = 27;

/** Whether a key looks like an array index. */
export function isIndex(key) {
    return /^(0|[1-9]\d{0,9})$/.test(key) && Number(key) <= INDEX_MAX;
}

/** Keys in the order that a KRL map has. */
export function inKrlOrder(keys) {
    const indexes = keys.filter(isIndex).sort((a, b) => Number(a) - Number(b));
    return indexes.length ? [...indexes, ...keys.filter((key) => !isIndex(key))] : keys;
}

function isInOrder(keys) {
    const ordered = inKrlOrder(keys);
    return keys.every((key, at) => key === ordered[at]);
}

/** Reads a value; refuses all bytes that `encodeValue` would not have written. */
export function decodeValue(data) {
    const reader = new Reader(data);
    const value = read(reader, 0);
    reader.finish();
    return value;
}

/** The outer map of a message from a guest; its entries are values (§4). */
export function decodeMessage(data) {
    const reader = new Reader(data);
    const [major, count] = reader.head();
    if (major !== 5) {
        throw new Refused('a message is not a map');
    }
    const entries = readEntries(reader, count, 0);
    reader.finish();
    return entries;
}

function read(reader, depth) {
    if (depth > DEPTH_MAX) {
        throw new Refused(`a value is nested deeper than ${DEPTH_MAX}`);
    }
    const [major, argument] = reader.head();
    switch (major) {
        case 0:
        case 1:
            return integer(major, argument);
        case 3:
            return reader.text(argument);
        case 4:
            return Array.from({ length: reader.length(argument) }, () => read(reader, depth + 1));
        case 5:
            return readMap(reader, argument, depth);
        case 7:
            return argument === FLOAT64 ? float(reader) : simple(argument);
        default:
            throw new Refused('a value holds no byte strings and no tags');
    }
}

function integer(major, argument) {
    const number = major === 0 ? argument : -1 - Number(argument);
    if (typeof argument === 'bigint' || !Number.isSafeInteger(number)) {
        throw new Refused('an integer beyond 2^53 - 1');
    }
    return number;
}

function float(reader) {
    const at = reader.at;
    reader.take(8);
    const number = reader.view.getFloat64(at);
    if (!Number.isFinite(number)) {
        throw new Refused('a number that is not finite');
    }
    if (Number.isSafeInteger(number)) {
        throw new Refused('an integral number written as a float');
    }
    return number;
}

function readEntries(reader, argument, depth) {
    const entries = new Map();
    let before = null;
    for (let left = reader.length(argument, 2); left > 0; left--) {
        const [key, raw] = reader.key(before);
        before = raw;
        entries.set(key, read(reader, depth + 1));
    }
    return entries;
}

function readMap(reader, argument, depth) {
    const entries = readEntries(reader, argument, depth);
    if (entries.size === 1 && entries.has('/')) {
        return unwrap(entries.get('/'));
    }
    if (!isInOrder([...entries.keys()])) {
        throw new Refused('a map in an order that KRL does not have');
    }
    return entries;
}

// The map written as the one-key map {"/": [k, v, ...]} (§3).
function unwrap(pairs) {
    if (!Array.isArray(pairs) || pairs.length % 2) {
        throw new Refused('the list under "/" is not made of pairs');
    }
    const entries = new Map();
    for (let at = 0; at < pairs.length; at += 2) {
        if (typeof pairs[at] !== 'string' || entries.has(pairs[at])) {
            throw new Refused('a key under "/" is not text, or is there twice');
        }
        entries.set(pairs[at], pairs[at + 1]);
    }
    const keys = [...entries.keys()];
    if (!isInOrder(keys)) {
        throw new Refused('a map in an order that KRL does not have');
    }
    if (isPlain(keys.map(utf8))) {
        throw new Refused('a map in canonical order written under "/"');
    }
    return entries;
}

// Whether a map with these keys, in this order, is a CBOR map as it is.
function isPlain(keys) {
    if (keys.length === 1 && keys[0].length === 1 && keys[0][0] === 0x2f) {
        return false;
    }
    return keys.every((key, at) => at === 0 || order(keys[at - 1], key) < 0);
}

function order(a, b) {
    return a.length - b.length || compareBytes(a, b);
}

/** The one encoding of a value. */
export function encodeValue(value) {
    return write(value, 0);
}

function write(value, depth) {
    if (depth > DEPTH_MAX) {
        throw new Refused(`a value is nested deeper than ${DEPTH_MAX}`);
    }
    if (value === null || typeof value === 'boolean') {
        return Uint8Array.of(value === null ? 0xf6 : value ? 0xf5 : 0xf4);
    }
    if (typeof value === 'number') {
        return writeNumber(value);
    }
    if (typeof value === 'string') {
        return writeText(value);
    }
    if (Array.isArray(value)) {
        return concat(head(4, value.length), ...value.map((item) => write(item, depth + 1)));
    }
    return writeMap(value, depth);
}

export function writeText(text) {
    const data = utf8(text);
    return concat(head(3, data.length), data);
}

function writeNumber(number) {
    if (Number.isSafeInteger(number)) {
        return number >= 0 ? head(0, number) : head(1, -1 - number);
    }
    if (!Number.isFinite(number)) {
        return Uint8Array.of(0xf6);
    }
    const out = new Uint8Array(9);
    out[0] = 0xfb;
    new DataView(out.buffer).setFloat64(1, number);
    return out;
}

function writeMap(entries, depth) {
    const keys = inKrlOrder([...entries.keys()]);
    if (isPlain(keys.map(utf8))) {
        const rows = keys.flatMap((key) => [writeText(key), write(entries.get(key), depth + 1)]);
        return concat(head(5, keys.length), ...rows);
    }
    if (depth + 2 > DEPTH_MAX) {
        throw new Refused(`a value is nested deeper than ${DEPTH_MAX}`);
    }
    const rows = keys.flatMap((key) => [writeText(key), write(entries.get(key), depth + 2)]);
    return concat(Uint8Array.of(0xa1, 0x61, 0x2f), head(4, 2 * keys.length), ...rows);
}

/** A message of the host: a map whose entries are encoded already, in canonical order (§4). */
export function encodeMessage(entries) {
    const rows = Object.entries(entries).map(([key, item]) => [utf8(key), item]);
    rows.sort(([a], [b]) => order(a, b));
    const parts = rows.flatMap(([key, item]) => [head(3, key.length), key, item]);
    return concat(head(5, rows.length), ...parts);
}

/** The entry of a message that is a value, one level down. */
export function messageValue(value) {
    return write(value, 1);
}

/** The entry of a message that is bytes: only the host's `seed`. */
export function messageBytes(data) {
    return concat(head(2, data.length), data);
}
