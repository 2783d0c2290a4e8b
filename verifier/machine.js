// One instance of a ruleset's module in this JavaScript engine: the canonical ABI's lowering of
// wit/pico.wit from the host's side (docs/formats/module.md, pico-1.md §4 and §9).

import * as limits from './limits.js';
import { Undecided } from './refused.js';

/** The guest ended its transition; `outcome` is the class that the receipt records. */
export class Stop extends Error {
    constructor(outcome, text) {
        super(text);
        this.outcome = outcome;
    }
}

export const trap = (text) => new Stop('trap', text);
export const thrown = (text) => new Stop('throw', text);

/** What is left of a transition's budget; all its guests draw from this one. */
export class Meter {
    constructor(fuel, stackWords) {
        this.fuel = fuel;
        this.stackWords = stackWords;
    }

    charge(price) {
        this.fuel -= price;
        this.check();
    }

    check() {
        if (this.fuel < 0) {
            throw new Stop('out-of-fuel', 'out of fuel');
        }
    }
}

/** An instance, with what it may call and the budget it draws from. */
export class Guest {
    constructor(module, calls, meter) {
        this.calls = calls;
        this.meter = meter;
        this.allocating = false;
        try {
            this.exports = new WebAssembly.Instance(module, this.imports()).exports;
        } catch (problem) {
            throw problem instanceof WebAssembly.RuntimeError ? trap(problem.message) : problem;
        }
    }

    // -- exports

    describe() {
        return this.lift(this.enter('describe'));
    }

    handle(event) {
        const message = this.message(event, limits.EVENT_BYTES_MAX, 'an event');
        return this.lift(this.enter('handle', ...message));
    }

    query(request) {
        const message = this.message(request, limits.REQUEST_BYTES_MAX, 'a request');
        return this.lift(this.enter('query', ...message));
    }

    message(data, bytesMax, what) {
        if (data.length > bytesMax) {
            throw trap(`${what} of ${data.length} bytes, the limit is ${bytesMax}`);
        }
        this.meter.charge(data.length * limits.MESSAGE_BYTE_FUEL);
        return this.lower(data);
    }

    lift(address) {
        if (address % 4) {
            throw trap('a return area is not aligned');
        }
        const area = this.read(address, 8, 8, 'a return area');
        const view = new DataView(area.buffer, area.byteOffset);
        const [start, count] = [view.getUint32(0, true), view.getUint32(4, true)];
        this.meter.charge(count * limits.MESSAGE_BYTE_FUEL);
        return this.read(start, count, limits.ANSWER_BYTES_MAX, 'a result');
    }

    /** Calls an export with the meter in the guest's globals; sorts out how it ends. */
    enter(name, ...args) {
        this.giveMeter();
        let result;
        try {
            result = this.exports[name](...args);
        } catch (problem) {
            this.takeMeter();
            throw this.ending(problem);
        }
        this.takeMeter();
        this.meter.check();
        return result >>> 0;
    }

    ending(problem) {
        const isOwn = problem instanceof WebAssembly.RuntimeError || problem instanceof RangeError;
        if (!isOwn) {
            return problem; // what a host function threw
        }
        if (this.meter.fuel < 0) {
            return new Stop('out-of-fuel', 'out of fuel');
        }
        if (this.meter.stackWords < 0) {
            return new Stop('out-of-stack', 'out of stack');
        }
        if (problem instanceof RangeError) {
            return new Undecided(`this engine's own stack has ended: ${problem.message}`);
        }
        return trap(problem.message);
    }

    giveMeter() {
        this.exports['pico-1:fuel'].value = BigInt(this.meter.fuel);
        this.exports['pico-1:stack'].value = this.meter.stackWords;
    }

    takeMeter() {
        this.meter.fuel = Number(this.exports['pico-1:fuel'].value);
        this.meter.stackWords = this.exports['pico-1:stack'].value;
    }

    // -- memory

    get memorySize() {
        return this.exports.memory.buffer.byteLength;
    }

    read(address, count, bytesMax, what) {
        if (count > bytesMax) {
            throw trap(`${what} of ${count} bytes, the limit is ${bytesMax}`);
        }
        if (address + count > this.memorySize) {
            throw trap(`${what} reaches outside the memory`);
        }
        return new Uint8Array(this.exports.memory.buffer, address, count).slice();
    }

