// What the parts of the page share: the picos, where the page is, and who hears of receipts.

import * as api from './api.js';

export const app = { version: '', host: '', picos: new Map(), pico: null, tab: 'overview' };

const listeners = new Set();

/** Has receipts told, until what it returns is called. */
export function listen(hear) {
    listeners.add(hear);
    return () => listeners.delete(hear);
}

export function tell(receipt) {
    listeners.forEach((hear) => hear(receipt));
}

export async function loadTree() {
    const found = await api.get(['tree']);
    app.version = found.version;
    app.host = found.host;
    app.picos = new Map(found.picos.map((item) => [item.pico, item]));
}

/** The picos without a parent here, in the order in which they came. */
export function roots() {
    return [...app.picos.values()].filter((item) => !app.picos.has(item.parent));
}

export function nameOf(pico) {
    const found = app.picos.get(pico);
    return found?.name || `${pico.slice(0, 4)}…${pico.slice(-6)}`;
}

/** Where the page is stands behind the address's #, so that going back works. */
export function go(pico, tab = app.tab) {
    const wanted = `#/${encodeURIComponent(pico)}/${tab}`;
    if (location.hash !== wanted) {
        location.hash = wanted;
    }
}

export function place() {
    const [, pico, tab] = location.hash.split('/');
    return { pico: pico ? decodeURIComponent(pico) : null, tab: tab || 'overview' };
}
