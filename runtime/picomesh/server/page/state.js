// What a pico remembers: entity variables by ruleset, and how far its event expressions have come.

import * as api from './api.js';
import { calm, h, redraw, section } from './dom.js';
import { showValue } from './values.js';

export function drawState(place, pico, fail) {
    let before = null;
    let shown = '';
    const load = async () => {
        const [{ entities, whole }, selects] = await Promise.all([
            api.get(['picos', pico, 'entities']),
            api.get(['picos', pico, 'state'], { prefix: 'select/', limit: 500 }),
        ]);
        const text = JSON.stringify([entities, selects]);
        if (text === shown) {
            return;
        }
        shown = text;
        const now = flat(entities);
        const parts = Object.entries(entities).map(([rid, variables]) => {
            return section(rid, variableList(rid, variables, before));
        });
        redraw(place,
            whole ? null : h('p', { class: 'problem' }, 'Too much to show: only the beginning.'),
            parts.length ? parts : h('p', { class: 'none' }, 'No ruleset has stored anything.'),
            selects.length ? section('Event expressions on their way', machines(selects)) : null);
        before = now;
    };
    const again = calm(200, () => load().catch(fail));
    return {
        ready: load(), hear: (receipt) => (receipt === null || receipt.pico === pico) && again(),
    };
}

function flat(entities) {
    return new Map(Object.entries(entities).flatMap(([rid, variables]) => {
        return Object.entries(variables).map(([name, value]) => {
            return [`${rid}/${name}`, JSON.stringify(value)];
        });
    }));
}

function variableList(rid, variables, before) {
    return h('dl', { class: 'variables' }, Object.entries(variables).map(([name, value]) => {
        const key = `${rid}/${name}`;
        const changed = before !== null && before.get(key) !== JSON.stringify(value);
        return h('div', { class: changed ? 'changed' : '' },
            h('dt', {}, h('code', {}, `ent:${name}`)),
            h('dd', {}, showValue(value, key)));
    }));
}

function machines(rows) {
    return h('dl', { class: 'variables' }, rows.map(({ path, value }) => h('div', {},
        h('dt', {}, h('code', {}, path.replace(/^select\//, ''))),
        h('dd', {}, showValue(value, path)))));
}
