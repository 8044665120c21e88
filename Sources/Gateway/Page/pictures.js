// Pictures of the last hour, day or month, from `history.json`: drawn by hand, in one unit of 600 by 100 that is stretched to the card.

const canvas = { width: 600, height: 100 };

/** The figures that are drawn; null before the first. */
let past = null;
/** When they were asked for last, by `performance.now()`. */
let askedAt = -Infinity;

const spanWords = { hour: "the last hour", day: "the last day", month: "the last month" };
const chosenSpan = () => document.querySelector("input[name=span]:checked").value;

const known = values => values.filter(value => value !== null);
const total = values => known(values).reduce((sum, value) => sum + value, 0);
const most = (...lists) => Math.max(1, ...lists.flatMap(known));
const latest = values => known(values).at(-1) ?? null;

const across = (place, steps) => (place * canvas.width / steps).toFixed(1);
const down = (value, top) => (canvas.height - value / top * canvas.height).toFixed(1);

/** Bars that stand on others: one path for all of them. */
function bars(kind, values, below, top) {
    const width = Math.max(0.5, canvas.width / values.length - 0.6).toFixed(1);
    const pieces = values.map((value, place) => value
        ? `M${across(place, values.length)} ${down(below[place], top)}V${down(below[place] + value, top)}h${width}V${down(below[place], top)}z` : "");
    return make("path", { class: `fill ${kind}`, d: pieces.join("") || "M0 0" });
}

/** A line that is broken where nothing is known. */
function line(kind, values, top) {
    let pen = "M";
    const pieces = values.map((value, place) => {
        if (value === null) { pen = "M"; return ""; }
        // One step alone is drawn as well.
        const piece = `${pen}${across(place, values.length)} ${down(value, top)}H${across(place + 1, values.length)}`;
        pen = "L";
        return piece;
    });
    return make("path", { class: `stroke ${kind}`, d: pieces.join("") || "M0 0" });
}

/** Where something held on. */
const bands = (kind, marks) => marks.map((mark, place) => mark
    ? make("rect", { class: `band ${kind}`, x: across(place, marks.length), y: 0, width: Math.ceil(canvas.width / marks.length), height: canvas.height })
    : null);

const key = (kind, words) => make("li", {},
    make("svg", { class: "key", viewBox: "0 0 10 10", "aria-hidden": "true" }, make("rect", { class: `fill ${kind}`, width: 10, height: 10 })), words);

/** A picture with its name, what its lines are, and what a reader who does not see it is told. */
function picture(name, words, top, keys, ...marks) {
    const steps = past.figures.answered.length;
    const start = past.now - steps * past.step;
    const format = past.span === "hour" ? clock : calendar;
    const axis = make("line", { class: "axis", x1: 0, y1: canvas.height, x2: canvas.width, y2: canvas.height });
    return make("figure", {},
        make("h3", {}, name),
        make("p", { class: "scale" }, make("span", {}, top)),
        make("svg", { class: "picture", viewBox: `0 -2 ${canvas.width} ${canvas.height + 4}`, preserveAspectRatio: "none", role: "img",
            "aria-label": `${name}, ${spanWords[past.span]}: ${words}` }, marks, axis),
        make("p", { class: "scale" }, moment(start, format), make("span", {}, "now")),
        make("ul", { class: "keys" }, keys));
}

function hitsPicture({ memory, dragonfly, sqlite, stored, collapsed, unanswered, failed }) {
    const missed = stored.map((value, place) => value === null ? null : value + collapsed[place] + unanswered[place]);
    const parts = [["memory", "memory", memory], ["dragonfly", "DragonflyDB", dragonfly], ["sqlite", "SQLite", sqlite], ["missed", "misses", missed],
        ["failed", "errors (5xx)", failed]];
    const sums = memory.map((_, place) => parts.reduce((sum, [, , values]) => sum + (values[place] ?? 0), 0));
    const top = most(sums);
    const below = memory.map(() => 0);
    const drawn = parts.map(([kind, , values]) => {
        const piece = bars(kind, values, [...below], top);
        values.forEach((value, place) => { below[place] += value ?? 0; });
        return piece;
    });
    return picture("Hits by tier, misses and errors", parts.map(([, words, values]) => `${words} ${count(total(values))}`).join(", "),
        `${count(top)} in ${length(past.step / 1000)}`, parts.map(([kind, words, values]) => key(kind, `${words}: ${count(total(values))}`)), ...drawn);
}

