// Putting a ruleset in: from a text, a file or a URL. What the compiler says stands in place.

import * as api from './api.js';
import { button, h, labelled, redraw, say, section } from './dom.js';
import { many } from './format.js';

const WAIT_MS = 350;
const FIRST = `ruleset my.first {
  meta {
    shares hello
  }
  global {
    hello = function(name) {
      "Hello " + name.defaultsTo("world")
    }
  }
  rule greet {
    select when greeting wanted name re#(.+)# setting(name)
    send_directive("greeting", {"text": hello(name)})
    fired {
      ent:greeted := ent:greeted.defaultsTo(0) + 1
    }
  }
}
`;

/** The form, and a way to open a text in it. */
export function makeInstaller(pico) {
    const made = new Installer(pico);
    return {
        form: made.form,
        open: (text, config) => made.open(text, '', config),
        leave: () => made.leave(),
    };
}

class Installer {
    constructor(pico) {
        this.pico = pico;
        this.asked = 0;
        this.editor = h('textarea', {
            rows: 12, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off',
            'aria-describedby': 'verdict', value: FIRST,
            on: { input: () => this.later(), scroll: () => this.follow(),
                keydown: (event) => this.key(event) },
        });
        this.editor.id = 'editor';
        this.gutter = h('div', { class: 'gutter', 'aria-hidden': 'true' });
        this.file = h('input', { type: 'file', accept: '.krl,text/plain', on: {
            change: () => this.read(),
        } });
        this.url = h('input', { type: 'url', placeholder: 'https://…/ruleset.krl', on: {
            keydown: (event) => event.key === 'Enter' && this.fetch(event),
        } });
        this.config = h('input', { autocomplete: 'off', spellcheck: 'false', value: '{}' });
        this.verdict = h('p', { id: 'verdict', class: 'verdict', role: 'status' });
        this.problems = h('div', { class: 'problems' });
        this.go = h('button', { type: 'submit', class: 'main', 'data-key': 'install' }, 'Install');
        const submit = (event) => this.install(event);
        this.form = h('form', { class: 'installer', on: { submit } },
            h('div', { class: 'controls' },
                labelled('From a file', this.file),
                labelled('From a URL', this.url, 'field wide'),
                button('Fetch', (event) => this.fetch(event))),
            h('div', { class: 'field' }, h('label', { for: 'editor' }, 'Text'),
                h('div', { class: 'editor' }, this.gutter, this.editor)),
            labelled('Configuration for it, as JSON', this.config),
            h('div', { class: 'bottom' }, this.go, this.verdict), this.problems);
        this.number([]);
        this.check();
    }

    leave() {
        clearTimeout(this.timer);
        this.asked += 1;
    }

    open(text, from = '', config = {}) {
        this.from = from;
        this.config.value = JSON.stringify(config ?? {});
        this.editor.value = text;
        this.editor.scrollIntoView({ block: 'nearest' });
        this.editor.focus();
        this.editor.setSelectionRange(0, 0);
        this.check();
    }

