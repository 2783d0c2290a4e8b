// The live log. Its rows are rules: was the right one considered, was it selected, did it fire?

import * as api from './api.js';
import { nameOf } from './app.js';
import { button, calm, h, labelled, select } from './dom.js';
import { STATUS, deeds, details, rows, rulesOf, showStatus } from './rules.js';
import { showOutcome, showTime, showValue } from './values.js';

const SHOWN_MAX = 300;
const FIRST = 15;
const WAITING_MAX = 40;

export function drawLog(place, pico, fail) {
    const log = new Log(place, pico, fail);
    log.begin();
    return { hear: (receipt) => log.hear(receipt), leave: () => log.leave() };
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
        this.opened = new Set();
        this.list = h('ol', { class: 'log', role: 'log', 'aria-label': 'Rules, newest first',
            'aria-live': 'polite', tabindex: 0 });
        this.summary = h('p', { class: 'quiet', id: 'log-summary' });
        this.draw = calm(60, () => this.redraw());
        place.replaceChildren(this.controls(), this.summary, this.list);
    }

    controls() {
        const change = { on: { input: () => this.draw(), change: () => this.draw() } };
        this.filter = h('input', { type: 'search', placeholder: 'rule, ruleset, event or value',
            autocomplete: 'off', spellcheck: 'false', ...change });
        this.scope = select([['one', 'this pico'], ['all', 'all picos']], 'one', change);
        this.order = select([['time', 'as it happens'], ['rule', 'rule by rule']], 'time', change);
        this.status = new Map(Object.keys(STATUS).map((status) => [status, h('input', {
            type: 'checkbox', checked: true, ...change,
        })]));
        this.pause = button('Pause', () => this.setPaused(!this.paused), {
            'aria-pressed': 'false', 'data-key': 'pause',
        });
        return h('div', { class: 'controls', role: 'group', 'aria-label': 'What the log shows' },
            labelled('Filter', this.filter, 'field wide'),
            labelled('Of', this.scope), labelled('Order', this.order),
            h('fieldset', { class: 'checks' }, h('legend', {}, 'Rules that'),
                [...this.status].map(([status, box]) => labelled(STATUS[status][0], box, 'check'))),
            this.pause,
            button('Clear', () => {
                this.entries = [];
                this.draw();
            }));
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
            found.reverse().forEach((receipt) => this.hear(receipt));
            this.draw();
        } catch (problem) {
            this.fail(problem);
        }
    }

    leave() {
        this.left = true;
    }

    hear(receipt) {
        if (receipt !== null) {
            this.waiting.push(receipt);
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
        this.entries = this.entries.slice(-SHOWN_MAX);
        this.draw();
    }

    // -- drawing

    redraw() {
        if (this.left) {
            return;
        }
        const all = this.entries.flatMap((entry) => rowsOf(entry));
        const words = this.filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
        const shown = all.filter((row) => this.shows(row, words));
        this.summary.textContent = all.length === shown.length ? ''
            : `${shown.length} of ${all.length} rows are shown`;
        const open = new Set([...this.list.querySelectorAll('details[open][data-key]')]
            .map((item) => item.dataset.key));
        this.list.replaceChildren(...(this.order.value === 'rule' ? byRule(shown)
            : byTime(shown, this.scope.value === 'all')));
        if (!shown.length) {
            this.list.append(h('li', { class: 'none' }, all.length
                ? 'The filter leaves nothing.' : 'Nothing has happened yet. Send an event.'));
        }
        for (const item of this.list.querySelectorAll('details[data-key]')) {
            item.open = open.has(item.dataset.key);
        }
    }

    shows(row, words) {
        const box = row.rule ? this.status.get(row.rule.status) : null;
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

function byTime(shown, withNames) {
    const groups = new Map();
    shown.forEach((row) => {
        groups.set(row.receipt.cid, [...(groups.get(row.receipt.cid) ?? []), row]);
    });
    return [...groups.values()].reverse().map((group) => {
        const { receipt } = group[0];
        return h('li', { class: 'group' },
            h('p', { class: 'head' }, showTime(receipt.time), ' ',
                withNames ? h('strong', {}, `${nameOf(receipt.pico)} `) : null,
                h('code', { class: 'title' }, receipt.title || receipt.kind), ' ',
                receipt.outcome === 'ok' ? null : showOutcome(receipt.outcome),
                h('a', { class: 'seq', href: `#/${encodeURIComponent(receipt.pico)}/receipts` },
                    `receipt ${receipt.seq}`)),
            h('ul', { class: 'rows' }, group.map((row) => h('li', {}, showRow(row)))),
            rest(group));
    });
}

function byRule(shown) {
    const groups = new Map();
    shown.filter((row) => row.rule).forEach((row) => {
        const key = `${row.ruleset.rid}\n${row.rule.name}`;
        groups.set(key, [...(groups.get(key) ?? []), row]);
    });
    return [...groups.values()].reverse().map((group) => {
        const fired = group.filter((row) => row.rule.status === 'fired').length;
        return h('li', { class: 'group' },
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
            h('div', {}, eventOf(row), h('p', { class: 'why' },
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
    const writes = told.writes.filter((write) => write.rid !== null);
    return [
        does.length ? h('ul', { class: 'deeds' }, deeds(does, `${receipt.cid} rest`)) : null,
        writes.length ? h('ul', { class: 'writes' }, writes.map((write) => {
            return showWrite(write, receipt.cid);
        })) : null,
    ];
}

/** `n: 3 → 4`. */
export function showWrite(write, key) {
    return h('li', {}, h('code', { class: 'key' }, write.name), ' ',
        write.new ? null : [showValue(write.before, `${key} ${write.path} -`), ' → '],
        write.removed ? h('span', { class: 'none' }, 'removed')
            : showValue(write.after, `${key} ${write.path} +`));
}
