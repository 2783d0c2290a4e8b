// DAG-CBOR for blocks: one encoding, no floats (docs/formats/block.md §1 and §3).
//
// In JavaScript: whole numbers are Number when safe and BigInt when not, bytes are Uint8Array, maps
// are Map in the order of the bytes, links are Cid.

import { compareBytes, concat, utf8 } from './bytes.js';
import { Cid } from './cid.js';
import { Refused } from './refused.js';

export const DEPTH_MAX = 128;
const BLOCK_BYTES_MAX = 16 * 1024 * 1024;
const CID_TAG = 42;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A position in CBOR bytes; every method refuses what is not canonical. */
export class Reader {
    constructor(data) {
        this.data = data;
        this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
        this.at = 0;
    }

    finish() {
        if (this.at !== this.data.length) {
            throw new Refused(`${this.data.length - this.at} bytes after the end`);
        }
    }

    take(count) {
        const start = this.at;
        if (count > this.data.length - start) {
            throw new Refused('the bytes end too early');
        }
        this.at = start + Number(count);
        return this.data.subarray(start, this.at);
    }

    /** Major type and argument, shortest form; for major type 7 only the low five bits. */
    head() {
        const [initial] = this.take(1);
        const [major, info] = [initial >> 5, initial & 31];
        if (info < 24 || major === 7) {
            return [major, info];
        }
        if (info > 27) {
            throw new Refused('indefinite or reserved length');
        }
        const width = 1 << (info - 24);
        const argument = this.unsigned(width);
        const least = width === 1 ? 24 : 2 ** (width * 4);
        if (argument < least) {
            throw new Refused('a number is written longer than needed');
        }
        return [major, argument];
    }

    unsigned(width) {
        const at = this.at;
        this.take(width);
        switch (width) {
            case 1:
                return this.view.getUint8(at);
            case 2:
                return this.view.getUint16(at);
            case 4:
                return this.view.getUint32(at);
            default: {
                const number = this.view.getBigUint64(at);
                return number <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(number) : number;
            }
        }
    }

    /** A claimed count, believed only when so many items can still follow. */
    length(count, itemBytesMin = 1) {
        if (count > (this.data.length - this.at) / itemBytesMin) {
            throw new Refused('a length goes past the end');
        }
        return count;
    }

    text(count) {
        try {
            return decoder.decode(this.take(count));
        } catch (problem) {
            if (problem instanceof TypeError) {
                throw new Refused('text is not UTF-8');
            }
            throw problem;
        }
    }

    /** The next key of a map and its bytes, greater than those before: shorter, then bytewise. */
    key(before) {
        const [major, count] = this.head();
        if (major !== 3) {
            throw new Refused('a map key is not text');
        }
        const start = this.at;
        const key = this.text(count);
        const raw = this.data.subarray(start, this.at);
        if (before !== null && (raw.length - before.length || compareBytes(raw, before)) <= 0) {
            throw new Refused('map keys are not in order');
        }
        return [key, raw];
    }

    block(depth) {
        if (depth > DEPTH_MAX) {
            throw new Refused(`nested deeper than ${DEPTH_MAX}`);
        }
        const [major, argument] = this.head();
        switch (major) {
            case 0:
                return argument;
            case 1:
                return negative(argument);
            case 2:
                return this.take(argument);
            case 3:
                return this.text(argument);
            case 4:
                return Array.from({ length: this.length(argument) }, () => this.block(depth + 1));
            case 5:
                return this.map(argument, depth);
            case 6:
                return this.link(argument);
            default:
                return simple(argument);
        }
    }

    map(argument, depth) {
        const entries = new Map();
        let before = null;
        for (let left = this.length(argument, 2); left > 0; left--) {
            const [key, raw] = this.key(before);
            before = raw;
            entries.set(key, this.block(depth + 1));
        }
        return entries;
    }

    link(tag) {
        if (tag !== CID_TAG) {
            throw new Refused(`tag ${tag}, only links (42) are allowed`);
        }
        const [major, count] = this.head();
        const raw = major === 2 ? this.take(count) : new Uint8Array();
        if (raw[0] !== 0) {
            throw new Refused('a link is not a CID');
        }
        return new Cid(raw.subarray(1));
    }
}

function negative(argument) {
    const number = typeof argument === 'bigint' ? -1n - argument : -1 - argument;
    return Number.isSafeInteger(number) || typeof number === 'bigint' ? number : BigInt(number);
}

/** false, true or null; everything else of major type 7 is refused. */
export function simple(info) {
    if (info < 20 || info > 22) {
        throw new Refused('floats and other simple values have no place here');
    }
    return [false, true, null][info - 20];
}

/** Reads one block; refuses all bytes that `encodeBlock` would not have written. */
export function decodeBlock(data) {
    if (data.length > BLOCK_BYTES_MAX) {
        throw new Refused(`block of ${data.length} bytes`);
    }
    const reader = new Reader(data);
    const value = reader.block(0);
    reader.finish();
    return value;
}

/** A major type with its argument, in shortest form. */
export function head(major, argument) {
    if (argument < 24) {
        return Uint8Array.of((major << 5) | Number(argument));
    }
    const info = argument < 2 ** 8 ? 24 : argument < 2 ** 16 ? 25 : argument < 2 ** 32 ? 26 : 27;
    const out = new Uint8Array(1 + (1 << (info - 24)));
    out[0] = (major << 5) | info;
    let rest = BigInt(argument);
    for (let at = out.length - 1; at > 0; at--) {
        out[at] = Number(rest & 255n);
        rest >>= 8n;
    }
    return out;
}

/** The one encoding of a block. */
export function encodeBlock(value) {
    if (value === null || typeof value === 'boolean') {
        return Uint8Array.of(value === null ? 0xf6 : value ? 0xf5 : 0xf4);
    }
    if (typeof value === 'number' || typeof value === 'bigint') {
        const big = BigInt(value);
        return big >= 0n ? head(0, big) : head(1, -1n - big);
    }
    if (typeof value === 'string') {
        const data = utf8(value);
        return concat(head(3, data.length), data);
    }
    if (value instanceof Uint8Array) {
        return concat(head(2, value.length), value);
    }
    if (value instanceof Cid) {
        return concat(Uint8Array.of(0xd8, CID_TAG, 0x58, 0x25, 0), value.raw);
    }
    if (Array.isArray(value)) {
        return concat(head(4, value.length), ...value.map(encodeBlock));
    }
    const rows = Array.from(value, ([key, item]) => [utf8(key), encodeBlock(item)]);
    rows.sort(([a], [b]) => a.length - b.length || compareBytes(a, b));
    const parts = rows.flatMap(([key, item]) => [head(3, key.length), key, item]);
    return concat(head(5, rows.length), ...parts);
}

/** A map for `encodeBlock` from an object. */
export function mapOf(entries) {
    return new Map(Object.entries(entries));
}
