// What became of each rule, in words: considered, selected or why not, fired or not, and values.

import * as api from './api.js';
import { h } from './dom.js';
import { count, many, oneLine } from './format.js';
import { showValue } from './values.js';

const KEPT_MAX = 500;
const kept = new Map();

export const STATUS = {
    fired: ['fired', 'good', '●'],
    'not fired': ['not fired', 'warn', '○'],
    'not selected': ['not selected', 'quiet', '–'],
    ended: ['ended here', 'bad', '✕'],
    undone: ['undone', 'quiet', '↶'],
    'not reached': ['not reached', 'quiet', '·'],
};

/** The engine runs the transition again and tells; it never tells something else, so it is kept. */
export async function rulesOf(pico, seq) {
    const key = `${pico}/${seq}`;
    if (!kept.has(key)) {
        if (kept.size >= KEPT_MAX) {
            kept.delete(kept.keys().next().value);
        }
        const asked = api.get(['picos', pico, 'receipts', seq, 'rules']);
        kept.set(key, asked);
        asked.catch(() => kept.delete(key));
    }
    return kept.get(key);
}

/** One row for each rule that was considered, in the order in which rulesets saw the events. */
export function rows(told) {
    return told.events.flatMap((event, at) => event.rulesets.flatMap((ruleset) => {
        return ruleset.rules.map((rule) => ({ event, at, ruleset, rule, told }));
    }));
}

export function showStatus(status) {
    const [text, kind, sign] = STATUS[status] ?? [status, 'quiet', '·'];
    return h('span', { class: `badge ${kind}` }, h('span', { 'aria-hidden': 'true' }, sign), ' ',
        text);
}

/** Why a rule did not run, or did not fire; nothing when it did. */
export function why({ rule, ruleset, told }) {
    switch (rule.status) {
        case 'fired':
            return [];
        case 'not fired':
            return [rule.condition ? ['It does not hold that ', h('code', {}, rule.condition), '. ']
                : 'The condition of its action did not hold. ', reads(ruleset)];
        case 'not reached':
            return ['The transition ended before it.'];
        case 'undone':
            return ['What it did, if it was selected, was undone: the transition failed later.'];
        case 'ended':
            return ended(told);
        default:
            return notSelected(rule);
    }
}

function ended({ ended: place, message, outcome }) {
    const inside = place?.function && place.function !== `rule ${place.rule}`
        ? `, in ${place.function}` : '';
    const where = place?.line ? ` at line ${place.line}${inside}` : '';
    return [`The transition ended here${where}: `, h('strong', {}, message || outcome)];
}

function notSelected(rule) {
    if (!rule.active) {
        return ['The rule is inactive.'];
    }
    const found = rule.moved ? [] : rule.wanted.flatMap((wanted) => unmet(wanted, rule.single));
    if (!rule.single) {
        found.push(rule.moved ? 'Its event expression moved on, and waits for more.'
            : 'Its event expression is not complete.');
    }
    return found.length ? found : [rule.select ? 'Its select did not match.'
        : 'Its select did not match; without its source, no more is known.'];
}

/** The attributes that do not match, as far as that is known; or else the `where`, which is to
 * blame for certain only if the rule selects by this event alone. */
function unmet({ attributes, where }, single) {
    const failed = attributes.filter((item) => item.matches === false);
    const shown = failed.length ? failed : attributes.filter((item) => item.matches === null);
    const found = shown.map((item) => [
        h('code', {}, item.name),
        item.missing ? ' is missing' : [' is ', h('code', {}, oneLine(item.given))],
        failed.length ? ', which does not match ' : '; it must match ',
        h('code', {}, item.pattern), '. ',
    ]);
    if (where && !failed.length) {
        found.push(shown.length || !single ? 'It must hold that ' : 'It does not hold that ',
            h('code', {}, where), '. ');
    }
    return found;
}

const KINDS = { directive: 'directive', raise: 'raised', log: 'log', throw: 'threw', send: 'sent' };

/** What a rule or a ruleset did: directives, raised events, log lines, sends. */
export function deeds(does, key) {
    return does.map((deed, at) => h('li', { class: `deed ${deed.kind}` },
        h('span', { class: 'kind' }, deed.kind === 'log' ? deed.level : KINDS[deed.kind]
            ?? deed.kind), ' ',
        deed.name === '' ? null : h('code', { class: 'what' }, String(deed.name)), ' ',
        isEmpty(deed.value) ? null : showValue(deed.value, `${key} ${at}`)));
}

const isEmpty = (value) => value === null || value === ''
    || (typeof value === 'object' && !Object.keys(value).length);

/** The entity variables that a ruleset read for the event, as they were. */
function reads(ruleset) {
    return ruleset.read.length ? ['Read: ', ruleset.read.map((item, at) => [at ? ', ' : '',
        h('code', {}, `${item.name} = ${item.unset ? 'nothing' : oneLine(item.value, 60)}`)]),
    '.'] : [];
}

/** All of one rule's row but its status: why, what it did, and its select for who wants it. */
export function details(row, key) {
    const reason = why(row);
    const does = deeds(row.rule.does, `${key} does`);
    return [
        reason.length ? h('p', { class: 'why' }, reason) : null,
        does.length ? h('ul', { class: 'deeds' }, does) : null,
    ];
}

/** The whole of a receipt's rules, event by event. */
export function story(told, key) {
    if (!told.events.length) {
        return h('p', { class: 'none' }, 'No rules have to do with this.');
    }
    return told.events.map((event, at) => h('div', { class: 'event' },
        h('h3', {}, h('code', {}, `${event.domain}:${event.name}`), ' ',
            event.raised_by ? h('span', { class: 'by' }, `raised by ${event.raised_by}`) : null),
        isEmpty(event.attrs) ? null : showValue(event.attrs, `${key} attrs ${at}`),
        event.rulesets.length ? event.rulesets.map((ruleset) => {
            return showRuleset(event, ruleset, told, `${key} ${at} ${ruleset.rid}`);
        }) : h('p', { class: 'why' }, 'No rule of this pico selects this event.')));
}

function showRuleset(event, ruleset, told, key) {
    return h('div', { class: 'ruleset' },
        h('p', { class: 'rid' }, h('code', {}, ruleset.rid), ' ',
            h('span', { class: 'quiet' }, ruleset.reached ? `${count(ruleset.fuel)} fuel` : '',
                ruleset.others ? ` · ${many(ruleset.others, 'other rule')} not considered` : '')),
        h('ul', { class: 'rules' }, ruleset.rules.map((rule) => h('li', {},
            showStatus(rule.status), ' ', h('strong', {}, rule.name), ' ',
            rule.line ? h('span', { class: 'quiet' }, `line ${rule.line}`) : null,
            rule.select ? h('p', { class: 'select' }, h('code', {}, rule.select)) : null,
            details({ event, ruleset, rule, told }, `${key} ${rule.name}`)))),
        ruleset.does.length
            ? h('ul', { class: 'deeds' }, deeds(ruleset.does, `${key} rest`)) : null,
        ruleset.read.length ? h('p', { class: 'read' }, reads(ruleset)) : null);
}
