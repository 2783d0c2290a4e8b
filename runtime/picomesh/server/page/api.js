// The engine as the page knows it. The token stays in this tab: in sessionStorage and in a header,
// never in a URL that is sent.

const KEY = 'picomesh token';
const BASE = new URL('api/v1/', document.baseURI);

export class Refused extends Error {
    constructor(status, body) {
        super(typeof body?.error === 'string' ? body.error : `the engine said ${status}`);
        this.status = status;
        this.body = body ?? {};
    }
}

export function token() {
    return sessionStorage.getItem(KEY);
}

export function setToken(text) {
    if (text) {
        sessionStorage.setItem(KEY, text);
    } else {
        sessionStorage.removeItem(KEY);
    }
}

/** Takes the token out of the fragment, where the engine put it, before anybody else sees it. */
export function takeToken() {
    const found = /^#token=([\w-]+)$/.exec(location.hash);
    if (found) {
        setToken(found[1]);
        history.replaceState(null, '', location.pathname);
    }
}

function request(method, parts, body, signal) {
    const url = new URL(parts.map(encodeURIComponent).join('/'), BASE);
    return { url, options: {
        method,
        signal,
        cache: 'no-store',
        credentials: 'omit',
        headers: {
            authorization: `Bearer ${token()}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
    } };
}

async function ask(method, parts, body, query = {}) {
    const { url, options } = request(method, parts, body);
    Object.entries(query).forEach(([name, value]) => url.searchParams.set(name, value));
    const answer = await fetch(url, options);
    const found = await answer.json().catch(() => null);
    if (!answer.ok) {
        throw new Refused(answer.status, found);
    }
    return found;
}

/** A file of the engine's, as bytes. */
export async function load(parts) {
    const { url, options } = request('GET', parts);
    const answer = await fetch(url, options);
    if (!answer.ok) {
        throw new Refused(answer.status, await answer.json().catch(() => null));
    }
    return answer.blob();
}

export const get = (parts, query) => ask('GET', parts, undefined, query);
export const post = (parts, body = {}, query = {}) => ask('POST', parts, body, query);
export const remove = (parts) => ask('DELETE', parts);

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Waits until somebody looks. A browser has few connections for one host, so a tab that nobody
 * sees gives its stream back; what it misses meanwhile it asks for when it is seen again. */
async function seen() {
    while (document.visibilityState === 'hidden') {
        await new Promise((done) => {
            document.addEventListener('visibilitychange', done, { once: true });
        });
    }
    const ended = new AbortController();
    const end = () => ended.abort();
    addEventListener('pagehide', end, { once: true, signal: ended.signal });
    document.addEventListener('visibilitychange', end, { once: true, signal: ended.signal });
    return ended.signal;
}

/** Follows what happens, and goes on after every break. `tell(name, data)`; 'up' and 'down' too. */
export async function follow(tell) {
    for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
        const signal = await seen();
        try {
            const { url, options } = request('GET', ['feed'], undefined, signal);
            const answer = await fetch(url, options);
            if (answer.status === 401 || answer.status === 403) {
                throw new Refused(answer.status, await answer.json());
            }
            if (answer.ok) {
                wait = 500;
                tell('up');
                await read(answer.body, tell);
            }
        } catch (problem) {
            if (problem instanceof Refused) {
                tell('refused');
                return;
            }
        }
        if (!signal.aborted) {
            tell('down');
            await pause(wait);
        }
    }
}

async function read(body, tell) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
        const { done, value } = await reader.read();
        if (done) {
            return;
        }
        text += value;
        const messages = text.split('\n\n');
        text = messages.pop();
        messages.forEach((message) => dispatch(message, tell));
    }
}

function dispatch(message, tell) {
    const fields = Object.fromEntries(message.split('\n').map((line) => {
        const at = line.indexOf(': ');
        return [line.slice(0, at), line.slice(at + 2)];
    }));
    if (fields.event && fields.data) {
        tell(fields.event, JSON.parse(fields.data));
    }
}
