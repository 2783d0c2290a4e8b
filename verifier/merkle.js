// The Merkle tree over receipts, or over the envelopes of a batch (docs/formats/checkpoint.md §3).

import { concat, equalBytes } from './bytes.js';
import { blake3 } from './blake3.js';

export function leafOf(data) {
    return blake3(concat(Uint8Array.of(0), data));
}

function nodeOf(left, right) {
    return blake3(concat(Uint8Array.of(1), left, right));
}

// The largest power of two below a count of at least two.
function leftSize(count) {
    let half = 1;
    while (2 * half < count) {
        half *= 2;
    }
    return half;
}

/** The root that a leaf leads to from this place; null when the way has another length. */
export function rootByWay(leaf, index, size, way) {
    if (!(index >= 0 && index < size)) {
        return null;
    }
    const turns = []; // from the root down: whether the leaf is on the right
    while (size > 1) {
        const half = leftSize(size);
        turns.push(index >= half);
        [index, size] = index >= half ? [index - half, size - half] : [index, half];
    }
    if (way.length !== turns.length) {
        return null;
    }
    return way.reduce((hash, other) => {
        return turns.pop() ? nodeOf(other, hash) : nodeOf(hash, other);
    }, leaf);
}

/** Whether a leaf stands at this place in the tree of this size and root. */
export function isIncluded(leaf, index, size, way, root) {
    const found = rootByWay(leaf, index, size, way);
    return found !== null && equalBytes(found, root);
}
