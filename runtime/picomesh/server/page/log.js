// The live log. Its rows are rules: was the right one considered, was it selected, did it fire?

import * as api from './api.js';
import { nameOf } from './app.js';
import { button, calm, h, labelled, redraw, select } from './dom.js';
import { count, oneLine } from './format.js';
import { STATUS, deeds, details, rows, rulesOf, showStatus } from './rules.js';
import { showOutcome, showTime, showValue } from './values.js';

const SHOWN_MAX = 300;
const FIRST = 15;
const WAITING_MAX = 40;

export function drawLog(place, pico, fail) {
    const log = new Log(place, pico, fail);
    return {
        ready: log.begin(), hear: (receipt) => log.hear(receipt), leave: () => log.leave(),
    };
}

class Log {
    constructor(place, pico, fail) {
        this.pico = pico;
        this.fail = fail;
        this.entries = [];
        this.waiting = [];
        this.left = false;
        this.busy = false;
        this.paused = false;
        this.items = new Map();
        this.skipped = 0;
        this.choice = '';
        this.list = h('div', { class: 'log', role: 'log', 'aria-label': 'Rules, newest first',
            'aria-live': 'polite', tabindex: 0 });
        this.summary = h('p', { class: 'quiet', id: 'log-summary' });
        this.draw = calm(60, () => this.redraw());
        place.replaceChildren(h('h2', { class: 'heard' }, 'Log'), this.controls(), this.summary,
            this.list);
    }

    controls() {
        const change = { on: { input: () => this.draw(), change: () => this.draw() } };
        this.filter = h('input', { type: 'search', placeholder: 'rule, ruleset, event or value',
            autocomplete: 'off', spellcheck: 'false', ...change });
        this.scope = select([['one', 'this pico'], ['all', 'all picos']], 'one', change);
        this.order = select([['time', 'as it happens'], ['rule', 'rule by rule']], 'time', change);
        const kinds = [...Object.keys(STATUS), 'nobody'];
        this.status = new Map(kinds.map((status) => [status, h('input', {
            type: 'checkbox', checked: true, ...change,
        })]));
        this.pause = button('Pause', () => this.setPaused(!this.paused), {
            'aria-pressed': 'false', 'data-key': 'pause',
        });
        return h('div', { class: 'controls', role: 'group', 'aria-label': 'What the log shows' },
            labelled('Filter', this.filter, 'field wide'),
            labelled('Of', this.scope), labelled('Order', this.order),
            this.pause,
            button('Clear', () => {
                this.entries = [];
                this.draw();
            }),
            h('fieldset', { class: 'checks' }, h('legend', {}, 'Show'),
                [...this.status].map(([status, box]) => {
                    return labelled(STATUS[status]?.[0] ?? 'events nobody selects', box, 'check');
                })));
    }

    setPaused(paused) {
        this.paused = paused;
        this.pause.setAttribute('aria-pressed', String(paused));
        this.pause.textContent = paused ? 'Go on' : 'Pause';
        this.take();
    }

    async begin() {
        try {
            const found = await api.get(['picos', this.pico, 'timeline'], { limit: FIRST });
            this.waiting = [...found.reverse(), ...this.waiting];
            await this.take();
            this.redraw();
        } catch (problem) {
            this.fail(problem);
        }
    }

    leave() {
        this.left = true;
    }

    hear(receipt) {
        if (receipt === null) {  // some were missed
            this.begin();
            return;
        }
        if (this.scope.value === 'all' || receipt.pico === this.pico) {
            this.waiting.push(receipt);
            this.skipped += Math.max(0, this.waiting.length - WAITING_MAX);
            this.waiting = this.waiting.slice(-WAITING_MAX);
            this.take();
        }
    }

    /** One receipt after the other: the engine runs each again to tell of it. */
    async take() {
        if (this.busy) {
            return;
        }
        this.busy = true;
        while (!this.left && !this.paused && this.waiting.length) {
            const receipt = this.waiting.shift();
            const wanted = this.scope.value === 'all' || receipt.pico === this.pico;
            if (wanted && !this.entries.some((entry) => same(entry.receipt, receipt))) {
                await this.add(receipt);
            }
        }
        this.busy = false;
    }

