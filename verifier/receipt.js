// Receipts: the core that every honest engine shares, and the envelope that signs it
// (docs/formats/receipt.md §2 and §3).

import { bigEndian8, compareBytes, concat } from './bytes.js';
import { decodeBlock, encodeBlock } from './block.js';
import { Cid, RAW } from './cid.js';
import { isSigned } from './ed25519.js';
import { Fields, isWhole, refuseUnless } from './fields.js';
import { leafOf, rootByWay } from './merkle.js';

export const KINDS = ['create', 'install', 'uninstall', 'event', 'delete', 'adopt', 'import'];
export const OUTCOMES = ['ok', 'throw', 'trap', 'out-of-fuel', 'out-of-stack'];
const PATH_BYTES_MAX = 4096;
const BATCH_SIZE_MAX = 65536;
// In the order of the format page, in which two cores are compared.
export const CORE_FIELDS = [
    'v', 'profile', 'pico', 'seq', 'prev', 'kind', 'code', 'event', 'time', 'seed', 'fuel_limit',
    'pre', 'post', 'writes', 'tape', 'outbox', 'outcome', 'fuel',
];
const ENVELOPE_FIELDS = [
    'v', 'core', 'engine', 'backend', 'versions', 'received_ms', 'elapsed_us', 'logs', 'signature',
    'batch',
];

/** Reads a core: a map of its fields. */
export function decodeCore(data) {
    const fields = new Fields(data, CORE_FIELDS);
    fields.oneOf('profile', ['pico-1']);
    fields.oneOf('kind', KINDS);
    fields.oneOf('outcome', OUTCOMES);
    fields.is('v', 1);
    fields.text('pico');
    ['seq', 'fuel_limit', 'fuel'].forEach((name) => fields.natural(name));
    fields.integer('time');
    fields.bytes('seed', 32);
    fields.cidOrNull('prev');
    ['event', 'pre', 'post', 'tape', 'outbox'].forEach((name) => fields.cid(name));
    checkCode(fields);
    checkWrites(fields);
    return Object.fromEntries(fields.entries);
}

function checkCode(fields) {
    for (const [rid, raw, metered] of fields.rows('code', 3)) {
        const known = typeof rid === 'string' && raw instanceof Cid && metered instanceof Cid;
        refuseUnless(known, 'code', 'a row is not [rid, raw, metered]');
    }
}

function checkWrites(fields) {
    let before = null;
    for (const [path, value] of fields.rows('writes', 2)) {
        const known = path instanceof Uint8Array && (value === null || value instanceof Cid);
        refuseUnless(known, 'writes', 'a row is not [path, value]');
        refuseUnless(value === null || value.codec === RAW, 'writes', 'a value is not raw bytes');
        const fits = path.length > 0 && path.length <= PATH_BYTES_MAX;
        refuseUnless(fits, 'writes', `a path is not 1 to ${PATH_BYTES_MAX} bytes`);
        const ordered = before === null || compareBytes(before, path) < 0;
        refuseUnless(ordered, 'writes', 'not in order of their paths');
        before = path;
    }
}

/** Reads an envelope; `isEnvelopeSigned` checks its signature. */
export function decodeEnvelope(data) {
    const fields = new Fields(data, ENVELOPE_FIELDS);
    fields.is('v', 1);
    const versions = fields.any('versions');
    const isText = (value) => typeof value === 'string';
    const known = versions instanceof Map && [...versions.values()].every(isText);
    refuseUnless(known, 'versions', 'not a map of texts');
    fields.cid('core');
    fields.bytes('engine', 32);
    fields.text('backend');
    fields.integer('received_ms');
    fields.natural('elapsed_us');
    fields.cidOrNull('logs');
    fields.bytes('signature', 64);
    checkBatch(fields.any('batch'));
    return Object.fromEntries(fields.entries);
}

function checkBatch(batch) {
    if (batch === null) {
        return;
    }
    const [index, size, way] = Array.isArray(batch) && batch.length === 3 ? batch : [];
    const placed = isWhole(index) && isWhole(size) && index >= 0 && index < size;
    const sized = placed && size > 1 && size <= BATCH_SIZE_MAX;
    const hashes = Array.isArray(way) && way.length < BATCH_SIZE_MAX && way.every(isHash);
    refuseUnless(sized && hashes, 'batch', 'not null or [index, size, hashes]');
}

export function isHash(item) {
    return item instanceof Uint8Array && item.length === 32;
}

/** Whether the key that the envelope names signed it, alone or among others. */
export async function isEnvelopeSigned(data) {
    const entries = decodeBlock(data);
    const [signature, batch] = [entries.get('signature'), entries.get('batch')];
    entries.delete('signature');
    entries.delete('batch');
    const message = encodeBlock(entries);
    const engine = entries.get('engine');
    if (batch === null) {
        return isSigned(engine, 'picomesh receipt 1', message, signature);
    }
    const [index, size, way] = batch;
    const root = rootByWay(leafOf(message), index, size, way);
    if (root === null) {
        return false;
    }
    return isSigned(engine, 'picomesh receipts 1', concat(bigEndian8(size), root), signature);
}
