"""lighttpd, Apache and Caddy with lines of docs/webservers.md: only the address of the program is the sandbox's, and what those lines are
put into."""

import os
import shutil
import signal
import subprocess

from . import http
from .process import LoggedProcess
from .sandbox import free_port
from .waiting import eventually

#: Where the lines say that the program listens.
USUAL_SOCKET = "/run/swingmusic-fcgi/fcgi.sock"

#: As root Apache wants another user and group for its workers, who must be able to open the socket; it is Debian's.
GROUP = "www-data"

_APACHE_MODULES = "/usr/lib/apache2/modules"


class WebServer:
    """`lines` are put into a configuration that has nothing else to say. `address`: the responder's socket, a path."""

    def __init__(self, sandbox, lines, address):
        if USUAL_SOCKET not in lines:
            raise ValueError(f"the lines do not say {USUAL_SOCKET}")
        self.port = free_port()
        self.folder = sandbox.directory(f"{self.program}-{self.port}")
        self.log = self.folder / f"{self.program}.log"
        self.configuration = self.folder / "configuration"
        self.configuration.write_text(self._around(lines.replace(USUAL_SOCKET, str(address))))
        self.process = None
        sandbox.owns(self)

    @classmethod
    def is_installed(cls):
        return shutil.which(cls.program, path=f"{os.environ['PATH']}:/usr/sbin") is not None

    def fault(self):
        """What the server itself says against the configuration; empty when it has nothing against it."""
        done = subprocess.run(self._command(test=True), capture_output=True, text=True, env=self._environment(), timeout=20)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def start(self):
        self.process = LoggedProcess(self._command(), self.log, environment=self._environment())
        eventually(lambda: self._is_there(), 10, what=f"{self.program} listens")
        return self

    def _is_there(self):
        if not self.process.running:
            raise RuntimeError(f"{self.program} has ended: {self.process.tail()}")
        return http.request(self.port, "GET", "/", timeout=2).status

    def request(self, method, path, headers=None, body=b"", timeout=60.0):
        return http.request(self.port, method, path, headers, body, timeout)

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def stop(self):
        if self.process and self.process.running:
            self.process.signal(signal.SIGTERM)
            self.process.stop(5)

    def _environment(self):
        return {"XDG_DATA_HOME": str(self.folder), "PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(self.folder)}


class Lighttpd(WebServer):
    program = "lighttpd"

    def _around(self, lines):
        return (f'server.modules = ()\nserver.bind = "127.0.0.1"\nserver.port = {self.port}\n'
                f'server.document-root = "{self.folder}"\nserver.errorlog = "/dev/stderr"\n{lines}')

    def _command(self, test=False):
        return ["lighttpd", "-tt" if test else "-D", "-f", self.configuration]


class Apache(WebServer):
    program = "apache2"

    def _around(self, lines):
        modules = "".join(f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "proxy", "proxy_fcgi"))
        return (f"{modules}ServerRoot {self.folder}\nServerName 127.0.0.1\nListen 127.0.0.1:{self.port}\nPidFile {self.folder}/pid\n"
                f"ErrorLog {self.folder}/error.log\nDocumentRoot {self.folder}\nUser {GROUP}\nGroup {GROUP}\n"
                f"<VirtualHost 127.0.0.1:{self.port}>\n{lines}\n</VirtualHost>\n")

    def _command(self, test=False):
        return ["apache2", *(["-t"] if test else ["-DFOREGROUND"]), "-d", self.folder, "-f", self.configuration]


class Caddy(WebServer):
    program = "caddy"

    def _around(self, lines):
        return (f"{{\n    admin off\n    auto_https off\n}}\nhttp://127.0.0.1:{self.port} {{\n    bind 127.0.0.1\n"
                f"{lines}}}\n")

    def _command(self, test=False):
        return ["caddy", "validate" if test else "run", "--adapter", "caddyfile", "--config", self.configuration]


#: By the heading in docs/webservers.md.
SERVERS = {"lighttpd": Lighttpd, "Apache": Apache, "Caddy": Caddy}