    async add(receipt) {
        let told = null;
        let problem = '';
        try {
            told = receipt.kind === 'event' ? await rulesOf(receipt.pico, receipt.seq) : null;
        } catch (refused) {
            problem = refused.message;
        }
        this.entries.push({ receipt, told, problem });
        this.entries.sort((a, b) => a.receipt.time - b.receipt.time
            || (a.receipt.pico === b.receipt.pico ? a.receipt.seq - b.receipt.seq : 0));
        this.entries = this.entries.slice(-SHOWN_MAX);
        this.draw();
    }

    // -- drawing

    /** Adds what is new; all is drawn again only when another choice was made. */
    redraw() {
        if (this.left) {
            return;
        }
        const words = this.filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
        const all = this.entries.flatMap((entry) => rowsOf(entry));
        const shown = all.filter((row) => this.shows(row, words));
        this.summary.textContent = [
            all.length === shown.length ? '' : `${shown.length} of ${all.length} rows are shown. `,
            this.skipped ? `${count(this.skipped)} receipts came too fast to be told of.` : '',
        ].join('');
        const isByRule = this.order.value === 'rule';
        this.list.setAttribute('aria-live', isByRule ? 'off' : 'polite');
        const choice = JSON.stringify([words, this.scope.value, this.order.value,
            [...this.status.values()].map((box) => box.checked)]);
        if (choice !== this.choice || isByRule) {
            this.items.clear();
            this.choice = choice;
        }
        if (isByRule) {
            redraw(this.list, byRule(shown));
        } else {
            this.place(shown);
        }
        if (!this.list.children.length) {
            this.list.append(h('p', { class: 'none' }, all.length
                ? 'The filter leaves nothing.' : 'Nothing has happened yet. Send an event.'));
        }
    }

    /** The newest on top; what stands there already is not touched. */
    place(shown) {
        const groups = new Map();
        shown.forEach((row) => {
            const key = row.receipt.cid;
            groups.set(key, [...(groups.get(key) ?? []), row]);
        });
        const wanted = [...groups].reverse().map(([key, group]) => {
            if (!this.items.has(key)) {
                this.items.set(key, showGroup(group, this.scope.value === 'all'));
            }
            return this.items.get(key);
        });
        const keep = new Set(wanted);
        [...this.list.children].filter((item) => !keep.has(item)).forEach((item) => item.remove());
        wanted.forEach((item, at) => {
            if (this.list.children[at] !== item) {
                this.list.insertBefore(item, this.list.children[at] ?? null);
            }
        });
    }

    shows(row, words) {
        const status = row.nobody ? 'nobody' : row.rule?.status;
        const box = this.status.get(status);
        if (this.scope.value === 'one' && row.receipt.pico !== this.pico) {
            return false;
        }
        return (!box || box.checked) && words.every((word) => row.text.includes(word));
    }
}

const same = (a, b) => a.pico === b.pico && a.seq === b.seq;

/** The rows of a receipt: one for each rule, or one that says what else it was. */
function rowsOf({ receipt, told, problem }) {
    const found = told ? rows(told) : [];
    const more = told ? told.events.filter((event) => !event.rulesets.length) : [];
    const made = found.map((row, at) => ({ ...row, receipt, key: `${receipt.cid} ${at}` }));
    more.forEach((event, at) => made.push({
        event, receipt, told, key: `${receipt.cid} nobody ${at}`, nobody: true,
    }));
    if (!made.length) {
        made.push({ receipt, told, problem, key: receipt.cid });
    }
    made.forEach((row) => {
        row.text = textOf(row).toLowerCase();
    });
    return made;
}

function textOf(row) {
    const parts = [row.receipt.title, row.receipt.kind, row.receipt.eid, nameOf(row.receipt.pico)];
    if (row.event) {
        parts.push(`${row.event.domain}:${row.event.name}`, JSON.stringify(row.event.attrs));
    }
    if (row.rule) {
        parts.push(row.rule.name, row.ruleset.rid, row.rule.status, JSON.stringify(row.rule.does));
    }
    return parts.join(' ');
}

