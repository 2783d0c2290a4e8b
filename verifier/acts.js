// What a ruleset asks of and does to its own pico, answered within the transition
// (docs/formats/receipt.md §6): to act is to ask first, then to emit the effect; both make the
// same plan, and only the effect carries it out.

import { base32, concat, equalBytes, fromHex, hex, keyOf, utf8 } from './bytes.js';
import { blake3 } from './blake3.js';
import { ActError, CHANGES, CHANNELS, channelsOf, eventRefusal } from './channels.js';
import { Cid, cidOfBlock } from './cid.js';
import { childJoins, childLeaves, childrenOf, parentOf } from './family.js';
import { encodeInput } from './inputs.js';
import { ACT_SCAN_FUEL, DISPATCH_FUEL } from './limits.js';
import { trap } from './machine.js';
import { InstallProblem, RULESETS, decodeRecord, inOrder } from './programs.js';
import { pyRepr, pyStr, pyStrip } from './python.js';
import { MissingBlock, Refused } from './refused.js';
import { sha256 } from './sha256.js';
import { decodeMessage, decodeValue, encodeMessage, encodeValue, messageValue } from './value.js';

const IDENTIFIER_BYTES = 15;
const SYSTEM = 'picomesh:system/';
const CHANNELS_MAX = 10_000; // of one pico
const BORN_MAX = 100; // children of one transition
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const isText = (value) => typeof value === 'string';

function message(entries) {
    const rows = Object.entries(entries).map(([key, value]) => [key, messageValue(value)]);
    return encodeMessage(Object.fromEntries(rows));
}

// Who wants what, of which state.
class Scene {
    constructor(acts, calls, args, acting) {
        Object.assign(this, { acts, calls, args, acting });
        this.attempt = calls.attempt;
        this.overlay = calls.attempt.overlay;
    }

    argument(at) {
        return this.args[at] ?? null;
    }

    text(at, missing) {
        const value = this.argument(at);
        if (!isText(value) || pyStrip(value) === '') {
            throw new ActError(missing);
        }
        return value;
    }

    mapOrEmpty(at) {
        const value = this.argument(at);
        if (value !== null && !(value instanceof Map)) {
            throw new ActError('Expected a JSON map for event.data.attrs');
        }
        return value ?? new Map();
    }

    installed() {
        const rows = this.overlay.everything(RULESETS);
        const records = rows.map(([path, data]) => decodeRecord(path, data));
        return inOrder(this.charged(records));
    }

    // One of them, or null.
    ruleset(rid) {
        this.attempt.meter.charge(ACT_SCAN_FUEL);
        const path = concat(RULESETS, utf8(rid));
        const data = this.overlay.get(path);
        return data === null ? null : decodeRecord(path, data);
    }

    channels() {
        return this.charged(channelsOf(this.overlay, this.acts.pico));
    }

    children() {
        return this.charged(childrenOf(this.overlay));
    }

    charged(found) {
        this.attempt.meter.charge(ACT_SCAN_FUEL * found.length);
        return found;
    }

    write(path, value) {
        this.overlay.set(path, value);
    }

    clear(prefix) {
        this.overlay.everything(prefix).forEach(([path]) => this.write(path, null));
    }

    /** An identifier that nobody has: it follows from the seed and what was done before. */
    identifier(purpose) {
        return base32(this.fresh(purpose).subarray(0, IDENTIFIER_BYTES));
    }

    fresh(purpose) {
        const words = utf8(`picomesh ${purpose} ${this.acts.taken} `);
        return blake3(concat(words, this.attempt.given.seed));
    }

    give(kind, data) {
        this.calls.give(kind, data);
    }
}

/** The acts of one run of a transition. `young` are the children that it makes. */
export class Acts {
    constructor(programs, work, young) {
        this.programs = programs;
        this.pico = work.pico;
        this.seq = work.seq;
        this.young = young;
        this.taken = 0;
        this.answers = new Map();
    }

    /** The answer's bytes; null when it is for the tape. */
    answer(calls, question) {
        try {
            const asked = decodeMessage(question);
            const [name, args] = [asked.get('fn'), asked.get('args')];
            if (!isText(name) || !name.startsWith('ctx:') || !Array.isArray(args)) {
                return null;
            }
            return this.find(name.slice(4), new Scene(this, calls, args, false));
        } catch (problem) {
            if (problem instanceof Refused && !(problem instanceof MissingBlock)) {
                return null;
            }
            if (problem instanceof ActError || problem instanceof InstallProblem) {
                return message({ error: problem.message });
            }
            throw problem;
        }
    }

    find(name, scene) {
        const { meter, mayWrite } = scene.attempt;
        if (Object.hasOwn(READERS, name)) {
            meter.charge(DISPATCH_FUEL);
            return message({ ok: READERS[name](scene) });
        }
        if (Object.hasOwn(PLANNERS, name)) {
            meter.charge(DISPATCH_FUEL);
            return message({ ok: PLANNERS[name](scene).answer });
        }
        if (name === 'eventQuery' && !mayWrite) {
            throw new ActError('ctx:eventQuery is an action');
        }
        return this.young.answer(scene, name);
    }

