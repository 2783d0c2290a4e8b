// Audits a proof: one file, and nothing else is believed (docs/formats/proof.md §4).

import { equalBytes, hex, startsWith } from './bytes.js';
import { decodeBlock } from './block.js';
import { CarFile } from './car.js';
import { covers, readCheckpoint } from './checkpoint.js';
import { Cid } from './cid.js';
import { NeedsAnswer, TapeDiverged } from './calls.js';
import { decodeInput, makerOf } from './inputs.js';
import { FUEL_LIMIT_MAX } from './limits.js';
import { perform } from './perform.js';
import { Programs, RULESETS, decodeRecord } from './programs.js';
import { decodeProof } from './proof.js';
import { CORE_FIELDS, decodeCore, decodeEnvelope, isEnvelopeSigned } from './receipt.js';
import { Refused, Undecided } from './refused.js';
import { EMPTY_ROOT, reach } from './tree.js';

/**
 * Checks a proof file. The answer is {verdict, checks, check, text, core, given, done}: a verdict
 * of `proved`, `refused` or `undecided`, the checks that hold, and what is wrong with the next one.
 */
export async function audit(data) {
    const auditor = new Auditor();
    try {
        await auditor.run(data);
        return auditor.report('proved');
    } catch (problem) {
        if (problem instanceof Undecided) {
            return auditor.report('undecided', problem.message);
        }
        if (problem instanceof Refused) {
            return auditor.report('refused', problem.message);
        }
        throw problem;
    }
}

function refuse(text) {
    throw new Refused(text);
}

// Blocks of the file, remembering what was read.
class Recorder {
    constructor(car) {
        this.car = car;
        this.read = new Map();
    }

    block(cid) {
        const data = this.car.block(cid);
        this.read.set(cid.key, cid);
        return data;
    }

    has(cid) {
        return this.car.has(cid);
    }
}

class Auditor {
    constructor() {
        this.checks = [];
        this.check = '';
        this.done = null;
    }

    report(verdict, text = '') {
        const { checks, check, core, envelope, given, done } = this;
        return { verdict, checks, check: text && check, text, core, envelope, given, done };
    }

    async run(data) {
        for (const name of CHECKS) {
            this.check = name;
            const text = await this[`check_${name}`](data);
            this.checks.push({ name, text });
        }
    }

    check_file(data) {
        this.car = new CarFile(data);
        this.proof = decodeProof(this.car.block(this.car.root));
        return `${this.car.blocks.size} blocks, ${data.length} bytes`;
    }

    receipt(links) {
        const core = decodeCore(this.car.block(links.core));
        const envelope = decodeEnvelope(this.car.block(links.envelope));
        if (!envelope.core.equals(links.core)) {
            refuse('the envelope is that of another core');
        }
        return [core, envelope];
    }

    check_receipt() {
        [this.core, this.envelope] = this.receipt(this.proof.receipt);
        const { core } = this;
        if (core.fuel_limit > FUEL_LIMIT_MAX) {
            refuse(`fuel_limit ${core.fuel_limit} is beyond the profile's`);
        }
        this.given = decodeInput(this.car.block(core.event));
        return `receipt ${core.seq}, ${core.kind}, outcome ${core.outcome}`;
    }

    async check_signature() {
        if (!(await isEnvelopeSigned(this.car.block(this.proof.receipt.envelope)))) {
            refuse("the envelope's signature does not hold");
        }
        return `signed by engine ${hex(this.envelope.engine)}`;
    }

    check_engine() {
        const [engine, names] = makerOf(this.car, this.core.pico);
        this.makers = names;
        if (!equalBytes(engine, this.envelope.engine)) {
            refuse("the receipt is signed by another engine than the pico's");
        }
        return `the engine that made pico ${this.core.pico}`;
    }

    async check_position() {
        const { core, proof } = this;
        if ((core.seq === 0) !== (proof.before === null)) {
            refuse('the receipt before it is missing, or one too many');
        }
        if (proof.before === null) {
            this.checkFirst();
        } else {
            await this.checkBefore(proof.before);
        }
        const size = await this.checkCheckpoint();
        const place = core.seq ? `behind receipt ${core.seq - 1}` : 'the first of its pico';
        return size ? `${place}, in a signed history of ${size}` : place;
    }

    checkFirst() {
        const { core } = this;
        if (core.kind !== 'create' || String(core.event) !== core.pico) {
            refuse('the first receipt is not the one that makes the pico');
        }
        if (core.prev !== null || !core.pre.equals(EMPTY_ROOT)) {
            refuse('the first receipt has something before it');
        }
    }

    async checkBefore(links) {
        const { core } = this;
        const [before, envelope] = this.receipt(links);
        if (core.kind === 'create') {
            refuse('a pico is made by its first receipt');
        }
        const follows = before.pico === core.pico && before.seq === core.seq - 1;
        if (!links.core.equals(core.prev) || !follows) {
            refuse('the receipt does not follow the one before it');
        }
        if (!before.post.equals(core.pre)) {
            refuse('it does not begin where the receipt before it ended');
        }
        const isSame = equalBytes(envelope.engine, this.envelope.engine);
        if (!isSame || !(await isEnvelopeSigned(this.car.block(links.envelope)))) {
            refuse('the receipt before it is not signed by the same engine');
        }
    }

