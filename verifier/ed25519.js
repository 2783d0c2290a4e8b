// Ed25519 by WebCrypto, with the rules of docs/formats/receipt.md §3 where libraries differ.

import { concat, hex, utf8 } from './bytes.js';

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
// The y coordinates of the points of small order, without the sign bit, below p.
const SMALL_ORDER = new Set(
    [
        0n,
        1n,
        P - 1n,
        2707385501144840649318225287225658788936804267575313519463743609750303021958n,
        55188659117513257062467267217118295137698188065244968500265048394206261417927n,
    ].map(String),
);

function littleEndian(data) {
    return BigInt('0x' + hex(Uint8Array.from(data).reverse()));
}

// A point that is written as it must be and is not of small order.
function isSoundPoint(data) {
    const y = littleEndian(data) & (2n ** 255n - 1n);
    return y < P && !SMALL_ORDER.has(String(y));
}

/** Whether this key signed this message as one of this kind. */
export async function isSigned(publicKey, domain, message, signature) {
    if (!isSoundPoint(publicKey) || !isSoundPoint(signature.subarray(0, 32))) {
        return false;
    }
    if (littleEndian(signature.subarray(32)) >= L) {
        return false;
    }
    const { subtle } = globalThis.crypto;
    const signed = concat(utf8(domain), Uint8Array.of(0x0a), message);
    try {
        const key = await subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
        return await subtle.verify('Ed25519', key, signature, signed);
    } catch (problem) {
        if (problem.name === 'NotSupportedError') {
            throw problem; // this browser has no Ed25519
        }
        return false; // no point of the curve
    }
}
