// One run of one event, query or install: its guests, its overlay, what it collected
// (docs/formats/receipt.md §4).

import { bigEndian8, concat, utf8 } from './bytes.js';
import { blake3 } from './blake3.js';
import { encodeBlock } from './block.js';
import { Calls } from './calls.js';
import { CALL_DEPTH_MAX, DISPATCH_FUEL, STACK_WORDS_MAX, START_FUEL } from './limits.js';
import { Guest, Meter, Stop, thrown, trap } from './machine.js';
import { Overlay } from './overlay.js';
import { pyStr } from './python.js';
import { Refused } from './refused.js';
import { decodeValue, encodeMessage, encodeValue, messageBytes, messageValue } from './value.js';

const EMPTY_MAP = Uint8Array.of(0xa0);

export class Attempt {
    /** `given` is what the receipt records: pico, host, time, seed, fuelLimit, tape. */
    constructor(state, rulesets, given, mayWrite, acts = null) {
        this.overlay = new Overlay(state);
        this.rulesets = [...rulesets];
        this.given = given;
        this.mayWrite = mayWrite;
        this.acts = acts;
        this.tape = given.tape;
        this.meter = new Meter(given.fuelLimit, STACK_WORDS_MAX);
        this.removed = new Set();
        this.queue = [];
        this.effects = [];
        this.eci = '';
        this.eid = '';
        this.asked = 0;
        this.emitted = 0;
        this.entered = 0;
        this.guests = new Map();
    }

    /** Runs to the end, whatever it is; `work` does the running. */
    finish(work) {
        let [outcome, answer] = ['ok', new Uint8Array()];
        try {
            answer = work() ?? answer;
        } catch (problem) {
            if (!(problem instanceof Stop)) {
                throw problem;
            }
            outcome = problem.outcome;
        }
        const isOk = outcome === 'ok';
        return {
            outcome,
            fuel: this.given.fuelLimit - Math.max(this.meter.fuel, 0),
            writes: isOk ? this.overlay.changes() : [],
            effects: isOk ? this.effects : [],
            tape: this.tape.slice(0, this.asked),
            answer,
        };
    }

    // -- events

    react(event) {
        this.eid = event.eid;
        this.eci = event.eci;
        if (event.fired !== null) {
            this.removeFired(...event.fired);
        }
        this.offer({ ...event, only: null });
        while (this.queue.length) {
            this.handle(...this.queue.shift());
        }
    }

    // An entry of type `at` fires once; it leaves the schedule with what it causes.
    removeFired(rid, entry) {
        const path = utf8(`ent/${rid}/_schedule`);
        const entries = valueOrNull(this.overlay.get(path));
        const found = entries instanceof Map ? entries.get(entry) : null;
        if (found instanceof Map && found.get('type') === 'at') {
            entries.delete(entry);
            this.overlay.set(path, encodeValue(entries));
        }
    }

    /** Queues an event for every ruleset that selects it, in the order of installation. */
    offer(event) {
        for (const ruleset of this.rulesets) {
            const isFor = event.only === null || event.only === ruleset.rid;
            if (isFor && ruleset.doesSelect(event.domain, event.name)) {
                this.queue.push([ruleset.rid, event]);
            }
        }
    }

    handle(rid, event) {
        const ruleset = this.ruleset(rid);
        if (ruleset === null) {
            return;
        }
        this.meter.charge(DISPATCH_FUEL);
        const guest = this.guest(ruleset, null);
        const message = encodeMessage({
            ...this.common(ruleset.url),
            eci: messageValue(event.eci),
            eid: messageValue(event.eid),
            name: messageValue(event.name),
            domain: messageValue(event.domain),
            attrs: event.attrs,
            config: ruleset.configBytes,
        });
        checkRules(guest.handle(message));
    }

    // The entries that every message has; each gets a seed of its own.
    common(url) {
        const { pico, host, time, seed } = this.given;
        this.entered += 1;
        return {
            txn: messageValue(this.eid),
            url: messageValue(url),
            host: messageValue(host),
            pico: messageValue(pico),
            seed: messageBytes(blake3(concat(seed, bigEndian8(this.entered)))),
            time: encodeBlock(time),
        };
    }

    // -- rulesets

