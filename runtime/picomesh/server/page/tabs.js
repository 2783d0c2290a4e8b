// Tabs as assistive programs expect them: arrows go from tab to tab, Tab goes into the panel.

import { h } from './dom.js';

/** A row of tabs and the one panel below it. `choose(name)` is called for every change. */
export function makeTabs(label, names, chosen, choose) {
    const panel = h('div', { role: 'tabpanel', id: 'panel', class: 'panel' });
    const tabs = names.map(([name, text]) => h('button', {
        type: 'button',
        role: 'tab',
        id: `tab-${name}`,
        'aria-controls': 'panel',
        'data-name': name,
        on: { click: () => choose(name) },
    }, text));
    const row = h('div', { role: 'tablist', 'aria-label': label }, tabs);
    row.addEventListener('keydown', (event) => {
        const at = tabs.indexOf(document.activeElement);
        const next = {
            ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1,
        }[event.key];
        if (next !== undefined && at >= 0) {
            event.preventDefault();
            const tab = tabs.at(next % tabs.length);
            tab.focus();
            choose(tab.dataset.name);
        }
    });
    const mark = (name) => {
        tabs.forEach((tab) => {
            const is = tab.dataset.name === name;
            tab.setAttribute('aria-selected', String(is));
            tab.tabIndex = is ? 0 : -1;
            if (is) {
                tab.scrollIntoView?.({ block: 'nearest', inline: 'nearest' });
                panel.setAttribute('aria-labelledby', tab.id);
            }
        });
    };
    mark(chosen);
    return { row, panel, mark };
}
