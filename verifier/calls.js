// The host functions of one guest: its part of the state, and what it may do.

import { concat, equalBytes, startsWith, utf8 } from './bytes.js';
import { EFFECTS_MAX, QUESTIONS_MAX } from './limits.js';
import { thrown, trap } from './machine.js';
import { Refused } from './refused.js';
import { decodeMessage, encodeValue } from './value.js';

const SPACES = [utf8('ent/'), utf8('select/')];
const isText = (value) => typeof value === 'string';

/** Reads a message of a guest; one that is none is the guest's own mistake. */
function readMessage(data, what) {
    try {
        return decodeMessage(data);
    } catch (problem) {
        throw problem instanceof Refused ? trap(`${what} that is not a message`) : problem;
    }
}

export class Calls {
    constructor(attempt, ruleset, key) {
        this.attempt = attempt;
        this.ruleset = ruleset;
        this.key = key; // the way of uses to this instance
    }

    // -- state: guest path `ent/x` of ruleset R is `ent/R/x` (docs/formats/state.md §1)

    full(path) {
        const space = SPACES.find((prefix) => startsWith(path, prefix));
        if (space === undefined) {
            throw trap("a path outside this ruleset's part of the state");
        }
        return concat(space, utf8(this.ruleset.rid + '/'), path.subarray(space.length));
    }

    writable() {
        if (!this.attempt.mayWrite) {
            throw trap('a query cannot change the pico');
        }
        return this.attempt.overlay;
    }

    get(path) {
        return this.attempt.overlay.get(this.full(path));
    }

    put(path, value) {
        const full = this.full(path);
        const overlay = this.writable();
        if (!this.attempt.removed.has(this.ruleset.rid)) {
            overlay.set(full, value); // what a removed ruleset stored went with it
        }
    }

    scan(prefix, after, limit) {
        const full = this.full(prefix);
        const start = after.length ? this.full(after) : after;
        const cut = utf8(this.ruleset.rid).length + 1;
        const space = full.indexOf(0x2f) + 1;
        return this.attempt.overlay.scan(full, start, limit).map(([path, value]) => [
            concat(path.subarray(0, space), path.subarray(space + cut)),
            value,
        ]);
    }

    // -- effects

    emit(effect) {
        this.attempt.emitted += 1;
        if (this.attempt.emitted > EFFECTS_MAX) {
            throw trap(`more than ${EFFECTS_MAX} effects`);
        }
        const message = readMessage(effect, 'an effect');
        const kind = message.get('kind');
        const has = (...names) => names.every((name) => message.has(name));
        if (kind === 'directive') {
            this.give('directive', effect);
        } else if (kind === 'throw' && has('message')) {
            throw thrown('the ruleset threw');
        } else if (kind === 'log' && has('level', 'message', 'value')) {
            return; // for people, and outside of the core
        } else if (kind === 'send' && isText(message.get('eci'))) {
            this.give('send', effect);
        } else if (kind === 'request' && message.get('request') instanceof Map && has('event')) {
            this.give('request', effect);
        } else if (this.attempt.acts && isActed(message)) {
            this.writable();
            this.attempt.acts.act(this, kind.slice(4), message.get('args'));
        } else if (kind === 'abandon') {
            this.writable();
            this.attempt.queue.length = 0;
        } else if (kind === 'raise' && isRaised(message)) {
            this.raise(message);
        } else {
            throw trap('an effect of unknown kind');
        }
    }

    /** Something for the outbox, in the name of the ruleset that uses this one. */
    give(kind, data) {
        this.writable();
        this.attempt.effects.push({ kind, rid: this.key[0], data });
    }

    raise(message) {
        this.writable();
        const only = message.get('for') ?? null;
        if (!(message.get('attrs') instanceof Map) || !(only === null || isText(only))) {
            throw trap("a raised event's attributes are not a map");
        }
        this.attempt.offer({
            eci: this.attempt.eci,
            domain: message.get('domain'),
            name: message.get('name'),
            attrs: encodeValue(message.get('attrs')),
            eid: this.attempt.eid,
            only,
        });
    }

    // -- questions and other rulesets

    ask(question) {
        const answer = this.attempt.acts ? this.attempt.acts.answer(this, question) : null;
        return answer ?? this.askTape(question);
    }

    askTape(question) {
        const { tape, asked } = this.attempt;
        if (asked >= QUESTIONS_MAX) {
            throw trap(`more than ${QUESTIONS_MAX} questions`);
        }
        if (asked >= tape.length) {
            throw new NeedsAnswer(question);
        }
        if (!equalBytes(tape[asked][0], question)) {
            throw new TapeDiverged(`question ${asked} is not the one on the tape`);
        }
        this.attempt.asked += 1;
        return tape[asked][1];
    }

    call(request) {
        const message = readMessage(request, 'a request');
        const kind = message.get('kind');
        const texts = isText(message.get('rid')) && isText(message.get('name'));
        const known = ['function', 'action'].includes(kind) && message.get('args') instanceof Map;
        if (!known || !texts) {
            throw trap('a request without kind, rid, name and args');
        }
        return this.attempt.callModule(this, message);
    }
}

function isActed(message) {
    const kind = message.get('kind');
    return isText(kind) && kind.startsWith('ctx.') && Array.isArray(message.get('args'));
}

function isRaised(message) {
    return isText(message.get('domain')) && isText(message.get('name')) && message.has('attrs');
}

/** A question that the tape does not answer. */
export class NeedsAnswer extends Error {
    constructor(question) {
        super('the tape ends before the questions do');
        this.question = question;
    }
}

/** A question that is not the one on the tape. */
export class TapeDiverged extends Error {}
