// From an input to a core: what a transition comes to, from what the receipt records and the blocks
// that it leads to (docs/formats/receipt.md §4 and §5).

import { base32, compareBytes, concat, equalBytes, utf8 } from './bytes.js';
import { blake3 } from './blake3.js';
import { encodeBlock } from './block.js';
import { Acts } from './acts.js';
import { Attempt } from './attempt.js';
import { bring } from './bringing.js';
import { CHANNELS, allowAll } from './channels.js';
import { cidOfBlock, cidOfBytes } from './cid.js';
import { childJoins, childLeaves, parentIs } from './family.js';
import { encodeInput, kindOf } from './inputs.js';
import { NO_STATE, Overlay, State } from './overlay.js';
import { InstallProblem, RULESETS, decodeRecord, inOrder, recordsOf } from './programs.js';
import { Refused, Undecided } from './refused.js';
import { Tree, TreeTooWide } from './tree.js';
import { encodeValue } from './value.js';
import { Young } from './young.js';

const ECI_BYTES = 15;

/**
 * Runs one transition. `work` is {pico, seq, prev, given, time, seed, fuelLimit, pre, tape}; the
 * answer is {core, outcome, fuel, writes, effects}.
 */
export function perform(programs, blocks, work) {
    const state = new State(blocks, work.pre);
    let done = run(programs, state, work);
    let post = work.pre;
    try {
        post = apply(blocks, work.pre, done.writes);
    } catch (problem) {
        if (!(problem instanceof TreeTooWide)) {
            throw problem;
        }
        const message = problem.message; // the guest chose its paths so
        done = { ...done, outcome: 'trap', message, writes: [], effects: [] };
    }
    const row = ({ kind, rid, data }) => [kind, rid, data];
    const core = {
        v: 1,
        profile: 'pico-1',
        pico: work.pico,
        seq: work.seq,
        prev: work.prev,
        kind: kindOf(work.given),
        code: codeAfter(state, done.writes),
        event: cidOfBlock(encodeInput(work.given)),
        time: work.time,
        seed: work.seed,
        fuel_limit: work.fuelLimit,
        pre: work.pre,
        post,
        writes: done.writes.map(([path, value]) => [path, value && cidOfBytes(value)]),
        tape: cidOfBlock(encodeBlock(done.tape)),
        outbox: cidOfBlock(encodeBlock(done.effects.map(row))),
        outcome: done.outcome,
        fuel: done.fuel,
    };
    return { ...done, core };
}

function result(writes, fuel = 0) {
    const sorted = writes.sort(([a], [b]) => compareBytes(a, b));
    return { outcome: 'ok', fuel, writes: sorted, effects: [], tape: [] };
}

function failed(outcome, fuel, message) {
    return { outcome, fuel, message, writes: [], effects: [], tape: [] };
}

// The field `code`: what is installed once the writes are applied.
function codeAfter(state, writes) {
    const overlay = new Overlay(state);
    writes.forEach(([path, value]) => overlay.set(path, value));
    const rows = overlay.everything(RULESETS);
    const records = inOrder(rows.map(([path, data]) => decodeRecord(path, data)));
    return records.map(({ rid, raw, metered }) => [rid, raw, metered]);
}

// Puts the writes into the tree; keeps what is new if the blocks can be added to.
function apply(blocks, pre, writes) {
    if (writes.length === 0) {
        return pre;
    }
    const tree = new Tree(blocks, pre);
    for (const [path, value] of writes) {
        if (value === null) {
            tree.delete(path);
        } else {
            tree.put(path, cidOfBytes(value));
        }
    }
    const made = [];
    const root = tree.flush((cid, data) => made.push([cid, data]));
    if (blocks.add) {
        const values = writes.map(([, value]) => value).filter((value) => value !== null);
        values.forEach((value) => blocks.add(cidOfBytes(value), value));
        made.forEach(([cid, data]) => blocks.add(cid, data));
    }
    return root;
}

function run(programs, state, work) {
    const { given } = work;
    switch (given.kind) {
        case 'create':
            return create(work);
        case 'spawn':
            return spawn(programs, state, work);
        case 'delete':
            return result(state.paths(new Uint8Array()).map((path) => [path, null]));
        case 'adopt':
            return adopt(state, given);
        case 'install':
            return install(programs, state, work);
        case 'uninstall':
            return uninstall(programs, state, given.rid);
        case 'import':
            return imported(state, work);
        default:
            return react(programs, state, work);
    }
}

