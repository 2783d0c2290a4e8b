#!/usr/bin/env node
// Checks proofs and evidence from the command line: `node verifier/cli.js P.car …`. Exit codes:
// 0 proved, 1 refused, 2 used wrongly, 3 neither yes nor no.

import { readFileSync } from 'node:fs';
import { check } from './check.js';
import { report } from './report.js';

const paths = process.argv.slice(2).filter((word) => word !== '--json');
const asJson = process.argv.includes('--json');
if (paths.length === 0) {
    console.error('usage: node cli.js [--json] FILE.car …');
    process.exit(2);
}
// What a proof says, without anything that would move the cursor of a terminal.
const visible = (text) => text.replace(/[\p{C}]/gu, '\ufffd');
const codes = { proved: 0, refused: 1, undecided: 3 };
let worst = 0;
for (const path of paths) {
    let data;
    try {
        data = new Uint8Array(readFileSync(path));
    } catch (problem) {
        console.error(`cannot read ${path}: ${problem.message}`);
        process.exit(2);
    }
    const done = await check(data);
    worst = Math.max(worst, codes[done.verdict]);
    if (asJson) {
        const { verdict, checks, check: wrong, text } = done;
        console.log(JSON.stringify({ file: path, verdict, checks, check: wrong, text }));
        continue;
    }
    console.log(`${path}:`);
    done.checks.forEach(({ name, text }) => console.log(`  ok  ${name.padEnd(9)}  ${text}`));
    if (done.verdict !== 'proved') {
        console.log(`  NO  ${done.check.padEnd(9)}  ${done.text}`);
    }
    const { words, what } = report(done);
    what.forEach(([name, text]) => console.log(`  ${name.padEnd(13)}  ${visible(text)}`));
    console.log(words);
}
process.exit(worst);
