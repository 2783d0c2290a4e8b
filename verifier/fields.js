// Reading the fields of a decoded block: every mistake names the field.

import { decodeBlock } from './block.js';
import { Cid } from './cid.js';
import { Refused } from './refused.js';

/** The entries of one block that has exactly these fields. */
export class Fields {
    constructor(data, names, block = decodeBlock(data)) {
        if (!(block instanceof Map)) {
            throw new Refused('the block is not a map');
        }
        for (const name of names) {
            refuseUnless(block.has(name), name, 'missing');
        }
        for (const name of block.keys()) {
            refuseUnless(names.includes(name), name, 'not a field of this block');
        }
        this.entries = block;
    }

    any(name) {
        return this.entries.get(name);
    }

    is(name, wanted) {
        refuseUnless(this.any(name) === wanted, name, `not ${wanted}`);
    }

    oneOf(name, known) {
        refuseUnless(known.includes(this.any(name)), name, `not one of ${known.join(', ')}`);
        return this.any(name);
    }

    text(name) {
        refuseUnless(typeof this.any(name) === 'string', name, 'not text');
        return this.any(name);
    }

    integer(name) {
        const value = this.any(name);
        refuseUnless(isWhole(value), name, 'not a whole number');
        return value;
    }

    natural(name) {
        const value = this.any(name);
        refuseUnless(isWhole(value) && value >= 0, name, 'not a whole number from 0');
        return value;
    }

    bytes(name, count = null) {
        const value = this.any(name);
        const known = value instanceof Uint8Array && (count === null || value.length === count);
        refuseUnless(known, name, count === null ? 'not bytes' : `not ${count} bytes`);
        return value;
    }

    cid(name) {
        refuseUnless(this.any(name) instanceof Cid, name, 'not a link');
        return this.any(name);
    }

    cidOrNull(name) {
        return this.any(name) === null ? null : this.cid(name);
    }

    /** A list of lists of `width` items. */
    rows(name, width) {
        const value = this.any(name);
        refuseUnless(Array.isArray(value), name, 'not a list');
        for (const row of value) {
            const known = Array.isArray(row) && row.length === width;
            refuseUnless(known, name, `a row is not ${width} items`);
        }
        return value;
    }
}

export function isWhole(value) {
    return typeof value === 'number' || typeof value === 'bigint';
}

export function refuseUnless(holds, field, text) {
    if (!holds) {
        throw new Refused(`${field}: ${text}`);
    }
}
