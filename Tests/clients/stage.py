"""Where the libraries are run: before the stand-in Spotify itself, in a mode, and before the mirror of an account in development mode.

Each way has a port that speaks TLS as api.spotify.com and accounts.spotify.com, and calls/loopback.py leads the libraries there. Tokens
come from where the rest comes from.
"""
import json
import os
import subprocess
from pathlib import Path

from harness.house import House
from harness.nginx import Nginx
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, free_port
from harness.spotify import Spotify
from harness.waiting import eventually

CALLS = Path(__file__).resolve().parent / "calls"

#: Which environment a library is installed in: spotDL and aiospotify.py want different versions of pydantic.
LIBRARIES = REPOSITORY / ".build-clients/bin/python"
PROGRAMS = REPOSITORY / ".build-clients-programs/bin/python"

FRONT = """
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path client_body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; scgi_temp_path scgi; uwsgi_temp_path uwsgi;
    server {{
        {tls}
        location / {{ proxy_pass http://127.0.0.1:{target}; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


class Certificate:
    """For Spotify's names, and its own authority."""

    def __init__(self, sandbox):
        self.path, self.key = sandbox.path("spotify.pem"), sandbox.path("spotify.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=api.spotify.com", "-addext", "subjectAltName=DNS:api.spotify.com,DNS:accounts.spotify.com",
                        "-out", self.path, "-keyout", self.key], check=True, capture_output=True)

    def lines(self, port):
        return f"listen 127.0.0.1:{port} ssl; ssl_certificate {self.path}; ssl_certificate_key {self.key};"


class Way:
    """A port that is Spotify to a library. `key`: what libraries have for an app's id and secret, with a colon between them."""

    key = None

    def __init__(self, sandbox, certificate):
        self.sandbox, self.certificate, self.port = sandbox, certificate, free_port()

    def run(self, library, things, python=LIBRARIES, only=None, timeout=170):
        """What driver.py says: {"library", "calls"}."""
        environment = self.environment(library)
        given = json.dumps({"port": self.port, "things": things, "only": only})
        done = subprocess.run([python, CALLS / "driver.py", library], input=given, env=environment, cwd=environment["HOME"], capture_output=True,
                              text=True, timeout=timeout)
        assert done.returncode == 0, f"{library}: {done.stderr[-2000:]}"
        return json.loads(done.stdout)

    def environment(self, name):
        """Variables for a library's process: a home of its own, and the authority that it is to trust."""
        key = {"CLIENT_KEY": self.key} if self.key else {}
        return {**key, "PATH": os.environ["PATH"], "HOME": str(self.sandbox.directory(f"home-{name}-{self.port}")), "LANG": "C.UTF-8",
                "PYTHONDONTWRITEBYTECODE": "1", "SSL_CERT_FILE": str(self.certificate.path), "REQUESTS_CA_BUNDLE": str(self.certificate.path)}


class Direct(Way):
    """The stand-in itself; `mode` is development or extended. An nginx speaks TLS for it."""

    def __init__(self, sandbox, certificate, mode):
        super().__init__(sandbox, certificate)
        self.spotify = Spotify(sandbox, mode=mode).start()
        folder = sandbox.directory(f"front-{self.port}")
        configuration = folder / "nginx.conf"
        configuration.write_text(FRONT.format(tls=certificate.lines(self.port), target=self.spotify.port))
        user = " user root;" if os.geteuid() == 0 else ""
        command = ["nginx", "-e", "stderr", "-p", folder, "-c", configuration, "-g", f"daemon off;{user}"]
        self.process = LoggedProcess(command, sandbox.path(f"front-{self.port}.log"))
        sandbox.owns(self)

    def stop(self):
        if self.process.running:
            # A master that is killed leaves its workers behind.
            self.process.stop()


class Mirrored(Way):
    """The mirror on a host name of its own: the shipped files of nginx, and TLS."""

    def __init__(self, house, certificate):
        super().__init__(house.sandbox, certificate)
        self.house = house
        lines = [certificate.lines(self.port), "include swingmusic-fcgi/spotify-host.conf;"]
        self.nginx = Nginx(house.sandbox, house.responder.address, server=lines).start()


class Stage:
    """All three in one sandbox, as a context manager; `settings` are the program's."""

    def __init__(self, name, **settings):
        self.house = House(name, workers=2, mode="development", **settings)

    def __enter__(self):
        self.house.__enter__()
        try:
            sandbox = self.house.sandbox
            certificate = Certificate(sandbox)
            self.extended, self.development = (Direct(sandbox, certificate, mode) for mode in ("extended", "development"))
            self.mirror = Mirrored(self.house, certificate)
            self.things = things(self.extended.spotify)
        except BaseException:
            self.house.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *trouble):
        self.house.__exit__(*trouble)

    @property
    def ways(self):
        return {"extended": self.extended, "development": self.development, "mirror": self.mirror}


def things(spotify, seed="clients"):
    """What the calls are about; of a size that needs paging."""
    some = {f"{kind}s": spotify.ids(kind, 3, seed=seed) for kind in
            ("track", "album", "artist", "playlist", "show", "episode", "audiobook", "chapter")}
    one = {kind[:-1]: ids[0] for kind, ids in some.items()}
    for kind, more_than in (("album", 50), ("artist", 55), ("playlist", 100), ("show", 50)):
        one[kind] = spotify.ids(kind, 1, more_than=more_than, seed=seed)[0]
    one["small_artist"] = spotify.ids("artist", 1, at_most=3, seed=seed)[0]
    track = spotify.get(f"tracks/{one['track']}")
    words = {"title": track["name"], "album_title": track["album"]["name"], "name": spotify.get(f"artists/{one['artist']}")["name"]}
    rare = next(text for text in (f"{seed} {n}" for n in range(200))
                if 20 < spotify.get("search", q=text, type="track", limit=1)["tracks"]["total"] < 40)
    return {**some, **one, **words, "rare": rare}
