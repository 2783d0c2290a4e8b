// What a pico is to others: its channels and what they let through, its subscriptions; and what it
// will do by itself, its schedule.

import * as api from './api.js';
import { app, nameOf } from './app.js';
import { calm, h, redraw, section, table } from './dom.js';
import { oneLine } from './format.js';
import { badge, showId, showOutcome, showTime, showValue } from './values.js';

const SUBSCRIPTION = 'io.picolabs.subscription';
const KINDS = [
    ['established', 'established'],
    ['inbound', 'asked of this pico'],
    ['outbound', 'asked by this pico'],
];

export function drawOverview(place, pico, fail) {
    let shown = '';
    const load = async () => {
        const [known, schedules, { entities }] = await Promise.all([
            api.get(['picos', pico]),
            api.get(['picos', pico, 'schedules']),
            api.get(['picos', pico, 'entities']),
        ]);
        const now = JSON.stringify([{ ...known, seq: 0, root: '' }, schedules,
            entities[SUBSCRIPTION]]);
        if (now === shown) {
            return;
        }
        shown = now;
        const buses = known.rulesets.some((item) => item.rid === SUBSCRIPTION)
            ? await subscriptions(entities[SUBSCRIPTION] ?? {})
            : h('p', { class: 'none' }, `None: ${SUBSCRIPTION} is not installed here.`);
        redraw(place,
            trouble(known),
            section('Channels', channels(known.channels)),
            section('Subscriptions', buses),
            section('Schedule', schedule(schedules)));
    };
    const again = calm(200, () => load().catch(fail));
    return {
        ready: load(), hear: (receipt) => (receipt === null || receipt.pico === pico) && again(),
    };
}

/** What went wrong last, if it did. */
function trouble({ pico, trouble: last, fault }) {
    if (!last && !fault) {
        return null;
    }
    return section('Trouble',
        last ? h('p', {}, h('a', { href: `#/${encodeURIComponent(pico)}/receipts` },
            `receipt ${last.seq}`), ' ', showOutcome(last.outcome), ' ',
        h('span', { class: 'problem' }, last.message)) : null,
        fault ? h('p', { class: 'problem' },
            `An event waits that this machine could not run: ${fault}`) : null);
}

function channels(rows) {
    return table('Channels', ['Channel', 'Tags', 'Events', 'Queries'], rows.map((channel) => [
        showId(channel.id, 'channel', 14),
        [channel.tags.map((tag) => badge(tag)),
            channel.familyChannelPicoID ? badge('family only', 'quiet') : null],
        policy(channel.eventPolicy, 'domain'),
        policy(channel.queryPolicy, 'rid'),
    ]));
}

/** `allow *:*` and `deny a:b`, one for each rule of a policy. */
function policy(rules, first) {
    const row = (word, kind) => (rules?.[word] ?? []).map((rule) => h('span', { class: 'rule' },
        badge(word, kind), ' ', h('code', {}, `${rule[first]}:${rule.name}`)));
    return [row('deny', 'bad'), row('allow', 'good')];
}

async function subscriptions(variables) {
    const found = KINDS.flatMap(([name, words]) => {
        return entries(variables[name]).map((item) => [words, item]);
    });
    const peers = await Promise.all(found.map(([, item]) => peerOf(item)));
    const rows = found.map(([words, item], at) => [
        words,
        item.Rx_role || item.Tx_role ? `${item.Rx_role ?? '?'} ↔ ${item.Tx_role ?? '?'}` : '',
        item.Id ? showId(String(item.Id), 'subscription') : '',
        channelOf(item.Rx, 'receives'),
        [channelOf(item.Tx ?? item.wellKnown_Tx, 'sends'), ' ', peers[at]],
    ]);
    const heads = ['State', 'Roles (mine ↔ theirs)', 'Id', 'Receives on', 'Sends to'];
    return table('Subscriptions', heads, rows);
}

/** The other side by name, if it is a pico of this engine; by its host if it is not. */
async function peerOf(item) {
    const eci = item.Tx ?? item.wellKnown_Tx;
    if (item.Tx_host) {
        return h('code', {}, String(item.Tx_host));
    }
    const { pico } = eci ? await api.get(['channels', String(eci)]) : { pico: null };
    return pico && app.picos.has(pico) ? h('a', {
        href: `#/${encodeURIComponent(pico)}/overview`, 'data-key': `peer ${item.Id}`,
    }, nameOf(pico)) : null;
}

const channelOf = (eci, what) => (eci ? showId(String(eci), `channel it ${what} on`) : '');

function entries(found) {
    const items = Array.isArray(found) ? found : Object.values(found ?? {});
    return items.filter((item) => item !== null && typeof item === 'object');
}

function schedule(rows) {
    return table('Schedule', ['When', 'Event', 'Attributes', 'Ruleset'], rows.map((row, at) => [
        when(row),
        h('code', {}, `${row.domain}:${row.name}`),
        showValue(row.attrs ?? {}, `schedule ${at}`),
        h('code', {}, row.rid),
    ]), 'Nothing is scheduled.');
}

function when(row) {
    if (row.type === 'at') {
        const at = typeof row.time === 'number' ? row.time : Date.parse(row.time);
        return ['once, ', Number.isNaN(at) ? oneLine(row.time) : showTime(at)];
    }
    return ['at each ', h('code', {}, String(row.timespec ?? row.time))];
}
