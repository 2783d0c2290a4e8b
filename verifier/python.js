// Texts as Python writes values: error texts that a guest is answered are part of what it sees, and
// the first engine was written in Python (docs/formats/receipt.md §6).

import { Undecided } from './refused.js';

const ESCAPES = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Python's str(). */
export function pyStr(value) {
    return typeof value === 'string' ? value : pyRepr(value);
}

/** Python's repr(). */
export function pyRepr(value) {
    if (value === null || value === undefined) {
        return 'None';
    }
    if (typeof value === 'boolean') {
        return value ? 'True' : 'False';
    }
    if (typeof value === 'bigint') {
        return String(value);
    }
    if (typeof value === 'number') {
        return Number.isSafeInteger(value) ? String(value) : floatRepr(value);
    }
    if (typeof value === 'string') {
        return textRepr(value);
    }
    if (Array.isArray(value)) {
        return `[${value.map(pyRepr).join(', ')}]`;
    }
    if (value instanceof Map) {
        const rows = Array.from(value, ([key, item]) => `${pyRepr(key)}: ${pyRepr(item)}`);
        return `{${rows.join(', ')}}`;
    }
    throw new Undecided('a text that only Python can write');
}

// Shortest digits, as in JavaScript, but with another border between the two notations.
function floatRepr(number) {
    const [digits, exponent] = number.toExponential().split('e');
    const power = Number(exponent);
    if (power < -4 || power >= 16) {
        const sign = power < 0 ? '-' : '+';
        return `${digits}e${sign}${String(Math.abs(power)).padStart(2, '0')}`;
    }
    if (power < 0) {
        const bare = digits.replace(/[-.]/g, '');
        return `${number < 0 ? '-' : ''}0.${'0'.repeat(-power - 1)}${bare}`;
    }
    return String(number);
}

function textRepr(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    let out = '';
    for (const letter of text) {
        const code = letter.codePointAt(0);
        if (letter === quote) {
            out += `\\${letter}`;
        } else if (Object.hasOwn(ESCAPES, letter)) {
            out += ESCAPES[letter];
        } else if (code < 0x20 || code === 0x7f) {
            out += `\\x${code.toString(16).padStart(2, '0')}`;
        } else if (code > 0x7e && !/[\p{L}\p{N}\p{P}\p{S}\p{M}]/u.test(letter)) {
            throw new Undecided('a text that only Python can write');
        } else {
            out += letter;
        }
    }
    return quote + out + quote;
}

// What Python calls white space; JavaScript's set is another one.
const SPACE =
    '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g');
const SPACES = new RegExp(`${SPACE}+`, 'g');

/** Python's strip(). */
export function pyStrip(text) {
    return text.replace(ENDS, '');
}

/** What is between white space, joined by single blanks. */
export function withSingleBlanks(text) {
    return pyStrip(text).replace(SPACES, ' ');
}
