"""Everything that the suite runs in one sandbox, and what the faults do to it."""

import contextlib
import json
import math
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import threading
import time
from pathlib import Path

from clockset import Clock
from harness import http
from harness.house import ADMIN
from harness.nginx import Nginx
from harness.process import send_signal
from harness.redis import RedisServer
from harness.responder import Responder, spotify_settings
from harness.sandbox import Sandbox, executable
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic
from house import Site, password as real_password

from .judge import Judge
from .pulse import Pulse
from .signins import OWN_ROUTE
from .wire import Wire

#: Those whose sessions no fault touches, and those whose account is changed.
USERS, VICTIMS = ["anna", "berta", "clara"], ["vera"]
#: Who reads records, all the time in one session.
READER = "rosa"
EVERYBODY = [*USERS, *VICTIMS, READER]
INTERVAL = 0.3
#: More than are ever made; a fault of its own leaves less.
CALLS_PER_HOUR = "100000"
#: What is left of a pause that was shortened, in seconds; some of it is gone when the program is there again.
PAUSE = 1.5
NAME = "spotify.test"


class Host:
    """Wall clock, boot and name service as the program sees them (clockset, host.c)."""

    def __init__(self, folder):
        self.clock = Clock(folder)
        library, self._file = folder / "host.so", folder / "host"
        subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).parent / "host.c"), "-ldl"], check=True)
        self.names, self.boot = 0, 0
        self._file.write_bytes(bytes(16))
        self.settings = {**self.clock.settings, "LD_PRELOAD": f"{self.clock.settings['LD_PRELOAD']} {library}", "HOST_FILE": str(self._file)}

    def set(self, names=None, boot=None):
        self.names, self.boot = self.names if names is None else names, self.boot if boot is None else boot
        file = os.open(self._file, os.O_WRONLY)
        os.pwrite(file, struct.pack("=qq", self.names, self.boot), 0)
        os.close(file)

    def reboot(self):
        """Another boot id, and a boot clock that begins anew."""
        self.clock.reboot()
        self.set(boot=self.boot + 1)