    act(calls, name, args) {
        if (!Object.hasOwn(PLANNERS, name)) {
            throw trap(`an effect of unknown kind ctx.${name}`);
        }
        calls.attempt.meter.charge(DISPATCH_FUEL);
        try {
            PLANNERS[name](new Scene(this, calls, args, true)).apply();
        } catch (problem) {
            const kinds = [ActError, InstallProblem, Refused];
            const known = kinds.some((kind) => problem instanceof kind);
            throw known && !(problem instanceof MissingBlock) ? trap(problem.message) : problem;
        }
        this.taken += 1;
    }

    /** What only the engine knows; asked when a plan is made, remembered when it is done. */
    fromTape(scene, name, args) {
        const question = message({ fn: name, args });
        const key = keyOf(question);
        if (!this.answers.has(key)) {
            if (scene.acting) {
                throw new ActError('done without being asked for');
            }
            this.answers.set(key, decodeMessage(scene.calls.askTape(question)));
        }
        const answer = this.answers.get(key);
        if (answer.has('error')) {
            throw new ActError(pyStr(answer.get('error')));
        }
        return answer.get('ok') ?? null;
    }
}

// -- reading

const READERS = {
    channels: (scene) => scene.channels(),
    parent: (scene) => parentOf(scene.overlay)?.eci ?? null,
    children: (scene) => scene.children().map((child) => child.eci),
    rid_url: (scene) => {
        const own = scene.installed().find((item) => item.rid === scene.calls.ruleset.rid);
        return own === undefined ? null : own.url;
    },
    rulesets: (scene) => scene.installed().map((record) => describeRuleset(scene, record)),
};

function describeRuleset(scene, record) {
    const { programs } = scene.acts;
    const manifest = programs.manifest(record.metered);
    const text = record.source === null ? new Uint8Array() : programs.blocks.block(record.source);
    const meta = new Map(manifest.meta);
    for (const name of ['shares', 'provides']) {
        if (manifest[name].length) {
            meta.set(name, manifest[name]);
        }
    }
    return new Map([
        ['rid', record.rid],
        ['url', record.url],
        ['config', decodeValue(record.config)],
        [
            'meta',
            new Map([
                ['krl', lossy.decode(text)],
                ['krlMeta', meta],
                ['hash', hex(sha256(text))],
                ['flushed', null],
                ['compiler', new Map([['version', manifest.compiler], ['warnings', []]])],
            ]),
        ],
    ]);
}

// -- changing: {answer, apply}

function channelPlan(name) {
    return (scene) => {
        const channels = scene.channels();
        if (channels.length >= CHANNELS_MAX) {
            throw new ActError(`more than ${CHANNELS_MAX} channels`);
        }
        const eci = scene.identifier('channel');
        const [changed, record] = CHANGES[name](scene.args, channels, eci);
        const value = record === null ? null : encodeValue(record);
        return {
            answer: name === 'newChannel' ? record : null,
            apply: () => scene.write(concat(CHANNELS, utf8(changed)), value),
        };
    };
}

function newPico(scene) {
    const given = scene.argument(0);
    if (!Array.isArray(given) || !given.every((item) => item instanceof Map)) {
        throw new ActError('ctx:newPico expects an array of {url, config}');
    }
    const rulesets = given.map((item) => {
        const wanted = moduleBehind(scene, item.get('url') ?? null, item.get('config') ?? null);
        return [wanted.rid, wanted.raw, wanted.source, wanted.url, wanted.config];
    });
    const [eci, theirEci] = [scene.identifier('child'), scene.identifier('parent')];
    const nonce = scene.fresh('nonce');
    const parts = { parent: scene.acts.pico, nonce, eci, parent_eci: theirEci, rulesets };
    const spawn = { v: 1, kind: 'spawn', ...parts };
    const data = encodeInput(spawn);
    const child = { eci, pico: String(cidOfBlock(data)), theirEci };
    const apply = () => {
        const { born } = scene.acts.young;
        if (born.size >= BORN_MAX) {
            throw new ActError(`more than ${BORN_MAX} children at once`);
        }
        if (scene.children().length >= CHANNELS_MAX) {
            throw new ActError(`more than ${CHANNELS_MAX} children`);
        }
        childJoins(scene.overlay, child).forEach((write) => scene.write(...write));
        born.set(eci, { pico: child.pico, spawn, data });
        scene.give('spawn', data);
    };
    return { answer: eci, apply };
}

function deletePico(scene) {
    const eci = scene.argument(0);
    const child = scene.children().find((item) => item.eci === eci);
    if (child === undefined) {
        throw new ActError(`delPico(${pyStr(eci)}) - not found in children ECIs`);
    }
    const apply = () => {
        childLeaves(child).forEach((write) => scene.write(...write));
        const born = scene.acts.young.born.get(child.eci);
        if (born === undefined) {
            scene.give('remove', message({ pico: child.pico }));
            return;
        }
        scene.acts.young.born.delete(child.eci); // it was never there
        const { attempt } = scene;
        const isBirth = ({ kind, data }) => kind === 'spawn' && equalBytes(data, born.data);
        attempt.effects = attempt.effects.filter((effect) => !isBirth(effect));
    };
    return { answer: null, apply };
}

