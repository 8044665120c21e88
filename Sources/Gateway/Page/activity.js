// What is going on, from `page/now.json`, and the buttons: each is a POST of this page, with the proof that it was given.

/** What the page was told last of what is going on; null before the first, and for who may not know. */
let activity = null;
let activityAskedAt = -Infinity;

async function lookAround(isUrgent = false) {
    if (!isUrgent && performance.now() - activityAskedAt < 4000) return;
    activityAskedAt = performance.now();
    const { status, value } = await ask("page/now.json");
    if (status !== 200 || !value) return;
    activity = value;
    for (const card of [waiting, failures, lookups, dues, account, people, keys, visitor]) card(activity);
}

/** Asks the program to do something, and says what came of it. */
async function act(path, body, done) {
    const { status, value } = await ask(`page/${path}`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body, proof: activity?.proof }),
        signal: AbortSignal.timeout(15_000),
    });
    const went = status === 200 || status === 204;
    find("said").textContent = went ? done(value) : status === 0 ? "swingmusic-fcgi does not answer." : `${value?.error ?? `Answered ${status}`}.`;
    find("said").className = went ? "said good" : "said bad";
    if (went) await lookAround(true);
    return went ? value ?? {} : null;
}

/** A button that is found again, by its key, after what it stands in was drawn anew. */
function button(words, key, work) {
    const element = make("button", { type: "button", "data-key": key }, words);
    element.addEventListener("click", work);
    return element;
}

/** What is done once it was confirmed. */
let confirmedWork = () => {};

/** Asks before what cannot be taken back. */
function confirmed(words, verb, work) {
    find("confirmWords").textContent = words;
    find("confirmYes").textContent = verb;
    confirmedWork = work;
    find("confirm").showModal();
}

find("confirmYes").addEventListener("click", () => {
    find("confirm").close();
    confirmedWork();
});
find("confirmNo").addEventListener("click", () => find("confirm").close());

const cover = record => record.cover
    ? make("img", { class: "cover", src: record.cover, alt: "", width: 32, height: 32, loading: "lazy", referrerpolicy: "no-referrer" }) : null;

/** What a record is called, in a row. */
const called = record => record.kind === "search" ? "a search" : [cover(record), record.title ?? record.id ?? record.kind];

/** What one can do with a record. */
function handling(record, place) {
    if (!record.name) return null;
    const name = `${record.kind} ${record.title ?? record.id}`;
    const renew = button("Renew", `renew ${place} ${record.name}`, () => act("renew", { name: record.name },
        value => `${name} is fetched anew, ${wait(value.seconds)}.`));
    const evict = record.storedAt === undefined ? null : button("Evict", `evict ${place} ${record.name}`, () => confirmed(
        `Remove ${name}? It is then not known here any more, until somebody asks for it again.`, "Remove it",
        () => act("evict", { name: record.name }, () => `${name} was removed.`)));
    renew.setAttribute("aria-label", `Renew ${name}`);
    evict?.setAttribute("aria-label", `Evict ${name}`);
    return make("span", { class: "buttons" }, renew, evict);
}

/** A list of rows, each with a title, some words and buttons. */
const list = (rows, none) => rows.length ? make("ul", { class: "rows" }, rows) : quiet(none);
const row = (title, words, buttons) => make("li", {}, make("span", { class: "what" }, make("b", {}, title), " ", make("span", { class: "quiet" }, words)), buttons);

function waiting({ waiting, now }) {
    const why = Object.fromEntries(ranks);
    const rows = waiting.map(lookup => row(called(lookup),
        [lookup.kind === "search" ? "" : `${lookup.kind}, `, why[lookup.why], lookup.queuedAt ? ` for ${length((now - lookup.queuedAt) / 1000)}` : "", ", ", lookup.isUnderWay ? "under way" : `expected ${wait(lookup.seconds)}`,
            lookup.failure ? `; failed before: ${lookup.failure}` : ""].join("")));
    const hasSearches = waiting.some(lookup => lookup.kind === "search");
    show("waiting", list(rows, "Nothing waits."), hasSearches ? button("Show what is searched for", "searches", showSearches) : null);
}

/** What others typed is shown to an admin who asks for it, and that is written into the log. */
const showSearches = () => confirmed("Show what others have typed into searches that wait? That you have asked is written into the log.", "Show it",
    async () => {
        const value = await act("searches", {}, answer => `${count(answer.searches.length)} searches wait.`);
        if (value) show("searches", list(value.searches.map(search => row(search.words, search.kinds)), "No search waits."));
    });

const failures = ({ failed }) => show("failures", list(failed.map(lookup => row(called(lookup),
    [`${lookup.kind}: ${lookup.failure ?? "given up"}`, lookup.retryAt ? "; tried again from " : "", lookup.retryAt ? moment(lookup.retryAt, clock) : ""],
    handling(lookup, "failed"))), "Nothing was given up."));

const answers = { 200: "answered", 400: "no such id", 403: "refused", 404: "not found", 502: "an answer without a form" };

const lookups = ({ latest }) => show("lookups", list(latest.map(lookup => row(called(lookup),
    [lookup.kind === "search" ? "" : `${lookup.kind}, `, `${answers[lookup.status] ?? `answered ${lookup.status}`}, `, moment(lookup.at, clock)],
    handling(lookup, "latest"))), "Nothing was looked up yet."));

