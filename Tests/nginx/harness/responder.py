"""The program under test: under `serve`, under spawn-fcgi, or on a socket it inherits."""

import os
import signal
import socket
import subprocess
from pathlib import Path

from . import fastcgi
from .process import LoggedProcess, children_of, end_all, is_alive, send_signal
from .sandbox import executable
from .waiting import eventually

#: What the tests' Spotify account is called. The secret must never be seen in a log.
CLIENT_ID = "0123456789abcdef0123456789abcdef"
CLIENT_SECRET = "fedcba98-the-client-secret-76543210"
ADMIN_TOKEN = "the-admin-token-of-the-tests-5d41402abc4b"


def spotify_settings(standin):
    """The environment that points the program at a stand-in Spotify."""
    return {
        "SPOTIFY_API_URL": standin.url, "SPOTIFY_ACCOUNTS_URL": standin.url,
        "SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET,
    }


class Responder:
    """`serve` with its workers. `address` is a path or (host, port); a restart keeps address and settings."""

    def __init__(self, sandbox, settings, workers=4, address=None, log="responder", program=None):
        self.sandbox, self.workers = sandbox, workers
        self.address = address or str(sandbox.socket_path())
        self.log_path = sandbox.path(f"{log}.log")
        self.program = program or executable()
        listen = self.address if isinstance(self.address, str) else "{}:{}".format(*self.address)
        self.settings = {
            "SWINGMUSIC_FCGI_LISTEN": listen,
            "SWINGMUSIC_FCGI_DATA_DIR": str(sandbox.path("data")),
            "SWINGMUSIC_FCGI_WORKERS": str(workers),
            "SWINGMUSIC_FCGI_ADMIN_TOKEN": ADMIN_TOKEN,
            **settings,
        }
        sandbox.directory("data")
        self.process = None
        self._seen = set()
        sandbox.owns(self)

    def start(self, command=None, stdin=subprocess.DEVNULL, **settings):
        """Starts it and waits until every worker is there and the address answers."""
        self.launch(command, stdin, **settings)
        self.await_ready()
        return self

    def launch(self, command=None, stdin=subprocess.DEVNULL, **settings):
        """Starts it without waiting. `settings` hold for this start and later ones; None takes one away."""
        self.settings.update(settings)
        self.process = LoggedProcess(
            command or [self.program, "serve"], self.log_path, self.sandbox.environment(**self.settings), stdin=stdin)
        return self.process

    def await_ready(self, within=20.0):
        def ready():
            if not self.process.running:
                raise RuntimeError(f"ended with {self.process.process.returncode}:\n{self.process.tail()}")
            return (len(self.worker_pids()) == int(self.settings["SWINGMUSIC_FCGI_WORKERS"])
                    and answers(self.address))
        try:
            eventually(ready, within, what="serve is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.tail()}") from None

    @property
    def pid(self):
        return self.process.pid

    def worker_pids(self):
        """The direct and only children of `serve` (Interface)."""
        children = children_of(self.process.pid)
        self._seen.update(children)
        return children

    def reload(self, within=30.0):
        """SIGHUP, until none of the workers of before takes new work: as many new ones serve."""
        before = set(self.worker_pids())
        self.process.signal(signal.SIGHUP)
        eventually(lambda: len(set(self.worker_pids()) - before) == self.workers, within,
                   what="SIGHUP started new workers")
        return before

    def kill(self):
        """SIGKILL for `serve` and its workers: what a power cut leaves."""
        workers = self.worker_pids()
        self.process.kill()
        end_all(workers)

    def stop(self, within=15.0):
        """SIGTERM; the exit status. What is left over is killed, so that no test leaves a stray process."""
        if self.process is None:
            return None
        if self.process.running:
            self.worker_pids()
        status = self.process.stop(within)
        end_all([pid for pid in self._seen if self._is_ours(pid)])
        self._seen.clear()
        return status

    def _is_ours(self, pid):
        """Whether a process that was a worker of ours still is one: its environment names our folder."""
        try:
            return is_alive(pid) and str(self.sandbox.folder).encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def restart(self, **settings):
        self.stop()
        return self.start(**settings)

    def log(self):
        return self.process.text()


class SpawnedWorkers:
    """`spawn-fcgi -F N` on `worker`: processes without a common parent."""

    def __init__(self, sandbox, settings, workers=4, log="spawned"):
        self.sandbox, self.workers = sandbox, workers
        self.address = str(sandbox.socket_path())
        self.log_path = sandbox.path(f"{log}.log")
        self.settings = {"SWINGMUSIC_FCGI_DATA_DIR": str(sandbox.path("data")),
                         "SWINGMUSIC_FCGI_ADMIN_TOKEN": ADMIN_TOKEN, **settings}
        sandbox.directory("data")
        self.pids = []
        sandbox.owns(self)

    def start(self):
        pid_file = self.sandbox.path("spawned.pids")
        # spawn-fcgi gives its children /dev/null for standard error; the shell puts the log in its place.
        line = f"exec '{executable()}' worker 2>>'{self.log_path}'"
        subprocess.run(
            ["spawn-fcgi", "-s", self.address, "-M", "0666", "-F", str(self.workers), "-P", str(pid_file),
             "--", "/bin/sh", "-c", line],
            env=self.sandbox.environment(**self.settings), check=True, timeout=20, stdout=subprocess.DEVNULL)
        self.pids = [int(pid) for pid in pid_file.read_text().split()]
        eventually(lambda: answers(self.address), 20, what="the spawned workers answer")
        return self

    def worker_pids(self):
        return [pid for pid in self.pids if is_alive(pid)]

    def stop(self, within=15.0):
        for pid in self.worker_pids():
            send_signal(pid, signal.SIGTERM)
        try:
            eventually(lambda: not self.worker_pids(), within, what="SIGTERM ended the spawned workers")
        finally:
            end_all(self.worker_pids())

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


def answers(address):
    """Whether a request straight to the address is answered."""
    got = fastcgi.ask(address, "/swingmusic-fcgi/healthz", timeout=2.0)
    return got is not None and got.status in (200, 503)


def listening_socket(path):
    """A listening Unix socket as a socket unit of systemd would hand it over."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    os.chmod(path, 0o666)
    listener.listen(4096)
    return listener