function install(scene) {
    const wanted = moduleBehind(scene, scene.argument(0), scene.argument(1));
    const { programs, seq } = scene.acts;
    const prepared = programs.prepareInstall(scene.installed(), wanted, seq);
    const apply = () => {
        scene.attempt.replace(prepared.ruleset);
        if (!equalBytes(scene.attempt.check(prepared.ruleset), prepared.manifest)) {
            throw trap('describe does not return the manifest');
        }
        scene.clear(utf8(`select/${wanted.rid}/`));
        scene.write(...prepared.write);
    };
    return { answer: wanted.rid, apply };
}

function uninstall(scene) {
    const rid = scene.text(0, 'uninstall needs a rid');
    const installed = scene.installed();
    const [user] = scene.acts.programs.usersOf(installed, rid);
    if (user !== undefined) {
        throw new ActError(`Cannot uninstall ${rid} because ${user} depends on it`);
    }
    const apply = () => {
        if (installed.some((item) => item.rid === rid)) {
            ['ent', 'select'].forEach((space) => scene.clear(utf8(`${space}/${rid}/`)));
            scene.write(concat(RULESETS, utf8(rid)), null);
            scene.attempt.remove(rid);
        }
    };
    return { answer: null, apply };
}

function flush(scene) {
    const { rid, raw, source, url } = moduleBehind(scene, scene.argument(0), null, true);
    const from = source === null ? null : hex(source.raw);
    const data = message({ raw: hex(raw.raw), rid, source: from, url });
    return { answer: null, apply: () => scene.give('flush', data) };
}

// A system ruleset that the pico has itself is meant as it has it: nobody is asked.
function ownSystem(scene, url) {
    if (!url.startsWith(SYSTEM)) {
        return null;
    }
    const own = scene.ruleset(url.slice(SYSTEM.length).replace(/\.krl$/, ''));
    return own !== null && own.url === url ? own : null;
}

// The module behind a URL, pinned by its hash from the tape.
function moduleBehind(scene, url, config, fresh = false) {
    if (!isText(url) || pyStrip(url) === '') {
        throw new ActError('a ruleset needs a url');
    }
    const settings = encodeValue(config instanceof Map ? config : new Map());
    const own = fresh ? null : ownSystem(scene, url);
    if (own !== null) {
        return { rid: own.rid, raw: own.raw, source: own.source, url, config: settings };
    }
    const found = scene.acts.fromTape(scene, 'ctx:module', [url, fresh]);
    const get = (name) => (found instanceof Map ? found.get(name) : undefined);
    if (!['rid', 'raw', 'url'].every((name) => isText(get(name))) || get('source') === undefined) {
        throw new ActError(`no module behind ${pyRepr(url)}`);
    }
    return {
        rid: get('rid'),
        raw: namedInHex(get('raw')),
        source: get('source') === null ? null : namedInHex(pyStr(get('source'))),
        url: get('url'),
        config: settings,
    };
}

function namedInHex(text) {
    const raw = fromHex(text);
    if (raw === null) {
        throw new Refused('an answer on the tape names no module');
    }
    return new Cid(raw);
}

function sendEvent(scene) {
    const names = ['eci', 'domain', 'name'];
    const [eci, domain, name] = names.map((what, at) => scene.text(at, `missing event.${what}`));
    const [attrs, host] = [scene.mapOrEmpty(3), scene.argument(4)];
    const sent = { kind: 'send', eci, domain, name, attrs };
    const own = scene.attempt.given.host;
    if (isText(host) && host !== '' && host !== own) {
        return { answer: null, apply: () => scene.give('send', message({ ...sent, host })) };
    }
    checkUse(scene, eci, domain, name);
    const eid = scene.identifier('event');
    return { answer: eid, apply: () => scene.give('send', message({ ...sent, eid })) };
}

// Own channels and newborn children are known here; other picos' are asked of the tape.
function checkUse(scene, eci, domain, name) {
    if (scene.acts.young.born.has(eci)) {
        return;
    }
    const own = scene.channels().find((channel) => channel.get('id') === eci);
    if (own === undefined) {
        scene.acts.fromTape(scene, 'ctx:channel', [eci, 'event', domain, name]);
        return;
    }
    const refused = eventRefusal(own, domain, name, scene.acts.pico);
    if (refused !== null) {
        throw new ActError(refused);
    }
}

const PLANNERS = {
    newChannel: channelPlan('newChannel'),
    putChannel: channelPlan('putChannel'),
    upsertChannel: channelPlan('upsertChannel'),
    delChannel: channelPlan('delChannel'),
    newPico,
    delPico: deletePico,
    install,
    uninstall,
    flush,
    event: sendEvent,
};
