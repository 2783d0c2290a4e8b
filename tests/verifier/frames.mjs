// Audits many files in one process: frames of a length (4 bytes, little-endian) and that many bytes
// come in, and one line of JSON for each goes out. For the tests.

import { audit } from '../../verifier/audit.js';

const chunks = [];
for await (const chunk of process.stdin) {
    chunks.push(chunk);
}
const data = new Uint8Array(Buffer.concat(chunks));
const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
const lines = [];
for (let at = 0; at < data.length; ) {
    const length = view.getUint32(at, true);
    const done = await audit(data.slice(at + 4, at + 4 + length));
    lines.push(JSON.stringify({ verdict: done.verdict, check: done.check, text: done.text }));
    at += 4 + length;
}
process.stdout.write(lines.join('\n') + '\n');
