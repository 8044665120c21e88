// What the web client's worker uses of Workbox, in a few lines.
self.workbox = {
    claimClients() {
        self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
    },
    keep(files, revision) {
        this.cache = `kept-${revision}`;
        self.addEventListener("install", event => event.waitUntil(
            caches.open(this.cache).then(cache => cache.addAll(files.map(file => new Request(`./${file}`, { cache: "reload" }))))));
        self.addEventListener("fetch", event => {
            const path = new URL(event.request.url).pathname.slice(1);
            if (event.request.mode !== "navigate" && files.includes(path)) event.respondWith(this.kept(path, event.request));
        });
    },
    answerPages(file) {
        self.addEventListener("fetch", event => {
            if (event.request.mode === "navigate") event.respondWith(this.kept(file, event.request));
        });
    },
    async kept(file, request) {
        const cache = await caches.open(this.cache);
        return await cache.match(`./${file}`) ?? fetch(request);
    },
};
