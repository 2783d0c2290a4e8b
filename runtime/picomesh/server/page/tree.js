// The picos as a tree that the keyboard walks: arrows, Home and End, and first letters of names.

import { app, go, nameOf, roots } from './app.js';
import { h, redraw } from './dom.js';
import { many } from './format.js';

const closed = new Set();
const PICOS_MAX = 2000;
let drawn = '';
let typed = '';
let typedAt = 0;

/** Draws the tree; while only counts change, it is left in place for the hand that is on it. */
export function drawTree(place) {
    const shape = JSON.stringify([app.pico, [...closed], [...app.picos.values()].map((pico) => {
        return [pico.pico, pico.name, pico.children, pico.trouble];
    })]);
    if (shape === drawn && place.firstChild) {
        count(place);
        return;
    }
    drawn = shape;
    const tree = h('ul', { role: 'tree', 'aria-label': 'Picos', class: 'tree' },
        branch(roots(), 1, { left: PICOS_MAX }));
    tree.addEventListener('keydown', (event) => walk(tree, event));
    tree.addEventListener('click', (event) => click(tree, event, place));
    redraw(place, h('p', { class: 'count' }, many(app.picos.size, 'pico'),
        app.picos.size > PICOS_MAX ? `, ${PICOS_MAX} of them here` : ''), tree);
    const items = visible(tree);
    (items.find((item) => item.dataset.pico === app.pico) ?? items[0])
        ?.setAttribute('tabindex', '0');
}

function count(place) {
    for (const item of place.querySelectorAll('[role=treeitem]')) {
        const text = String(app.picos.get(item.dataset.pico).seq + 1);
        const shown = item.querySelector('.seq');
        if (shown.textContent !== text) {
            shown.textContent = text;
        }
    }
}

function branch(picos, level, room) {
    return picos.filter(() => (room.left -= 1) >= 0).map((pico) => {
        const children = pico.children.map((id) => app.picos.get(id)).filter(Boolean);
        const open = children.length > 0 && !closed.has(pico.pico);
        return h('li', {
            role: 'treeitem',
            tabindex: '-1',
            'aria-level': level,
            'aria-selected': pico.pico === app.pico ? 'true' : 'false',
            'aria-expanded': children.length ? String(open) : null,
            'aria-label': nameOf(pico.pico) + (pico.trouble ? ', in trouble' : ''),
            'data-pico': pico.pico,
            'data-key': `tree ${pico.pico}`,
        },
        h('span', { class: 'row' },
            h('span', { class: 'twist', 'aria-hidden': 'true' }),
            h('span', { class: 'name' }, nameOf(pico.pico)),
            pico.trouble ? h('span', { class: 'trouble', 'aria-hidden': 'true',
                title: 'its last transition did not end well' }, '!') : null,
            h('span', { class: 'seq', title: 'receipts' }, String(pico.seq + 1))),
        open ? h('ul', { role: 'group' }, branch(children, level + 1, room)) : null);
    });
}

const visible = (tree) => [...tree.querySelectorAll('[role=treeitem]')];

function focus(item) {
    if (item) {
        item.closest('[role=tree]').querySelectorAll('[tabindex="0"]')
            .forEach((other) => other.setAttribute('tabindex', '-1'));
        item.setAttribute('tabindex', '0');
        item.focus();
    }
}

function toggle(item, open, place) {
    if (open) {
        closed.delete(item.dataset.pico);
    } else {
        closed.add(item.dataset.pico);
    }
    drawTree(place);
}

function click(tree, event, place) {
    const item = event.target.closest('[role=treeitem]');
    if (!item) {
        return;
    }
    focus(item);
    if (event.target.classList.contains('twist') && item.hasAttribute('aria-expanded')) {
        toggle(item, item.getAttribute('aria-expanded') === 'false', place);
    } else {
        go(item.dataset.pico);
    }
}

function walk(tree, event) {
    const items = visible(tree);
    const at = items.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) {
        return;
    }
    const item = items[at];
    const expanded = item.getAttribute('aria-expanded');
    const place = tree.parentElement;
    const keys = {
        ArrowDown: () => focus(items[at + 1]),
        ArrowUp: () => focus(items[at - 1]),
        Home: () => focus(items[0]),
        End: () => focus(items.at(-1)),
        Enter: () => go(item.dataset.pico),
        ' ': () => go(item.dataset.pico),
        ArrowRight: () => (expanded === 'false' ? toggle(item, true, place)
            : focus(item.querySelector('[role=treeitem]'))),
        ArrowLeft: () => (expanded === 'true' ? toggle(item, false, place)
            : focus(item.parentElement.closest('[role=treeitem]'))),
    };
    if (keys[event.key]) {
        event.preventDefault();
        keys[event.key]();
    } else if (event.key.length === 1) {
        typed = event.timeStamp - typedAt < 700 ? typed + event.key : event.key;
        typedAt = event.timeStamp;
        const after = [...items.slice(at + (typed.length === 1 ? 1 : 0)), ...items.slice(0, at)];
        focus(after.find((other) => {
            return nameOf(other.dataset.pico).toLowerCase().startsWith(typed.toLowerCase());
        }));
    }
}
