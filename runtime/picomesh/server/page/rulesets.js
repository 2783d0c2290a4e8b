// The rulesets of a pico: what each declares, its source and hashes; and putting new ones in.

import * as api from './api.js';
import { button, calm, fold, h, redraw, say, section } from './dom.js';
import { many } from './format.js';
import { makeInstaller } from './install.js';
import { badge, showId, showValue } from './values.js';

export function drawRulesets(place, pico, fail) {
    const list = h('div');
    const installer = makeInstaller(pico);
    place.append(section('Install', installer.form), section('Installed', list));
    let known = '';
    const load = async () => {
        const found = await api.get(['picos', pico, 'rulesets']);
        const now = JSON.stringify(found);
        if (now !== known) {
            known = now;
            redraw(list, found.length ? found.map((item) => ruleset(pico, item, installer, load))
                : h('p', { class: 'none' }, 'None yet.'));
        }
    };
    const again = calm(150, () => load().catch(fail));
    return {
        ready: load(),
        hear: (receipt) => (receipt === null || receipt.pico === pico) && again(),
        leave: installer.leave,
    };
}

function ruleset(pico, item, installer, reload) {
    const summary = [h('strong', {}, h('code', {}, item.rid)), ' ',
        h('span', {}, item.meta.name && item.meta.name !== item.rid ? item.meta.name : ''), ' ',
        h('span', { class: 'quiet' },
            `${many(item.rules.length, 'rule')}, ${many(item.shares.length, 'shared function')}`)];
    return fold(`ruleset ${item.rid}`, summary, () => h('div', { class: 'inside' },
        item.meta.description ? h('p', {}, item.meta.description.trim()) : null,
        facts(item),
        fold(`rules ${item.rid}`, many(item.rules.length, 'rule'), () => rules(item)),
        fold(`shares ${item.rid}`, many(item.shares.length, 'shared function'), () => shared(item)),
        fold(`source ${item.rid}`, 'Source', () => source(pico, item, installer)),
        removal(pico, item, reload)));
}

function facts(item) {
    const rows = [
        ['module', showId(item.module, 'module', 22, 8)],
        ['metered', showId(item.metered, 'metered module', 22, 8)],
        ['source', item.source ? showId(item.source, 'source', 22, 8) : 'not here'],
        ['from', item.url ? h('code', {}, item.url) : 'a text'],
        ['compiler', h('code', {}, item.compiler)],
        ['uses', item.uses.length ? item.uses.map((rid) => [h('code', {}, rid), ' ']) : 'nothing'],
        ['version', item.meta.version], ['author', item.meta.author],
        ['configured', Object.keys(item.config ?? {}).length
            ? showValue(item.config, `config ${item.rid}`) : null],
    ];
    return h('dl', { class: 'hashes' }, rows.filter(([, value]) => value).map(([name, value]) => {
        return h('div', {}, h('dt', {}, name), h('dd', {}, value));
    }));
}

function rules(item) {
    return h('ul', { class: 'plain-list' }, item.rules.map((rule) => h('li', {},
        h('strong', {}, rule.name), ' ',
        rule.events === null ? badge('every event', 'quiet') : rule.events.map(([domain, type]) => [
            h('code', {}, `${domain}:${type}`), ' ',
        ]))));
}

function shared(item) {
    return h('ul', { class: 'plain-list' }, item.shares.map((share) => h('li', {},
        h('code', {}, `${share.name}(${share.args.join(', ')})`))));
}

function source(pico, item, installer) {
    const place = h('div', {}, h('p', { class: 'none' }, '…'));
    api.get(['picos', pico, 'rulesets', item.rid]).then(({ text }) => {
        place.replaceChildren(...(text === null
            ? [h('p', { class: 'none' }, 'It came without its source.')]
            : [button('Change it', () => installer.open(text, item.config)), numbered(text)]));
    }).catch((problem) => {
        place.replaceChildren(h('p', { class: 'problem' }, problem.message));
    });
    return place;
}

/** A text with the numbers of its lines, which are not copied with it. */
export function numbered(text) {
    return h('div', { class: 'source', tabindex: 0, role: 'region', 'aria-label': 'Source' },
        h('ol', {}, text.split('\n').map((line) => h('li', {}, h('code', {}, line || ' ')))));
}

function removal(pico, item, reload) {
    const place = h('div', { class: 'removal' });
    const problem = h('p', { class: 'problem', role: 'alert' });
    const ask = () => redraw(place, h('span', {}, `Remove ${item.rid} and all it stored? `),
        button('Remove', async () => {
            try {
                await api.remove(['picos', pico, 'rulesets', item.rid]);
                say(`${item.rid} is removed`);
                await reload();
            } catch (refused) {
                problem.textContent = refused.message;
                rest();
            }
        }, { class: 'danger', 'data-key': `sure ${item.rid}` }), ' ', button('Keep it', rest),
        problem);
    const rest = () => redraw(place, button('Remove…', () => {
        ask();
        place.querySelector('.danger').focus();
    }, { 'data-key': `remove ${item.rid}` }), problem);
    rest();
    return place;
}
