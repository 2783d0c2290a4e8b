// Reads files of blocks with IPLD's own libraries, and writes them again: for the tests.
// Arguments: the files. Prints one line of JSON for each.

import { readFileSync, writeFileSync } from 'node:fs';
import { CarReader, CarWriter } from '@ipld/car';
import * as dagCbor from '@ipld/dag-cbor';
import { blake3 } from '@noble/hashes/blake3.js';
import { CID } from 'multiformats/cid';
import * as digest from 'multiformats/hashes/digest';

const BLAKE3 = 0x1e;
const RAW = 0x55;

function linksOf(value) {
    const link = CID.asCID(value);
    if (link) {
        return [link];
    }
    const isBranch = value !== null && typeof value === 'object' && !(value instanceof Uint8Array);
    return isBranch ? Object.values(value).flatMap(linksOf) : [];
}

async function bytesOf(out) {
    const parts = [];
    for await (const part of out) {
        parts.push(Buffer.from(part));
    }
    return Buffer.concat(parts);
}

for (const path of process.argv.slice(2)) {
    const reader = await CarReader.fromBytes(new Uint8Array(readFileSync(path)));
    const roots = await reader.getRoots();
    const counts = { blocks: 0, cbor: 0, links: 0, found: 0 };
    const blocks = [];
    for await (const { cid, bytes } of reader.blocks()) {
        blocks.push({ cid, bytes });
        counts.blocks += 1;
        const hash = CID.createV1(cid.code, digest.create(BLAKE3, blake3(bytes)));
        if (!hash.equals(cid)) {
            throw new Error(`${cid} is not the name of its bytes`);
        }
        if (cid.code === RAW) {
            continue;
        }
        counts.cbor += 1;
        const value = dagCbor.decode(bytes);
        if (!Buffer.from(dagCbor.encode(value)).equals(Buffer.from(bytes))) {
            throw new Error(`${cid} is encoded otherwise`);
        }
        for (const link of linksOf(value)) {
            counts.links += 1;
            counts.found += (await reader.has(link)) ? 1 : 0;
        }
    }
    const { writer, out } = CarWriter.create(roots);
    const written = bytesOf(out);
    for (const block of blocks) {
        await writer.put(block);
    }
    await writer.close();
    writeFileSync(`${path}.again`, await written);
    console.log(JSON.stringify({ roots: roots.map(String), ...counts }));
}
