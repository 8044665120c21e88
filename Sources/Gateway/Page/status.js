// The page reads JSON beside it, again and again, and puts what it reads in as text: nothing of it is ever taken for HTML. It is looked for only
// while somebody looks.

/** Milliseconds: between two questions, between two while no answer comes, or while nobody is signed in; and for an answer. A program that stopped
    shows within 5 s. */
const pace = { usual: 2000, late: 1000, stranger: 10_000, patience: 2500 };

const find = id => document.getElementById(id);

const drawn = new Set(["svg", "g", "path", "rect", "line"]);

/** An element with attributes (nothing for null or false) and children: elements, or anything else as text. */
function make(name, attributes = {}, ...children) {
    const element = drawn.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
        if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) element.append(child);
    return element;
}

/** Puts new content in the place of old, where it is another one. Who works with the keyboard stays where they are. */
function show(id, ...content) {
    const place = find(id);
    const next = make("div", {}, content);
    const now = place.cloneNode(true);
    const before = make("div", {}, ...now.childNodes);
    if (before.isEqualNode(next)) return;
    const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    place.replaceChildren(...next.childNodes);
    if (key !== undefined) [...place.querySelectorAll("[data-key]")].find(element => element.dataset.key === key)?.focus();
}

// Numbers and times as people read them, times in the reader's own zone.

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const decimals = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

const count = number => numbers.format(number);
const decimal = number => (Math.abs(number) < 99.95 ? decimals : numbers).format(number);
const percent = share => share === null ? "–" : `${decimal(share * 100)} %`;
const rate = perSecond => perSecond > 0 && perSecond < 0.1 ? "under 0.1" : decimal(perSecond);

function bytes(number) {
    for (const unit of ["B", "kB", "MB"]) {
        if (number < 1000) return `${decimal(number)} ${unit}`;
        number /= 1000;
    }
    return `${decimal(number)} GB`;
}

/** The two largest units of a time in seconds. */
function length(seconds) {
    const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"],
        [Math.floor(seconds) % 60, "s"]];
    const first = parts.findIndex(([number]) => number > 0);
    const shown = first < 0 ? [] : parts.slice(first, first + 2).filter(([number]) => number > 0);
    return shown.map(([number, unit]) => `${number} ${unit}`).join(" ") || "0 s";
}

const wait = seconds => seconds <= 0 ? "now" : `in ${length(Math.max(1, Math.ceil(seconds)))}`;

const moment = (instant, format = calendar) =>
    make("time", { datetime: new Date(instant).toISOString() }, format.format(new Date(instant)));

// Parts of cards.

/** Rows of cells; the first of each names it. */
function table(name, heads, rows) {
    const cell = content => content instanceof Element && content.localName === "td" ? content : make("td", {}, content);
    return make("table", { "aria-label": name },
        heads.length ? make("thead", {}, make("tr", {}, heads.map(head => make("th", { scope: "col" }, head)))) : null,
        make("tbody", {}, rows.map(([first, ...rest]) => make("tr", {}, make("th", { scope: "row" }, first), rest.map(cell)))));
}

