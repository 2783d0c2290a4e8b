// One pico: its head, its tabs, and the part of it that is shown.

import { app, go, listen, nameOf } from './app.js';
import { h, redraw } from './dom.js';
import { drawLog } from './log.js';
import { drawOverview } from './overview.js';
import { drawReceipts } from './receipts.js';
import { drawRulesets } from './rulesets.js';
import { drawSend } from './send.js';
import { drawState } from './state.js';
import { makeTabs } from './tabs.js';
import { showId } from './values.js';

const TABS = [
    ['overview', 'Overview', drawOverview],
    ['rulesets', 'Rulesets', drawRulesets],
    ['state', 'State', drawState],
    ['send', 'Send', drawSend],
    ['receipts', 'Receipts', drawReceipts],
    ['log', 'Log', drawLog],
];
let drawn = null;

/** Takes the pico out of the page: its part hears of receipts no more. */
export function leavePico() {
    drawn?.leave();
    drawn = null;
}

export function drawPico(place) {
    const chosen = TABS.find(([name]) => name === app.tab) ?? TABS[0];
    if (drawn?.pico !== app.pico || !place.contains(drawn.head)) {
        leavePico();
        drawn = { pico: app.pico, tab: null, leave: () => undefined, head: h('header') };
        drawn.tabs = makeTabs('Parts of the pico', TABS, chosen[0], (name) => go(app.pico, name));
        drawn.head.className = 'pico';
        redraw(place, drawn.head, drawn.tabs.row, drawn.tabs.panel);
    }
    drawHead(drawn.head);
    if (drawn.tab !== chosen[0]) {
        drawn.leave();
        drawn.tab = chosen[0];
        drawn.tabs.mark(chosen[0]);
        drawn.tabs.panel.replaceChildren(h('p', { class: 'none' }, '…'));
        drawn.leave = enter(chosen[2], drawn.tabs.panel, app.pico);
    }
    document.title = `${nameOf(app.pico)} · picomesh`;
}

function drawHead(head) {
    const pico = app.picos.get(app.pico);
    const above = [];
    for (let at = app.picos.get(pico.parent); at; at = app.picos.get(at.parent)) {
        above.unshift(at.pico);
    }
    redraw(head,
        above.length ? h('nav', { 'aria-label': 'Parents', class: 'above' }, above.map((id) => [
            h('a', { href: `#/${encodeURIComponent(id)}/${app.tab}`, 'data-key': `up ${id}` },
                nameOf(id)), ' / ',
        ])) : null,
        h('h1', {}, nameOf(app.pico)),
        h('p', { class: 'ids' }, showId(app.pico, 'pico', 16, 6)));
}

/** Draws a part, and gives it receipts of its pico for as long as it is shown. */
function enter(draw, panel, pico) {
    const place = h('div', { class: 'part' });
    panel.replaceChildren(place);
    let left = false;
    const fail = (problem) => {
        if (!left) {
            place.replaceChildren(h('p', { class: 'problem', role: 'alert' }, problem.message));
        }
    };
    const part = draw(place, pico, fail);
    panel.setAttribute('aria-busy', 'true');
    part.ready.catch(fail).finally(() => {
        if (!left) {
            panel.removeAttribute('aria-busy');
        }
    });
    const deaf = listen((receipt) => part.hear?.(receipt));
    return () => {
        left = true;
        deaf();
        part.leave?.();
    };
}
