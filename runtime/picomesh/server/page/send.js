// Events and queries by hand, made from what the rulesets declare.

import * as api from './api.js';
import { button, calm, h, labelled, redraw, section, select } from './dom.js';
import { count } from './format.js';
import { badge, showOutcome, showValue } from './values.js';

const OWN = ['', 'the operator’s own: past every policy'];

export function drawSend(place, pico, fail) {
    const parts = { events: h('div'), queries: h('div') };
    place.replaceChildren(section('Send an event', parts.events),
        section('Ask a query', parts.queries));
    let known = '';
    const load = async () => {
        const [rulesets, { channels }] = await Promise.all([
            api.get(['picos', pico, 'rulesets']), api.get(['picos', pico]),
        ]);
        const now = JSON.stringify([rulesets, channels]);
        if (now !== known) {
            known = now;
            const open = channels.filter((item) => !item.familyChannelPicoID);
            drawEvents(parts.events, pico, rulesets, open);
            drawQueries(parts.queries, pico, rulesets, open);
        }
    };
    const again = calm(200, () => load().catch(fail));
    return {
        ready: load(),
        hear: (receipt) => (receipt === null || receipt.pico === pico) && again(),
    };
}

function channelChoice(channels) {
    return select([OWN, ...channels.map((item) => [
        item.id, `${item.tags.join(' ') || 'no tags'}: ${item.id}`,
    ])], '');
}

// -- events

function declared(rulesets) {
    const found = new Map();
    for (const item of rulesets) {
        for (const rule of item.rules) {
            for (const [domain, type] of rule.events ?? []) {
                const key = `${domain}:${type}`;
                const known = found.get(key) ?? { domain, type, rules: [], attributes: new Set() };
                known.rules.push(`${item.rid} ${rule.name}`);
                (rule.attributes ?? []).forEach((name) => known.attributes.add(name));
                found.set(key, known);
            }
        }
    }
    return found;
}

function drawEvents(place, pico, rulesets, channels) {
    const events = declared(rulesets);
    const domain = h('input', { required: true, autocomplete: 'off', spellcheck: 'false' });
    const type = h('input', { required: true, autocomplete: 'off', spellcheck: 'false' });
    const channel = channelChoice(channels);
    const attributes = new Attributes('Attributes', 'attribute');
    const answer = h('div', { class: 'answer', role: 'status' });
    const choice = select([['', 'choose, or write your own below'],
        ...[...events].map(([key, item]) => [key, `${key} — ${item.rules.join(', ')}`])], '', {
        on: { change: () => {
            const item = events.get(choice.value);
            if (item) {
                domain.value = item.domain;
                type.value = item.type;
                attributes.set([...item.attributes]);
            }
        } },
    });
    const form = h('form', { class: 'sender', on: { submit: (event) => {
        event.preventDefault();
        run(form, answer, async () => {
            const done = await api.post(['picos', pico, 'events'], {
                domain: domain.value.trim(), name: type.value.trim(), attrs: attributes.get(),
                ...(channel.value ? { eci: channel.value } : {}),
            });
            return happened(done);
        });
    } } },
    labelled('Declared events', choice, 'field wide'),
    h('div', { class: 'controls' }, labelled('Domain', domain), labelled('Type', type),
        labelled('Channel', channel, 'field wide')),
    attributes.place,
    h('button', { type: 'submit', class: 'main', 'data-key': 'send' }, 'Send'), answer);
    redraw(place, form);
}

function happened(done) {
    return [
        h('p', {}, showOutcome(done.outcome), ' ', `${count(done.fuel)} fuel, `,
            h('a', { href: `#/${encodeURIComponent(done.pico)}/receipts` }, `receipt ${done.seq}`),
            ', ', h('a', { href: `#/${encodeURIComponent(done.pico)}/log` }, 'log')),
        done.message ? h('p', { class: 'problem' }, done.message) : null,
        done.directives.length ? h('ul', { class: 'deeds' }, done.directives.map((item, at) => {
            return h('li', {}, h('span', { class: 'kind' }, 'directive'), ' ',
                h('code', { class: 'what' }, String(item.name)), ' ',
                h('span', { class: 'quiet' }, `${item.meta.rid} ${item.meta.rule_name ?? ''}`), ' ',
                showValue(item.options, `directive ${at}`, true));
        })) : h('p', { class: 'none' }, 'No directives.'),
    ];
}

