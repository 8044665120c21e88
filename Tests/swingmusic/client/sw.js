// As vite-plugin-pwa makes it: takes over at once, keeps the client's files, and answers every page with the kept index.html.
importScripts("./workbox-00000000.js");
self.skipWaiting();
workbox.claimClients();
workbox.keep(["index.html", "assets/index.js", "assets/index.css"], "1");
workbox.answerPages("index.html");