class Home:
    """A context manager. `real`: the real swingmusic behind the guard. `sabotage`: what a broken rule does (sabotage.py)."""

    def __init__(self, seed, real=False, sabotage=None, workers=3):
        self.seed, self.real, self.sabotage, self.workers = seed, real, sabotage, workers
        self.judge = Judge()
        self.sandbox = Sandbox("faults")
        self._ahead, self._mounted, self.rebooted = [(0.0, 0.0, 0)], False, 0.0
        self._ticket, self._tried, self._ticketing = None, 0.0, threading.Lock()
        #: Workers that the suite killed, such as it stopped, and such as it let open no more files.
        self.killed, self.halted, self.starved = set(), set(), set()
        self.pulse = Pulse(self.sandbox.path("pulse"))
        self.judge.stood = self.pulse.stood

    def __enter__(self):
        self.sandbox.__enter__()
        try:
            self._furnish()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *trouble):
        try:
            self.sandbox.__exit__(*trouble)
        finally:
            if self._mounted:
                subprocess.run(["umount", "-l", self.data], check=False)
                shutil.rmtree(self.sandbox.folder, ignore_errors=True)

    def _furnish(self):
        box = self.sandbox
        self.standin = StandIn(box).start()
        self.store = RedisServer(box).start()
        self.wire = Wire(box, self.store, self.seed)
        self.host = Host(box.folder)
        self.data = box.directory("data")
        # A disk of its own can be full, or not to be written to.
        self._mounted = os.geteuid() == 0 and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", self.data], stderr=subprocess.DEVNULL, check=False).returncode == 0
        self.program = box.path("bin", "swingmusic-fcgi")
        shutil.copy(executable(), self.program)
        (box.directory("files") / "song.flac").write_bytes(b"fLaC" * 100)
        lines = [f"location /files/ {{ include swingmusic-fcgi/guard.conf; alias {box.path('files')}/; }}", *self._broken("nginx")]
        if self.real:
            self._begin_with_the_real_one(lines)
        else:
            self._begin(lines)

    def _settings(self):
        spotify = spotify_settings(self.standin)
        url = f"http://{NAME}:{self.standin.port}"
        return {**spotify, "SPOTIFY_API_URL": url, "SPOTIFY_ACCOUNTS_URL": url, **self.wire.settings(), **self.host.settings,
                "SWINGMUSIC_FCGI_METADATA_AUTH": "session", "SPOTIFY_MIN_INTERVAL": f"{int(INTERVAL * 1000)}ms", "SPOTIFY_CALLS_PER_HOUR": CALLS_PER_HOUR,
                "SPOTIFY_TIMEOUT": "3s", "SWINGMUSIC_FCGI_MIRROR_WAIT": "20s", **dict(self._broken("settings"))}

    def _broken(self, what):
        return getattr(self.sabotage, what)() if self.sabotage else []

    def _begin(self, lines):
        self.swingmusic = Swingmusic(self.sandbox, [("admin", "adminpw", ["admin"]), *((name, f"{name}pw", []) for name in EVERYBODY)])
        self.folder = self.swingmusic.folder
        self.responder = Responder(self.sandbox, {**self._settings(), "SWINGMUSIC_CONFIG_DIR": str(self.folder)}, self.workers,
                                   program=self.program).start()
        self.nginx = Nginx(self.sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port, server=lines).start()

    def _begin_with_the_real_one(self, lines):
        site = Site(self.sandbox)
        self.swingmusic, self.folder = site.swingmusic.start(), site.swingmusic.folder
        self.responder = Responder(self.sandbox, {**self._settings(), "SWINGMUSIC_CONFIG_DIR": str(self.folder)}, self.workers,
                                   program=self.program).start()
        self.nginx = Nginx(self.sandbox, self.responder.address, swingmusic=self.swingmusic.port, guarded=True, server=lines).start()
        site.nginx = self.nginx
        site.make_user("admin")
        admin = site.log_in("admin")
        for name in EVERYBODY:
            site.make_user(name, admin)

    @property
    def port(self):
        return self.nginx.port

    def get(self, path, headers=None, timeout=30.0):
        return http.request(self.port, "GET", path, headers, timeout=timeout)

    def password(self, name):
        return real_password(name) if self.real else f"{name}pw"

    @property
    def doors(self):
        """What a token opens: (path, headers) of it."""
        doors = [lambda token: ("/auth/user", {"Authorization": f"Bearer {token}"}),
                 lambda token: ("/auth/verify", {"Authorization": f"Bearer {token}"}),
                 lambda token: ("/auth/sessions", {"Authorization": f"Bearer {token}"}),
                 lambda token: (f"/spotify/v1/tracks/{spotify_id('known-5')}", {"Authorization": f"Bearer {token}", "Prefer": "wait=1"}),
                 lambda token: ("/files/song.flac", {"Cookie": f"access_token_cookie={token}"})]
        return [*doors, lambda token: (OWN_ROUTE, {"Authorization": f"Bearer {token}"})] if self.real else doors

    # Who reads records.

    @property
    def ticket(self):
        """The headers of who may."""
        if self._ticket is None:
            self.renew_ticket(None)
        return self._ticket or {}

    def renew_ticket(self, refused):
        """Signs the reader in again, unless somebody has since `refused` was refused; once in half a second at most."""
        with self._ticketing:
            if self._ticket is not refused or time.monotonic() - self._tried < 0.5:
                return
            self._tried = time.monotonic()
            token = self.sign_in(READER, self.password(READER))
            if token:
                self._ticket = {"Authorization": f"Bearer {token}"}

    def sign_in(self, name, password):
        """A token, or None."""
        answer = http.request(self.port, "POST", "/auth/login", {"Content-Type": "application/json"},
                              json.dumps({"username": name, "password": password}).encode(), timeout=10)
        return answer.json()["accesstoken"] if answer.status == 200 else None

    # The stand-in.

    def bump(self, revision):
        """Whether it was taken."""
        with contextlib.suppress(OSError):
            self.standin.control("revision", {"revision": 1 if self.sabotage and self.sabotage.rule == "age-honest" else revision})
            return True
        return False

    # Wall clock.

    def set_clock(self, ahead):
        # Somewhere between two instants; until the second is known, from the first on.
        begin = time.monotonic()
        self._ahead.append((begin, math.inf, ahead))
        self.host.clock.set(ahead)
        self._ahead[-1] = begin, time.monotonic(), ahead

    def clock_is_odd(self):
        """Whether it is set, or was a moment ago."""
        return any(self.ahead_between(time.monotonic() - 3, time.monotonic()))

    def ahead_between(self, begin, end):
        """By how many seconds the wall clock was ahead, at any time between two instants and a moment before."""
        spans = list(self._ahead)
        before = [ahead for _, at, ahead in spans if at <= begin - 0.1][-1:]
        return before + [ahead for first, last, ahead in spans if last > begin - 0.1 and first <= end]

    # The program.

    def stop_program(self):
        """What has to end is to end well."""
        running, status = self.responder.process.running, self.responder.stop(20)
        if running and status != 0:
            self.judge.found("recovers", f"serve ended with {status} when it was to stop, and within 20 s")

    def kill_program(self):
        self.responder.kill()

    def kill(self, pid):
        """A worker, by SIGKILL."""
        self.killed.add(pid)
        send_signal(pid, signal.SIGKILL)

    def halt(self, pid):
        """A worker, until SIGCONT."""
        self.halted.add(pid)
        send_signal(pid, signal.SIGSTOP)

    def start_program(self, **settings):
        self.responder.start(**settings)

    @contextlib.contextmanager
    def away(self, gently=True):
        """While the program does not run; it is started afterwards."""
        if gently:
            self.stop_program()
        else:
            self.kill_program()
        yield
        self.start_program()

    def mend(self):
        """As well as can be done, after a fault that went wrong itself."""
        self.standin.fail()
        for name in ("cache.db", "limiter.db", "sessions.db"):
            subprocess.run(["umount", self.data / name], stderr=subprocess.DEVNULL, check=False)
        (self.data / "ballast").unlink(missing_ok=True)
        self.responder.settings.update(SPOTIFY_CALLS_PER_HOUR=CALLS_PER_HOUR, POWERCUT_LOG=None, POWERCUT_FOLDER=None, LD_PRELOAD=self.host.settings["LD_PRELOAD"])
        self.stop_program()
        self.start_program()

    # Databases.

    def shorten_pauses(self):
        """Brings the end of cooldowns and outages near, which would else outlast the suite; while the program does not run. That it comes is the program's."""
        with contextlib.closing(sqlite3.connect(self.data / "limiter.db", timeout=10)) as file, file:
            # Nanoseconds, counted from the same instant as the one at which the file was last written.
            file.execute("UPDATE pauses SET until = min(until, (SELECT instant FROM ledger) + ?), repeats = min(repeats, 1)", [int(PAUSE * 1e9)])

    def sql(self, statement, *arguments):
        """As swingmusic, past the program."""
        with contextlib.closing(sqlite3.connect(self.folder / "swingmusic.db", timeout=20)) as file, file:
            return file.execute(statement, arguments).fetchall()

    # What is asked where it has to be well again.

    @staticmethod
    def write(connection):
        return connection.request("PUT", "/cache/user/faults-well", ADMIN, b"well").status == 204

    @staticmethod
    def opens(token, connection):
        return connection.get("/auth/user", {"Authorization": f"Bearer {token}"}).status == 200

    @property
    def has_disk(self):
        """Whether the data folder is on a file system of its own."""
        return self._mounted