    later() {
        this.number([]);
        this.from = '';
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.check(), WAIT_MS);
    }

    /** Tab indents, as in editors; Escape first, and Tab leaves the field as everywhere else. */
    key(event) {
        if (event.key === 'Escape') {
            this.leaving = true;
        } else if (event.key === 'Tab' && !event.shiftKey && !this.leaving) {
            event.preventDefault();
            this.editor.setRangeText('  ', this.editor.selectionStart, this.editor.selectionEnd,
                'end');
            this.later();
        } else if (event.key === 's' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            this.form.requestSubmit();
        } else if (event.key !== 'Shift') {
            this.leaving = false;
        }
    }

    async read() {
        const [file] = this.file.files;
        if (file) {
            this.open(await file.text());
        }
    }

    async fetch(event) {
        event.preventDefault();
        const url = this.url.value.trim();
        if (!url) {
            this.url.focus();
            return;
        }
        this.say('…', '');
        try {
            const found = await api.post(['compile'], { url });
            this.open(found.source, url);
        } catch (problem) {
            this.say(problem.message, 'bad');
            if (problem.body?.module) {
                this.verdict.append(' ', button('Install the module', () => {
                    this.put({ url, fresh: true });
                }));
            }
        }
    }

    // -- what the compiler says

    async check() {
        clearTimeout(this.timer);
        this.asked += 1;
        const asked = this.asked;
        const text = this.editor.value;
        if (!text.trim()) {
            this.show(text, []);
            this.say('', '');
            return;
        }
        try {
            const found = await api.post(['compile'], { source: text });
            if (asked === this.asked) {
                this.show(text, found.diagnostics);
                const words = numbers(found.diagnostics);
                this.say(found.ok ? `${found.rid} compiles${words ? `, with ${words}` : ''}`
                    : words, found.ok ? 'good' : 'bad');
            }
        } catch (problem) {
            if (asked === this.asked) {
                this.say(problem.message, 'bad');
            }
        }
    }

    async install(event) {
        event.preventDefault();
        await this.put({ source: this.editor.value, ...(this.from ? { url: this.from } : {}) });
    }

    async put(body) {
        clearTimeout(this.timer);
        this.asked += 1;
        this.go.disabled = true;
        try {
            const config = parseConfig(this.config.value);
            const receipt = await api.post(['picos', this.pico, 'rulesets'], { ...body, config });
            this.say(`Installed, by receipt ${receipt.seq}.`, 'good');
            say('installed');
        } catch (refused) {
            const found = refused.body?.diagnostics;
            if (found) {
                this.show(body.source, found);
            }
            this.say(found ? `Not installed: ${numbers(found)}` : refused.message, 'bad');
        } finally {
            this.go.disabled = false;
            this.go.focus();
        }
    }

    say(text, kind) {
        this.verdict.textContent = text;
        this.verdict.className = `verdict ${kind}`;
    }

    show(text, diagnostics) {
        this.number(diagnostics);
        const lines = text.split('\n');
        redraw(this.problems, diagnostics.length ? section('What the compiler says',
            h('ol', { class: 'diagnostics' }, diagnostics.map((item, at) => {
                return h('li', { class: item.severity }, this.diagnostic(item, lines, at));
            }))) : null);
    }

    diagnostic(item, lines, at) {
        const end = item.end_line === item.line ? item.end_column
            : (lines[item.line - 1] ?? '').length + 1;
        return [
            h('p', {}, h('span', { class: `badge ${item.severity === 'error' ? 'bad' : 'warn'}` },
                item.severity), ' ', h('strong', {}, item.title), ' ',
            h('button', { type: 'button', class: 'plain', 'data-key': `at ${at}`, on: {
                click: () => this.select(item),
            } }, `line ${item.line}, column ${item.column}`)),
            excerpt(lines, item, end),
            item.text ? h('p', {}, item.text) : null,
            item.hint ? h('p', { class: 'hint' }, h('strong', {}, 'Hint: '), item.hint) : null,
        ];
    }

    /** Puts the cursor where a diagnostic points. */
    select(item) {
        const lines = this.editor.value.split('\n');
        const offset = (line, column) => lines.slice(0, line - 1)
            .reduce((sum, text) => sum + text.length + 1, 0) + units(lines[line - 1] ?? '', column);
        this.editor.focus();
        this.editor.setSelectionRange(offset(item.line, item.column),
            offset(item.end_line ?? item.line, item.end_column ?? item.column));
        const height = this.editor.scrollHeight / Math.max(1, lines.length);
        this.editor.scrollTop = Math.max(0, (item.line - 4) * height);
    }

    number(diagnostics) {
        const marks = new Map();
        diagnostics.forEach((item) => {
            if (marks.get(item.line) !== 'error') {
                marks.set(item.line, item.severity);
            }
        });
        const count = this.editor.value.split('\n').length;
        this.gutter.replaceChildren(...Array.from({ length: count }, (_, at) => {
            return h('span', { class: marks.get(at + 1) ?? null }, String(at + 1));
        }));
        this.follow();
    }

    follow() {
        this.gutter.scrollTop = this.editor.scrollTop;
    }
}

function parseConfig(text) {
    try {
        return JSON.parse(text.trim() || '{}');
    } catch (problem) {
        throw new Error(`the configuration is no JSON: ${problem.message}`, { cause: problem });
    }
}

/** Columns count characters as the compiler does; the field counts UTF-16 units. */
function units(line, column) {
    return [...line].slice(0, column - 1).join('').length;
}

function numbers(diagnostics) {
    const errors = diagnostics.filter((item) => item.severity === 'error').length;
    const warnings = diagnostics.length - errors;
    return [errors ? many(errors, 'error') : '', warnings ? many(warnings, 'warning') : '']
        .filter(Boolean).join(' and ');
}

/** The lines around a mistake, and the mistake marked. */
function excerpt(lines, item, endColumn) {
    const from = Math.max(1, item.line - 1);
    const to = Math.min(lines.length, item.line + 1);
    const rows = [];
    for (let number = from; number <= to; number += 1) {
        const characters = [...lines[number - 1]];
        const cut = number === item.line ? [item.column - 1, Math.max(item.column, endColumn - 1)]
            : [characters.length, characters.length];
        rows.push(h('span', { class: number === item.line ? 'line here' : 'line' },
            h('span', { class: 'number', 'aria-hidden': 'true' }, String(number)),
            characters.slice(0, cut[0]).join(''),
            number === item.line ? h('mark', {}, characters.slice(...cut).join('') || ' ') : null,
            characters.slice(cut[1]).join('')));
    }
    return h('pre', { class: `excerpt ${item.severity}` }, rows);
}
