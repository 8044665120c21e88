"""What the snippets speak to: nginx, the program with swingmusic's sessions, a stand-in for Spotify and one for swingmusic."""

from harness import fastcgi, http
from harness.musicserver import MusicServer
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN, Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.swingmusic import Swingmusic, claims, token

from .bench import Bench

#: Whom the snippets sign in, with the password that stands in them.
USERS = (("anna", "...", ["admin"]), ("bob", "bobpw", []))


class Stack:
    """A context manager. The metadata routes are open, as without SWINGMUSIC_CONFIG_DIR, so that one stack serves all snippets."""

    def __enter__(self):
        self.sandbox = Sandbox("snippets")
        self.sandbox.__enter__()
        try:
            self.swingmusic = Swingmusic(self.sandbox, USERS)
            self.music = MusicServer(self.sandbox)
            self.standin = StandIn(self.sandbox).start()
            settings = {**spotify_settings(self.standin), "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder),
                        "SWINGMUSIC_FCGI_METADATA_AUTH": "off", "SPOTIFY_MIN_INTERVAL": "20ms"}
            self.responder = Responder(self.sandbox, settings, workers=2).start()
            self.nginx = Nginx(self.sandbox, self.responder.address, swingmusic=self.music.port, guarded=True).start()
        except BaseException:
            self.sandbox.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *trouble):
        self.sandbox.__exit__(*trouble)

    def bench(self):
        """A folder whose commands reach the stack: by HTTP on the ports that the snippets name, and with the program's settings."""
        settings = {name: str(value) for name, value in self.responder.settings.items()}
        bench = Bench(**settings, TOKEN=ADMIN_TOKEN).__enter__()
        bench.redirect(port8080=self.nginx.port, port80=self.nginx.port)
        return bench

    def get(self, path, headers=None):
        return http.request(self.nginx.port, "GET", path, headers)

    def session(self, user):
        """The header of a user's session."""
        number = 1 + [name for name, _, _ in USERS].index(user)
        return {"Authorization": f"Bearer {token(claims(number))}"}

    def log_line(self):
        """A line as the program writes one for a request that was not served."""
        with Sandbox("log line") as sandbox:
            alone = Responder(sandbox, {}, workers=1).start()
            fastcgi.ask(alone.address, "/auth/sessions")
            return next(line for line in alone.log().splitlines() if " answered " in line)
