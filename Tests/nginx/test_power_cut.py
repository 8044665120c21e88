"""The power goes: what was acknowledged as durable is there when it comes back, whatever was on its way to the disk.

One run of work is recorded by a preloaded shim (powercut/). Then the data folder is rebuilt as it may be after a cut at random instants of it,
the program is started on each, and what clients were told before the cut is looked for. Five cuts; POWER_CUTS sets another number."""

import json
import os
import random
import shutil
import sqlite3
import threading
import time

import pytest

import powercut
from harness import http
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN, Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic

CUTS = int(os.environ.get("POWER_CUTS", "5"))
SECONDS = 6 if CUTS <= 5 else 30
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
#: What docs/caching.md says of writes that nobody waits for.
BOUND = 3.0


class Home:
    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.swingmusic = Swingmusic(sandbox)
        self.standin = StandIn(sandbox).start()
        self.data = sandbox.directory("data")
        self.settings = {"SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder), "SWINGMUSIC_FCGI_METADATA_AUTH": "off",
                         "SPOTIFY_MIN_INTERVAL": "50ms", "SPOTIFY_CALLS_PER_HOUR": "100000", **spotify_settings(self.standin)}
        self.nginx, self.address = None, str(sandbox.socket_path())

    def start(self, **more):
        self.responder = Responder(self.sandbox, {**self.settings, **more}, workers=2, address=self.address,
                                   log="run" if more else "again").start()
        self.nginx = self.nginx or Nginx(self.sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port).start()
        return self

    def ask(self, method, path, headers=None, body=b""):
        return http.request(self.nginx.port, method, path, headers or {}, body)

    def log_in(self, name):
        answer = self.ask("POST", "/auth/login", {"Content-Type": "application/json"},
                          json.dumps({"username": name, "password": f"{name}pw"}).encode())
        return answer.json()["accesstoken"]

    def verify(self, token):
        return self.ask("GET", "/auth/user", {"Authorization": f"Bearer {token}"}).status


class Acknowledged:
    """What clients were told, and when."""

    def __init__(self):
        self.puts, self.deletes, self.ended, self.signed_in = {"user": [], "temp": []}, [], [], []


def work(home, told, stop, number):
    draw, count = random.Random(number), 0
    while not stop.is_set():
        key, cache = f"w{number}-{count}", draw.choice(["user", "user", "temp"])
        count += 1
        if home.ask("PUT", f"/cache/{cache}/{key}", ADMIN, key.encode() * draw.randint(1, 400)).status == 204:
            told.puts[cache].append((time.monotonic(), key))
        if cache == "user" and draw.random() < 0.2 and home.ask("DELETE", f"/cache/user/{key}", ADMIN).status == 204:
            told.deletes.append((time.monotonic(), key))
        # Now and then nothing is written for a while: a lone write is no safer than one in a crowd.
        if draw.random() < 0.02:
            time.sleep(draw.uniform(0, 0.5))


def sign_in_and_out(home, told, stop):
    while not stop.is_set():
        token = home.log_in("bob")
        told.signed_in.append((time.monotonic(), token))
        # Every second one stays.
        if len(told.signed_in) % 2 and home.ask("GET", "/auth/logout", {"Authorization": f"Bearer {token}"}).status == 200:
            told.ended.append((time.monotonic(), token))
        time.sleep(0.1)


def look_up(home, stop):
    count = 0
    while not stop.is_set():
        home.ask("GET", f"/spotify/v1/tracks/{spotify_id(f'cut{count}')}", {"Prefer": "wait=1"})
        count += 1


@pytest.fixture(scope="module")
def run():
    """The recorded run."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    with Sandbox("cuts") as sandbox:
        home = Home(sandbox)
        log = sandbox.path("deeds")
        home.start(LD_PRELOAD=str(powercut.shim(sandbox.folder)), POWERCUT_LOG=str(log), POWERCUT_FOLDER=str(home.data))
        told, stop = Acknowledged(), threading.Event()
        begin = time.monotonic()
        threads = [threading.Thread(target=work, args=(home, told, stop, number)) for number in range(6)]
        threads += [threading.Thread(target=sign_in_and_out, args=(home, told, stop)), threading.Thread(target=look_up, args=(home, stop))]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        stop.set()
        for thread in threads:
            thread.join(60)
        end = time.monotonic()
        calls = home.standin.calls()
        home.responder.kill()
        yield home, powercut.Record(log), told, (begin, end), calls


def cuts():
    draw = random.Random(20261126)
    return [(draw.random(), ["drop", "keep", "torn"][number % 3], draw.random()) for number in range(CUTS)]


def entries(path):
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {(cache, bytes(key).decode()) for cache, key in file.execute("SELECT cache, key FROM entries")}


@pytest.mark.parametrize("cut", cuts(), ids=lambda cut: f"{cut[1]}-{cut[0]:.3f}")
def test_what_was_promised_is_there_after_a_power_cut(run, cut):
    home, record, told, (begin, end), calls = run
    place, mode, seed = cut
    # The first second is for the files to be made.
    instant = begin + 1 + place * (end - begin - 1)
    shutil.rmtree(home.data)
    record.rebuild(instant, home.data, mode, random.Random(seed))
    home.start()
    try:
        found = entries(home.data / "cache.db")
        deleted = {key for at, key in told.deletes}
        lost = [key for at, key in told.puts["user"] if at < instant and key not in deleted and (2, key) not in found]
        assert not lost, f"{len(lost)} acknowledged writes to user are gone"
        back = [key for at, key in told.deletes if at < instant and (2, key) in found]
        assert not back, f"{len(back)} deletions came undone"
        late = [key for at, key in told.puts["temp"] if at < instant - BOUND and (3, key) not in found]
        assert not late, f"{len(late)} writes to temp are gone that were older than {BOUND} s"
        with sqlite3.connect(home.data / "limiter.db") as file:
            granted = file.execute("SELECT count(*) FROM grants").fetchone()[0]
        made = sum(call["monotonic_ns"] < instant * 1e9 for call in calls)
        assert granted >= made, "a call was made that the limiter has forgotten"
        ended = {token for at, token in told.ended if at < instant}
        assert {home.verify(token) for token in ended} <= {401}, "an ended session is back"
        stayed = {token for at, token in told.signed_in if at < instant} - {token for _, token in told.ended}
        assert {home.verify(token) for token in stayed} <= {200}, "who had signed in is signed out"
        assert home.verify(home.log_in("carol")) == 200
        assert home.ask("PUT", "/cache/user/after", ADMIN, b"v").status == 204
        assert home.ask("GET", "/swingmusic-fcgi/readyz").status == 200
    finally:
        home.responder.stop()


def test_the_run_was_worth_cutting(run):
    """Else the other test would say nothing."""
    _, record, told, (begin, end), calls = run
    assert len(told.puts["user"]) > 50 and len(told.puts["temp"]) > 20 and len(told.deletes) > 5 and len(told.ended) > 3 and len(calls) > 5
    assert len(told.signed_in) > len(told.ended) + 2
    syncs = sum(deed.kind == "e" and deed.path.endswith("cache.db-wal") for deed in record.deeds)
    assert 0 < syncs <= len(told.puts["user"]) + len(told.deletes) + 4 * (end - begin) + 10, "writers share syncs"
