// What swingmusic's web client of version 3.0.1 asks of its server, in its order: paths, methods, bodies, cookies, workers.

const find = id => document.getElementById(id);
const cookie = name => document.cookie.match(`(^|;)\\s*${name}\\s*=\\s*([^;]+)`)?.pop() ?? "";
const fields = form => Object.fromEntries(new FormData(form));

function toast(text) {
    find("toast").textContent = text;
}

/// Most questions are POSTs; cookies go along. 401 leads to the login page, and so does a signature of another server's.
async function ask(url, body, method = "POST") {
    const answer = await fetch(url, {
        method, credentials: "include", headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body),
    });
    const type = answer.headers.get("Content-Type") ?? "";
    const data = type.includes("json") ? await answer.json() : await answer.text();
    if (answer.status === 401) await showLogin();
    if (answer.status === 422 && data.msg === "Signature verification failed") {
        await fetch("/auth/logout", { credentials: "include" });
        await showLogin();
    }
    return { status: answer.status, data };
}
const get = url => ask(url, undefined, "GET");

// Events, in a worker from the first moment, signed in or not.
const events = new Worker("/workers/sse-events.js");
const subscribers = {};
events.onmessage = ({ data }) => {
    document.body.dataset.events = data.status ?? document.body.dataset.events ?? "";
    if (data.data) subscribers[data.data.event]?.(data.data.data);
};
events.postMessage({ command: "connect" });

// The first run.

function showOnboarding(step) {
    find("onboarding").hidden = false;
    for (const name of ["account", "folders", "finish"]) find(name).hidden = name !== step;
}

find("account").onsubmit = async event => {
    event.preventDefault();
    const { status, data } = await ask("/auth/profile/create", fields(event.target));
    if (status !== 200) return toast(data.msg);
    find("userhome").textContent = data.userhome;
    showOnboarding("folders");
};

find("folders").onsubmit = async event => {
    event.preventDefault();
    await ask("/folder/dir-browser", { folder: "$home" });
    showOnboarding("finish");
    await ask("/notsettings/add-root-dirs", { new_dirs: [fields(event.target).folder], removed: [] });
    await awaitScan();
    find("onboarding").hidden = true;
    await enter();
};

function awaitScan() {
    return new Promise(done => {
        const show = batch => {
            const [current, total] = batch.split("/").map(Number);
            Object.assign(find("scan"), { value: current, max: total });
            if (current === total) done();
        };
        subscribers.scan_batch_cleared = data => show(data.batch);
        const timer = setInterval(async () => {
            const { data } = await get("/onboarding-data");
            if (data.scanMessage) show(data.scanMessage.split(":")[1].trim());
            if (data.onboardingComplete && data.scanMessage?.match(/(\d+)\/\1$/)) clearInterval(timer);
        }, 1000);
    });
}

// Signing in and out.

async function showLogin() {
    if (!find("login").hidden) return;
    find("login").hidden = false;
    find("app").hidden = true;
    const answer = await fetch("/auth/users?simplified=true", { credentials: "include" });
    const { users = [] } = answer.ok ? await answer.json() : {};
    find("faces").replaceChildren(...users.map(user => {
        const face = Object.assign(document.createElement("button"), { textContent: user.username, className: "face" });
        face.onclick = () => user.username === "guest" ? logIn("guest", "guest") : find("credentials").username.value = user.username;
        return face;
    }));
}

async function logIn(username, password) {
    const answer = await fetch("/auth/login", {
        method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ username, password }),
    });
    if (answer.ok) location.reload();
    else toast((await answer.json()).msg);
}

find("credentials").onsubmit = event => {
    event.preventDefault();
    const { username, password } = fields(event.target);
    logIn(username, password);
};

find("logout").onclick = async () => {
    await get("/auth/logout");
    location.reload();
};

// Pages.

function picture(image, folder = "thumbnail/medium") {
    return Object.assign(document.createElement("img"), { src: `/img/${folder}/${image}`, className: "picture" });
}

function song(track) {
    const line = Object.assign(document.createElement("li"), { className: "song" });
    const button = Object.assign(document.createElement("button"), { textContent: track.title });
    button.onclick = () => play(track);
    line.append(picture(track.image, "thumbnail/xsmall"), button);
    return line;
}

