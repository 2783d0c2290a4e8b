// Checkpoints: an engine's word on how long a history is (docs/formats/checkpoint.md).

import { decodeBlock, encodeBlock } from './block.js';
import { isSigned } from './ed25519.js';
import { Fields, refuseUnless } from './fields.js';
import { isIncluded, leafOf } from './merkle.js';
import { Refused } from './refused.js';

const FIELDS = ['v', 'pico', 'size', 'head', 'root', 'time', 'engine', 'signature'];

/** Reads a checkpoint and checks its signature. */
export async function readCheckpoint(data) {
    const fields = new Fields(data, FIELDS);
    fields.is('v', 1);
    fields.text('pico');
    refuseUnless(fields.natural('size') > 0, 'size', 'a history has at least one receipt');
    fields.cid('head');
    fields.bytes('root', 32);
    fields.integer('time');
    fields.bytes('engine', 32);
    fields.bytes('signature', 64);
    const unsigned = decodeBlock(data);
    unsigned.delete('signature');
    const message = encodeBlock(unsigned);
    const engine = fields.any('engine');
    if (!(await isSigned(engine, 'picomesh checkpoint 1', message, fields.any('signature')))) {
        throw new Refused('signature: it does not hold');
    }
    return Object.fromEntries(fields.entries);
}

/** Whether a receipt stands at this place in the history that the checkpoint binds. */
export function covers(checkpoint, receipt, seq, way) {
    return isIncluded(leafOf(receipt.raw), seq, checkpoint.size, way, checkpoint.root);
}
