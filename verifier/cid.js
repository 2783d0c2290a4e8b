// Names of blocks: CIDv1, dag-cbor or raw, BLAKE3-256; nothing else is one
// (docs/formats/block.md §2).

import { base32, concat, equalBytes, fromBase32, keyOf } from './bytes.js';
import { blake3 } from './blake3.js';
import { Refused } from './refused.js';

export const DAG_CBOR = 0x71;
export const RAW = 0x55;
export const CID_BYTES = 36;

/** The name of one block, as its 36 bytes. */
export class Cid {
    constructor(raw) {
        const known = raw.length === CID_BYTES && raw[0] === 1 && raw[2] === 0x1e && raw[3] === 32;
        if (!known || (raw[1] !== DAG_CBOR && raw[1] !== RAW)) {
            throw new Refused('not a CIDv1 with dag-cbor or raw codec and a BLAKE3-256 hash');
        }
        this.raw = raw;
        this.key = keyOf(raw);
    }

    get codec() {
        return this.raw[1];
    }

    get digest() {
        return this.raw.subarray(4);
    }

    /** Whether these are the bytes that it names. */
    names(data) {
        return equalBytes(blake3(data), this.digest);
    }

    equals(other) {
        return other instanceof Cid && other.key === this.key;
    }

    toString() {
        return 'b' + base32(this.raw);
    }
}

function named(codec, data) {
    return new Cid(concat(Uint8Array.of(1, codec, 0x1e, 32), blake3(data)));
}

export function cidOfBlock(data) {
    return named(DAG_CBOR, data);
}

export function cidOfBytes(data) {
    return named(RAW, data);
}

/** Reads the text form; there is one spelling. */
export function parseCid(text) {
    const raw = text[0] === 'b' ? fromBase32(text.slice(1)) : null;
    if (raw === null) {
        throw new Refused('not the text form of a CID');
    }
    return new Cid(raw);
}
