// The state as a transition sees it: what was there, and what it has written so far.

import { bytesOfKey, compareBytes, keyOf, startsWith } from './bytes.js';
import { cidOfBytes } from './cid.js';
import { SCAN_BYTES_MAX } from './limits.js';
import { Tree } from './tree.js';

/** A state at one root, read through the blocks of a file. */
export class State {
    constructor(blocks, root) {
        this.blocks = blocks;
        this.tree = new Tree(blocks, root);
    }

    get(path) {
        const cid = this.tree.get(path);
        return cid === null ? null : this.blocks.block(cid);
    }

    scan(prefix, after, limit) {
        const found = [];
        for (const [path, cid] of this.tree.items(after, prefix)) {
            if (found.length === limit) {
                break;
            }
            found.push([path, this.blocks.block(cid)]);
        }
        return found;
    }

    paths(prefix) {
        return Array.from(this.tree.items(new Uint8Array(), prefix), ([path]) => path);
    }

    /** Whether a path has just this value, or none. */
    has(path, value) {
        const cid = this.tree.get(path);
        return value === null ? cid === null : cid !== null && cid.equals(cidOfBytes(value));
    }
}

/** A state with nothing in it. */
export const NO_STATE = {
    get: () => null,
    scan: () => [],
    has: (_, value) => value === null,
};

/** The writes so far over the state before, so that a rule reads what it wrote. */
export class Overlay {
    constructor(state) {
        this.state = state;
        this.written = new Map();
    }

    get(path) {
        const key = keyOf(path);
        return this.written.has(key) ? this.written.get(key) : this.state.get(path);
    }

    set(path, value) {
        this.written.set(keyOf(path), value);
    }

    scan(prefix, after, limit) {
        // Every written path can hide one of the state's, so ask for that many more.
        const before = this.state.scan(prefix, after, limit + this.written.size);
        const found = new Map(before.map(([path, value]) => [keyOf(path), value]));
        for (const [key, value] of this.written) {
            const path = bytesOfKey(key);
            if (startsWith(path, prefix) && compareBytes(path, after) > 0) {
                found.delete(key);
                if (value !== null) {
                    found.set(key, value);
                }
            }
        }
        const rows = [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
        return withinLimits(rows.map(([key, value]) => [bytesOfKey(key), value]));
    }

    /** All entries below a prefix. */
    everything(prefix) {
        const found = [];
        let after = new Uint8Array();
        for (;;) {
            const rows = this.scan(prefix, after, 256);
            if (rows.length === 0) {
                return found;
            }
            found.push(...rows);
            after = rows.at(-1)[0];
        }
    }

    /** What is different now, in order of the paths. */
    changes() {
        return [...this.written.entries()]
            .map(([key, value]) => [bytesOfKey(key), value])
            .filter(([path, value]) => !this.state.has(path, value))
            .sort(([a], [b]) => compareBytes(a, b));
    }
}

// What of a scan fits into SCAN_BYTES_MAX; the first entry always does.
function withinLimits(entries) {
    let size = 0;
    const end = entries.findIndex(([path, value], count) => {
        size += path.length + value.length;
        return size > SCAN_BYTES_MAX && count > 0;
    });
    return end < 0 ? entries : entries.slice(0, end);
}
