// The beginning: the token, the tree, the stream of what happens, and where the page is.

import * as api from './api.js';
import { app, go, loadTree, place, roots, tell } from './app.js';
import { button, calm, h, labelled, redraw } from './dom.js';
import { drawPico, leavePico } from './pico.js';
import { drawTree } from './tree.js';

const side = document.getElementById('side');
const main = document.getElementById('main');
const live = document.getElementById('live');
const menu = document.getElementById('menu');

function showLive(text, kind) {
    if (live.textContent !== text) {
        live.textContent = text;
        live.className = kind;
    }
}

/** Asks for the token; nothing else is shown before there is one that is right. */
function askToken(text) {
    leavePico();
    side.replaceChildren();
    showLive('', '');
    document.body.classList.add('locked');
    const field = h('input', {
        type: 'password', autocomplete: 'off', spellcheck: 'false', required: true,
        'aria-describedby': 'token-help',
    });
    const form = h('form', { class: 'token', on: { submit: (event) => {
        event.preventDefault();
        api.setToken(field.value.trim());
        begin();
    } } },
    h('h1', {}, 'The token of this engine'),
    h('p', { id: 'token-help' }, 'It is in the file ', h('code', {}, 'admin.token'),
        ' of the engine’s home; an engine that starts in a terminal prints an address with it. ',
        'It stays in this tab.'),
    text ? h('p', { class: 'problem', role: 'alert' }, text) : null,
    labelled('Token', field), h('button', { type: 'submit', class: 'main' }, 'Open'));
    redraw(main, form);
    field.focus();
}

async function newPico(event) {
    event.preventDefault();
    const field = event.target.elements.name;
    const problem = event.target.querySelector('.problem');
    try {
        const made = await api.post(['picos'], { name: field.value.trim() });
        field.value = '';
        problem.textContent = '';
        await refreshTree();
        go(made.pico, 'overview');
    } catch (refused) {
        problem.textContent = refused.message;
    }
}

function drawSide() {
    if (!side.querySelector('.branches')) {
        side.replaceChildren(h('div', { class: 'branches' }),
            h('form', { class: 'new', on: { submit: newPico } },
                labelled('New pico', h('input', {
                    name: 'name', placeholder: 'its name', autocomplete: 'off',
                })),
                h('button', { type: 'submit' }, 'Make'),
                h('p', { class: 'problem', role: 'alert' })),
            h('p', { class: 'foot' }, 'picomesh ', app.version, ' · ',
                button('Forget the token', () => {
                    api.setToken('');
                    location.reload();
                }, { class: 'plain' })));
    }
    drawTree(side.querySelector('.branches'));
}

async function refreshTree() {
    await loadTree();
    drawSide();
    const wanted = place().pico;  // it may have come only now
    if (!app.picos.has(app.pico) || (wanted !== app.pico && app.picos.has(wanted))) {
        show();
    }
}

const refreshSoon = calm(300, () => refreshTree().catch(() => undefined));
const refreshLater = calm(5000, () => refreshTree().catch(() => undefined));

/** An event seldom changes the tree, so all of it is asked for only now and then. */
function heardReceipt(receipt) {
    const known = app.picos.get(receipt.pico);
    if (known && receipt.kind === 'event') {
        known.seq = Math.max(known.seq, receipt.seq);
        known.trouble = receipt.outcome !== 'ok';
        drawSoon();
        refreshLater();
    } else {
        refreshSoon();
    }
    tell(receipt);
}

const drawSoon = calm(150, drawSide);

/** Shows what the address says; the first pico when it says nothing. */
function show() {
    const wanted = place();
    const first = roots()[0]?.pico ?? null;
    app.pico = app.picos.has(wanted.pico) ? wanted.pico : first;
    app.tab = wanted.tab;
    drawSide();
    openMenu(false);
    if (app.pico === null) {
        leavePico();
        redraw(main, h('p', { class: 'none' }, 'There is no pico yet. Make one.'));
    } else {
        drawPico(main);
    }
}

function openMenu(open) {
    menu.setAttribute('aria-expanded', String(open));
    document.body.classList.toggle('menu-open', open);
}

function heard(name, data) {
    switch (name) {
        case 'up':
            showLive('live', 'up');
            refreshSoon();
            return tell(null);
        case 'down':
            return showLive('not connected', 'down');
        case 'refused':
            return askToken('The engine does not take this token any more.');
        case 'receipt':
            return heardReceipt(data);
        case 'missed':
            refreshSoon();
            return tell(null);
        default:
            return undefined;
    }
}

let following = false;

async function begin() {
    if (!api.token()) {
        askToken('');
        return;
    }
    try {
        await loadTree();
    } catch (problem) {
        const refused = problem.status === 401;
        if (refused) {
            api.setToken('');
        }
        askToken(refused ? 'The engine does not know this token.' : problem.message);
        return;
    }
    document.body.classList.remove('locked');
    show();
    if (!following) {
        following = true;
        api.follow(heard).finally(() => {
            following = false;
        });
    }
}

api.takeToken();
window.addEventListener('hashchange', () => {
    if (/^#token=/.test(location.hash)) {
        api.takeToken();
        begin();
    } else if (api.token() && app.picos.size) {
        show();
    }
});
menu.addEventListener('click', () => openMenu(menu.getAttribute('aria-expanded') === 'false'));
document.getElementById('skip').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
});
begin();
