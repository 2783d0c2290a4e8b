// Channels: how others reach a pico, and what rulesets do to them (docs/formats/state.md §2).

import { compareBytes, utf8 } from './bytes.js';
import { pyRepr, pyStr, pyStrip, withSingleBlanks } from './python.js';
import { decodeValue } from './value.js';

export const CHANNELS = utf8('pico/channels/');
const ID_CHARACTERS_MAX = 256;

/** What a ruleset wants cannot be; it is answered with the text. */
export class ActError extends Error {}

const isText = (value) => typeof value === 'string';
const isBlank = (value) => !isText(value) || pyStrip(value) === '';

/** The record of a channel. */
export function makeChannel(eci, tags, eventPolicy, queryPolicy) {
    if (!eci || [...eci].length > ID_CHARACTERS_MAX || eci.includes('/')) {
        throw new ActError(`${pyRepr(eci)} cannot be the identifier of a channel`);
    }
    return new Map([
        ['id', eci],
        ['tags', cleanTags(tags)],
        ['eventPolicy', policy(eventPolicy, 'eventPolicy', ['domain', 'name'])],
        ['queryPolicy', policy(queryPolicy, 'queryPolicy', ['rid', 'name'])],
        ['familyChannelPicoID', null],
    ]);
}

export function allowAll(eci, tags) {
    return makeChannel(eci, tags, null, null);
}

/** A channel that only `owner` may use. */
export function familyChannel(eci, tag, owner) {
    const channel = allowAll(eci, []);
    channel.set('tags', ['system', tag]);
    channel.set('familyChannelPicoID', owner);
    return channel;
}

function cleanTags(tags) {
    if (tags === null) {
        return [];
    }
    if (!Array.isArray(tags)) {
        throw new ActError('Channel `tags` must be an array of non-empty strings.');
    }
    return tags.map((tag) => {
        if (isBlank(tag)) {
            throw new ActError('Channel tag cannot be a blank string.');
        }
        const text = withSingleBlanks(tag).toLowerCase().replace(/[^a-z0-9_-]+/g, '-');
        if (text === 'system') {
            throw new ActError('Cannot tag channel as "system"');
        }
        return text;
    });
}

function hasJust(map, keys) {
    return map instanceof Map && map.size === keys.length && keys.every((key) => map.has(key));
}

function policy(given, what, keys) {
    if (given === null) {
        return new Map([
            ['allow', [new Map(keys.map((key) => [key, '*']))]],
            ['deny', []],
        ]);
    }
    if (!hasJust(given, ['allow', 'deny'])) {
        throw new ActError(`${what} must have exactly \`allow\` and \`deny\``);
    }
    const rules = ['allow', 'deny'].map((name) => {
        if (!Array.isArray(given.get(name))) {
            throw new ActError(`${what}: allow and deny must be arrays`);
        }
        return [name, given.get(name).map((rule) => cleanRule(rule, what, keys))];
    });
    return new Map(rules);
}

function cleanRule(rule, what, keys) {
    if (!hasJust(rule, keys)) {
        throw new ActError(`${what}: a rule must have exactly \`${keys[0]}\` and \`${keys[1]}\``);
    }
    const entries = keys.map((key) => {
        if (isBlank(rule.get(key))) {
            throw new ActError(`${what}: \`${key}\` must be a string that is not blank`);
        }
        return [key, pyStrip(rule.get(key))];
    });
    return new Map(entries);
}

/** Why a channel does not let an event through; null when it does. Deny is asked first. */
export function eventRefusal(channel, domain, name, sender) {
    const owner = channel.get('familyChannelPicoID') ?? null;
    if (owner !== null && owner !== sender) {
        return 'This is a family channel and only the owner can use it.';
    }
    const rules = channel.get('eventPolicy');
    if (!(rules instanceof Map)) {
        return 'Not allowed by channel policy';
    }
    if (matches(rules.get('deny'), domain, name)) {
        return 'Denied by channel policy';
    }
    return matches(rules.get('allow'), domain, name) ? null : 'Not allowed by channel policy';
}

function matches(rules, domain, name) {
    const fits = (rule, key, text) => ['*', text].includes(rule.get(key));
    return (Array.isArray(rules) ? rules : []).some(
        (rule) => rule instanceof Map && fits(rule, 'domain', domain) && fits(rule, 'name', name),
    );
}

/** Every channel of a pico, its own one among them, sorted by identifier. */
export function channelsOf(overlay, pico) {
    const found = overlay.everything(CHANNELS).map(([, data]) => decodeValue(data));
    const channels = found.filter((item) => item instanceof Map);
    channels.push(familyChannel(pico, 'self', pico));
    const order = (channel) => utf8(pyStr(channel.get('id')));
    return channels.sort((a, b) => compareBytes(order(a), order(b)));
}

// -- what rulesets do to channels: [identifier, record or null]

function find(channels, eci) {
    const found = channels.find((item) => item.get('id') === eci);
    if (found === undefined) {
        throw new ActError(`ECI not found ${pyStr(eci)}`);
    }
    if (found.get('familyChannelPicoID') !== null) {
        throw new ActError('Cannot edit or delete family channels.');
    }
    return found;
}

function newChannel(args, channels, eci) {
    if (channels.some((item) => item.get('id') === eci)) {
        throw new ActError(`the identifier ${eci} is in use`);
    }
    return [eci, makeChannel(eci, args[0] ?? null, args[1] ?? null, args[2] ?? null)];
}

function putChannel(args, channels) {
    const old = find(channels, args[0] ?? null);
    const parts = ['tags', 'eventPolicy', 'queryPolicy'];
    const kept = parts.map((name, at) => args[at + 1] ?? old.get(name));
    const eci = pyStr(old.get('id'));
    return [eci, makeChannel(eci, ...kept)];
}

function upsertChannel(args, channels, eci) {
    const sorted = (tags) => JSON.stringify(tags.map(pyStr).map(utf8).sort(compareBytes));
    const wanted = sorted(cleanTags(args[0] ?? null));
    for (const item of channels) {
        if (Array.isArray(item.get('tags')) && sorted(item.get('tags')) === wanted) {
            return putChannel([item.get('id'), ...args], channels);
        }
    }
    return newChannel(args, channels, eci);
}

function deleteChannel(args, channels) {
    return [pyStr(find(channels, args[0] ?? null).get('id')), null];
}

export const CHANGES = {
    newChannel,
    putChannel,
    upsertChannel,
    delChannel: deleteChannel,
};
