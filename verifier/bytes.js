// Bytes: comparing, joining, and the two texts that stand for them.

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const encoder = new TextEncoder();

/** Joins pieces of bytes. */
export function concat(...pieces) {
    const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
        out.set(piece, at);
        at += piece.length;
    }
    return out;
}

/** Less than, equal to or greater than zero, in the order of the bytes. */
export function compareBytes(a, b) {
    const length = Math.min(a.length, b.length);
    for (let at = 0; at < length; at++) {
        if (a[at] !== b[at]) {
            return a[at] - b[at];
        }
    }
    return a.length - b.length;
}

export function equalBytes(a, b) {
    return a.length === b.length && compareBytes(a, b) === 0;
}

export function startsWith(data, prefix) {
    return data.length >= prefix.length && equalBytes(data.subarray(0, prefix.length), prefix);
}

/** UTF-8 of a text without lone surrogates, which the formats do not have. */
export function utf8(text) {
    return encoder.encode(text);
}

export function hex(data) {
    return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Bytes from hexadecimal digits, or null. */
export function fromHex(text) {
    if (text.length % 2 || !/^[0-9a-fA-F]*$/.test(text)) {
        return null;
    }
    return Uint8Array.from({ length: text.length / 2 }, (_, at) =>
        parseInt(text.slice(2 * at, 2 * at + 2), 16),
    );
}

/** Lower-case base32 without padding. */
export function base32(data) {
    let out = '';
    let bits = 0;
    let held = 0;
    for (const byte of data) {
        held = (held << 8) | byte;
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            out += BASE32[(held >> bits) & 31];
        }
        held &= (1 << bits) - 1;
    }
    return bits ? out + BASE32[(held << (5 - bits)) & 31] : out;
}

/** Bytes from base32, or null for what `base32` would not have written. */
export function fromBase32(text) {
    const out = [];
    let bits = 0;
    let held = 0;
    for (const letter of text) {
        const value = BASE32.indexOf(letter);
        if (value < 0) {
            return null;
        }
        held = (held << 5) | value;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            out.push((held >> bits) & 255);
        }
        held &= (1 << bits) - 1;
    }
    const data = Uint8Array.from(out);
    return base32(data) === text ? data : null;
}

/** Eight bytes, big-endian, of a whole number below 2^53. */
export function bigEndian8(number) {
    const out = new Uint8Array(8);
    new DataView(out.buffer).setBigUint64(0, BigInt(number));
    return out;
}

/** Bytes as a key of a Map, and back. */
export function keyOf(data) {
    let out = '';
    for (let at = 0; at < data.length; at += 4096) {
        out += String.fromCharCode(...data.subarray(at, at + 4096));
    }
    return out;
}

export function bytesOfKey(key) {
    return Uint8Array.from(key, (letter) => letter.charCodeAt(0));
}
