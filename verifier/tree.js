// The state tree: reading and changing a partial one (docs/formats/state.md §3 to §5).
//
// A node is {layer, paths, values, children}; a child is a Cid, a node that was made, or null.

import { compareBytes, concat, startsWith } from './bytes.js';
import { blake3 } from './blake3.js';
import { decodeBlock, encodeBlock } from './block.js';
import { Cid, DAG_CBOR, RAW, cidOfBlock } from './cid.js';
import { isWhole } from './fields.js';
import { Refused } from './refused.js';

const LAYER_MAX = 31;
const NODE_PATHS_MAX = 2048;
const PATH_BYTES_MAX = 4096;
export const EMPTY_ROOT = cidOfBlock(encodeBlock([null]));

/** Paths that were chosen so that one node would hold too many of them. */
export class TreeTooWide extends Error {}

/** How high a path stands: leading zero bits of its hash, in twos, up to LAYER_MAX. */
export function layerOf(path) {
    let zeros = 0;
    for (const byte of blake3(path)) {
        zeros += byte === 0 ? 8 : Math.clz32(byte) - 24;
        if (byte !== 0) {
            break;
        }
    }
    return Math.min(zeros >> 1, LAYER_MAX);
}

function sharedLength(a, b) {
    const end = Math.min(a.length, b.length);
    let count = 0;
    while (count < end && a[count] === b[count]) {
        count++;
    }
    return count;
}

/** Reads one node; refuses every form but one. */
export function decodeNode(data) {
    const block = decodeBlock(data);
    if (!Array.isArray(block) || block.length === 0 || block.length > NODE_PATHS_MAX + 1) {
        throw new Refused(`a tree node is not a list of at most ${NODE_PATHS_MAX} paths`);
    }
    const node = { layer: -1, paths: [], values: [], children: [readLink(block[0])] };
    for (const entry of block.slice(1)) {
        readEntry(node, entry);
    }
    if (node.paths.length === 0 && node.children[0] !== null) {
        throw new Refused('a tree node without paths has a child');
    }
    if (node.paths.length) {
        node.layer = layerOf(node.paths[0]);
        if (node.paths.some((path) => layerOf(path) !== node.layer)) {
            throw new Refused('the paths of a tree node have different layers');
        }
    }
    return node;
}

function readEntry(node, entry) {
    const [shared, rest, value, link] = Array.isArray(entry) && entry.length === 4 ? entry : [];
    if (!isWhole(shared) || !(rest instanceof Uint8Array) || !(value instanceof Cid)) {
        throw new Refused('an entry of a tree node is not [shared, rest, value, tree]');
    }
    if (value.codec !== RAW) {
        throw new Refused('a value of a tree node is not raw bytes');
    }
    const before = node.paths.at(-1) ?? new Uint8Array();
    const kept = shared >= 0 && shared <= before.length ? before.subarray(0, shared) : null;
    const path = kept === null ? null : concat(kept, rest);
    if (path === null || sharedLength(before, path) !== shared) {
        throw new Refused('a path of a tree node is not shortened as far as it can be');
    }
    if (path.length === 0 || path.length > PATH_BYTES_MAX) {
        throw new Refused(`a path of a tree node is not 1 to ${PATH_BYTES_MAX} bytes`);
    }
    if (node.paths.length && compareBytes(path, before) <= 0) {
        throw new Refused('the paths of a tree node are not in order');
    }
    node.paths.push(path);
    node.values.push(value);
    node.children.push(readLink(link));
}

function readLink(link) {
    if (link !== null && !(link instanceof Cid && link.codec === DAG_CBOR)) {
        throw new Refused('a subtree of a tree node is not a link');
    }
    return link;
}

function encodeNode(node, links) {
    if (node.paths.length > NODE_PATHS_MAX) {
        throw new TreeTooWide(`a tree node of more than ${NODE_PATHS_MAX} paths`);
    }
    let before = new Uint8Array();
    const rows = node.paths.map((path, at) => {
        const shared = sharedLength(before, path);
        before = path;
        return [shared, path.subarray(shared), node.values[at], links[at + 1]];
    });
    return encodeBlock([links[0], ...rows]);
}

/** What hangs from a root and is in the file: names of nodes, and values by path. Checks §4. */
export function reach(root, blocks) {
    const reached = { names: [], values: [] };
    const waiting = root.equals(EMPTY_ROOT) ? [] : [[root, LAYER_MAX + 1, new Uint8Array(), null]];
    while (waiting.length) {
        const [cid, above, low, high] = waiting.pop();
        if (!blocks.has(cid)) {
            continue;
        }
        const node = decodeNode(blocks.block(cid));
        checkPlace(node, above, low, high);
        reached.names.push(cid);
        node.values.forEach((value, at) => {
            if (blocks.has(value)) {
                reached.names.push(value);
                reached.values.push([node.paths[at], value]);
            }
        });
        node.children.forEach((child, at) => {
            if (child !== null) {
                const start = at ? node.paths[at - 1] : low;
                waiting.push([child, node.layer, start, node.paths[at] ?? high]);
            }
        });
    }
    return reached;
}

function checkPlace(node, above, low, high) {
    if (node.paths.length === 0) {
        throw new Refused('an empty tree node inside a tree');
    }
    if (node.layer >= above) {
        throw new Refused('a subtree stands as high as its parent');
    }
    const before = compareBytes(node.paths[0], low) <= 0;
    if (before || (high !== null && compareBytes(node.paths.at(-1), high) >= 0)) {
        throw new Refused('a subtree reaches beyond its gap');
    }
}