/** A bar from 0 to 1. What it says stands beside it. */
const bar = (share, kind) => make("svg", { class: `bar ${kind}`, viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    make("rect", { class: "track", width: 100, height: 8 }),
    make("rect", { width: Math.round(Math.min(Math.max(share, 0), 1) * 100), height: 8 }));

const big = (number, words) => make("p", { class: "big" }, number, make("small", {}, ` ${words}`));
const quiet = (...words) => make("p", { class: "quiet" }, words);

// The cards, each from what `status.json` says.

const tiers = [["memory", "memory"], ["dragonfly", "DragonflyDB"], ["sqlite", "SQLite"]];
const misses = [["stored", "called Spotify"], ["collapsed", "joined a call"], ["unanswered", "not in time"]];
const ranks = [["caller", "somebody waits"], ["unattended", "nobody waits any more"], ["renewal", "renewals"], ["warming", "warming"]];

function complaints({ readiness }) {
    const items = readiness.details.map(({ word, text, remedy }) => make("li", { class: readiness.reasons.includes(word) ? "bad" : "fair" },
        make("b", {}, word), `: ${text}. To do: ${remedy}.`));
    find("complaints").hidden = items.length === 0;
    show("complaints", items);
}

function requests({ answersByMinute, answers, parked }) {
    const total = Object.values(answers).flatMap(Object.values).reduce((sum, number) => sum + number, 0);
    const failed = Object.values(answers).reduce((sum, classes) => sum + classes["5xx"], 0);
    const most = Math.max(...answersByMinute, 1);
    const peak = rate(Math.max(...answersByMinute) / 60);
    const bars = answersByMinute.map((number, minute) => ({ minute, height: number ? Math.max(1, Math.floor(number * 60 / most)) : 0 }));
    show("requests",
        big(rate((answersByMinute.at(-2) ?? 0) / 60), "a second, the last whole minute"),
        make("figure", {},
            make("svg", { class: "picture", viewBox: "0 0 300 60", preserveAspectRatio: "none", role: "img",
                "aria-label": `Requests a second in each minute of the last hour; at most ${peak}` },
                make("line", { class: "axis", x1: 0, y1: 60, x2: 300, y2: 60 }),
                bars.filter(({ height }) => height).map(({ minute, height }) =>
                    make("rect", { class: "bars", x: minute * 5, y: 60 - height, width: 4, height }))),
            make("figcaption", {}, make("span", {}, "60 min ago"), make("span", {}, `peak ${peak}/s`), make("span", {}, "now"))),
        quiet(`${count(total)} answered in all, ${count(failed)} with 5xx; ${count(parked)} parked now`));
}

function hits({ sources }) {
    const all = [...tiers, ...misses].reduce((sum, [name]) => sum + sources[name], 0);
    const share = name => all ? sources[name] / all : null;
    const ratio = all ? tiers.reduce((sum, [name]) => sum + share(name), 0) : null;
    const rows = (list, kind) => list.map(([name, words]) =>
        [words, make("td", { class: "meter" }, bar(share(name) ?? 0, kind)), percent(share(name)), count(sources[name])]);
    show("hits", big(percent(ratio), "hits"), table("Hits by tier", [], [...rows(tiers, "good"), ...rows(misses, "fair")]),
        quiet(`${count(sources.stale)} hits were stale`));
}

/** What a pause means to who uses the music. */
const pauses = [
    ["cooldown", "Cooldown", "Spotify has told this server to wait. What is known is served all the same; what is new waits until then, and no call is made, so that Spotify does not close the account."],
    ["upstreamOutage", "No calls", "Spotify cannot be reached. It is tried again by itself."],
    ["tokenOutage", "No token", "Spotify gives no token. It is tried again by itself."],
    ["accountRefusal", "Account refused", "Spotify refuses this account, whatever is asked for. It is tried again by itself."],
];

function calls({ limiter, limiterFault, now }) {
    if (!limiter) return show("calls", make("p", { class: "bad" }, `The limiter cannot be used; nothing is looked up. ${limiterFault ?? ""}`));
    const { calls, budget } = limiter.lastHour;
    const share = calls / Math.max(1, budget);
    const until = instant => wait((instant - now) / 1000);
    show("calls", big(count(calls), `of ${count(budget)} in the last hour`), bar(share, share < 0.8 ? "good" : share < 1 ? "fair" : "bad"),
        pauses.filter(([name]) => limiter[name]).map(([name, title, meaning]) => make("p", { class: "bad" },
            make("b", {}, title), `, ends ${until(limiter[name].endsAt)}: ${limiter[name].reason}. ${meaning}`)),
        table("Calls", [], [["next free slot", until(limiter.nextSlotAt)], ...(limiter.cooldown ? [] : [["cooldown", "none"]])]));
}

function queue({ limiter }) {
    const waiting = limiter?.queue ?? {};
    const all = ranks.reduce((sum, [name]) => sum + (waiting[name] ?? 0), 0);
    show("queue", big(count(all), `lookups wait, ${count(limiter?.leased ?? 0)} under way`),
        table("Queue", [], ranks.map(([name, words]) => [words, count(waiting[name] ?? 0)])));
}

const workers = status => show("workers", table("Workers", ["process", "up", "memory", "parked"],
    status.workers.map(worker => [`${worker.pid}`, length(worker.uptimeSeconds), bytes(worker.residentBytes), count(worker.parked)])));

const files = status => show("files", table("Store and journals", [], [
    // Why it is not used stands at the top of the page.
    ["DragonflyDB", status.storeUsed === undefined ? "none" : status.storeUsed ? "used" : "not used"],
    ...status.files.map(file => [file.name, bytes(file.bytes)])]));

const records = status => show("records",
    status.records.length
        ? table("Records by kind", ["kind", "records", "size"], status.records.map(kind => [kind.kind, count(kind.entries), bytes(kind.bytes)]))
        : quiet("None yet."),
    table("Records by age", ["age", "records"], status.ages.map(age => [age.age, count(age.records)])));

const lines = status => show("lines", status.latestErrors.length
    ? make("ol", { class: "lines" }, status.latestErrors.map(line => make("li", {},
        make("span", { class: line.level === "error" ? "bad" : "fair" }, line.level), " ", moment(line.time), " ",
        make("span", { class: "quiet" }, `[${line.pid}]`), ` ${line.text}`)))
    : quiet("None."));

const cards = [complaints, requests, hits, calls, queue, workers, files, records, lines];

// What is shown of it all, and how it stands.

function badge(words, kind) {
    find("badge").textContent = words;
    find("badge").className = `badge ${kind}`;
    document.title = `${words} · swingmusic-fcgi`;
}

/** How the page stands: `figures`, `late` (what is shown is out of date) or `stranger`. */
function stand(state) {
    find("page").classList.toggle("late", state === "late");
    find("late").hidden = state !== "late";
    find("stranger").hidden = state !== "stranger";
    find("figures").hidden = state === "stranger" || shownAt === null;
}

/** When the figures that are shown were read; null before the first. */
let shownAt = null;

function current(status) {
    shownAt = Date.now();
    const { readiness } = status;
    const troubles = readiness.details.map(({ word }) => word).join(", ");
    badge(troubles ? `${readiness.status}: ${troubles}` : readiness.status, { ok: "good", degraded: "fair" }[readiness.status] ?? "bad");
    find("asOf").replaceChildren(`version ${status.version}, as of `, moment(shownAt, clock));
    for (const card of cards) card(status);
    stand("figures");
}

function late(reason) {
    if (find("late").hidden) {
        find("late").textContent = shownAt === null
            ? `${reason} There are no figures yet.`
            : `${reason} What is shown is out of date: it is from ${clock.format(new Date(shownAt))}.`;
    }
    badge("no answer", "bad");
    stand("late");
}

function stranger(status) {
    shownAt = null;
    find("strangerWords").textContent = status === 403
        ? "You are signed in, but not as an admin. The figures are for admins alone; the admin token opens them, too."
        : "The figures are for admins. Sign in to swingmusic as an admin and come back to this page, or sign in here with the admin token.";
    find("signOut").hidden = true;
    badge("not signed in", "fair");
    stand("stranger");
}

/** The answer to a question: its status, 0 where none came in time, and what it says. */
async function ask(path, options = {}) {
    try {
        const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(pace.patience), ...options });
        const isJSON = (answer.headers.get("Content-Type") ?? "").startsWith("application/json");
        return { status: answer.status, value: isJSON ? await answer.json() : null };
    } catch {
        return { status: 0, value: null };
    }
}

async function look() {
    const { status, value } = await ask("status.json");
    if (status === 200 && value) {
        current(value);
        lookBack();
        lookAround();
    }
    else if (status === 401 || status === 403) stranger(status);
    else if (status === 429) late("Too many wrong tokens came from this address; it is let in again within a minute.");
    else late(status === 503 ? "The server is busy." : "swingmusic-fcgi does not answer.");
    return status === 200 ? pace.usual : status === 401 || status === 403 ? pace.stranger : pace.late;
}

let wake = () => {};

/** Looks as long as the page is looked at. */
async function watch() {
    for (;;) {
        const pause = document.hidden ? pace.usual : await look();
        await new Promise(resolve => {
            wake = resolve;
            setTimeout(resolve, pause);
        });
    }
}

// What stands in the files after this one is there before the first answer is.
document.addEventListener("visibilitychange", () => wake());
watch();
