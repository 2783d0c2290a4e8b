// The receipts of a pico, newest first. Each can be run again: the core must come out the same.

import * as api from './api.js';
import { button, calm, fold, h, labelled, newId, say, select } from './dom.js';
import { count, many } from './format.js';
import { showWrite } from './log.js';
import { rulesOf, story } from './rules.js';
import { badge, showId, showOutcome, showTime } from './values.js';

const PAGE = 50;
const SHOWN_MAX = 1000;

export function drawReceipts(place, pico, fail) {
    const timeline = new Timeline(place, pico, fail);
    const again = calm(150, () => timeline.load());
    return {
        ready: timeline.load(),
        hear: (receipt) => (receipt === null || receipt.pico === pico) && again(),
    };
}

class Timeline {
    constructor(place, pico, fail) {
        this.pico = pico;
        this.fail = fail;
        this.rows = [];
        this.items = new Map();
        this.list = h('ol', { class: 'timeline', 'aria-label': 'Receipts, newest first' });
        this.backend = select([
            ['', 'the engine’s own'], ['cranelift', 'Cranelift'], ['pulley', 'Pulley'],
            ['winch', 'Winch'],
        ], '');
        this.more = button('Show older ones', () => this.load(true));
        place.replaceChildren(
            h('h2', { class: 'heard' }, 'Receipts'),
            h('div', { class: 'controls' }, labelled('Run again on', this.backend),
                button('Run all of these again', () => this.runAll())),
            this.list, this.more);
    }

    async load(older = false) {
        try {
            const before = older && this.rows.length ? this.rows.at(-1).seq : null;
            const found = await api.get(['picos', this.pico, 'timeline'],
                before === null ? { limit: PAGE } : { limit: PAGE, before });
            const known = new Map([...this.rows, ...found].map((row) => [row.seq, row]));
            this.rows = [...known.values()].sort((a, b) => b.seq - a.seq).slice(0, SHOWN_MAX);
            this.draw();
        } catch (problem) {
            this.fail(problem);
        }
    }

    /** Adds what is new and leaves the rest alone, so that nothing moves under a hand. */
    draw() {
        const most = Math.max(1, ...this.rows.map((row) => row.fuel));
        this.rows.forEach((row, at) => {
            if (!this.items.has(row.seq)) {
                this.items.set(row.seq, this.item(row));
            }
            const item = this.items.get(row.seq);
            item.querySelector('meter').max = most;
            if (this.list.children[at] !== item) {
                this.list.insertBefore(item, this.list.children[at] ?? null);
            }
        });
        this.more.hidden = !this.rows.length || this.rows.at(-1).seq === 0;
    }

    item(row) {
        const title = newId('receipt');
        const verdict = h('p', { class: 'verdict', role: 'status' });
        const again = button('Run again', () => this.run(row, verdict), {
            'aria-describedby': title, 'data-key': `again ${row.seq}`, class: 'again',
        });
        const summary = [
            h('span', { class: 'seq' }, String(row.seq)),
            showTime(row.time),
            h('span', { class: 'title', id: title }, row.kind === 'event' ? null
                : badge(row.kind, 'quiet'), row.kind === 'event' ? h('code', {}, row.title)
                : [' ', row.title], row.scheduled ? [' ', badge('scheduled', 'quiet')] : null),
            showOutcome(row.outcome),
            h('span', { class: 'fuel' }, h('span', {}, `${count(row.fuel)} fuel`),
                h('meter', { min: 0, max: Math.max(1, row.fuel), value: row.fuel,
                    'aria-hidden': 'true' })),
        ];
        return h('li', { 'data-seq': row.seq },
            h('div', { class: 'receipt' },
                fold(`receipt ${row.seq}`, summary, () => this.details(row)), again),
            verdict);
    }

    details(row) {
        const place = h('div', { class: 'inside' }, h('p', { class: 'none' }, '…'));
        Promise.all([
            rulesOf(row.pico, row.seq),
            api.get(['picos', row.pico, 'receipts', row.seq]),
        ]).then(([told, receipt]) => {
            const key = `story ${row.seq}`;
            place.replaceChildren(...[
                told.message ? h('p', { class: 'problem' }, told.message) : null,
                ...[story(told, key)].flat(),
                told.writes.length ? h('h3', {}, many(row.writes, 'write')) : null,
                told.writes.length ? h('ul', { class: 'writes' },
                    told.writes.map((write) => showWrite(write, key))) : null,
                h('h3', {}, 'The receipt'),
                hashes(receipt, row),
                button('Save a proof of it', () => save(row)),
            ].filter(Boolean));
        }).catch((problem) => {
            place.replaceChildren(h('p', { class: 'problem' }, problem.message));
        });
        return place;
    }

    async run(row, verdict) {
        verdict.className = 'verdict';
        verdict.textContent = '…';
        const query = this.backend.value ? { backend: this.backend.value } : {};
        try {
            const done = await api.post(['picos', row.pico, 'receipts', row.seq, 'replay'], {},
                query);
            verdict.classList.add(done.agrees ? 'good' : 'bad');
            verdict.replaceChildren(...verdictOf(done));
            verdict.scrollIntoView({ block: 'nearest' });
            return done.agrees;
        } catch (problem) {
            verdict.classList.add('bad');
            verdict.textContent = problem.message;
            return false;
        }
    }

    async runAll() {
        let good = 0;
        const rows = [...this.rows];
        for (const row of rows) {
            const verdict = this.items.get(row.seq).querySelector('.verdict');
            good += await this.run(row, verdict) ? 1 : 0;
        }
        say(`${good} of ${rows.length} agree`);
    }
}

/** A file that anybody can check without this engine: `picomesh audit`, or the verifier. */
async function save(row) {
    try {
        const file = await api.load(['picos', row.pico, 'receipts', row.seq, 'proof']);
        const link = h('a', {
            href: URL.createObjectURL(file), download: `${row.title || row.kind}-${row.seq}.car`,
        });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
        say('the proof is saved');
    } catch (problem) {
        say(problem.message);
    }
}

function verdictOf(done) {
    const where = `${done.backend}, ${done.ms} ms`;
    if (done.agrees) {
        const text = ` — the same core, ${count(done.fuel)} fuel (${where})`;
        return [h('strong', {}, '✓ agrees'), text];
    }
    if (done.differs) {
        const { field, recorded, replayed } = done.differs;
        return [h('strong', {}, `✗ differs in ${field}`), ` (${where})`, h('br'),
            'recorded ', h('code', {}, recorded), h('br'),
            'now ', h('code', {}, replayed)];
    }
    return [h('strong', {}, '✗ cannot be believed'), ` — ${done.problem}`];
}

function hashes(receipt, row) {
    const rows = [
        ['name', receipt.cid], ['before', receipt.prev], ['event', receipt.event],
        ['state before', receipt.pre], ['state after', receipt.post],
    ];
    return h('dl', { class: 'hashes' },
        rows.filter(([, cid]) => cid).map(([name, cid]) => h('div', {},
            h('dt', {}, name), h('dd', {}, showId(cid, name, 22, 8)))),
        row.eid ? h('div', {}, h('dt', {}, 'eid'), h('dd', {}, h('code', {}, row.eid))) : null,
        row.eci ? h('div', {}, h('dt', {}, 'channel'), h('dd', {}, showId(row.eci, 'channel')))
            : null,
        h('div', {}, h('dt', {}, 'backend'), h('dd', {}, row.backend)));
}
