// Elements from data. Whatever comes from a pico becomes text and never markup: nothing in the
// page writes HTML, and the engine's policy would stop it if it did.

/** An element; `on` holds listeners, other properties are attributes, null leaves one out. */
export function h(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
        if (key === 'on') {
            for (const [event, listen] of Object.entries(value)) {
                made.addEventListener(event, listen);
            }
        } else if (key === 'value') {
            made.value = value;
        } else if (value === true) {
            made.setAttribute(key, '');
        } else if (value !== null && value !== undefined && value !== false) {
            made.setAttribute(key, String(value));
        }
    }
    made.append(...children.flat(Infinity).filter((child) => child !== null && child !== ''));
    return made;
}

export function button(text, click, properties = {}) {
    return h('button', { type: 'button', on: { click }, ...properties }, text);
}

/** A control with its label; the two are tied by an id of their own. */
export function labelled(text, control, className = 'field') {
    control.id ||= newId('control');
    return h('div', { class: className }, h('label', { for: control.id }, text), control);
}

export function select(options, chosen, properties = {}) {
    const made = h('select', properties);
    for (const [value, text] of options) {
        made.append(h('option', { value, selected: value === chosen }, text));
    }
    return made;
}

export function table(caption, heads, rows, none = 'None.') {
    if (!rows.length) {
        return h('p', { class: 'none' }, none);
    }
    const head = h('tr', {}, heads.map((text) => h('th', { scope: 'col' }, text)));
    const body = rows.map((cells) => h('tr', {}, cells.map((cell, at) => {
        return h('td', { 'data-head': heads[at] }, h('div', {}, cell));
    })));
    return h('div', {
        class: 'scroll', role: 'region', 'aria-label': `${caption}: table`, tabindex: 0,
    }, h('table', {}, h('caption', {}, caption), h('thead', {}, head), h('tbody', {}, body)));
}

export function section(title, ...children) {
    const id = newId('title');
    return h('section', { 'aria-labelledby': id }, h('h2', { id }, title), ...children);
}

/** Something that opens; its key lets it stay open when its surroundings are drawn again. */
export function fold(key, summary, fill, open = false) {
    const made = h('details', { 'data-key': key, open }, h('summary', { 'data-key': `${key}^` },
        summary));
    let filled = false;
    const draw = () => {
        if (made.open && !filled) {
            filled = true;
            made.append(...[fill()].flat(Infinity));
        }
    };
    made.addEventListener('toggle', draw);
    draw();
    return made;
}

/** Draws a place again. What was open stays open, and what had the focus gets it back. */
export function redraw(place, ...children) {
    const open = [...place.querySelectorAll('details[open][data-key]')].map((e) => e.dataset.key);
    const focused = place.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.dataset.key ?? focused?.id;
    place.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
    for (const wanted of open) {
        const found = find(place, wanted);
        if (found && !found.open) {
            found.open = true;
            found.dispatchEvent(new Event('toggle'));
        }
    }
    if (key) {
        (find(place, key) ?? document.getElementById(key))?.focus();
    }
}

function find(place, key) {
    return place.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

let last = 0;

export function newId(what) {
    last += 1;
    return `${what}-${last}`;
}

/** Says something to who listens to the page, and shows it for a moment. */
export function say(text) {
    const place = document.getElementById('said');
    place.textContent = text;
    place.classList.add('shown');
    clearTimeout(say.timer);
    say.timer = setTimeout(() => place.classList.remove('shown'), 4000);
}

/** What is done at most once in a while, and for the last time with the newest wish. */
export function calm(milliseconds, work) {
    let timer = null;
    return () => {
        timer ??= setTimeout(() => {
            timer = null;
            work();
        }, milliseconds);
    };
}
