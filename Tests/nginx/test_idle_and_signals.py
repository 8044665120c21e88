"""Idle costs nothing; a stop and a change of workers lose nothing."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import sqlite3
import threading
import time

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.http import Connection
from harness.process import measure_cpu
from harness.sandbox import executable
from harness.standin import spotify_id
from harness.waiting import eventually

#: Lines of nginx's error log that mean: a request was handed over and got no answer.
LOST = re.compile(r"prematurely closed|reset by peer|timed out|broken pipe|upstream sent", re.IGNORECASE)


class Load:
    """GETs of what is known and POSTs (answered 405), each thread over a kept connection, until the block ends."""

    def __init__(self, port, path, threads=4, pause=0.001):
        self.answers, self._ended = [], threading.Event()
        methods = ["GET", "POST"] * (threads // 2)
        self._threads = [threading.Thread(target=self._run, args=(port, method, path, pause)) for method in methods]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.answers) > 20, 10, what="the load has begun")
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, port, method, path, pause):
        with Connection(port, timeout=20) as connection:
            while not self._ended.wait(pause):
                self.answers.append((method, connection.request(method, path)))

    def failed(self):
        expected = {"GET": 200, "POST": 405}
        return [(method, answer) for method, answer in self.answers if answer.status != expected[method]]


def test_an_idle_worker_uses_no_measurable_cpu(new_house):
    house = new_house("idle", store=True)
    known = house.fill(3)
    with house.connection() as kept:
        kept.get(known[0])
        eventually(lambda: sum(measure_cpu(house.responder.worker_pids(), 0.5).values()) < 0.05, 10,
                   what="the start is over")
        used = measure_cpu([house.responder.pid, *house.responder.worker_pids()], 4)
    assert max(used.values()) < 0.02, f"more than half a percent of a core: {used}"


def test_a_worker_with_parked_callers_and_silent_connections_does_not_spin(new_house):
    from harness.fastcgi import FastCGIConnection, request
    house = new_house("idle-parked", workers=2, SPOTIFY_TIMEOUT="30s", SWINGMUSIC_FCGI_MISS_WAIT="20s")
    house.fill()
    house.standin.fail({"behaviour": "hang"})
    silent = [FastCGIConnection(house.responder.address) for _ in range(20)]
    parked = [FastCGIConnection(house.responder.address) for _ in range(20)]
    for connection in parked:
        connection.send(request(track("idle-parked")))
    house.standin.await_call(spotify_id("idle-parked"))
    used = measure_cpu(house.responder.worker_pids(), 3)
    for connection in silent + parked:
        connection.socket.close()
    house.standin.fail()
    assert max(used.values()) < 0.10, f"more than three percent of a core: {used}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_stop_under_load_loses_no_request_that_nginx_had_handed_over(new_house, number):
    house = new_house("stop")
    [known] = house.fill()
    with Load(house.port, known):
        house.responder.process.signal(number)
        assert house.responder.process.wait(10) == 0
    lost = [line for line in house.nginx.error_lines() if LOST.search(line)]
    assert lost == []
    assert not os.path.exists(house.responder.address), "the socket file is gone"


def test_a_stop_answers_parked_callers_503_at_once(new_house):
    house = new_house("stop-parked", SPOTIFY_TIMEOUT="30s")
    house.fill()
    house.standin.fail({"behaviour": "hang"})
    parked = []
    thread = threading.Thread(target=lambda: parked.extend(house.at_once([track("stop-parked")] * 100)))
    thread.start()
    house.standin.await_call(spotify_id("stop-parked"))
    eventually(lambda: house.nginx.connections() >= 100, 5, what="all hundred are parked")
    house.responder.process.signal(signal.SIGTERM)
    thread.join(10)
    assert house.responder.process.wait(10) == 0
    assert len(parked) == 100
    for answer in parked:
        assert_spotify_error(answer, 503)
        retry_after(answer)
    assert max(answer.seconds for answer in parked) < 6


def test_workers_are_replaced_one_by_one_without_a_failed_request(new_house):
    house = new_house("reload")
    [known] = house.fill()
    first = set(house.responder.worker_pids())
    with Load(house.port, known, threads=6) as load:
        for _ in range(3):
            before = house.responder.reload()
            eventually(lambda: not before & set(house.responder.worker_pids()), 40, what="the old workers have ended")
        count = len(load.answers)
        eventually(lambda: len(load.answers) > count + 50, 10, what="the load goes on")
    assert load.failed() == [], load.failed()[:5]
    assert len(load.answers) > 300
    assert len(house.responder.worker_pids()) == 4 and not first & set(house.responder.worker_pids())


def test_parked_callers_are_answered_although_their_worker_is_replaced(new_house):
    house = new_house("reload-parked")
    house.fill()
    house.standin.fail({"path": spotify_id("reload-parked"), "behaviour": "delay", "ms": 3000})
    parked = []
    thread = threading.Thread(target=lambda: parked.extend(house.at_once([track("reload-parked")] * 100)))
    thread.start()
    house.standin.await_call(spotify_id("reload-parked"))
    house.responder.reload()
    thread.join(40)
    assert [answer.status for answer in parked] == [200] * 100
    assert len(house.standin.calls(spotify_id("reload-parked"))) <= 2
    house.standin.fail()


def test_a_replaced_executable_is_what_the_next_worker_runs(new_house):
    house = new_house("upgrade", workers=2, start=False)
    program = house.sandbox.path("bin", "swingmusic-fcgi")
    shutil.copy(executable(), program)
    house.responder.program = program
    house.responder.start()
    replacement = house.sandbox.path("bin", "next")
    shutil.copy(executable(), replacement)
    inode = replacement.stat().st_ino
    os.replace(replacement, program)
    assert all(os.readlink(f"/proc/{pid}/exe").endswith("(deleted)") for pid in house.responder.worker_pids())
    before = house.responder.reload()
    eventually(lambda: not before & set(house.responder.worker_pids()), 40, what="the old workers have ended")
    assert {os.stat(f"/proc/{pid}/exe").st_ino for pid in house.responder.worker_pids()} == {inode}
    assert house.get(track("upgrade")).status == 200


@contextlib.contextmanager
def held_by_a_program(path):
    """As a backup by another program holds it, or somebody at the sqlite3 prompt. Its next opening has to note that it was checked."""
    with contextlib.closing(sqlite3.connect(path, timeout=15, isolation_level=None)) as holder:
        if path.name == "cache.db":
            holder.execute("UPDATE state SET checked_at = 0")
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


@contextlib.contextmanager
def held_by_a_frozen_worker(path):
    """As one that was stopped while it wrote has the workers' own lock (WriteGate)."""
    with open(f"{path}.shared", "r+b") as page:
        eventually(lambda: fcntl.lockf(page, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0) is None, 10, every=0.001, what="the gate is held")
        yield


