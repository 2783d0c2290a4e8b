// One file, whatever it is: a proof of a transition, or evidence against an engine.

import { audit } from './audit.js';
import { decodeBlock } from './block.js';
import { CarFile } from './car.js';
import { KIND, readEvidence } from './evidence.js';
import { hex } from './bytes.js';
import { Refused, Undecided } from './refused.js';

/** Checks a file; the answer is that of `audit`, or for evidence the same with `evidence`. */
export async function check(data) {
    if (!isEvidence(data)) {
        return audit(data);
    }
    const done = { verdict: 'proved', checks: [], check: '', text: '', evidence: true };
    try {
        const { engine, pico, seq } = await readEvidence(data);
        const text = `engine ${hex(engine)} signed two receipts ${seq} of pico ${pico}`;
        done.checks.push({ name: 'evidence', text });
    } catch (problem) {
        if (!(problem instanceof Refused) || problem instanceof Undecided) {
            throw problem;
        }
        Object.assign(done, { verdict: 'refused', check: 'evidence', text: problem.message });
    }
    return done;
}

function isEvidence(data) {
    try {
        const car = new CarFile(data);
        const root = decodeBlock(car.block(car.root));
        return root instanceof Map && root.get('kind') === KIND;
    } catch (problem) {
        if (problem instanceof Refused) {
            return false; // the audit says what is wrong with it
        }
        throw problem;
    }
}