// The first place whose path is not below this one; with `behind`, the first above it.
function search(paths, path, behind = false) {
    let [low, high] = [0, paths.length];
    while (low < high) {
        const middle = (low + high) >> 1;
        const order = compareBytes(paths[middle], path);
        if (order < 0 || (behind && order === 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

function isAt(node, at, path) {
    return at < node.paths.length && compareBytes(node.paths[at], path) === 0;
}

/** A tree that can be read and changed; what it does not hold is a MissingBlock. */
export class Tree {
    constructor(blocks, root) {
        this.blocks = blocks;
        this.root = root.equals(EMPTY_ROOT) ? null : root;
        this.known = new Map();
    }

    load(child) {
        if (!(child instanceof Cid)) {
            return child;
        }
        let node = this.known.get(child.key);
        if (node === undefined) {
            node = decodeNode(this.blocks.block(child));
            node.cid = child;
            this.known.set(child.key, node);
        }
        return node;
    }

    /** The name of the value at a path, or null. */
    get(path) {
        const layer = layerOf(path);
        let node = this.load(this.root);
        while (node !== null && node.layer >= layer) {
            const at = search(node.paths, path);
            if (isAt(node, at, path)) {
                return node.values[at];
            }
            node = this.load(node.children[at]);
        }
        return null;
    }

    /** Entries behind `after` that start with `prefix`, in order. */
    *items(after, prefix) {
        const start = compareBytes(after, prefix) > 0 ? after : prefix;
        for (const entry of this.walk(this.root, start)) {
            if (after.length && compareBytes(entry[0], after) <= 0) {
                continue;
            }
            if (!startsWith(entry[0], prefix)) {
                return;
            }
            yield entry;
        }
    }

    *walk(child, start) {
        const node = this.load(child);
        if (node === null) {
            return;
        }
        const first = search(node.paths, start);
        yield* this.walk(node.children[first], start);
        for (let at = first; at < node.paths.length; at++) {
            yield [node.paths[at], node.values[at]];
            yield* this.walk(node.children[at + 1], start);
        }
    }

    put(path, value) {
        this.root = this.putIn(this.root, path, value, layerOf(path));
    }

    delete(path) {
        if (this.get(path) !== null) {
            this.root = this.deleteIn(this.root, path);
        }
    }

    /** The root that the tree has now; `keep` is given every node that was made. */
    flush(keep = () => {}) {
        return this.root === null ? EMPTY_ROOT : this.store(this.root, keep);
    }

    store(child, keep) {
        if (child === null || child instanceof Cid) {
            return child;
        }
        if (child.cid === undefined) {
            const links = child.children.map((item) => this.store(item, keep));
            const data = encodeNode(child, links);
            child.cid = cidOfBlock(data);
            keep(child.cid, data);
        }
        return child.cid;
    }

    putIn(child, path, value, layer) {
        const node = this.load(child);
        if (node === null) {
            return { layer, paths: [path], values: [value], children: [null, null] };
        }
        if (node.layer < layer) {
            return { layer, paths: [path], values: [value], children: this.split(node, path) };
        }
        const at = search(node.paths, path);
        if (node.layer > layer) {
            const below = this.putIn(node.children[at], path, value, layer);
            return { ...node, children: node.children.with(at, below), cid: undefined };
        }
        if (isAt(node, at, path)) {
            return { ...node, values: node.values.with(at, value), cid: undefined };
        }
        const halves = this.split(node.children[at], path);
        return {
            layer,
            paths: node.paths.toSpliced(at, 0, path),
            values: node.values.toSpliced(at, 0, value),
            children: node.children.toSpliced(at, 1, ...halves),
        };
    }

    // The parts of a tree before and behind a path that is not in it.
    split(child, path) {
        const node = this.load(child);
        if (node === null) {
            return [null, null];
        }
        const at = search(node.paths, path, true);
        const [left, right] = this.split(node.children[at], path);
        return [
            nodeOf(node.layer, node.paths.slice(0, at), node.values.slice(0, at), [
                ...node.children.slice(0, at),
                left,
            ]),
            nodeOf(node.layer, node.paths.slice(at), node.values.slice(at), [
                right,
                ...node.children.slice(at + 1),
            ]),
        ];
    }

    deleteIn(child, path) {
        const node = this.load(child);
        const at = search(node.paths, path);
        if (!isAt(node, at, path)) {
            const below = this.deleteIn(node.children[at], path);
            return { ...node, children: node.children.with(at, below), cid: undefined };
        }
        const joined = this.join(node.children[at], node.children[at + 1]);
        return nodeOf(
            node.layer,
            node.paths.toSpliced(at, 1),
            node.values.toSpliced(at, 1),
            node.children.toSpliced(at, 2, joined),
        );
    }

    // One tree from two, all of whose paths follow each other.
    join(before, behind) {
        const [left, right] = [this.load(before), this.load(behind)];
        if (left === null || right === null) {
            return right === null ? before : behind;
        }
        if (left.layer > right.layer) {
            const last = this.join(left.children.at(-1), right);
            return { ...left, children: left.children.with(-1, last), cid: undefined };
        }
        if (left.layer < right.layer) {
            const first = this.join(left, right.children[0]);
            return { ...right, children: right.children.with(0, first), cid: undefined };
        }
        const middle = this.join(left.children.at(-1), right.children[0]);
        return {
            layer: left.layer,
            paths: [...left.paths, ...right.paths],
            values: [...left.values, ...right.values],
            children: [...left.children.slice(0, -1), middle, ...right.children.slice(1)],
        };
    }
}

// A node, or the only child of one that lost all its paths.
function nodeOf(layer, paths, values, children) {
    return paths.length ? { layer, paths, values, children } : children[0];
}