@pytest.mark.parametrize("name, hold, seconds", [
    ("cache.db", held_by_a_program, 4), ("cache.db", held_by_a_frozen_worker, 12), ("limiter.db", held_by_a_program, 4)])
def test_a_reload_while_a_database_is_held_waits_for_it_and_ends_nobody(new_house, name, hold, seconds):
    house = new_house("reload-held", workers=2)
    [known] = house.fill()
    serve, before = house.responder.pid, set(house.responder.worker_pids())
    with hold(house.sandbox.path("data", name)):
        house.responder.process.signal(signal.SIGHUP)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert house.get(known).status == 200
            time.sleep(0.1)
        assert house.responder.pid == serve and house.responder.process.running
        waited = "the others stay, and it is started again" in house.responder.log()
    eventually(lambda: not before & set(house.responder.worker_pids()) and len(house.responder.worker_pids()) == 2, 50, what="all are replaced")
    assert house.responder.process.running and house.get(known).status == 200
    assert waited == (hold is held_by_a_frozen_worker)


def test_workers_hold_no_descriptors_of_the_supervisor(new_house):
    """Descriptors are close-on-exec: a worker has standard streams, the socket, its databases and little more."""
    house = new_house("descriptors", workers=2)
    from harness.process import descriptor_targets
    for pid in house.responder.worker_pids():
        targets = descriptor_targets(pid)
        assert len(targets) < 64, targets
        assert sum(target.startswith("pipe:") for target in targets) <= 2, targets
