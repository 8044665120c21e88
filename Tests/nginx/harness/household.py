"""swingmusic's folder and stand-in, four workers, DragonflyDB's stand-in where asked for, and nginx with guarded locations."""

import json

from . import http
from .nginx import Nginx
from .redis import RedisServer
from .responder import Responder
from .sandbox import Sandbox
from .swingmusic import Swingmusic


class Household:
    """A context manager; `settings` go to the program. `guarded`: further paths of swingmusic's behind the guard."""

    def __init__(self, name, store=False, workers=4, guarded=(), **settings):
        self.sandbox = Sandbox(name)
        self._store, self._workers, self._guarded, self._settings = store, workers, guarded, settings

    def __enter__(self):
        box = self.sandbox.__enter__()
        try:
            self.swingmusic = Swingmusic(box)
            self.store = RedisServer(box).start() if self._store else None
            settings = {"SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder), "SWINGMUSIC_FCGI_METADATA_AUTH": "off",
                        **(self.store.settings() if self.store else {}), **self._settings}
            self.responder = Responder(box, settings, self._workers).start()
            files = box.directory("files")
            (files / "song.flac").write_bytes(b"fLaC" * 1000)
            proxy = f"proxy_pass http://127.0.0.1:{self.swingmusic.port}; proxy_set_header Host $host; client_max_body_size 0;"
            self.nginx = Nginx(box, self.responder.address, sessions=True, swingmusic=self.swingmusic.port, server=[
                f"location /files/ {{ include swingmusic-fcgi/guard.conf; alias {files}/; }}",
                f"location /guarded/ {{ include swingmusic-fcgi/guard.conf; {proxy} }}",
                f"location /admins/ {{ include swingmusic-fcgi/guard-admin.conf; {proxy} }}",
                *(f"location = {path} {{ include swingmusic-fcgi/guard.conf; {proxy} }}" for path in self._guarded),
            ]).start()
        except BaseException:
            self.sandbox.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *trouble):
        self.sandbox.__exit__(*trouble)

    def ask(self, method, path, bearer=None, cookie=None, headers=None, body=b"", **more):
        pairs = list((headers or {}).items())
        if bearer:
            pairs.append(("Authorization", f"Bearer {bearer}"))
        for value in [cookie] if isinstance(cookie, str) else cookie or []:
            pairs.append(("Cookie", f"access_token_cookie={value}"))
        if body and not any(name == "Content-Type" for name, _ in pairs):
            pairs.append(("Content-Type", "application/json"))
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return http.request(self.nginx.port, method, path, pairs, body, **more)

    def log_in(self, name, password=None):
        answer = self.ask("POST", "/auth/login", body={"username": name, "password": password or f"{name}pw"})
        assert answer.status == 200, answer
        return answer.json()

    def family(self, name):
        """A login and tokens that descend from it: access tokens, refresh tokens."""
        first = self.log_in(name)
        refreshed = self.ask("POST", "/auth/refresh", bearer=first["refreshtoken"]).json()
        again = self.ask("POST", "/auth/refresh", bearer=refreshed["refreshtoken"]).json()
        every = (first, refreshed, again)
        return [each["accesstoken"] for each in every], [each["refreshtoken"] for each in every]

    def pair(self, access, agent):
        """The tokens of a device that redeems a code of this session, as the program of that User-Agent."""
        code = self.ask("GET", "/auth/getpaircode", cookie=access).json()["code"]
        answer = self.ask("GET", f"/auth/pair?code={code}", headers={"User-Agent": agent})
        assert answer.status == 200, answer
        return answer.json()

    def attack(self, method, path, *statuses, **more):
        """The answer to what must be refused: with one of the statuses (any of 4xx when none is named), and within 50 ms. What took longer
        is tried again, since a busy machine is no fault of the program; an attack that works takes long each time."""
        for _ in range(5):
            answer = self.ask(method, path, **more)
            assert answer.status in statuses if statuses else 400 <= answer.status < 500, answer
            if answer.seconds < 0.05:
                return answer
        raise AssertionError(f"{method} {path} takes {answer.seconds:.3f} s")

    def everywhere(self, access):
        """The statuses of an access token, asked often enough and at once so that every worker has its say."""
        answers = http.at_once(self.nginx.port, ["/auth/user"] * 24, headers={"Authorization": f"Bearer {access}"})
        return {answer.status for answer in answers}

    def assert_ended(self, family):
        access, refresh = family
        for each in access:
            assert self.everywhere(each) == {401}
            assert self.ask("GET", "/auth/verify", bearer=each).status == 401
            assert self.ask("GET", "/files/song.flac", cookie=each).status == 401
        for each in refresh:
            assert self.ask("POST", "/auth/refresh", bearer=each).status == 401
