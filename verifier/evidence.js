// Evidence against an engine: two receipts for one place, both signed (docs/formats/evidence.md).

import { compareBytes, equalBytes } from './bytes.js';
import { CarFile } from './car.js';
import { Fields, refuseUnless } from './fields.js';
import { makerOf } from './inputs.js';
import { readLinks } from './proof.js';
import { decodeCore, decodeEnvelope, isEnvelopeSigned } from './receipt.js';
import { Refused } from './refused.js';

export const KIND = 'picomesh evidence';
const EVIDENCE_BYTES_MAX = 16 * 1024 * 1024;

function require(holds, text) {
    if (!holds) {
        throw new Refused(text);
    }
}

/** Checks a file of evidence; the answer is {engine, pico, seq, cores}. */
export async function readEvidence(data) {
    const car = new CarFile(data, EVIDENCE_BYTES_MAX);
    const [first, second] = readRoot(car.block(car.root));
    const [a, b] = [await readReceipt(car, first), await readReceipt(car, second)];
    const ordered = compareBytes(first.core.raw, second.core.raw) < 0;
    require(ordered, 'the two receipts are one, or not in order');
    require(a.core.pico === b.core.pico, 'the two receipts differ in pico');
    require(a.core.seq === b.core.seq, 'the two receipts differ in seq');
    const { engine } = a.envelope;
    require(equalBytes(engine, b.envelope.engine), 'the two receipts differ in engine');
    const [maker, names] = makerOf(car, a.core.pico);
    require(equalBytes(maker, engine), "signed by another engine than the pico's");
    const links = [first, second].flatMap(({ core, envelope }) => [core, envelope]);
    car.refuseStrangers([car.root, ...links, ...names]);
    return { engine, pico: a.core.pico, seq: a.core.seq, cores: [a.core, b.core] };
}

function readRoot(data) {
    const fields = new Fields(data, ['v', 'kind', 'receipts']);
    fields.is('kind', KIND);
    fields.is('v', 1);
    const rows = fields.any('receipts');
    refuseUnless(Array.isArray(rows) && rows.length === 2, 'receipts', 'not two');
    return rows.map((row) => readLinks(row, 'receipts'));
}

async function readReceipt(car, links) {
    const core = decodeCore(car.block(links.core));
    const bytes = car.block(links.envelope);
    const envelope = decodeEnvelope(bytes);
    require(envelope.core.equals(links.core), 'an envelope is that of another core');
    require(await isEnvelopeSigned(bytes), 'a signature does not hold');
    return { core, envelope };
}
