// The page: takes files, audits them here, and shows what holds and what happened.

import { check } from './check.js';
import { report } from './report.js';

const results = document.getElementById('results');
const drop = document.getElementById('drop');

function element(name, text = '', className = '') {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
}

function row(className, ...cells) {
    const made = element('tr', '', className);
    cells.forEach((text, at) => made.append(element(at ? 'td' : 'th', text)));
    return made;
}

function table(caption, rows) {
    const made = element('table');
    made.append(element('caption', caption), ...rows);
    return made;
}

function show(name, done, milliseconds) {
    const made = element('article', '', done.verdict);
    const { words, what } = report(done);
    made.append(element('h2', name), element('p', words, 'verdict'));
    const checks = done.checks.map((item) => row('holds', `✓ ${item.name}`, item.text));
    if (done.verdict !== 'proved') {
        checks.push(row('fails', `✗ ${done.check}`, done.text));
    }
    made.append(table('Checks', checks));
    if (what.length) {
        made.append(table('What happened', what.map((cells) => row('', ...cells))));
    }
    made.append(element('p', `${milliseconds.toFixed(0)} ms`));
    results.prepend(made);
}

async function take(files) {
    for (const file of files) {
        const data = new Uint8Array(await file.arrayBuffer());
        const started = performance.now();
        const done = await check(data);
        show(file.name, done, performance.now() - started);
    }
}

document.getElementById('file').addEventListener('change', (event) => take(event.target.files));
drop.addEventListener('dragover', (event) => {
    event.preventDefault();
    drop.classList.add('over');
});
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    take(event.dataTransfer.files);
});