    async checkCheckpoint() {
        const { core, proof } = this;
        if (proof.position === null) {
            return 0;
        }
        const checkpoint = await readCheckpoint(this.car.block(proof.position.checkpoint));
        const isSame = equalBytes(checkpoint.engine, this.envelope.engine);
        if (checkpoint.pico !== core.pico || !isSame) {
            refuse('the checkpoint is of another pico or engine');
        }
        if (!covers(checkpoint, proof.receipt.core, core.seq, proof.position.way)) {
            refuse('the checkpoint does not cover the receipt');
        }
        return checkpoint.size;
    }

    check_state() {
        this.reached = reach(this.core.pre, this.car);
        const values = this.reached.values.length;
        return `${this.reached.names.length - values} nodes and ${values} values of the state`;
    }

    async check_code() {
        this.recorder = new Recorder(this.car);
        this.records = this.reached.values
            .filter(([path]) => startsWith(path, RULESETS))
            .map(([path, value]) => decodeRecord(path, this.car.block(value)));
        const rows = this.records.map(({ raw, metered }) => [raw, metered]);
        rows.push(...this.core.code.map(([, raw, metered]) => [raw, metered]));
        rows.push(...this.proof.modules);
        const installed = this.given.kind === 'install' ? [this.given.raw] : [];
        const missing = [...rows.flat(), ...installed].find((cid) => !this.car.has(cid));
        if (missing !== undefined) {
            refuse(`the file is not complete: module ${missing} is not there`);
        }
        const pairs = new Map(rows.map(([raw, metered]) => [raw.key, metered]));
        this.programs = new Programs(this.recorder, pairs);
        await this.programs.prepare([...pairs.values()]);
        const count = this.records.length + this.proof.modules.length;
        return `${count} modules; that they are metered well is not checked here`;
    }

    check_execution() {
        const { core } = this;
        const work = {
            pico: core.pico,
            seq: core.seq,
            prev: core.prev,
            given: this.given,
            time: core.time,
            seed: core.seed,
            fuelLimit: Number(core.fuel_limit),
            pre: core.pre,
            tape: readTape(this.recorder.block(core.tape)),
        };
        this.done = this.perform(work);
        this.checkModules();
        this.car.refuseStrangers(this.known());
        const field = CORE_FIELDS.find((name) => !isSame(core[name], this.done.core[name]));
        if (field !== undefined) {
            const [recorded, found] = [core[field], this.done.core[field]].map(describe);
            refuse(`${field} differs: recorded ${recorded}, run again ${found}`);
        }
        return `run again in this JavaScript engine: ${core.fuel} fuel, every field equal`;
    }

    perform(work) {
        try {
            return perform(this.programs, this.recorder, work);
        } catch (problem) {
            if (problem instanceof NeedsAnswer || problem instanceof TapeDiverged) {
                refuse(`the tape is another: ${problem.message}`);
            }
            if (problem instanceof TypeError || problem instanceof RangeError) {
                // What only the host writes is read without suspicion, and may be forged.
                refuse(`the run breaks down: ${problem.message}`);
            }
            throw problem;
        }
    }

    // The root names just the modules that the run needs besides those of state and core.
    checkModules() {
        const run = this.core.code.map((row) => row[1]);
        const keys = new Set([...this.records.map(({ raw }) => raw), ...run].map((raw) => raw.key));
        const wanted = [...this.programs.admitted].filter((key) => !keys.has(key)).sort();
        const listed = this.proof.modules.map(([raw]) => raw.key);
        if (JSON.stringify(listed) !== JSON.stringify(wanted)) {
            refuse('the file names other modules than the run needs');
        }
    }

    // Nothing may be in the file but what its blocks lead to and what the run has read.
    known() {
        const { core, proof, recorder } = this;
        const { receipt, before, position } = proof;
        const known = [this.car.root, core.event, core.tape, ...this.makers];
        known.push(receipt.core, receipt.envelope, ...recorder.read.values());
        known.push(...(before === null ? [] : [before.core, before.envelope]));
        known.push(...(position === null ? [] : [position.checkpoint]));
        known.push(...this.reached.names, ...proof.modules.flat());
        known.push(...this.records.flatMap(({ raw, metered }) => [raw, metered]));
        known.push(...core.code.flatMap(([, raw, metered]) => [raw, metered]));
        return known;
    }
}

const CHECKS = [
    'file', 'receipt', 'signature', 'engine', 'position', 'state', 'code', 'execution',
];

function readTape(data) {
    const rows = decodeBlock(data);
    const isRow = (row) => Array.isArray(row) && row.length === 2 && row.every(isBytes);
    if (!Array.isArray(rows) || !rows.every(isRow)) {
        refuse('a tape is not a list of [question, answer]');
    }
    return rows;
}

const isBytes = (item) => item instanceof Uint8Array;

// Whether two fields of a core are equal.
function isSame(a, b) {
    if (Array.isArray(a)) {
        const isLong = Array.isArray(b) && a.length === b.length;
        return isLong && a.every((item, at) => isSame(item, b[at]));
    }
    if (a instanceof Cid) {
        return a.equals(b);
    }
    return isBytes(a) ? isBytes(b) && equalBytes(a, b) : a === b;
}

function describe(value) {
    if (Array.isArray(value)) {
        return `${value.length} entries`;
    }
    return isBytes(value) ? hex(value) : String(value);
}