function callsPicture({ callsInWindow, budget, calls, coolingDown }) {
    const cooled = coolingDown.filter(mark => mark).length;
    const top = most(callsInWindow, budget);
    const marked = cooled ? `, cooldown in ${count(cooled)} of ${count(coolingDown.length)} steps` : ", no cooldown";
    return picture("Calls in an hour, and the budget",
        `${count(total(calls))} calls, at most ${count(most(callsInWindow, [0]))} in an hour, budget ${count(latest(budget) ?? 0)}${marked}`, count(top),
        [key("calls", `calls in the hour before: ${count(latest(callsInWindow) ?? 0)}`), key("budget", `budget: ${count(latest(budget) ?? 0)}`),
            key("cooling", `cooldown: ${cooled ? `in ${count(cooled)} of ${count(coolingDown.length)} steps` : "none"}`)],
        bands("cooling", coolingDown), line("budget", budget, top), line("calls", callsInWindow, top));
}

const milliseconds = number => number === null ? "–" : number < 10 ? `${decimal(number)} ms` : number < 1000 ? `${count(number)} ms`
    : `${decimal(number / 1000)} s`;

function timesPicture({ wait, answerTime, callTime }) {
    const top = most(wait, answerTime, callTime);
    const longest = known(wait).length ? Math.max(...known(wait)) : null;
    return picture("Times",
        `an answer takes ${milliseconds(latest(answerTime))}; who had to wait did so for at most ${milliseconds(longest)}; Spotify answers in ${milliseconds(latest(callTime))}`,
        milliseconds(top),
        [key("calls", `who had to wait, waited: ${milliseconds(latest(wait))}`), key("sqlite", `all answers: ${milliseconds(latest(answerTime))}`),
            key("memory", `Spotify answered in: ${milliseconds(latest(callTime))}`)],
        line("calls", wait, top), line("sqlite", answerTime, top), line("memory", callTime, top));
}

function growthPicture({ records, recordBytes }) {
    const top = most(records);
    const grown = (latest(records) ?? 0) - (known(records)[0] ?? 0);
    return picture("Records", `${count(latest(records) ?? 0)} now, ${count(grown)} more than at the beginning`, count(top),
        [key("calls", `records: ${count(latest(records) ?? 0)}, ${bytes(latest(recordBytes) ?? 0)}`)], line("calls", records, top));
}

function memoryPicture({ residentBytes, workers }) {
    const top = most(residentBytes);
    return picture("Memory of the workers", `${bytes(latest(residentBytes) ?? 0)} now, at most ${bytes(top)}`, bytes(top),
        [key("calls", `all together: ${bytes(latest(residentBytes) ?? 0)}, workers: ${count(latest(workers) ?? 0)}`)], line("calls", residentBytes, top));
}

function drawHistory() {
    if (past === null) return;
    show("pictures", [hitsPicture, callsPicture, timesPicture, growthPicture, memoryPicture].map(draw => draw(past.figures)));
}

/** Asks for the history: at once for another span, else now and then. */
async function lookBack(isUrgent = false) {
    if (!isUrgent && performance.now() - askedAt < 15_000) return;
    askedAt = performance.now();
    const { status, value } = await ask(`history.json?span=${chosenSpan()}`);
    if (status === 200 && value?.span === chosenSpan()) {
        past = value;
        drawHistory();
    } else {
        askedAt = -Infinity;
    }
}

find("spans").addEventListener("change", () => lookBack(true));
