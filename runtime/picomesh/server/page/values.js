// Any value of a pico, as a tree that opens; and small things that stand for long ones.

import { button, fold, h, say } from './dom.js';
import { count, iso, oneLine, short, time } from './format.js';

const ENTRIES_MAX = 200;
const TEXT_MAX = 400;

/** A value: what fits a line as it is, maps and arrays to be opened. */
export function showValue(value, key = 'v', open = false) {
    if (value === null || typeof value !== 'object') {
        return scalar(value, key);
    }
    const entries = Array.isArray(value) ? value.map((item, at) => [at, item])
        : Object.entries(value);
    if (!entries.length) {
        return h('code', { class: 'value empty' }, Array.isArray(value) ? '[]' : '{}');
    }
    const size = Array.isArray(value) ? `[${count(entries.length)}]` : `{${count(entries.length)}}`;
    const summary = [h('span', { class: 'size' }, size), ' ',
        h('code', { class: 'value preview' }, oneLine(value, 100))];
    return fold(key, summary, () => h('ul', { class: 'entries' },
        entries.slice(0, ENTRIES_MAX).map(([name, item]) => h('li', {},
            h('span', { class: 'key' }, String(name)), ' ', showValue(item, `${key}/${name}`))),
        entries.length > ENTRIES_MAX
            ? h('li', { class: 'none' }, `and ${count(entries.length - ENTRIES_MAX)} more`) : null),
    open);
}

function scalar(value, key) {
    const kind = value === null ? 'null' : typeof value;
    if (kind !== 'string') {
        return h('code', { class: `value ${kind}` }, String(value));
    }
    const text = JSON.stringify(value);
    if (text.length <= TEXT_MAX) {
        return h('code', { class: 'value string' }, text);
    }
    return fold(key, h('code', { class: 'value string' }, `${text.slice(0, TEXT_MAX)}…`),
        () => h('pre', { class: 'value string whole' }, value));
}

/** A time, with all of it for who points at it. */
export function showTime(milliseconds) {
    return h('time', { datetime: iso(milliseconds), title: iso(milliseconds) },
        time(milliseconds));
}

/** A long identifier, cut in the middle; a click copies all of it. */
export function showId(text, what = 'identifier', head = 10, tail = 4) {
    return button(short(text, head, tail), async () => {
        try {
            await navigator.clipboard.writeText(text);
            say(`copied ${short(text)}`);
        } catch {
            say(text);
        }
    }, {
        class: 'id', title: text, 'aria-label': `copy ${what} ${text}`, 'data-key': `id ${text}`,
    });
}

export function badge(text, kind = '') {
    return h('span', { class: `badge ${kind}` }, text);
}

/** How a transition ended, in a word and a colour. */
export function showOutcome(outcome) {
    return badge(outcome, outcome === 'ok' ? 'good' : 'bad');
}
