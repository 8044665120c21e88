"""Another version of the program under load, and databases of another version."""

import json
import os
import shutil
import sqlite3
import subprocess
import threading

import pytest

from harness import http
from harness.house import ADMIN
from harness.nginx import Nginx
from harness.process import LoggedProcess
from harness.redis import RedisServer
from harness.responder import Responder, spotify_settings
from harness.sandbox import executable
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

STATUS = "/swingmusic-fcgi/status.json"
JSON = {"Content-Type": "application/json"}


def version_of(program):
    # A release's commit may follow.
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout.split()[0]


def another_version(target):
    """A copy of the executable that says of itself another version: the product token in it is overwritten."""
    ours = version_of(executable())
    theirs = "".join("9" if letter.isdigit() else letter for letter in ours)
    product = f"swingmusic-fcgi/{ours}".encode()
    content = executable().read_bytes()
    assert product in content
    target.write_bytes(content.replace(product, f"swingmusic-fcgi/{theirs}".encode()))
    target.chmod(0o755)
    assert version_of(target) == theirs
    return theirs


class Service:
    """All of it, with sessions, from an executable of its own that can be replaced."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.standin = StandIn(sandbox).start()
        self.swingmusic = Swingmusic(sandbox)
        self.program = sandbox.path("bin", "swingmusic-fcgi")
        shutil.copy(executable(), self.program)
        settings = {**spotify_settings(self.standin), **RedisServer(sandbox).start().settings(),
                    "SPOTIFY_MIN_INTERVAL": "5ms", "SPOTIFY_CALLS_PER_HOUR": "100000",
                    "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder), "SWINGMUSIC_FCGI_METADATA_AUTH": "off"}
        self.responder = Responder(sandbox, settings, workers=4, program=self.program).start()
        self.nginx = Nginx(sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port).start()
        self.data = sandbox.path("data")

    def ask(self, method, path, headers=None, body=b""):
        return http.request(self.nginx.port, method, path, headers, body)

    def log_in(self):
        answer = self.ask("POST", "/auth/login", JSON, b'{"username":"bob","password":"bobpw"}')
        assert answer.status == 200, answer
        return {"Authorization": f"Bearer {answer.json()['accesstoken']}"}

    def replace_program(self, other):
        os.replace(other, self.program)
        before = self.responder.reload()
        eventually(lambda: not before & set(self.responder.worker_pids()), 60, what="the old workers have ended")

    def versions(self):
        """Those of the workers that answer, asked often enough that each has its say."""
        return {answer.json()["version"] for answer in http.at_once(self.nginx.port, [STATUS] * 24, headers=ADMIN)}


class Load:
    """Requests one after the other over kept connections, a thread for each of `errands` (method, path, headers, body, status)."""

    def __init__(self, port, errands):
        self.failed, self.counts, self._ended = [], [0] * len(errands), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(port, at, errand)) for at, errand in enumerate(errands)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self.await_more(5)
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def await_more(self, number):
        """Until each thread had as many further answers."""
        before = list(self.counts)
        eventually(lambda: all(now >= then + number for now, then in zip(self.counts, before)), 30, what="the load goes on")

    def _run(self, port, at, errand):
        method, path, headers, body, status = errand
        with http.Connection(port, timeout=30) as connection:
            while not self._ended.wait(0.001):
                answer = connection.request(method, path, headers, body)
                self.counts[at] += 1
                if answer.status != status:
                    self.failed.append((method, path, answer))


@pytest.fixture
def service(sandbox):
    return Service(sandbox)


def errands(service, signed_in):
    track = f"/spotify/v1/tracks/{spotify_id('upgrade')}"
    search = ("POST", "/api/catalog/search", JSON, json.dumps({"query": "upgrade", "types": ["track"], "limit": 5}).encode(), 200)
    for method, path, headers, body, status in (("GET", track, None, b"", 200), search):
        assert service.ask(method, path, headers, body).status == status
    verify = ("GET", "/auth/verify", signed_in, b"", 204)
    return [("GET", track, None, b"", 200), ("GET", track, None, b"", 200), search, search, verify, verify]


def test_a_new_version_takes_over_under_load_without_a_failed_request(service):
    other = service.sandbox.path("bin", "next")
    theirs = another_version(other)
    assert service.versions() == {version_of(executable())}
    with Load(service.nginx.port, errands(service, service.log_in())) as load:
        service.replace_program(other)
        assert service.versions() == {theirs}
        load.await_more(20)
    assert load.failed == [], load.failed[:5]


def version_in(path):
    db = sqlite3.connect(path, timeout=10)
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return version


def set_version(path, version, *more):
    db = sqlite3.connect(path, timeout=10, isolation_level=None)
    for statement in (f"PRAGMA user_version = {version}", *more):
        db.execute(statement)
    db.close()


def test_a_sessions_db_of_the_first_version_is_taken_over_and_revocations_hold(service):
    ended, signed_in = service.log_in(), service.log_in()
    assert service.ask("GET", "/auth/logout", ended).status == 200
    path = service.data / "sessions.db"
    now = version_in(path)
    service.responder.stop()
    # The first version had no application_id, and none of what later ones added.
    set_version(path, 1, "DROP TABLE clientToken", "DROP TABLE clientKey", "DROP TABLE passwordChange", "DROP TABLE clock", "ALTER TABLE token DROP COLUMN clockID", "PRAGMA application_id = 0")
    service.responder.start()
    assert version_in(path) == now
    assert {answer.status for answer in http.at_once(service.nginx.port, ["/auth/user"] * 24, headers=ended)} == {401}
    assert {answer.status for answer in http.at_once(service.nginx.port, ["/auth/user"] * 24, headers=signed_in)} == {200}


@pytest.mark.parametrize("name", ["cache.db", "limiter.db", "sessions.db"])
def test_a_database_of_a_newer_version_is_refused_with_a_line_that_names_it(service, name):
    signed_in = service.log_in()
    load = errands(service, signed_in)
    path = service.data / name
    known = version_in(path)
    set_version(path, 99)

    # Back to an older program while one serves: its workers do not start, and those that run stay.
    workers = service.responder.worker_pids()
    with Load(service.nginx.port, load) as load:
        service.responder.process.signal(1)
        eventually(lambda: "the others stay as they are" in service.responder.log(), 20, what="the replacement was given up")
        load.await_more(5)
    assert load.failed == [] and service.responder.worker_pids() == workers

    service.responder.stop()
    content = path.read_bytes()
    log = service.sandbox.path("refused.log")
    process = service.sandbox.owns(LoggedProcess([service.program, "serve"], log, service.sandbox.environment(**service.responder.settings)))
    assert process.wait(20) == 78
    [line] = [line for line in log.read_text().splitlines() if " critical " in line]
    assert str(path) in line and f"schema 99, this one reads up to {known}" in line and "backup" in line, line
    assert not os.path.exists(service.responder.address)
    assert path.read_bytes() == content