const dues = ({ due }) => show("dues",
    table("What falls due", [], [["due now", count(due.now)], ["within a day", count(due.inADay)], ["within a week", count(due.inAWeek)]]),
    due.next.length ? make("p", {}, "In use, and due within a day:") : null,
    due.next.length ? list(due.next.map(record => row(called(record), record.kind, handling(record, "due"))), "") : null);

/** The household's own Spotify account: whose, since when, until when, and what is to be done about it. */
function connected(account) {
    if (!account) return [["connected account", "none. `swingmusic-fcgi connect` has playlists come with their items."]];
    const over = account.endReason !== undefined;
    const again = "Run `swingmusic-fcgi connect` once more";
    return [
        ["connected account", account.owner ?? "its name is not known yet"],
        ["connected since", moment(account.consentedAt)],
        ["its consent", over ? `has ended: ${account.endReason}` : ["ends ", moment(account.endsAt)]],
        ...(over ? [["what to do", `${again}, or \`swingmusic-fcgi disconnect\` to do without.`]]
            : account.isEnding ? [["what to do", `${again} before that.`]] : []),
        ["lists that are not public", account.isPrivate && !over ? "for signed-in users" : "not asked for"],
    ];
}

const account = ({ account, backups }) => show("account",
    table("Account and backups", [], [
        ["Spotify app", account.hasCredentials ? "set" : "none"],
        ["mode of the account", account.mode ?? "not known yet"],
        ...connected(account.connected),
        ...(account.closed.length ? [["closed to this account", account.closed.join(", ")]] : []),
        ["newest backup", backups.length ? backups[0].name : "none in the data folder"],
        ...(backups.length ? [["kept", count(backups.length)], ["size of it", bytes(backups[0].bytes)]] : []),
    ]));

function people({ sessions }) {
    find("peopleCard").hidden = sessions === null;
    if (sessions === null) return;
    show("people", list(sessions.map(session => {
        const end = button("End", `end ${session.id}`, () => confirmed(`End the session of ${session.user} on ${session.device}?`, "End it",
            () => act("end-session", { session: session.id }, () => `The session of ${session.user} on ${session.device} has ended.`)));
        end.setAttribute("aria-label", `End the session of ${session.user} on ${session.device}`);
        return row(session.user, [`${session.device}, ${session.address || "unknown address"}, last used `, moment(session.seenAt)], end);
    }), "Nobody is signed in."));
}

function keys({ keys }) {
    find("keysCard").hidden = keys === null;
    if (keys === null) return;
    show("keys", list(keys.map(key => {
        const end = button("End", `key ${key.name}`, () => confirmed(`End the key ${key.name}? The client that has it gets in no more.`, "End it",
            () => act("revoke-key", { name: key.name }, () => `The key ${key.name} has ended.`)));
        end.setAttribute("aria-label", `End the key ${key.name}`);
        return row(key.name, ["made ", moment(key.createdAt), ", ", key.usedAt ? "last used " : "never used", key.usedAt ? moment(key.usedAt) : ""], end);
    }), "There is none. `swingmusic-fcgi keys add NAME` makes one."));
}

function visitor({ visitor, covers }) {
    find("signOut").hidden = visitor !== "session";
    find("coversWords").textContent = covers
        ? "Pictures of covers are on: your browser fetches them from Spotify's image host, which sees your address and which covers are shown here."
        : "Pictures of covers are off, so that this page tells Spotify nothing. SWINGMUSIC_FCGI_STATUS_COVERS=on shows them: your browser then fetches them from Spotify's image host, which sees your address and which covers are shown.";
}

// Search in the records.

let searchGoesOn = null;

async function searchRecords(after) {
    const words = find("words").value.trim();
    if (!words) return;
    const value = await act("search", after ? { words, after } : { words }, answer => `${count(answer.records.length)} records found.`);
    if (!value) return;
    searchGoesOn = value.next ?? null;
    show("found", list(value.records.map(record => row(called(record), [`${record.kind}, `, record.refusedWith ? `refused with ${record.refusedWith}, ` : "",
        "due ", moment(record.dueAt)], handling(record, "found"))), searchGoesOn ? "Nothing here yet." : "Nothing was found."),
        searchGoesOn ? button("Search on", "search on", () => searchRecords(searchGoesOn)) : null);
}

find("search").addEventListener("submit", event => {
    event.preventDefault();
    searchRecords(null);
});

// Getting in and out.

find("signIn").addEventListener("submit", async event => {
    event.preventDefault();
    const token = find("token").value.trim();
    find("signInSaid").textContent = "";
    const { status, value } = await ask("page/sign-in", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }),
    });
    if (status === 204) {
        find("token").value = "";
        wake();
    } else {
        find("signInSaid").textContent = status === 0 ? "swingmusic-fcgi does not answer." : `${value?.error ?? `Answered ${status}`}.`;
        find("token").focus();
    }
});

find("signOutButton").addEventListener("click", async () => {
    await act("sign-out", {}, () => "Signed out.");
    activity = null;
    wake();
});
