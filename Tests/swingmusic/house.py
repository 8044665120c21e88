"""The real swingmusic behind the repository's nginx files and the program, led through its first steps."""

import json
import time
import urllib.parse

from harness import http
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.standin import StandIn
from harness.swingmusic import claims, token
from harness.waiting import eventually
from server import SwingmusicServer

JSON = {"Content-Type": "application/json"}
USERS = [f"user{number}" for number in range(8)]


def password(name):
    return f"{name}'s password"


class Site:
    """swingmusic, the program and nginx, with what asks them; the ones who inherit start them."""

    def __init__(self, sandbox, songs=()):
        self.sandbox = sandbox
        self.swingmusic = SwingmusicServer(sandbox, songs)
        settings = {"SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.parent), **spotify_settings(StandIn(sandbox).start())}
        self.responder = Responder(sandbox, settings, workers=2)
        self.nginx = Nginx(sandbox, self.responder.address, swingmusic=self.swingmusic.port, guarded=True)

    def ask(self, method, path, token=None, headers=None, body=b"", cookie=None, port=None, timeout=30):
        pairs = {**(headers or {}), **credentials(token, cookie)}
        return http.request(port or self.nginx.port, method, path, pairs, body, timeout)

    def get(self, path, token=None, **more):
        return self.ask("GET", path, token, **more)

    def post(self, path, value, token=None, **more):
        return self.ask("POST", path, token, JSON, json.dumps(value).encode(), **more)

    def make_user(self, name, admin=None):
        answer = self.post("/auth/profile/create", {"username": name, "password": password(name)}, admin)
        assert answer.status == 200, answer

    def log_in(self, name):
        answer = self.post("/auth/login", {"username": name, "password": password(name)})
        assert answer.status == 200, answer
        return answer.json()["accesstoken"]

    def made_token(self, user, lifetime):
        """A token as swingmusic makes it, for the user of that id, that has `lifetime` seconds left of its 30 days."""
        key = json.loads((self.swingmusic.folder / "settings.json").read_text())["serverId"]
        return token(claims(user, issued=int(time.time()) + lifetime - 2_592_000), key)


class RealHouse(Site):
    """All started; an admin and eight users signed in: `tokens` by name. `songs`: swingmusic's own description of each, largest first."""

    def __init__(self, sandbox):
        super().__init__(sandbox, songs=(80, 80, 25, 1))
        self.swingmusic.start()
        self.responder.start()
        self.nginx.start()
        self.tokens = {}
        self._first_steps()

    def _first_steps(self):
        self.make_user("admin")
        self.tokens["admin"] = self.log_in("admin")
        for name in USERS:
            self.make_user(name, self.tokens["admin"])
            self.tokens[name] = self.log_in(name)
        self.post("/notsettings/add-root-dirs", {"new_dirs": [str(self.swingmusic.music)], "removed": []}, self.tokens["admin"])
        self.songs = eventually(self._scanned, 60, what="swingmusic has scanned the songs")

    def _scanned(self):
        listed = self.post("/folder", {"folder": str(self.swingmusic.music)}, self.tokens["admin"])
        tracks = listed.json()["tracks"] if listed.status == 200 else []
        wanted = len(list(self.swingmusic.music.iterdir()))
        return sorted(tracks, key=lambda track: -track["extra"]["filesize"]) if len(tracks) == wanted else None

    def song_path(self, number=0):
        track = self.songs[number]
        return f"/file/{track['trackhash']}/legacy?{urllib.parse.urlencode({'filepath': track['filepath']})}"


def credentials(token=None, cookie=None):
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cookie:
        headers["Cookie"] = f"access_token_cookie={cookie}"
    return headers
