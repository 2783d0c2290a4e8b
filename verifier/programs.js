// Installed rulesets, ready to run: the record in the state, the manifest, the compiled module.

import { compareBytes, concat, utf8 } from './bytes.js';
import { encodeBlock, mapOf } from './block.js';
import { Fields, refuseUnless } from './fields.js';
import { readManifest } from './manifest.js';
import { Refused, Undecided } from './refused.js';
import { decodeValue, encodeValue } from './value.js';

export const RULESETS = utf8('pico/rulesets/');
const RECORD_FIELDS = ['position', 'raw', 'metered', 'source', 'url', 'config'];
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A rule of the host that an install breaks; it is told to the ruleset's author. */
export class InstallProblem extends Error {}

/** The record of an installed ruleset, from its path and value. */
export function decodeRecord(path, data) {
    const fields = new Fields(data, RECORD_FIELDS);
    fields.natural('position');
    fields.cid('raw');
    fields.cid('metered');
    fields.cidOrNull('source');
    fields.text('url');
    fields.bytes('config');
    return { ...Object.fromEntries(fields.entries), rid: ridOf(path) };
}

function ridOf(path) {
    try {
        return decoder.decode(path.subarray(RULESETS.length));
    } catch {
        throw new Refused('the id of an installed ruleset is not UTF-8');
    }
}

function encodeRecord({ position, raw, metered, source, url, config }) {
    return encodeBlock(mapOf({ position, raw, metered, source, url, config }));
}

/** Records in the order in which their rulesets see events. */
export function inOrder(records) {
    return records.sort((a, b) => {
        const order = Number(a.position) - Number(b.position);
        return order || compareBytes(utf8(a.rid), utf8(b.rid));
    });
}

/** The installed rulesets of a state, in order. */
export function recordsOf(state) {
    const rows = state.scan(RULESETS, new Uint8Array(), Infinity);
    return inOrder(rows.map(([path, data]) => decodeRecord(path, data)));
}

/** Modules of a file; `pairs` says for raw modules what they are metered to. */
export class Programs {
    constructor(blocks, pairs) {
        this.blocks = blocks;
        this.pairs = pairs;
        this.modules = new Map();
        this.manifests = new Map();
        this.admitted = new Set();
    }

    /** Compiles what is there ahead of time: a page must not wait for it. */
    async prepare(metered) {
        for (const cid of metered.filter((item) => this.blocks.has(item))) {
            this.modules.set(cid.key, await compiled(this.blocks.block(cid)));
        }
    }

    module(metered) {
        if (!this.modules.has(metered.key)) {
            const module = compiledNow(this.blocks.block(metered));
            this.modules.set(metered.key, module);
        }
        return this.modules.get(metered.key);
    }

    manifest(metered) {
        if (!this.manifests.has(metered.key)) {
            this.manifests.set(metered.key, readManifest(this.blocks.block(metered)));
        }
        return this.manifests.get(metered.key);
    }

    ruleset(record) {
        const manifest = this.manifest(record.metered);
        const config = decodeValue(record.config);
        return {
            rid: record.rid,
            url: record.url,
            configBytes: encodeValue(config instanceof Map ? config : new Map()),
            provides: new Set(manifest.provides),
            computesGlobals: manifest.compiler.startsWith('krl '),
            module: () => this.module(record.metered),
            doesSelect: (domain, name) =>
                manifest.selects === null || manifest.selects.has(JSON.stringify([domain, name])),
        };
    }

    /** Checks an install; `before` are the records of what is installed. */
    prepareInstall(before, wanted, seq) {
        const manifest = readManifest(this.blocks.block(wanted.raw));
        const metered = this.pairs.get(wanted.raw.key);
        if (metered === undefined) {
            throw new Undecided('a module whose metered form is not in the file');
        }
        this.admitted.add(wanted.raw.key);
        const uses = new Map(before.map((item) => [item.rid, this.manifest(item.metered).uses]));
        uses.set(wanted.rid, manifest.uses);
        checkUses(uses, wanted.rid);
        const known = before.find((item) => item.rid === wanted.rid);
        const last = Math.max(-1, ...before.map((item) => Number(item.position)));
        const position = known ? known.position : Math.max(seq, last + 1);
        if (manifest.rid !== wanted.rid) {
            throw new InstallProblem(`the module is ${manifest.rid}, not ${wanted.rid}`);
        }
        const record = { ...wanted, position, metered };
        return {
            record,
            ruleset: this.ruleset(record),
            manifest: manifest.data,
            write: [concat(RULESETS, utf8(record.rid)), encodeRecord(record)],
        };
    }

    /** The installed rulesets that use this one as a module. */
    usersOf(records, rid) {
        const others = records.filter((item) => item.rid !== rid);
        const users = others.filter((item) => this.manifest(item.metered).uses.includes(rid));
        return users.map((item) => item.rid);
    }
}

async function compiled(data) {
    refuseUnless(WebAssembly.validate(data), 'module', 'not a WebAssembly module');
    return WebAssembly.compile(data);
}

function compiledNow(data) {
    refuseUnless(WebAssembly.validate(data), 'module', 'not a WebAssembly module');
    return new WebAssembly.Module(data);
}

// A ruleset whose modules cannot work: one is missing, or they use each other in a circle.
function checkUses(uses, rid) {
    const trail = [[rid]];
    const seen = new Set();
    while (trail.length) {
        const path = trail.pop();
        const last = path.at(-1);
        if (seen.has(last)) {
            continue;
        }
        seen.add(last);
        for (const used of uses.get(last)) {
            if (path.includes(used)) {
                throw new InstallProblem(`Dependency Cycle Found: ${[...path, used].join(' -> ')}`);
            }
            if (!uses.has(used)) {
                throw new InstallProblem(`Dependant module not loaded: ${used}`);
            }
            trail.push([...path, used]);
        }
    }
}

