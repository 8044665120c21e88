"""The whole way in one sandbox: nginx, the program, a stand-in Spotify and, where asked for, a Redis-protocol server."""

import json
import re
import sqlite3

from . import http
from .nginx import Nginx
from .process import tcp_connections
from .redis import RedisServer
from .responder import ADMIN_TOKEN, Responder, spotify_settings
from .sandbox import Sandbox
from .standin import StandIn, spotify_id
from .waiting import eventually

#: Where a test is not about the default pace, or how long a client of the Web API is kept (it is kept as long as everybody else, then).
BRISK = {"SPOTIFY_MIN_INTERVAL": "20ms", "SPOTIFY_CALLS_PER_HOUR": "100000", "SWINGMUSIC_FCGI_MIRROR_WAIT": "25s"}

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


class House:
    """A context manager. `store`: True for a redis-server, or an object with `settings()`; `settings` go to the program,
    None takes one away. `start=False` leaves the program (alone) to the test. `user` (user0 to user999): whose tokens the stand-in gives,
    where a test is about the items of playlists in development mode. `nginx_server`: further lines of nginx's server {}. `batches`: in extended
    mode it asks for several objects in one call; without, it has found out before that this is closed, as it is to most accounts."""

    def __init__(self, name="house", workers=4, store=None, start=True, address=None, mode="extended", user=None, nginx_server=(), batches=False,
                 **settings):
        self.name, self.workers, self._wanted_store, self._start, self._batches = name, workers, store, start, batches
        self._address, self._mode, self._user, self._settings = address, mode, user, settings
        self._nginx_server = nginx_server

    def __enter__(self):
        self.sandbox = Sandbox(self.name)
        self.sandbox.__enter__()
        try:
            self._furnish()
        except BaseException:
            self.sandbox.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *trouble):
        self.sandbox.__exit__(*trouble)

    def _furnish(self):
        self.standin = StandIn(self.sandbox, mode=self._mode, user=self._user).start()
        self.store = RedisServer(self.sandbox).start() if self._wanted_store is True else self._wanted_store
        settings = {**BRISK, **spotify_settings(self.standin), **(self.store.settings() if self.store else {})}
        settings.update(self._settings)
        self.responder = Responder(self.sandbox, settings, self.workers, self._address)
        if self._start:
            self.responder.start()
            if not self._batches:
                self.close_batches()
        self.nginx = Nginx(self.sandbox, self.responder.address, server=self._nginx_server).start()

    def close_batches(self):
        """Has the program know for good that it cannot have several objects in one call."""
        limiter = sqlite3.connect(f"{self.responder.settings['SWINGMUSIC_FCGI_DATA_DIR']}/limiter.db", timeout=10)
        with limiter:
            limiter.executemany("INSERT OR REPLACE INTO facts (name, value) VALUES (?, '')", [[f"batches-closed/{kind}"] for kind in ("track", "album", "artist")])
        limiter.close()

    @property
    def port(self):
        return self.nginx.port

    def request(self, method, path, headers=None, body=b"", timeout=60.0):
        return http.request(self.port, method, path, headers, body, timeout)

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def admin(self, method, path, body=b"", headers=None):
        """A request with the administrator's token."""
        return self.request(method, path, {**ADMIN, **(headers or {})}, body)

    def at_once(self, paths, **more):
        return http.at_once(self.port, paths, **more)

    def connection(self, source=None):
        """A kept connection to nginx; use as a context manager."""
        return http.Connection(self.port, source=source)

    def post(self, path, value, headers=None):
        """A request with a JSON body."""
        return self.request("POST", path, {"Content-Type": "application/json", **(headers or {})}, json.dumps(value).encode())

    def fill(self, count=1, name="known"):
        """Fetches tracks so that they are in the cache; returns their paths."""
        paths = [track(f"{name}-{n}") for n in range(count)]
        for answer in self.at_once(paths):
            assert answer.status == 200, answer
        return paths

    def learn(self, count):
        """The paths of tracks that are in the cache because they stood in playlists: a call for each hundred."""
        paths = []
        for name in self.standin.ids("playlist", count // 50, more_than=99, seed="learn"):
            page = self.get(f"/spotify/v1/playlists/{name}").json()["tracks"]
            paths += [f"/spotify/v1/tracks/{element['track']['id']}" for element in page["items"] if element["track"]]
        return paths[:count]

    def caller_of(self, call):
        """The worker's process id on whose connection the stand-in saw a call."""
        def find():
            return next((pid for pid in self.responder.worker_pids()
                         if (call["port"], self.standin.port) in tcp_connections(pid)), None)
        return eventually(find, 2.0, every=0.005, what="a worker holds the connection of the call")


def track(seed):
    """The path of a track that exists."""
    return f"/spotify/v1/tracks/{spotify_id(seed)}"


_FORM = re.compile(r"swingmusic-fcgi((?:; [a-z-]+(?:=[^;,]+)?)*)\Z")


def cache_status(answer):
    """The parameters of Cache-Status (RFC 9211) as a dictionary; a parameter without a value is True."""
    form = _FORM.match(answer.cache_status)
    assert form, f"not the form of Cache-Status that the design names: {answer!r}"
    pairs = (part.strip().partition("=") for part in form[1].split(";") if part.strip())
    return {name: (int(value) if re.fullmatch(r"-?\d+", value) else value) if equals else True
            for name, equals, value in pairs}


def assert_spotify_error(answer, *statuses):
    """An error in the Web API's shape with one of the statuses."""
    assert answer.status in statuses, answer
    assert answer.headers["content-type"].startswith("application/json"), answer.headers
    error = answer.json()["error"]
    assert error["status"] == answer.status and isinstance(error["message"], str) and error["message"], error
    return error["message"]


def assert_plain_error(answer, *statuses):
    """An error in the shape of /cache, /dragonfly and /swingmusic-fcgi with one of the statuses."""
    assert answer.status in statuses, answer
    said = answer.json()["error"]
    assert isinstance(said, str) and said, answer
    return said


def retry_after(answer):
    """Retry-After in whole seconds; it must be there and at least 1."""
    seconds = int(answer.headers["retry-after"])
    assert seconds >= 1, answer
    return seconds