    write(address, data, alignment = 1) {
        if (address % alignment) {
            throw trap('a return area is not aligned');
        }
        if (address + data.length > this.memorySize) {
            throw trap('a result would reach outside the memory');
        }
        new Uint8Array(this.exports.memory.buffer).set(data, address);
    }

    /** Memory in the guest for a result; the guest must not call out meanwhile. */
    allocate(count, alignment) {
        this.allocating = true;
        let address;
        try {
            address = this.enter('cabi_realloc', 0, 0, alignment, count);
        } finally {
            this.allocating = false;
        }
        if (address % alignment || address + count > this.memorySize) {
            throw trap('cabi_realloc gave memory that is not there or not aligned');
        }
        return address;
    }

    lower(data) {
        const address = this.allocate(data.length, 1);
        this.write(address, data);
        return [address, data.length];
    }

    giveList(area, data) {
        this.meter.charge(data.length * limits.RESULT_BYTE_FUEL);
        this.write(area, words(...this.lower(data)), 4);
    }

    // -- imports: the meter is out of the guest's globals while they run

    imports() {
        const around = (action) => (...args) => this.guarded(action, args);
        return {
            'picomesh:pico/state@1.0.0': {
                get: around(this.get),
                put: around(this.put),
                delete: around(this.delete),
                scan: around(this.scan),
            },
            'picomesh:pico/effects@1.0.0': { emit: around(this.emit) },
            'picomesh:pico/pico@1.0.0': { ask: around(this.ask) },
            'picomesh:pico/rulesets@1.0.0': { call: around(this.call) },
        };
    }

    guarded(action, args) {
        this.takeMeter();
        try {
            if (this.allocating) {
                throw trap('an import was called inside cabi_realloc');
            }
            action.apply(this, args.map((argument) => argument >>> 0));
        } finally {
            this.giveMeter();
        }
    }

    path(address, count) {
        return this.read(address, count, limits.PATH_BYTES_MAX, 'a path');
    }

    get(address, count, area) {
        const value = this.calls.get(this.path(address, count));
        this.write(area, Uint8Array.of(value === null ? 0 : 1), 4);
        if (value !== null) {
            this.giveList(area + 4, value);
        }
    }

    put(address, count, at, length) {
        const path = this.path(address, count);
        this.calls.put(path, this.read(at, length, limits.VALUE_BYTES_MAX, 'a value'));
    }

    delete(address, count) {
        this.calls.put(this.path(address, count), null);
    }

    scan(prefixAt, prefixLength, at, length, limit, area) {
        const prefix = this.path(prefixAt, prefixLength);
        const after = this.path(at, length);
        const entries = this.calls.scan(prefix, after, Math.min(limit, limits.SCAN_ENTRIES_MAX));
        const size = entries.reduce((sum, [path, value]) => sum + path.length + value.length, 0);
        this.meter.charge(size * limits.RESULT_BYTE_FUEL);
        this.meter.charge(entries.length * limits.SCAN_ENTRY_FUEL);
        const rows = this.allocate(16 * entries.length, 4);
        entries.forEach(([path, value], index) => {
            const row = words(...this.lower(path), ...this.lower(value));
            this.write(rows + 16 * index, row, 4);
        });
        this.write(area, words(rows, entries.length), 4);
    }

    emit(address, count) {
        this.calls.emit(this.read(address, count, limits.EFFECT_BYTES_MAX, 'an effect'));
    }

    ask(address, count, area) {
        const question = this.read(address, count, limits.REQUEST_BYTES_MAX, 'a question');
        this.giveList(area, this.calls.ask(question));
    }

    call(address, count, area) {
        const request = this.read(address, count, limits.REQUEST_BYTES_MAX, 'a request');
        this.giveList(area, this.calls.call(request));
    }
}

function words(...numbers) {
    const out = new Uint8Array(4 * numbers.length);
    const view = new DataView(out.buffer);
    numbers.forEach((number, at) => view.setUint32(4 * at, number, true));
    return out;
}