    ruleset(rid) {
        return this.rulesets.find((item) => item.rid === rid) ?? null;
    }

    /** A ruleset is installed, or takes the place of its older version, from now on. */
    replace(ruleset) {
        const at = this.rulesets.findIndex((item) => item.rid === ruleset.rid);
        this.rulesets = at < 0 ? [...this.rulesets, ruleset] : this.rulesets.with(at, ruleset);
        this.removed.delete(ruleset.rid);
        this.guests.delete(JSON.stringify([ruleset.rid]));
    }

    /** A ruleset sees nothing more, and what it still writes is dropped. */
    remove(rid) {
        this.rulesets = this.rulesets.filter((item) => item.rid !== rid);
        this.removed.add(rid);
        this.guests.delete(JSON.stringify([rid]));
    }

    /** The instance of a ruleset; each use of it as a module has an instance of its own. */
    guest(ruleset, caller, use = '') {
        const key = caller === null ? [ruleset.rid] : [...caller.key, `${ruleset.rid}#${use}`];
        const name = JSON.stringify(key);
        if (!this.guests.has(name)) {
            this.meter.charge(START_FUEL);
            const calls = new Calls(this, ruleset, key);
            this.guests.set(name, new Guest(ruleset.module(), calls, this.meter));
        }
        return this.guests.get(name);
    }

    // -- queries

    /** The manifest that a module tells of itself, after its globals could be computed. */
    check(ruleset) {
        const guest = this.guest(ruleset, null);
        const manifest = guest.describe();
        if (ruleset.computesGlobals) {
            guest.query(this.queryMessage(ruleset, '', '', EMPTY_MAP));
        }
        return manifest;
    }

    answer(query) {
        this.eid = query.eid;
        this.eci = query.eci;
        const ruleset = this.ruleset(query.rid);
        if (ruleset === null) {
            throw thrown(`Pico doesn't have ${query.rid} installed.`);
        }
        this.meter.charge(DISPATCH_FUEL);
        const message = this.queryMessage(ruleset, query.eci, query.name, query.args);
        return this.guest(ruleset, null).query(message);
    }

    queryMessage(ruleset, eci, name, args) {
        return encodeMessage({
            ...this.common(ruleset.url),
            eci: messageValue(eci),
            name: messageValue(name),
            args,
            config: ruleset.configBytes,
        });
    }

    /** What one ruleset asks of another one of the same pico. */
    callModule(caller, request) {
        if (caller.key.length >= CALL_DEPTH_MAX) {
            throw trap(`modules used more than ${CALL_DEPTH_MAX} deep`);
        }
        const [rid, name] = [request.get('rid'), request.get('name')];
        const use = request.has('use') ? pyStr(request.get('use')) : '0';
        const ruleset = this.ruleset(rid);
        if (ruleset === null) {
            throw thrown(`Module not found: ${rid}`);
        }
        if (!ruleset.provides.has(name)) {
            throw thrown(`${rid} does not provide ${name}`);
        }
        this.meter.charge(DISPATCH_FUEL);
        const guest = this.guest(ruleset, caller, use);
        const config = request.get('config');
        const message = encodeMessage({
            ...this.common(ruleset.url),
            kind: messageValue(request.get('kind')),
            name: messageValue(name),
            args: encodeValue(request.get('args')),
            config: isEmpty(config) ? EMPTY_MAP : encodeValue(config),
        });
        return guest.query(message);
    }
}

// What counts as no configuration: nothing, null, false, 0 and all that is empty.
function isEmpty(value) {
    const size = value instanceof Map ? value.size : (value?.length ?? null);
    return size === 0 || !value;
}

function valueOrNull(data) {
    try {
        return data === null ? null : decodeValue(data);
    } catch (problem) {
        if (problem instanceof Refused) {
            return null; // a module that is not KRL's may store anything
        }
        throw problem;
    }
}

// `handle` returns which rules ran, and whether they fired.
function checkRules(ran) {
    const rows = valueOrNull(ran);
    const isRow = (row) =>
        Array.isArray(row) &&
        row.length === 2 &&
        typeof row[0] === 'string' &&
        typeof row[1] === 'boolean';
    if (!Array.isArray(rows) || !rows.every(isRow)) {
        throw trap('handle returned what is not a list of [rule, fired]');
    }
}
