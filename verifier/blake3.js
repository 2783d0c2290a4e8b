// BLAKE3 with 32 bytes of output, the only hash of the formats (docs/formats/block.md §2).
// After the specification: chunks of 1,024 bytes, blocks of 64, a binary tree over the chunks.

const IV = new Uint32Array([
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

// The place of each message word in each round.
const SCHEDULE = [Array.from({ length: 16 }, (_, at) => at)];
for (let round = 1; round < ROUNDS; round++) {
    SCHEDULE.push(PERMUTATION.map((from) => SCHEDULE[round - 1][from]));
}

const state = new Uint32Array(16);
const block = new Uint32Array(16);

function mix(a, b, c, d, x, y) {
    state[a] = state[a] + state[b] + x;
    let w = state[d] ^ state[a];
    state[d] = (w >>> 16) | (w << 16);
    state[c] = state[c] + state[d];
    w = state[b] ^ state[c];
    state[b] = (w >>> 12) | (w << 20);
    state[a] = state[a] + state[b] + y;
    w = state[d] ^ state[a];
    state[d] = (w >>> 8) | (w << 24);
    state[c] = state[c] + state[d];
    w = state[b] ^ state[c];
    state[b] = (w >>> 7) | (w << 25);
}

// Mixes the words in `block` into the chaining value, in place.
function compress(chaining, counter, length, flags) {
    state.set(chaining, 0);
    state.set(IV.subarray(0, 4), 8);
    state[12] = counter;
    state[13] = Math.floor(counter / 0x100000000);
    state[14] = length;
    state[15] = flags;
    for (const order of SCHEDULE) {
        mix(0, 4, 8, 12, block[order[0]], block[order[1]]);
        mix(1, 5, 9, 13, block[order[2]], block[order[3]]);
        mix(2, 6, 10, 14, block[order[4]], block[order[5]]);
        mix(3, 7, 11, 15, block[order[6]], block[order[7]]);
        mix(0, 5, 10, 15, block[order[8]], block[order[9]]);
        mix(1, 6, 11, 12, block[order[10]], block[order[11]]);
        mix(2, 7, 8, 13, block[order[12]], block[order[13]]);
        mix(3, 4, 9, 14, block[order[14]], block[order[15]]);
    }
    for (let at = 0; at < 8; at++) {
        chaining[at] = state[at] ^ state[at + 8];
    }
}

function loadBlock(data, start, end) {
    block.fill(0);
    for (let at = start; at < end; at++) {
        block[(at - start) >> 2] |= data[at] << (8 * ((at - start) & 3));
    }
}

function hashChunk(data, start, end, counter, rootFlag) {
    const chaining = IV.slice();
    let at = start;
    do {
        const stop = Math.min(at + BLOCK_BYTES, end);
        loadBlock(data, at, stop);
        let flags = at === start ? CHUNK_START : 0;
        if (stop === end) {
            flags |= CHUNK_END | rootFlag;
        }
        compress(chaining, counter, stop - at, flags);
        at = stop;
    } while (at < end);
    return chaining;
}

function hashParent(left, right, rootFlag) {
    block.set(left, 0);
    block.set(right, 8);
    const chaining = IV.slice();
    compress(chaining, 0, BLOCK_BYTES, PARENT | rootFlag);
    return chaining;
}

// The left part of a tree is the largest power of two of chunks that leaves something behind it.
function hashTree(data, start, end, rootFlag) {
    const length = end - start;
    if (length <= CHUNK_BYTES) {
        return hashChunk(data, start, end, start / CHUNK_BYTES, rootFlag);
    }
    const chunks = Math.ceil(length / CHUNK_BYTES);
    const left = 2 ** (31 - Math.clz32(chunks - 1));
    const middle = start + left * CHUNK_BYTES;
    const before = hashTree(data, start, middle, 0);
    return hashParent(before, hashTree(data, middle, end, 0), rootFlag);
}

/** The 32-byte hash of bytes. */
export function blake3(data) {
    const words = hashTree(data, 0, data.length, ROOT);
    const out = new Uint8Array(32);
    const view = new DataView(out.buffer);
    words.forEach((word, at) => view.setUint32(4 * at, word, true));
    return out;
}
