// What the host reads of a module before it runs anything: the section `pico:manifest`
// (docs/formats/module.md §4).

import { equalBytes, utf8 } from './bytes.js';
import { decodeBlock } from './block.js';
import { pyStr } from './python.js';
import { Refused, Undecided } from './refused.js';

const SECTION = utf8('pico:manifest');
const HEADER_BYTES = 8;
const RID_CHARACTERS_MAX = 256;

/** Reads the manifest of a module. */
export function readManifest(module) {
    const data = customSection(module);
    const block = decodeBlock(data);
    if (!(block instanceof Map) || block.get('abi') !== 'pico-1') {
        throw new Refused("the module's manifest is not for abi pico-1");
    }
    const compiler = block.get('compiler');
    const provides = maps(block.get('provides'));
    const uses = maps(block.get('uses')).filter((use) => use.has('rid'));
    return {
        data,
        rid: checkRid(block.get('rid')),
        meta: texts(block.get('meta')),
        shares: maps(block.get('shares')).map((item) => pyStr(item.get('name'))),
        provides: provides.map((item) => pyStr(item.get('name'))),
        uses: uses.map((use) => pyStr(use.get('rid'))),
        compiler: compiler === undefined ? '' : pyStr(compiler),
        selects: readSelects(block.get('rules')),
    };
}

function customSection(module) {
    let position = HEADER_BYTES;
    while (position < module.length) {
        const id = module[position];
        const [size, start] = readUleb32(module, position + 1);
        position = start + size;
        if (id === 0) {
            const [length, begin] = readUleb32(module, start);
            if (equalBytes(module.subarray(begin, begin + length), SECTION)) {
                return module.subarray(begin + length, position);
            }
        }
    }
    throw new Refused('the module has no section pico:manifest, so it is not a ruleset');
}

function readUleb32(data, at) {
    let number = 0;
    for (let count = 0; count < 5; count++) {
        const byte = data[at + count];
        if (byte === undefined || (count === 4 && byte > 0x0f)) {
            break;
        }
        number += (byte & 0x7f) * 2 ** (7 * count);
        if (byte < 0x80) {
            return [number, at + count + 1];
        }
    }
    throw new Refused('the module cannot be read');
}

function checkRid(rid) {
    const isText = typeof rid === 'string' && rid !== '' && [...rid].length <= RID_CHARACTERS_MAX;
    if (!isText || rid.includes('/') || /[\x00-\x1f\x7f]/.test(rid)) {
        throw new Refused("the module's manifest has no ruleset id, or a wrong one");
    }
    if (!/^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(rid)) {
        throw new Undecided('a ruleset id with letters that may not be printable');
    }
    return rid;
}

function maps(rows) {
    return (Array.isArray(rows) ? rows : []).filter((row) => row instanceof Map);
}

function texts(meta) {
    const entries = meta instanceof Map ? [...meta] : [];
    return new Map(entries.filter(([, value]) => typeof value === 'string'));
}

// The events that any rule selects, or null when a rule sees every event.
function readSelects(rules) {
    const pairs = new Set();
    for (const rule of maps(rules)) {
        const events = rule.get('events');
        if (!Array.isArray(events)) {
            return null;
        }
        for (const event of events) {
            const isPair = Array.isArray(event) && event.length === 2;
            if (!isPair || !event.every((item) => typeof item === 'string')) {
                throw new Refused("an event of the module's manifest is not [domain, type]");
            }
            pairs.add(JSON.stringify(event));
        }
    }
    return pairs;
}