function circumstances(work, host) {
    const { pico, time, seed, fuelLimit, tape } = work;
    return { pico, host, time, seed, fuelLimit, tape };
}

/** What the rulesets of a pico can do to it in one run. */
function actsOf(programs, work) {
    return new Acts(programs, work, new Young(work, programs, perform, actsOf));
}

function react(programs, state, work) {
    const { eci, domain, name, attrs, eid, host, schedule } = work.given;
    const rulesets = recordsOf(state).map((record) => programs.ruleset(record));
    const given = circumstances(work, host);
    const attempt = new Attempt(state, rulesets, given, true, actsOf(programs, work));
    return attempt.finish(() => attempt.react({ eci, domain, name, attrs, eid, fired: schedule }));
}

function create(work) {
    const seed = concat(utf8('picomesh first channel'), work.seed);
    const eci = base32(blake3(seed).subarray(0, ECI_BYTES));
    const channel = encodeValue(allowAll(eci, ['allow-all']));
    return result([[concat(CHANNELS, utf8(eci)), channel]]);
}

function adopt(state, { part, child, parent, eci, parent_eci: parentEci }) {
    const young = { eci, pico: child, theirEci: parentEci };
    const overlay = new Overlay(state);
    switch (part) {
        case 'leave':
            return result(childLeaves(young));
        case 'join':
            return result(childJoins(overlay, young));
        default:
            return result(parentIs(overlay, { eci: parentEci, pico: parent, theirEci: eci }));
    }
}

// Asks a new module for its manifest, next to what is installed already.
function describe(programs, before, prepared, work, fuelLimit) {
    const others = before.filter((item) => item.rid !== prepared.record.rid);
    const rulesets = [prepared.ruleset, ...others.map((item) => programs.ruleset(item))];
    const given = { ...circumstances(work, ''), fuelLimit };
    const attempt = new Attempt(NO_STATE, rulesets, given, false);
    const done = attempt.finish(() => attempt.check(prepared.ruleset));
    if (done.outcome === 'ok' && !equalBytes(done.answer, prepared.manifest)) {
        return failed('trap', done.fuel, 'describe does not return the manifest');
    }
    return done;
}

function install(programs, state, work) {
    const { rid, raw, source, url, config } = work.given;
    const before = recordsOf(state);
    let prepared;
    try {
        prepared = programs.prepareInstall(before, { rid, raw, source, url, config }, work.seq);
    } catch (problem) {
        if (problem instanceof InstallProblem) {
            return failed('throw', 0, problem.message);
        }
        throw problem;
    }
    const done = describe(programs, before, prepared, work, work.fuelLimit);
    if (done.outcome !== 'ok') {
        return done;
    }
    const resets = state.paths(utf8(`select/${rid}/`)).map((path) => [path, null]);
    return result([prepared.write, ...resets], done.fuel);
}

function uninstall(programs, state, rid) {
    const records = recordsOf(state);
    if (programs.usersOf(records, rid).length) {
        return failed('throw', 0, 'another ruleset uses it as a module');
    }
    const spaces = ['ent', 'select'].map((space) => utf8(`${space}/${rid}/`));
    const paths = spaces.flatMap((space) => state.paths(space));
    return result([...paths, concat(RULESETS, utf8(rid))].map((path) => [path, null]));
}

function imported(state, { pico, given }) {
    const writes = bring(state, pico, given);
    return writes === null ? failed('throw', 0, 'an import that cannot be here') : result(writes);
}

// A child with its rulesets; one that cannot be installed is left out.
function spawn(programs, state, work) {
    const { parent, eci, parent_eci: parentEci, rulesets } = work.given;
    const writes = parentIs(new Overlay(state), { eci: parentEci, pico: parent, theirEci: eci });
    const installed = new Map();
    let fuel = 0;
    for (const [rid, raw, source, url, config] of rulesets) {
        const before = [...installed.values()];
        let prepared;
        try {
            prepared = programs.prepareInstall(before, { rid, raw, source, url, config }, work.seq);
        } catch (problem) {
            if (problem instanceof InstallProblem) {
                continue;
            }
            throw problem instanceof Refused && !programs.blocks.has(raw)
                ? problem
                : new Undecided(`whether a module is admitted: ${problem.message}`);
        }
        const done = describe(programs, before, prepared, work, work.fuelLimit - fuel);
        fuel += done.fuel;
        if (done.outcome === 'ok') {
            installed.set(rid, prepared.record);
            writes.push(prepared.write);
        }
    }
    return result(writes, fuel);
}
