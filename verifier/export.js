// The root and the pages of an exported history (docs/formats/export.md).

import { compareBytes, utf8 } from './bytes.js';
import { decodeBlock } from './block.js';
import { CarFile, FILE_BYTES_MAX } from './car.js';
import { Cid, DAG_CBOR } from './cid.js';
import { Fields, refuseUnless } from './fields.js';
import { readLinks } from './proof.js';
import { Refused } from './refused.js';

const PAGE_RECEIPTS_MAX = 1000;

/** Reads a file of histories as far as its pages: {engine, picos}, with the links of receipts. */
export function readExport(data) {
    const car = new CarFile(data, FILE_BYTES_MAX);
    const fields = new Fields(car.block(car.root), ['v', 'kind', 'engine', 'picos']);
    fields.is('kind', 'picomesh history');
    fields.is('v', 1);
    fields.bytes('engine', 32);
    refuseUnless(Array.isArray(fields.any('picos')), 'picos', 'not a list');
    const picos = fields.any('picos').map((row) => readPico(row));
    picos.slice(1).forEach(({ pico }, at) => {
        const ordered = compareBytes(utf8(picos[at].pico), utf8(pico)) < 0;
        refuseUnless(ordered, 'picos', 'not in order of their names');
    });
    picos.forEach((item) => {
        item.receipts = item.pages.flatMap((page, at) => readPage(car, page, item, at));
    });
    return { engine: fields.any('engine'), picos };
}

function readPico(row) {
    const fields = new Fields(null, ['pico', 'name', 'first', 'count', 'before', 'pages'], row);
    const pages = fields.any('pages');
    const isLink = (item) => item instanceof Cid && item.codec === DAG_CBOR;
    refuseUnless(Array.isArray(pages) && pages.every(isLink), 'pages', 'not links');
    const [first, count] = [fields.natural('first'), fields.natural('count')];
    const before = fields.any('before');
    const fits = (first === 0) === (before === null);
    refuseUnless(fits, 'before', 'only a run that begins at 0 continues nothing');
    const enough = count > 0 && pages.length === Math.ceil(Number(count) / PAGE_RECEIPTS_MAX);
    refuseUnless(enough, 'pages', 'not as many as the receipts need');
    fields.text('pico');
    fields.text('name');
    if (before !== null) {
        readLinks(before, 'before');
    }
    return Object.fromEntries(fields.entries);
}

function readPage(car, page, { count }, at) {
    const rows = decodeBlock(car.block(page));
    const wanted = Math.min(PAGE_RECEIPTS_MAX, count - at * PAGE_RECEIPTS_MAX);
    if (!Array.isArray(rows) || rows.length !== wanted) {
        throw new Refused(`a page is not a list of ${wanted} receipts`);
    }
    return rows.map((row) => readLinks(row, 'page'));
}
