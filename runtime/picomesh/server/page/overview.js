// What a pico is to others: its channels and what they let through, its subscriptions; and what it
// will do by itself, its schedule.

import * as api from './api.js';
import { calm, h, redraw, section, table } from './dom.js';
import { oneLine } from './format.js';
import { badge, showId, showTime, showValue } from './values.js';

const SUBSCRIPTION = 'io.picolabs.subscription';
const KINDS = [
    ['established', 'established'],
    ['inbound', 'asked of this pico'],
    ['outbound', 'asked by this pico'],
];

export function drawOverview(place, pico, fail) {
    const load = async () => {
        const [known, schedules, { entities }] = await Promise.all([
            api.get(['picos', pico]),
            api.get(['picos', pico, 'schedules']),
            api.get(['picos', pico, 'entities']),
        ]);
        redraw(place,
            section('Channels', channels(known.channels)),
            section('Subscriptions', subscriptions(entities[SUBSCRIPTION])),
            section('Schedule', schedule(schedules)));
    };
    load().catch(fail);
    const again = calm(200, () => load().catch(fail));
    return { hear: (receipt) => (receipt === null || receipt.pico === pico) && again() };
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

function subscriptions(variables) {
    const rows = KINDS.flatMap(([name, words]) => entries(variables?.[name]).map((item) => [
        words,
        item.Rx_role || item.Tx_role ? `${item.Rx_role ?? '?'} ↔ ${item.Tx_role ?? '?'}` : '',
        item.Id ? showId(String(item.Id), 'subscription') : '',
        channelOf(item.Rx, 'receives'),
        [channelOf(item.Tx ?? item.wellKnown_Tx, 'sends'),
            item.Tx_host ? h('code', {}, ` ${item.Tx_host}`) : null],
    ]));
    const none = variables ? 'None.' : `None: ${SUBSCRIPTION} is not installed here.`;
    const heads = ['State', 'Roles (mine ↔ theirs)', 'Id', 'Receives on', 'Sends to'];
    return table('Subscriptions', heads, rows, none);
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
