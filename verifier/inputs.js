// What a receipt's `event` links to, and who made a pico (docs/formats/receipt.md §5).

import { decodeBlock, encodeBlock, mapOf } from './block.js';
import { Cid, parseCid } from './cid.js';
import { Fields, refuseUnless } from './fields.js';
import { Refused } from './refused.js';

const FIELDS = {
    create: ['engine', 'nonce', 'name'],
    spawn: ['parent', 'nonce', 'eci', 'parent_eci', 'rulesets'],
    delete: [],
    adopt: ['part', 'child', 'parent', 'eci', 'parent_eci'],
    install: ['rid', 'raw', 'source', 'url', 'config'],
    uninstall: ['rid'],
    import: ['was', 'parent', 'children', 'channels', 'entities'],
    event: ['eci', 'domain', 'name', 'attrs', 'eid', 'host', 'schedule'],
};
const TEXTS = [
    'name', 'parent', 'eci', 'parent_eci', 'part', 'child', 'rid', 'url', 'domain', 'eid', 'host',
];

/** Reads an input block: an object with its kind and fields. */
export function decodeInput(data) {
    const block = decodeBlock(data);
    const kind = block instanceof Map ? block.get('kind') : null;
    if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) {
        throw new Refused('the block is not an input of a transition');
    }
    const fields = new Fields(data, ['v', 'kind', ...FIELDS[kind]], block);
    fields.is('v', 1);
    if (kind === 'import') {
        readImport(fields);
    } else {
        FIELDS[kind].forEach((name) => readField(fields, name));
    }
    return Object.fromEntries(fields.entries);
}

function readField(fields, name) {
    if (TEXTS.includes(name)) {
        fields.text(name);
    } else if (name === 'nonce') {
        fields.bytes(name, 32);
    } else if (name === 'raw') {
        fields.cid(name);
    } else if (name === 'source') {
        fields.cidOrNull(name);
    } else if (name === 'rulesets') {
        fields.rows(name, 5).forEach(checkRuleset);
    } else if (name === 'schedule') {
        checkSchedule(fields.any(name));
    } else {
        fields.bytes(name);
    }
}

function readImport(fields) {
    const parent = fields.any('parent');
    const channels = fields.any('channels');
    fields.text('was');
    const isRelative = (row) => row.every((item) => typeof item === 'string');
    refuseUnless(fields.rows('children', 3).every(isRelative), 'children', 'not three texts');
    const hasParent = Array.isArray(parent) && parent.length === 3 && isRelative(parent);
    refuseUnless(parent === null || hasParent, 'parent', 'not three texts');
    const isBytes = (item) => item instanceof Uint8Array;
    const hasChannels = Array.isArray(channels) && channels.every(isBytes);
    refuseUnless(channels === null || hasChannels, 'channels', 'not bytes');
    const isEntity = (row) => isRelative(row.slice(0, 2)) && isBytes(row[2]);
    refuseUnless(fields.rows('entities', 3).every(isEntity), 'entities', 'not [rid, name, value]');
}

function checkRuleset([rid, raw, source, url, config]) {
    const texts = typeof rid === 'string' && typeof url === 'string';
    const links = raw instanceof Cid && (source === null || source instanceof Cid);
    const known = texts && links && config instanceof Uint8Array;
    refuseUnless(known, 'rulesets', 'not [rid, raw, source, url, config]');
}

function checkSchedule(schedule) {
    const pair = Array.isArray(schedule) && schedule.length === 2;
    const known = schedule === null || (pair && schedule.every((item) => typeof item === 'string'));
    refuseUnless(known, 'schedule', 'not [rid, entry]');
}

/** The block of an input. */
export function encodeInput(given) {
    return encodeBlock(mapOf(given));
}

/** The receipt kind of an input: a child is created by being spawned. */
export function kindOf(given) {
    return given.kind === 'spawn' ? 'create' : given.kind;
}

/** The engine that made a pico or the first of its parents, and the blocks that say so. */
export function makerOf(blocks, pico) {
    const names = [];
    for (;;) {
        const name = parseCid(pico); // a name is a hash, so no pico descends from itself
        names.push(name);
        const made = decodeInput(blocks.block(name));
        if (made.kind === 'create') {
            return [made.engine, names];
        }
        if (made.kind !== 'spawn') {
            throw new Refused("the pico's name is not that of an input that makes one");
        }
        pico = made.parent;
    }
}
