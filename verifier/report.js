// An audit in words, for the page and the command line.

import { decodeMessage, decodeValue } from './value.js';
import { Refused } from './refused.js';

const lossy = new TextDecoder();
const WORDS = {
    proved: 'Proved: this code, on this state and input, comes to this receipt.',
    refused: 'Refused: this file does not prove its receipt.',
    undecided: 'Undecided: this verifier cannot check this file to its end.',
};
const EVIDENCE_WORDS = {
    proved: 'Convicted: the engine signed two receipts for one place.',
    refused: 'Refused: this file is no evidence.',
};
const DATE_MS_MAX = 8.64e15; // beyond which there are no dates

/** JSON of a value, with maps in their order. */
export function jsonOf(value) {
    if (value instanceof Map) {
        const rows = Array.from(value, ([key, item]) => `${JSON.stringify(key)}:${jsonOf(item)}`);
        return `{${rows.join(',')}}`;
    }
    return Array.isArray(value) ? `[${value.map(jsonOf).join(',')}]` : JSON.stringify(value);
}

function shown(data, decode) {
    try {
        return jsonOf(decode(data));
    } catch (problem) {
        if (problem instanceof Refused) {
            return `${data.length} bytes`; // a record of the host, or not a KRL value
        }
        throw problem;
    }
}

/** The verdict in words, and rows of what the transition was given and did. */
export function report(done) {
    if (done.evidence) {
        return { words: EVIDENCE_WORDS[done.verdict], what: [] };
    }
    const what = done.verdict === 'proved' ? happened(done) : [];
    return { words: WORDS[done.verdict], what };
}

function moment(milliseconds) {
    const known = Math.abs(milliseconds) <= DATE_MS_MAX;
    return known ? new Date(milliseconds).toISOString() : `${milliseconds} ms`;
}

function happened({ core, given, done }) {
    const rows = [
        ['pico', core.pico],
        ['receipt', `${core.seq}, ${core.outcome}, ${core.fuel} fuel`],
        ['time', moment(Number(core.time))],
    ];
    if (given.kind === 'event') {
        const attrs = shown(given.attrs, decodeValue);
        rows.push(['event', `${given.domain}:${given.name} ${attrs}`]);
    } else {
        rows.push(['input', [given.kind, given.rid].filter(Boolean).join(' ')]);
    }
    for (const [path, value] of done.writes) {
        const text = value === null ? 'removed' : shown(value, decodeValue);
        rows.push(['wrote', `${lossy.decode(path)} = ${text}`]);
    }
    for (const { kind, rid, data } of done.effects) {
        rows.push([kind, `${rid}: ${kind === 'spawn' ? '' : shown(data, decodeMessage)}`]);
    }
    return rows;
}
