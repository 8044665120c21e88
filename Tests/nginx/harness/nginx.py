"""Real nginx with the repository's own nginx/ files: only the address of the program and the port are the sandbox's."""

import os
import shutil
import signal
from pathlib import Path

from . import http
from .process import LoggedProcess
from .sandbox import REPOSITORY, free_port
from .waiting import eventually

#: Where the repository's upstream.conf says that the program listens.
USUAL_SOCKET = "unix:/run/swingmusic-fcgi/fcgi.sock"


class Nginx:
    """`address` is the responder's: a socket's path or (host, port). `sessions`: with the session routes; `swingmusic`: swingmusic's
    port; `server`: further lines of server {}."""

    def __init__(self, sandbox, address, sessions=False, swingmusic=None, server=()):
        self.port = free_port()
        self.folder = sandbox.directory(f"nginx-{self.port}")
        self.log = sandbox.path(f"nginx-{self.port}.log")
        self._configure(address, sessions, swingmusic, server)
        self.process = None
        sandbox.owns(self)

    def _configure(self, address, sessions, swingmusic, server):
        configuration = self.folder / "conf"
        shutil.copytree(REPOSITORY / "nginx", configuration)
        upstream = configuration / "swingmusic-fcgi/upstream.conf"
        text = upstream.read_text()
        assert USUAL_SOCKET in text, f"{upstream} names another socket than {USUAL_SOCKET}"
        target = f"unix:{address}" if isinstance(address, str) else "{}:{}".format(*address)
        upstream.write_text(text.replace(USUAL_SOCKET, target))
        lines = [f"listen 127.0.0.1:{self.port} backlog=4096;", "access_log off;"]
        if sessions:
            lines.append("include swingmusic-fcgi/sessions.conf;")
        lines += server
        if swingmusic:
            site = configuration / "site/swingmusic.conf"
            site.write_text(site.read_text().replace("127.0.0.1:1970", f"127.0.0.1:{swingmusic}"))
        (configuration / "site/server.conf").write_text("\n".join(lines) + "\n")

    def start(self):
        user = " user root;" if os.geteuid() == 0 else ""
        self.process = LoggedProcess(
            ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.folder / "conf/nginx.conf", "-g", f"daemon off;{user}"],
            self.log)
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
            self.process.signal(signal.SIGTERM)
            self.process.stop(5)
