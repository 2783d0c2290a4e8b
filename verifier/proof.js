// The root of a proof file (docs/formats/proof.md §2).

import { compareBytes } from './bytes.js';
import { Cid } from './cid.js';
import { Fields, refuseUnless } from './fields.js';
import { isHash } from './receipt.js';

const FIELDS = ['v', 'kind', 'receipt', 'before', 'position', 'modules'];

/** Reads the root; links of a receipt are {core, envelope}. */
export function decodeProof(data) {
    const fields = new Fields(data, FIELDS);
    fields.is('kind', 'picomesh proof');
    fields.is('v', 1);
    const before = fields.any('before');
    return {
        receipt: readLinks(fields.any('receipt'), 'receipt'),
        before: before === null ? null : readLinks(before, 'before'),
        position: readPosition(fields.any('position')),
        modules: readModules(fields.rows('modules', 2)),
    };
}

function readModules(rows) {
    rows.forEach((row, at) => {
        const links = row.every((item) => item instanceof Cid);
        const ordered = links && (at === 0 || compareBytes(rows[at - 1][0].raw, row[0].raw) < 0);
        refuseUnless(ordered, 'modules', 'not [raw, metered], ascending');
    });
    return rows;
}

/** The two links of a receipt. */
export function readLinks(block, field) {
    const pair = Array.isArray(block) && block.length === 2;
    const known = pair && block.every((item) => item instanceof Cid);
    refuseUnless(known, field, 'not [core, envelope]');
    return { core: block[0], envelope: block[1] };
}

function readPosition(block) {
    if (block === null) {
        return null;
    }
    const [checkpoint, way] = Array.isArray(block) && block.length === 2 ? block : [];
    const known = checkpoint instanceof Cid && Array.isArray(way) && way.every(isHash);
    refuseUnless(known, 'position', 'not [checkpoint, hashes]');
    return { checkpoint, way };
}
