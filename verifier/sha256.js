// SHA-256, which `ctx:rulesets` tells of a ruleset's source; WebCrypto's would make a guest wait.

const PRIMES = [];
for (let candidate = 2; PRIMES.length < 64; candidate++) {
    if (PRIMES.every((prime) => candidate % prime)) {
        PRIMES.push(candidate);
    }
}
// The first 32 bits of the fractional part of a root.
const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
const K = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const rotate = (word, count) => (word >>> count) | (word << (32 - count));

/** The 32-byte hash of bytes. */
export function sha256(data) {
    const padded = new Uint8Array((((data.length + 8) >> 6) + 1) << 6);
    padded.set(data);
    padded[data.length] = 0x80;
    const view = new DataView(padded.buffer);
    view.setBigUint64(padded.length - 8, BigInt(data.length) * 8n);
    const state = Uint32Array.from(START);
    for (let at = 0; at < padded.length; at += 64) {
        compress(state, view, at);
    }
    const out = new Uint8Array(32);
    state.forEach((word, at) => new DataView(out.buffer).setUint32(4 * at, word));
    return out;
}

function compress(state, view, start) {
    const words = new Uint32Array(64);
    for (let at = 0; at < 64; at++) {
        words[at] = at < 16 ? view.getUint32(start + 4 * at) : extended(words, at);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
        const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[at] + words[at]) >>> 0;
        const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) >>> 0;
        [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) >>> 0, c, b, a, (t1 + t2) >>> 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => {
        state[at] += word;
    });
}

function extended(words, at) {
    const [x, y] = [words[at - 15], words[at - 2]];
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    return words[at - 16] + s0 + words[at - 7] + s1;
}