// -- queries

function drawQueries(place, pico, rulesets, channels) {
    const shares = new Map(rulesets.flatMap((item) => item.shares.map((share) => [
        `${item.rid}/${share.name}`, { rid: item.rid, ...share },
    ])));
    if (!shares.size) {
        redraw(place, h('p', { class: 'none' }, 'No ruleset of this pico shares a function.'));
        return;
    }
    const channel = channelChoice(channels);
    const args = new Attributes('Arguments', 'argument');
    const answer = h('div', { class: 'answer', role: 'status' });
    const choice = select([...shares].map(([key, item]) => [
        key, `${item.rid} ${item.name}(${item.args.join(', ')})`,
    ]), shares.keys().next().value, { on: {
        change: () => args.set(shares.get(choice.value).args),
    } });
    const form = h('form', { class: 'sender', on: { submit: (event) => {
        event.preventDefault();
        run(form, answer, async () => {
            const { rid, name } = shares.get(choice.value);
            const done = await api.post(['picos', pico, 'queries'], {
                rid, name, args: args.get(), ...(channel.value ? { eci: channel.value } : {}),
            });
            return showValue(done.answer, 'answer', true);
        });
    } } },
    h('div', { class: 'controls' }, labelled('Function', choice, 'field wide'),
        labelled('Channel', channel, 'field wide')),
    args.place,
    h('button', { type: 'submit', class: 'main', 'data-key': 'ask' }, 'Ask'), answer);
    args.set(shares.values().next().value.args);
    redraw(place, form);
}

async function run(form, answer, work) {
    const submit = form.querySelector('[type=submit]');
    submit.disabled = true;
    try {
        redraw(answer, await work());
    } catch (problem) {
        redraw(answer, h('p', { class: 'problem' },
            problem.body?.outcome ? [badge(problem.body.outcome, 'bad'), ' '] : null,
            problem.message));
    } finally {
        submit.disabled = false;
        submit.focus();
    }
}

// -- names and values

/** Rows of names and values; a value is text as it stands, or JSON. */
class Attributes {
    constructor(title, what) {
        this.what = what;
        this.rows = h('div', { class: 'pairs' });
        this.place = h('fieldset', { class: 'attributes' }, h('legend', {}, title), this.rows,
            button(`Add an ${what}`, () => this.add('').querySelector('input').focus()));
    }

    set(names) {
        this.rows.replaceChildren();
        names.forEach((name) => this.add(name));
    }

    add(name) {
        const field = h('input', { value: name, 'aria-label': `name of the ${this.what}`,
            autocomplete: 'off', spellcheck: 'false', class: 'name' });
        const value = h('input', { 'aria-label': `value of ${name || `the ${this.what}`}`,
            autocomplete: 'off', spellcheck: 'false', class: 'text' });
        const kind = select([['text', 'text'], ['json', 'JSON']], 'text', {
            'aria-label': `kind of ${name || `the ${this.what}`}`,
        });
        const out = button('×', () => row.remove(), {
            'aria-label': `leave out ${name || `the ${this.what}`}`,
        });
        const row = h('div', { class: 'pair' }, field, value, kind, out);
        this.rows.append(row);
        return row;
    }

    /** What was filled in; a row without a name or without a value is left out. */
    get() {
        const found = {};
        for (const row of this.rows.children) {
            const [name, value] = [...row.querySelectorAll('input')].map((field) => field.value);
            const kind = row.querySelector('select').value;
            if (name && value !== '') {
                found[name] = kind === 'json' ? parse(name, value) : value;
            }
        }
        return found;
    }
}

function parse(name, text) {
    try {
        return JSON.parse(text);
    } catch (problem) {
        throw new Error(`${name} is no JSON: ${problem.message}`, { cause: problem });
    }
}