function showGroup(group, withName) {
    const { receipt, told } = group[0];
    const attrs = told?.events[0]?.attrs;
    return h('article', { class: 'group' },
        h('p', { class: 'head' }, showTime(receipt.time), ' ',
            withName ? h('strong', {}, `${nameOf(receipt.pico)} `) : null,
            h('code', { class: 'title' }, receipt.title || receipt.kind), ' ',
            h('code', { class: 'attrs' }, attrs && Object.keys(attrs).length
                ? oneLine(attrs) : ''),
            receipt.outcome === 'ok' ? null : showOutcome(receipt.outcome),
            h('a', { class: 'seq', href: `#/${encodeURIComponent(receipt.pico)}/receipts` },
                `receipt ${receipt.seq}`)),
        h('ul', { class: 'rows' }, group.map((row) => h('li', {}, showRow(row))), rest(group)));
}

function byRule(shown) {
    const groups = new Map();
    shown.filter((row) => row.rule).forEach((row) => {
        const key = `${row.ruleset.rid}\n${row.rule.name}`;
        groups.set(key, [...(groups.get(key) ?? []), row]);
    });
    return [...groups.values()].reverse().map((group) => {
        const fired = group.filter((row) => row.rule.status === 'fired').length;
        return h('article', { class: 'group' },
            h('p', { class: 'head' }, h('strong', {}, group[0].rule.name), ' ',
                h('code', { class: 'quiet' }, group[0].ruleset.rid), ' ',
                h('span', { class: 'quiet' }, `considered ${group.length}, fired ${fired}`)),
            h('ul', { class: 'rows' }, [...group].reverse().slice(0, 30).map((row) => {
                return h('li', {}, h('div', { class: 'row' }, showStatus(row.rule.status),
                    h('div', {}, showTime(row.receipt.time), ' ', eventOf(row),
                        details(row, row.key))));
            })));
    });
}

function eventOf(row) {
    return h('code', { class: 'quiet' }, `${row.event.domain}:${row.event.name}`);
}

function showRow(row) {
    if (row.nobody) {
        return h('div', { class: 'row' }, h('span', { class: 'badge quiet' }, 'nobody'),
            h('div', {}, row.event.raised_by ? eventOf(row) : null, h('p', { class: 'why' },
                'No rule of this pico selects this event.')));
    }
    if (!row.rule) {
        return h('div', { class: 'row' }, h('span', { class: 'badge quiet' }, row.receipt.kind),
            h('div', {}, row.problem || (row.told ? 'No rule was considered.' : '')));
    }
    const raised = row.event.raised_by || row.at > 0;
    return h('div', { class: 'row' }, showStatus(row.rule.status), h('div', {},
        h('strong', {}, row.rule.name), ' ', h('code', { class: 'quiet' }, row.ruleset.rid),
        raised ? [' on ', eventOf(row)] : null,
        details(row, row.key)));
}

/** Below a receipt's rules: what no rule can be named for, and what changed. */
function rest(group) {
    const { told, receipt } = group[0];
    if (!told) {
        return null;
    }
    const does = told.events.flatMap((event) => event.rulesets.flatMap((item) => item.does));
    const writes = told.writes.filter((write) => write.path.startsWith('ent/'));
    const row = (text, list) => h('li', {}, h('div', { class: 'row' },
        h('span', { class: 'badge quiet' }, text), list));
    return [
        does.length ? row('together',
            h('ul', { class: 'deeds' }, deeds(does, `${receipt.cid} rest`))) : null,
        writes.length ? row('state', h('ul', { class: 'writes' }, writes.map((write) => {
            return showWrite(write, receipt.cid);
        }))) : null,
    ];
}

/** `n: 3 → 4`. */
export function showWrite(write, key) {
    return h('li', {}, h('code', { class: 'key' }, write.name), ' ',
        write.new ? null : [showValue(write.before, `${key} ${write.path} -`), ' → '],
        write.removed ? h('span', { class: 'none' }, 'removed')
            : showValue(write.after, `${key} ${write.path} +`));
}
