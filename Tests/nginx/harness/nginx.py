"""Real nginx with the repository's own nginx/ files: only the address of the program and the port are the sandbox's."""

import os
import shutil
import signal
from pathlib import Path

from . import http
from .process import LoggedProcess, children_of
from .sandbox import REPOSITORY, free_port
from .waiting import eventually

#: Where the repository's upstream.conf says that the program listens.
USUAL_SOCKET = "unix:/run/swingmusic-fcgi/fcgi.sock"

#: Where its songs.conf takes pieces of songs.
USUAL_SONGS = "127.0.0.1:1971"


class Nginx:
    """`address` is the responder's: a socket's path or (host, port). `sessions`: with the session routes; `swingmusic`: swingmusic's
    port; `guarded`: with the session routes and all of swingmusic behind the guard; `compose`: the files of site-compose/ as they are,
    but for addresses; `server`: further lines of server {}; `edit`: takes the configuration's folder before nginx reads it."""

    def __init__(self, sandbox, address, sessions=False, swingmusic=None, server=(), guarded=False, compose=False, edit=None):
        self.port = free_port()
        self.folder = sandbox.directory(f"nginx-{self.port}")
        self.log = sandbox.path(f"nginx-{self.port}.log")
        self.configuration = self.folder / "conf"
        shutil.copytree(REPOSITORY / "nginx", self.configuration)
        self._put("swingmusic-fcgi/songs.conf", USUAL_SONGS, f"127.0.0.1:{free_port()}")
        target = f"unix:{address}" if isinstance(address, str) else "{}:{}".format(*address)
        self._put("swingmusic-fcgi/upstream.conf", USUAL_SOCKET, target)
        if compose:
            shutil.copytree(self.configuration / "site-compose", self.configuration / "site", dirs_exist_ok=True)
            self._put("site/server.conf", "listen 8080", f"listen 127.0.0.1:{self.port}")
            self._put("site/proxy.conf", "swingmusic:1970", f"127.0.0.1:{swingmusic}")
        else:
            self._write_site(sessions or guarded, swingmusic, server, guarded)
        if edit:
            edit(self.configuration)
        self.process, self._is_under = None, False
        sandbox.owns(self)

    def _write_site(self, sessions, swingmusic, server, guarded):
        lines = [f"listen 127.0.0.1:{self.port} backlog=4096;", "access_log off;"]
        if sessions:
            lines.append("include swingmusic-fcgi/sessions.conf;")
        (self.configuration / "site/server.conf").write_text("\n".join([*lines, *server]) + "\n")
        if swingmusic:
            self._put("site/proxy.conf", "127.0.0.1:1970", f"127.0.0.1:{swingmusic}")
        if guarded:
            (self.configuration / "site/swingmusic.conf").write_text("include swingmusic-fcgi/swingmusic.conf;\n")

    def _put(self, name, usual, wanted):
        path = self.configuration / name
        text = path.read_text()
        assert usual in text, f"{path} does not say {usual}"
        path.write_text(text.replace(usual, wanted))

    def command(self, *more):
        """As nginx.conf says that it is started."""
        user = " user root;" if os.geteuid() == 0 else ""
        return ["nginx", *more, "-e", "stderr", "-p", self.folder, "-c", self.configuration / "nginx.conf", "-g", f"daemon off;{user}"]

    def start(self, under=()):
        """`under`: the words of a command that runs another, such as faketime's."""
        self._is_under = bool(under)
        self.process = LoggedProcess([*under, *self.command()], self.log)
        eventually(lambda: http.request(self.port, "GET", "/swingmusic-fcgi/healthz", timeout=2).status, 10,
                   what="nginx answers")
        return self

    def get(self, path, headers=None):
        return http.request(self.port, "GET", path, headers)

    def error_lines(self):
        return self.process.text().splitlines()

    def connections(self):
        """Established connections of clients."""
        local = f"0100007F:{self.port:04X}"
        return sum(line.split()[1] == local and line.split()[3] == "01"
                   for line in Path("/proc/net/tcp").read_text().splitlines()[1:])

    def stop(self):
        if self.process and self.process.running:
            # What it was started under does not hand on that it shall end.
            for child in children_of(self.process.pid) if self._is_under else []:
                os.kill(child, signal.SIGTERM)
            self.process.stop(5)
