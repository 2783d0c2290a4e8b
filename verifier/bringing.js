// The transition that gives a pico what it had in another kind of engine: everything it writes
// follows from its input (docs/formats/receipt.md §5, entity.md §3).

import { compareBytes, concat, keyOf, utf8 } from './bytes.js';
import { ActError, CHANNELS, allowAll, familyChannel, makeChannel } from './channels.js';
import { childRecord, parentIs } from './family.js';
import { PATH_BYTES_MAX, VALUE_BYTES_MAX } from './limits.js';
import { Overlay } from './overlay.js';
import { recordsOf } from './programs.js';
import { Refused } from './refused.js';
import { decodeValue, encodeValue } from './value.js';

const ENTITY_NAME = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const SPREAD_ENTRIES_MIN = 64;
const KEY_UNITS_MAX = 200;
const MAP = 1;
const ARRAY = 2;

/** Something in the input that cannot be here; the transition throws. */
class BringProblem extends Error {}

/** The writes of an import in order, or null when it throws. */
export function bring(state, pico, given) {
    try {
        const writes = [...channels(state, pico, given), ...family(state, given)];
        writes.push(...entities(state, given));
        const last = new Map(writes.map((write) => [keyOf(write[0]), write]));
        return [...last.values()].sort(([a], [b]) => compareBytes(a, b));
    } catch (problem) {
        if (problem instanceof BringProblem || problem instanceof ActError) {
            return null;
        }
        throw problem;
    }
}

// What is no value here makes the import throw; only a missing block makes the proof fail.
function orThrow(work) {
    try {
        return work();
    } catch (problem) {
        throw problem instanceof Refused ? new BringProblem(problem.message) : problem;
    }
}

const valueOf = (data) => orThrow(() => decodeValue(data));
const bytesOf = (value) => orThrow(() => encodeValue(value));
const channelPath = (eci) => concat(CHANNELS, utf8(eci));

function channels(state, pico, { was, channels: records }) {
    const writes = [];
    if (records !== null) {
        const stored = new Overlay(state).everything(CHANNELS).map(([, data]) => valueOf(data));
        for (const channel of stored.filter((item) => item instanceof Map)) {
            const owner = channel.get('familyChannelPicoID');
            if (owner === undefined) {
                throw new Refused('a record of a channel is not in its form');
            }
            if (owner === null) {
                writes.push([channelPath(channel.get('id')), null]);
            }
        }
    }
    for (const data of records ?? []) {
        const channel = checkedChannel(valueOf(data));
        writes.push([channelPath(channel.get('id')), encodeValue(channel)]);
    }
    if (was) {
        allowAll(was, []); // throws what is wrong with the name
        writes.push([channelPath(was), encodeValue(familyChannel(was, 'self', pico))]);
    }
    return writes;
}

// A channel as it would be made here.
function checkedChannel(record) {
    if (record instanceof Map && typeof record.get('id') === 'string') {
        const parts = ['tags', 'eventPolicy', 'queryPolicy'].map((key) => record.get(key) ?? null);
        const made = makeChannel(record.get('id'), ...parts);
        if (keyOf(encodeValue(made)) === keyOf(encodeValue(record))) {
            return made;
        }
    }
    throw new BringProblem('a record of a channel is not as it would be made here');
}

function family(state, { parent, children }) {
    const writes = parent === null ? [] : parentIs(new Overlay(state), relative(parent, 0));
    children.forEach((row, position) => writes.push(...childRecord(relative(row, position))));
    return writes;
}

function relative([eci, pico, theirEci], position) {
    [eci, theirEci].forEach((name) => allowAll(name, [])); // throws what is wrong with it
    return { eci, pico, theirEci, position };
}

function entities(state, { entities: rows }) {
    const installed = new Set(recordsOf(state).map((record) => record.rid));
    return rows.flatMap(([rid, name, data]) => {
        if (!installed.has(rid) || !ENTITY_NAME.test(name)) {
            throw new BringProblem('a ruleset that is not installed, or no name in KRL');
        }
        return spread(name, valueOf(data)).map(([rest, value]) => {
            const [path, bytes] = [utf8(`ent/${rid}/${rest}`), bytesOf(value)];
            if (path.length > PATH_BYTES_MAX || bytes.length > VALUE_BYTES_MAX) {
                throw new BringProblem('a path or value is too long');
            }
            return [path, bytes];
        });
    });
}

/** The paths and values that a variable is kept as; null is kept as nothing. */
function spread(name, value) {
    if (value === null) {
        return [];
    }
    const count = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
    if (count >= SPREAD_ENTRIES_MIN && !name.startsWith('_')) {
        if (Array.isArray(value)) {
            const rows = value.map((item, at) => [String(at).padStart(10, '0'), item]);
            return spreadRows(name, ARRAY, rows);
        }
        if ([...value.keys()].every((key) => key.length <= KEY_UNITS_MAX)) {
            return spreadRows(name, MAP, [...value]);
        }
    }
    return [[name, value]];
}

function spreadRows(name, kind, rows) {
    const entries = rows.map(([key, item], order) => [`${name}/:${key}`, [order, item]]);
    return [[`${name}/`, [kind, rows.length, rows.length]], ...entries];
}
