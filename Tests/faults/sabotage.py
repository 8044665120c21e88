"""Each rule broken on purpose, outside of the product: by what stands around it, or by settings that the suite does not know of."""

import threading
import urllib.request

from harness import http
from harness.house import ADMIN
from harness.process import send_signal
from harness.standin import spotify_id
from harness.waiting import eventually

from .judge import RULES
from .signins import bearer
from .table.worker import GONE

#: What can be broken: a rule, or a rule in a way of its own; and the places at each of which that has to be found. No place is any place.
BREAKS = {
    **{rule: set() for rule in RULES},
    "ended-refused": {"/auth/user", "/auth/verify", "/auth/sessions", "/auth/refresh", "/files/song.flac", "/spotify/v1/tracks"},
    "good-accepted/ends": {"pair", "ends a session", "keys"},
    "write-kept/old": set(),
    "own-record/struck": {"lookup"},
    "looked-up": {"no Retry-After", "refused"},
    "looked-up/refused": {"refused"},
    "looked-up/strange": {"strange"},
    "cooldown/server": set(),
    "in-time/read": {"a read"},
}


class Sabotage:
    """`settings` go to the program, `nginx` are lines of its server {}, `answer` is a rule of the stand-in's, `run` goes on beside the workload.
    What a rule does not need is nothing."""

    def __init__(self, broken):
        self.broken, self.rule = broken, broken.partition("/")[0]
        self.places = BREAKS[broken]

    @property
    def waits(self):
        """Whether the workload finds it, and not who looks afterwards."""
        return self.broken not in ("hour", "recovers")

    def settings(self):
        return {"pace": {"SPOTIFY_MIN_INTERVAL": "150ms"}, "once": {"SPOTIFY_CACHE_TTL": "1s"}}.get(self.broken, {})

    def nginx(self):
        first, second = (f"/spotify/v1/tracks/{spotify_id(f'known-{number}')}" for number in range(2))
        onward = "include swingmusic-fcgi/pass.conf; }"
        lookups = 'location /spotify/v1/tracks/ { if ($http_prefer = "wait=10") '
        return {
            "own-record": [f"location = {first} {{ if ($http_x_fill = '') {{ rewrite ^ {second} last; }} {onward}"],
            "own-record/struck": [f'location /spotify/v1/tracks/ {{ if ($http_prefer = "wait=1") {{ rewrite ^ {second} last; }} {onward}',
                                  f"location = {second} {{ {onward}"],
            "hit-answered": [f"location = {first} {{ if ($http_x_fill = '') {{ return 503; }} {onward}"],
            "in-time": [f"location = {first} {{ if ($http_x_fill = '') {{ set $limit_rate 180; }} {onward}"],
            "in-time/read": [f"location ~ ^/cache/user/ {{ if ($request_method = GET) {{ set $limit_rate 250; }} {onward}"],
            "looked-up": [f"{lookups} {{ return 503; }} {onward}"],
            "looked-up/refused": [f"{lookups} {{ add_header Retry-After 1 always; return 503; }} {onward}"],
            "looked-up/strange": [f"{lookups} {{ return 500; }} {onward}"],
            # Says that it ended a session, and does not.
            "ended-refused": ["location = /auth/logout { return 200; }"],
            "key-refused": [f"location ~ ^/swingmusic-fcgi/keys/ {{ if ($request_method = DELETE) {{ return 200; }} {onward}"],
            "good-accepted/ends": ["location = /auth/logout { return 401; }", "location = /auth/pair { return 400; }",
                                   f"location ~ ^/swingmusic-fcgi/keys/ {{ if ($request_method = DELETE) {{ return 404; }} {onward}"],
        }.get(self.broken, [])

    @property
    def answer(self):
        refusal = {"behaviour": "status", "retry_after": 8, "times": 1}
        return {"cooldown": {**refusal, "status": 429}, "cooldown/server": {**refusal, "status": 503}}.get(self.broken)

    #: What the hour may have in the test's last part more than the suite is told.
    @property
    def extra_calls(self):
        return 6 if self.broken == "hour" else 0

    def run(self, suite, stop):
        deed = {"write-kept": self._overwrite, "write-kept/old": self._lose, "good-accepted": self._sign_out, "cooldown": self._call,
                "cooldown/server": self._call, "own-record/struck": self._urge}.get(self.broken)
        if self.broken == "recovers":
            # A worker dies, and it was not the suite: what that breaks on the way is excused as where it was. Looked at when the program knows of it.
            victim = suite.workers()[0]
            with suite.judge.excusing(GONE.split()):
                send_signal(victim, 9)
                eventually(lambda: f"worker ended by signal 9 worker={victim}" in suite.home.responder.log_path.read_text(), 30, what="the program knows of it")
        if deed:
            threading.Thread(target=deed, args=(suite, stop), daemon=True).start()

    def _overwrite(self, suite, stop):
        """Somebody else writes where only one writer may."""
        while not stop.wait(0.3):
            for account in list(suite.accounts.open):
                if account.acknowledged:
                    http.request(suite.home.port, "PUT", account.path, ADMIN, account.key.encode() + b" as it never was")

    def _lose(self, suite, stop):
        """What was written some time ago is thrown away."""
        suite.accounts.leaving = 0.9
        while not stop.wait(0.3):
            for account in suite.accounts.closed[:-150]:
                if account.acknowledged and account.values[-1] is not None:
                    http.request(suite.home.port, "DELETE", account.path, ADMIN)

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

    def _urge(self, suite, stop):
        """As a fault of Spotify's does."""
        while not stop.wait(1.0):
            suite.urge()
