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

/** Whether the tree of `size` and `root` begins with the one of `before` and `beforeRoot`. */
export function isContinued(before, beforeRoot, size, root, way) {
    if (!(before >= 0 && before <= size)) {
        return false;
    }
    if (before === 0 || before === size) {
        const wanted = before === size ? root : blake3(new Uint8Array());
        return way.length === 0 && equalBytes(beforeRoot, wanted);
    }
    const halves = [];
    let [from, to, isWhole] = [before, size, true];
    while (from < to) {
        const half = leftSize(to);
        halves.push(from > half);
        isWhole = isWhole && from <= half;
        [from, to] = from > half ? [from - half, to - half] : [from, half];
    }
    if (way.length !== halves.length + (isWhole ? 0 : 1)) {
        return false;
    }
    const hashes = [...way];
    let old = isWhole ? beforeRoot : hashes.shift();
    let now = old;
    for (const other of hashes) {
        const isRight = halves.pop();
        [old, now] = isRight ? [nodeOf(other, old), nodeOf(other, now)] : [old, nodeOf(now, other)];
    }
    return equalBytes(old, beforeRoot) && equalBytes(now, root);
}

/** Whether a leaf stands at this place in the tree of this size and root. */
export function isIncluded(leaf, index, size, way, root) {
    const found = rootByWay(leaf, index, size, way);
    return found !== null && equalBytes(found, root);
}
