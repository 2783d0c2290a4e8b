// Files of blocks: CARv1 in its one form (docs/formats/car.md).

import { compareBytes, equalBytes } from './bytes.js';
import { encodeBlock, mapOf } from './block.js';
import { CID_BYTES, Cid } from './cid.js';
import { MissingBlock, Refused } from './refused.js';

export const FILE_BYTES_MAX = 256 * 1024 * 1024;
const HEADER_BYTES_MAX = 128;
const VARINT_BYTES_MAX = 9;
const ROOT_BEGINS = [0xd8, 0x2a, 0x58, 0x25, 0x00];

/** The blocks of a file, each of which has the bytes that its name says. */
export class CarFile {
    constructor(data, bytesMax = FILE_BYTES_MAX) {
        if (data.length > bytesMax) {
            throw new Refused(`a file of ${data.length} bytes, the limit is ${bytesMax}`);
        }
        this.blocks = new Map();
        let at;
        [this.root, at] = readHeader(data);
        let before = null;
        while (at < data.length) {
            const [cid, content, end] = readSection(data, at);
            at = end;
            const isFirst = this.blocks.size === 0;
            if (isFirst ? !cid.equals(this.root) : !follows(cid, before, this.root)) {
                throw new Refused('the blocks of the file are not in order');
            }
            before = isFirst ? null : cid;
            if (!cid.names(content)) {
                throw new Refused(`block ${cid} does not have the bytes that its name says`);
            }
            this.blocks.set(cid.key, content);
        }
        if (this.blocks.size === 0) {
            throw new Refused('the file has no blocks');
        }
    }

    /** A block's bytes. */
    block(cid) {
        const found = this.blocks.get(cid.key);
        if (found === undefined) {
            throw new MissingBlock(`block ${cid} is not there`);
        }
        return found;
    }

    has(cid) {
        return this.blocks.has(cid.key);
    }

    /** Refuses a file that carries more than these. */
    refuseStrangers(known) {
        const keys = new Set([...known].map((cid) => cid.key));
        const strangers = [...this.blocks.keys()].filter((key) => !keys.has(key));
        if (strangers.length) {
            throw new Refused(`${strangers.length} blocks that nothing in the file leads to`);
        }
    }
}

function follows(cid, before, root) {
    return !cid.equals(root) && (before === null || compareBytes(before.raw, cid.raw) < 0);
}

function readVarint(data, at) {
    let number = 0;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
        if (at + count >= data.length) {
            throw new Refused('the file ends inside a length');
        }
        const byte = data[at + count];
        number += (byte & 0x7f) * 2 ** (7 * count);
        if (byte < 0x80) {
            if (count && byte === 0) {
                throw new Refused('a length of the file is written longer than needed');
            }
            return [number, at + count + 1];
        }
    }
    throw new Refused('a length of the file is too long');
}

function readHeader(data) {
    const [length, start] = readVarint(data, 0);
    if (length > HEADER_BYTES_MAX || start + length > data.length) {
        throw new Refused('the file has no CARv1 header of ours');
    }
    const header = data.subarray(start, start + length);
    const at = header.findIndex((_, place) =>
        ROOT_BEGINS.every((byte, offset) => header[place + offset] === byte),
    );
    const root = new Cid(header.slice(at + 5, at + 5 + CID_BYTES));
    if (!equalBytes(header, encodeBlock(mapOf({ roots: [root], version: 1 })))) {
        throw new Refused('the file has no CARv1 header of ours');
    }
    return [root, start + length];
}

function readSection(data, start) {
    const [length, begin] = readVarint(data, start);
    const end = begin + length;
    if (length < CID_BYTES || end > data.length) {
        throw new Refused('the file ends inside a block');
    }
    const cid = new Cid(data.slice(begin, begin + CID_BYTES));
    return [cid, data.subarray(begin + CID_BYTES, end), end];
}
