// Children that a transition makes, before they are born: a rule that makes a child may talk to it,
// so it is run ahead, at its parent's cost (docs/formats/receipt.md §6).

import { concat, equalBytes, hex, utf8 } from './bytes.js';
import { blake3 } from './blake3.js';
import { Attempt } from './attempt.js';
import { NeedsAnswer } from './calls.js';
import { ActError } from './channels.js';
import { State } from './overlay.js';
import { recordsOf } from './programs.js';
import { Undecided } from './refused.js';
import { EMPTY_ROOT } from './tree.js';
import { decodeMessage, decodeValue, encodeMessage, encodeValue, messageValue } from './value.js';

/** The seed of what the effect at a place leads to. */
export function derivedSeed(seed, purpose, at) {
    return blake3(concat(utf8(`picomesh ${purpose} ${at} `), seed));
}

export class Young {
    /** `perform` runs a transition, `actsOf` gives a run its acts. */
    constructor(work, programs, perform, actsOf) {
        Object.assign(this, { work, programs, perform, actsOf });
        this.born = new Map();
        this.modules = new Map();
    }

    /** What a child says that is not born yet; null when it is none of these. */
    answer(scene, name) {
        const eci = scene.argument(0);
        if (typeof eci !== 'string' || !this.born.has(eci)) {
            return null;
        }
        let question;
        if (name === 'eventQuery') {
            this.send(scene, eci);
            question = scene.args.slice(4, 7);
        } else if (name === 'query') {
            question = scene.args.slice(1, 4);
        } else {
            return null;
        }
        const answer = decodeValue(this.ask(scene, eci, question));
        return encodeMessage({ ok: messageValue(answer) });
    }

    send(scene, eci) {
        const domain = scene.text(1, 'missing event.domain');
        const name = scene.text(2, 'missing event.name');
        const attrs = scene.mapOrEmpty(3);
        const eid = scene.identifier('event');
        const sent = Object.entries({ kind: 'send', eci, domain, name, attrs, eid });
        const data = encodeMessage(Object.fromEntries(sent.map(([k, v]) => [k, messageValue(v)])));
        scene.acts.taken += 1;
        scene.attempt.effects.push({ kind: 'send', rid: scene.calls.key[0], data });
    }

    ask(scene, eci, [rid, name, args]) {
        if (typeof rid !== 'string' || typeof name !== 'string') {
            throw new ActError('a query needs a rid and a name');
        }
        const [work, blocks, root] = this.runAhead(scene, eci);
        const state = new State(blocks, root);
        const seed = derivedSeed(work.seed, 'question', scene.attempt.effects.length);
        const given = {
            pico: work.pico,
            host: scene.attempt.given.host,
            time: work.time,
            seed,
            fuelLimit: work.fuelLimit,
            tape: [],
        };
        const rulesets = recordsOf(state).map((record) => this.programs.ruleset(record));
        const acts = this.actsOf(this.programs, work);
        const attempt = new Attempt(state, rulesets, given, false, acts);
        const asked = args instanceof Map ? args : new Map();
        const query = { eci, rid, name, args: encodeValue(asked), eid: '' };
        const done = this.orAlone(() => attempt.finish(() => attempt.answer(query)));
        this.pay(scene, done);
        return done.answer;
    }

    orAlone(run) {
        try {
            return run();
        } catch (problem) {
            throw problem instanceof NeedsAnswer
                ? new ActError('a pico cannot ask others before it is born')
                : problem;
        }
    }

    // The child after all that was sent to it so far: its last work, its blocks, its state.
    runAhead(scene, eci) {
        const { effects, given } = scene.attempt;
        const { pico, spawn, data } = this.born.get(eci);
        const at = effects.findIndex((effect) => equalBytes(effect.data, data));
        const blocks = new NewBlocks(this.programs.blocks);
        let work = {
            ...this.work,
            pico,
            seq: 0,
            prev: null,
            given: spawn,
            seed: derivedSeed(this.work.seed, 'spawn', at),
            pre: EMPTY_ROOT,
            tape: [],
        };
        let root = this.step(scene, blocks, work);
        effects.forEach((effect, place) => {
            const sent = effect.kind === 'send' ? eventOf(effect.data, given.host) : null;
            if (sent !== null && sent.eci === eci) {
                const seed = derivedSeed(this.work.seed, 'send', place);
                work = { ...work, seq: work.seq + 1, given: sent, seed, pre: root };
                root = this.step(scene, blocks, work);
            }
        });
        return [work, blocks, root];
    }

    step(scene, blocks, work) {
        for (;;) {
            try {
                const done = this.perform(this.programs, blocks, work);
                this.pay(scene, done);
                return done.core.post;
            } catch (problem) {
                if (!(problem instanceof NeedsAnswer)) {
                    throw problem;
                }
                work = { ...work, tape: [...work.tape, this.module(scene, problem.question)] };
            }
        }
    }

    // A module that a child wants is asked for by its parent; nothing else can be.
    module(scene, question) {
        if (decodeMessage(question).get('fn') !== 'ctx:module') {
            throw new ActError('a pico cannot ask others before it is born');
        }
        const key = hex(question);
        if (!this.modules.has(key)) {
            this.modules.set(key, scene.calls.askTape(question));
        }
        return [question, this.modules.get(key)];
    }

    pay(scene, done) {
        scene.attempt.meter.charge(done.fuel);
        if (done.outcome !== 'ok') {
            throw new Undecided('the parent is told the text of an error of its child');
        }
    }
}

// The event that an effect of kind `send` stands for; null when it is none.
function eventOf(data, host) {
    const message = decodeMessage(data);
    const [eci, domain, name] = ['eci', 'domain', 'name'].map((key) => message.get(key));
    if (![eci, domain, name].every((item) => typeof item === 'string')) {
        return null;
    }
    const [attrs, eid] = [message.get('attrs'), message.get('eid')];
    return {
        v: 1,
        kind: 'event',
        eci,
        domain,
        name,
        attrs: encodeValue(attrs instanceof Map ? attrs : new Map()),
        eid: typeof eid === 'string' ? eid : hex(blake3(data)).slice(0, 24),
        host,
        schedule: null,
    };
}

// Blocks that were made in front of those of a file.
class NewBlocks {
    constructor(behind) {
        this.behind = behind;
        this.made = new Map();
    }

    block(cid) {
        return this.made.get(cid.key) ?? this.behind.block(cid);
    }

    has(cid) {
        return this.made.has(cid.key) || this.behind.has(cid);
    }

    add(cid, data) {
        this.made.set(cid.key, data);
    }
}
