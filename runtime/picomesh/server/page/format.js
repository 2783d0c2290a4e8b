// Numbers, times and names as people read them.

const grouped = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3,
});
const day = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export const count = (number) => grouped.format(number);

export function many(number, one, more = `${one}s`) {
    return `${count(number)} ${number === 1 ? one : more}`;
}

/** The time of day, and the date when it is not today's. */
export function time(milliseconds) {
    const at = new Date(milliseconds);
    if (Number.isNaN(at.getTime())) {
        return String(milliseconds);
    }
    return at.toDateString() === new Date().toDateString() ? clock.format(at) : day.format(at);
}

export function iso(milliseconds) {
    const at = new Date(milliseconds);
    return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** The beginning and the end of something long. */
export function short(text, head = 10, tail = 4) {
    return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;
}

/** A value in one line. */
export function oneLine(value, most = 160) {
    const text = JSON.stringify(value) ?? 'null';
    return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

export function plural(number, word) {
    return number === 1 ? word : `${word}s`;
}