const pages = {
    async home() {
        const home = await get("/nothome?limit=9");
        await Promise.all(["added", "played"].map(which => get(`/nothome/recents/${which}?limit=9`)));
        const folders = (await get("/notsettings/get-root-dirs")).data.dirs ?? [];
        await ask("/folder", {
            folder: folders[0], start: 0, limit: 50, tracks_only: false, sorttracksby: "default", tracksort_reverse: false,
            sortfoldersby: "default", foldersort_reverse: false,
        });
        const { data } = await get(`/folder/tracks/all?path=${folders[0]}`);
        const { data: albums } = await get("/getall/albums?start=0&limit=50&sortby=created_date&reverse=1");
        find("cards").replaceChildren(...(albums.items ?? []).map(album => picture(album.image)));
        find("songs").replaceChildren(...(data.tracks ?? []).map(song));
        find("home").dataset.status = home.status;
    },
    async search() {},
    async settings() {
        const [{ data }, { data: roots }] = [await get("/notsettings"), await get("/notsettings/get-root-dirs")];
        find("setting").usersOnLogin.checked = data.usersOnLogin;
        find("roots").textContent = roots.dirs.join("\n");
    },
    async accounts() {
        const { data } = await get("/auth/users");
        find("users").replaceChildren(...data.users.map(user => Object.assign(document.createElement("li"), { textContent: user.username })));
    },
    async pairing() {
        const { data } = await get("/auth/getpaircode");
        find("code").textContent = data.code;
    },
};

async function showPage() {
    const name = location.hash.slice(2) || "home";
    for (const page of Object.keys(pages)) find(page).hidden = page !== name;
    await pages[name]();
    find(name).dataset.ready = (Number(find(name).dataset.ready) || 0) + 1;
}
window.onhashchange = showPage;

find("query").onsubmit = async event => {
    event.preventDefault();
    const query = encodeURIComponent(fields(event.target).q);
    await get(`/search/top?q=${query}&limit=5`);
    const { data } = await get(`/search/?itemtype=tracks&start=0&q=${query}&limit=30`);
    find("results").replaceChildren(...data.results.map(song));
};

find("setting").onsubmit = async event => {
    event.preventDefault();
    const value = event.target.usersOnLogin.checked;
    const { status } = await ask("/notsettings/update", { key: "usersOnLogin", value }, "PUT");
    toast(status === 200 ? `Saved: ${value}` : `Not saved: ${status}`);
};

find("guest").onclick = async () => {
    const { data } = await ask("/auth/profile/guest/create");
    toast(data.msg);
    await showPage();
};

find("newuser").onsubmit = async event => {
    event.preventDefault();
    const { status, data } = await ask("/auth/profile/create", fields(event.target));
    toast(status === 200 ? "User added" : data.msg);
    await showPage();
};

find("newpassword").onsubmit = async event => {
    event.preventDefault();
    const { status, data } = await ask("/auth/profile/update", fields(event.target), "PUT");
    toast(status === 200 ? "Password changed" : data.msg);
};

// The player: two elements in the page, one of which plays.

const sources = [0, 1].map(number => {
    const audio = Object.assign(document.createElement("audio"), { id: `source-${number}` });
    document.body.append(audio);
    return audio;
});
const audio = sources[0];
const silence = new Worker("/workers/silence.js");
const log = new Worker("/workers/logtrack.js");

async function play(track) {
    audio.src = `/file/${track.trackhash}/legacy?filepath=${encodeURIComponent(track.filepath)}&container=mp3&quality=original`;
    find("playing").textContent = track.title;
    find("cover").src = `/img/thumbnail/${track.image}`;
    silence.postMessage({ ending_file: track.filepath, starting_file: track.filepath });
    await audio.play().catch(error => toast(`Player error: ${error.message}`));
    log.postMessage({ trackhash: track.trackhash, duration: 6, source: "fo:/", timestamp: Math.floor(Date.now() / 1000) });
}
silence.onmessage = ({ data }) => document.body.dataset.silence = JSON.stringify(data);
audio.ontimeupdate = () => find("time").textContent = audio.currentTime.toFixed(1);
audio.onerror = () => toast(`Can't load: ${find("playing").textContent}`);
find("pause").onclick = () => audio.paused ? audio.play() : audio.pause();
find("seek").oninput = event => audio.currentTime = audio.duration * event.target.value / 1000;

// The start.

async function enter() {
    const { status, data } = await get("/auth/user");
    if (status !== 200) return;
    find("who").textContent = data.username;
    find("app").hidden = false;
    await get("/notsettings");
    await showPage();
}

if (cookie("x-onboarding-complete") === "false") {
    const steps = { folders: cookie("x-root-dirs-set") === "false", account: cookie("x-admin-exists") === "false" };
    showOnboarding(steps.account ? "account" : steps.folders ? "folders" : "finish");
} else {
    await enter();
}
if ("serviceWorker" in navigator) navigator.serviceWorker.register("./sw.js", { scope: "./" });
document.body.dataset.started = "yes";
