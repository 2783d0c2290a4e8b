// Runs the vectors of tests/vectors through the second verifier; prints what it says otherwise.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { audit } from '../../verifier/audit.js';
import { equalBytes, fromHex, hex } from '../../verifier/bytes.js';
import { decodeBlock, encodeBlock } from '../../verifier/block.js';
import { CarFile } from '../../verifier/car.js';
import { covers, readCheckpoint } from '../../verifier/checkpoint.js';
import { cidOfBlock, cidOfBytes, parseCid } from '../../verifier/cid.js';
import { readEvidence } from '../../verifier/evidence.js';
import { readExport } from '../../verifier/export.js';
import { decodeInput, encodeInput } from '../../verifier/inputs.js';
import { isContinued } from '../../verifier/merkle.js';
import { decodeCore, decodeEnvelope, isEnvelopeSigned } from '../../verifier/receipt.js';
import { Refused } from '../../verifier/refused.js';
import { EMPTY_ROOT, Tree, decodeNode, reach } from '../../verifier/tree.js';
import { decodeValue, encodeValue } from '../../verifier/value.js';

const FOLDER = new URL('../vectors/', import.meta.url);

function must(holds, text) {
    if (!holds) {
        throw new Error(text);
    }
}

const same = (a, b) => must(equalBytes(a, b), 'other bytes');

function valueOf(json) {
    if (Array.isArray(json)) {
        return json.map(valueOf);
    }
    if (json !== null && typeof json === 'object') {
        return new Map(Object.entries(json).map(([key, item]) => [key, valueOf(item)]));
    }
    return json;
}

// What reading a vector of a format means; a file that must be refused throws Refused.
const READERS = {
    value(data, row) {
        const value = decodeValue(data);
        same(encodeValue(value), data);
        if ('value' in row) {
            same(encodeValue(valueOf(row.value)), data);
        }
    },
    block(data, row) {
        same(encodeBlock(decodeBlock(data)), data);
        must(row.cid === undefined || String(cidOfBlock(data)) === row.cid, 'another name');
    },
    cid(data, row) {
        const cid = parseCid(row.text);
        same(cid.raw, data);
        const of = fromHex(row.of);
        must(cid.names(of) && [cidOfBlock(of), cidOfBytes(of)].some((item) => item.equals(cid)));
    },
    car(data, row) {
        const car = new CarFile(data);
        must(String(car.root) === row.root, 'another root');
        const blocks = Object.entries(row.blocks);
        must(blocks.length === car.blocks.size, 'more or fewer blocks');
        blocks.forEach(([name, bytes]) => same(car.block(parseCid(name)), fromHex(bytes)));
    },
    tree(data, row) {
        if (row.path !== undefined) {
            return readPartial(data, row);
        }
        return row.entries ? buildTree(row) : decodeNode(data);
    },
    async receipt(data, row, file) {
        if (file.includes('core')) {
            decodeCore(data);
            must(row.cid === undefined || String(cidOfBlock(data)) === row.cid, 'another name');
            return;
        }
        decodeEnvelope(data);
        if (!(await isEnvelopeSigned(data))) {
            throw new Refused('signature');
        }
    },
    async checkpoint(data, row) {
        if (row.before !== undefined) {
            const [old, root, way] = [row.before_root, row.root, row.way.map(fromHex)];
            if (!isContinued(row.before, fromHex(old), row.size, fromHex(root), way)) {
                throw new Refused('continuation');
            }
            return;
        }
        const checkpoint = await readCheckpoint(data);
        for (const { seq, receipt, way } of row.ways ?? [row]) {
            if (!covers(checkpoint, parseCid(receipt), seq, way.map(fromHex))) {
                throw new Refused('way');
            }
        }
    },
    input(data) {
        same(encodeInput(decodeInput(data)), data);
    },
    async proof(data, row, file) {
        const done = await audit(data);
        if (done.verdict === 'refused') {
            must(file === `refused-${done.check}.json`, `refused by ${done.check}`);
            throw new Refused(done.text);
        }
        must(done.verdict === 'proved' && done.core.seq === row.seq, done.verdict);
    },
    export(data, row) {
        const { picos } = readExport(data);
        const count = picos.reduce((sum, item) => sum + item.receipts.length, 0);
        must(count === row.receipts, 'more or fewer receipts');
    },
    async evidence(data, row) {
        const found = await readEvidence(data);
        must(found.seq === row.seq, 'another place');
    },
};

function readPartial(data, { path, value }) {
    const car = new CarFile(data);
    car.refuseStrangers(reach(car.root, car).names);
    const found = new Tree(car, car.root).get(fromHex(path));
    must((found === null) === (value === null), 'there or not there');
    if (found !== null) {
        same(car.block(found), fromHex(value));
    }
}

function buildTree({ entries, root, nodes }) {
    const tree = new Tree({ block: () => must(false, 'nothing is read') }, EMPTY_ROOT);
    const rows = Object.entries(entries);
    rows.reverse().forEach(([path, value]) => tree.put(fromHex(path), parseCid(value)));
    const made = new Map();
    must(String(tree.flush((cid, data) => made.set(String(cid), hex(data)))) === root, 'root');
    must(JSON.stringify([...made].sort()) === JSON.stringify(Object.entries(nodes).sort()), 'nodes');
}

let count = 0;
for (const format of readdirSync(FOLDER).filter((name) => statSync(new URL(name, FOLDER)).isDirectory())) {
    const folder = new URL(`${format}/`, FOLDER);
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
        for (const row of JSON.parse(readFileSync(new URL(file, folder)))) {
            count += 1;
            const bytes = (row.repeated ?? '').repeat(row.times ?? 1) + (row.bytes ?? '');
            const wanted = file.startsWith('refused') ? 'refused' : 'accepted';
            const said = await judge(format, fromHex(bytes), row, file);
            if (said !== wanted) {
                console.log(`${format}/${file}: ${row.name}: ${said}`);
            }
        }
    }
}
console.log(`${count} vectors`);

async function judge(format, data, row, file) {
    try {
        await READERS[format](data, row, file);
        return 'accepted';
    } catch (problem) {
        return problem instanceof Refused ? 'refused' : `a mistake: ${problem.stack}`;
    }
}
