// Parents and children as a pico's own state has them (docs/formats/state.md, the family).

import { compareBytes, concat, utf8 } from './bytes.js';
import { CHANNELS, familyChannel } from './channels.js';
import { Refused } from './refused.js';
import { decodeValue, encodeValue } from './value.js';

const PARENT = utf8('pico/parent');
const CHILDREN = utf8('pico/children/');

const channelPath = (eci) => concat(CHANNELS, utf8(eci));
const childPath = (eci) => concat(CHILDREN, utf8(eci));

function encode({ eci, pico, position, theirEci }) {
    return encodeValue(new Map(Object.entries({ eci, pico, position, theirEci })));
}

function decode(data) {
    const value = decodeValue(data);
    const get = (name, type) => {
        if (!(value instanceof Map) || typeof value.get(name) !== type) {
            throw new Refused('a record of the family is not in its form');
        }
        return value.get(name);
    };
    return {
        eci: get('eci', 'string'),
        pico: get('pico', 'string'),
        position: get('position', 'number'),
        theirEci: get('theirEci', 'string'),
    };
}

export function parentOf(overlay) {
    const data = overlay.get(PARENT);
    return data === null ? null : decode(data);
}

/** The children in the order in which they came. */
export function childrenOf(overlay) {
    const found = overlay.everything(CHILDREN).map(([, data]) => decode(data));
    const order = (child) => utf8(child.eci);
    return found.sort((a, b) => a.position - b.position || compareBytes(order(a), order(b)));
}

/** What a parent writes when it gets a child. */
export function childJoins(overlay, { eci, pico, theirEci }) {
    const position = 1 + Math.max(-1, ...childrenOf(overlay).map((child) => child.position));
    return childRecord({ eci, pico, theirEci, position });
}

/** A child at its place among its siblings. */
export function childRecord({ eci, pico, theirEci, position }) {
    return [
        [channelPath(theirEci), encodeValue(familyChannel(theirEci, 'parent', pico))],
        [childPath(eci), encode({ eci, pico, position, theirEci })],
    ];
}

/** What a parent writes when it loses a child. */
export function childLeaves({ eci, theirEci }) {
    return [
        [channelPath(theirEci), null],
        [childPath(eci), null],
    ];
}

/** What a child writes when it gets a parent, its first or another one. */
export function parentIs(overlay, { eci, pico, theirEci }) {
    const old = parentOf(overlay);
    const gone = old === null ? [] : [[channelPath(old.theirEci), null]];
    return [
        ...gone,
        [channelPath(theirEci), encodeValue(familyChannel(theirEci, 'child', pico))],
        [PARENT, encode({ eci, pico, position: 0, theirEci })],
    ];
}
