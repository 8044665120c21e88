"""Each rule broken on purpose, outside of the product: by what stands around it, or by settings that the suite does not know of."""

import threading
import urllib.request

from harness import http
from harness.house import ADMIN
from harness.standin import spotify_id

from .signins import bearer


class Sabotage:
    """`settings` go to the program, `nginx` are lines of its server {}, `deed` goes on beside the workload. What a rule does not need is nothing."""

    def __init__(self, rule):
        self.rule = rule

    def settings(self):
        return {"pace": {"SPOTIFY_MIN_INTERVAL": "150ms"}, "once": {"SPOTIFY_CACHE_TTL": "1s"}}.get(self.rule, {})

    def nginx(self):
        first, second = spotify_id("known-0"), spotify_id("known-1")
        return {
            "own-record": [f"location = /spotify/v1/tracks/{first} {{ if ($http_x_fill = '') {{ rewrite ^ /spotify/v1/tracks/{second} last; }} "
                           "include swingmusic-fcgi/pass.conf; }"],
            "hit-answered": [f"location = /spotify/v1/tracks/{first} {{ if ($http_x_fill = '') {{ return 503; }} include swingmusic-fcgi/pass.conf; }}"],
            # Says that it ended a session, and does not.
            "ended-refused": ["location = /auth/logout { return 200; }"],
            "key-refused": ["location ~ ^/swingmusic-fcgi/keys/ { if ($request_method = DELETE) { return 200; } include swingmusic-fcgi/pass.conf; }"],
        }.get(self.rule, [])

    #: What the hour may have in the test's last part more than the suite is told.
    @property
    def extra_calls(self):
        return 6 if self.rule == "hour" else 0

    def run(self, suite, stop):
        deed = {"write-kept": self._overwrite, "good-accepted": self._sign_out, "cooldown": self._call}.get(self.rule)
        if deed:
            threading.Thread(target=deed, args=(suite, stop), daemon=True).start()

    def _overwrite(self, suite, stop):
        """Somebody else writes where only one writer may."""
        while not stop.wait(0.3):
            for account in list(suite.accounts.open):
                if account.acknowledged:
                    http.request(suite.home.port, "PUT", account.path, ADMIN, account.key.encode() + b" as it never was")

    def _sign_out(self, suite, stop):
        """Somebody else ends a session that its owner takes for good."""
        while not stop.wait(0.3):
            for session in suite.sign_ins.of("good")[:1]:
                suite.home.get("/auth/logout", bearer(session.access[0]))

    def _call(self, suite, stop):
        """A program that does not know of the cooldown."""
        while not stop.wait(1.0):
            call = urllib.request.Request(f"{suite.standin.url}/v1/tracks/{spotify_id('aside')}", headers={"Authorization": "Bearer x"})
            try:
                urllib.request.urlopen(call, timeout=5).close()
            except OSError:
                pass
