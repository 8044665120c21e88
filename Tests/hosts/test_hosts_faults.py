"""What may break between hosts, five times each, under load: no call too close, none over the hour, none in a cooldown, and hits all the while."""

import contextlib
import mmap
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from pathlib import Path

import pytest

from harness.process import halt, has_lock
from harness.redis import RedisError, RedisServer
from harness.standin import gaps
from harness.waiting import eventually
from load import Load, least_gap, pause_after

INTERVAL = 0.3
#: A tenth of the interval, 30 ms at most, and what the kernel takes.
LATENESS = 0.03 + 0.005
TIMES = 5
#: Seconds that a test may take.
TIME_LIMIT = 400


class Broken:
    """The faults by name: each strikes once and is mended when it returns; the instant from which calls may be expected again."""

    def __init__(self, hosts, load):
        self.hosts, self.load = hosts, load

    def frozen_store(self):
        self.hosts.store.freeze()
        time.sleep(2)
        self.hosts.store.thaw()

    def empty_store(self):
        self.hosts.store.kill()
        self.hosts.store.start()

    def old_snapshot(self):
        snapshot = self.hosts.store.save()
        time.sleep(2)
        self.hosts.store.kill()
        self.hosts.store.start(snapshot=snapshot)

    def read_only_store(self):
        self.hosts.store.command("REPLICAOF", "127.0.0.1", "1")
        time.sleep(2)
        self.hosts.store.command("REPLICAOF", "NO", "ONE")

    def full_store(self):
        self.hosts.store.command("CONFIG", "SET", "maxmemory", "1")
        time.sleep(2)
        self.hosts.store.command("CONFIG", "SET", "maxmemory", "0")

    def evicting_store(self):
        self.hosts.store.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self._drop_connections()
        time.sleep(2)
        self.hosts.store.command("CONFIG", "SET", "maxmemory-policy", "noeviction")

    def broken_connections(self):
        self._drop_connections()

    def _drop_connections(self):
        for kind in ("NORMAL", "PUBSUB"):
            try:
                self.hosts.store.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            except RedisError:
                pass

    def host_cut_off_from_the_store(self):
        self.hosts[1].network.lose(self.hosts.bridge.address)
        time.sleep(3)
        self.hosts[1].network.find(self.hosts.bridge.address)

    def host_cut_off(self):
        self.hosts[1].network.cut()
        time.sleep(3)
        self.hosts[1].network.mend()

    def killed_host(self):
        host = self.hosts[1]
        self.load.leave_alone(host)
        host.responder.kill()
        host.start()
        self.load.mind(host)

    def worker_stopped_at_the_gate(self):
        """Between the turn and the kernel, which takes it some milliseconds of each call: until one is stopped just then."""
        responder, deadline = self.hosts[1].responder, time.monotonic() + 60
        lock = next(self.hosts[1].sandbox.path("").rglob("limiter.db.sending"))
        while time.monotonic() < deadline:
            for worker in responder.worker_pids():
                halt(worker)
                is_there = has_lock(worker, lock)
                time.sleep(1 if is_there else 0)
                os.kill(worker, signal.SIGCONT)
                if is_there:
                    return
            time.sleep(0.001)
        raise AssertionError("no worker was at the gate")

    def other_boot(self):
        """A host as it is after a reboot: its clocks count from another boot."""
        host = self.hosts[1]
        self.load.leave_alone(host)
        host.responder.kill()
        boot = host.sandbox.path("boot_id")
        boot.write_text(f"{os.urandom(16).hex()}\n")
        line = f"mount --bind '{boot}' /proc/sys/kernel/random/boot_id && exec '{host.responder.program}' serve"
        with host.inside():
            host.responder.start(command=["unshare", "-m", "sh", "-c", line])
        self.load.mind(host)

    NEED_NETWORKS = {"host_cut_off", "host_cut_off_from_the_store"}


FAULTS = [name for name, thing in vars(Broken).items() if not name.startswith("_") and callable(thing)]


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_no_call_is_too_close_whatever_breaks(new_hosts, has_networks, fault):
    if fault in Broken.NEED_NETWORKS and not has_networks:
        pytest.skip("needs network namespaces")
    hosts = new_hosts("faults", SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms")
    pauses = []
    with Load(hosts) as load:
        broken = Broken(hosts, load)
        for _ in range(TIMES):
            time.sleep(1.5)
            getattr(broken, fault)()
            mended = time.monotonic()
            pauses.append(eventually(lambda mended=mended: pause_after(hosts.standin, mended), 45, what="calls go on"))
        time.sleep(1)
    calls = hosts.standin.calls()
    print(f"\n{fault}: {len(calls)} calls, least gap {least_gap(hosts.standin) * 1000:.0f} ms, {load.hits} hits, "
          f"pause {min(pauses):.1f} to {max(pauses):.1f} s")
    # A request that was on its way when the cable was cut arrives when it is mended, since TCP sends it again: there it counts when calls left.
    steps = departures(hosts) if fault == "host_cut_off" else gaps(calls)
    assert len(steps) >= len(calls) - 1 - 2 * TIMES
    assert [step for step in steps if step < INTERVAL - LATENESS] == []
    # A lookup whose holder was cut off or killed is asked for again.
    lost = {"host_cut_off", "host_cut_off_from_the_store", "killed_host", "other_boot", "worker_stopped_at_the_gate"}
    assert len({call["path"] for call in calls}) >= len(calls) - (3 * TIMES if fault in lost else TIMES)
    load.assert_hits()


def departures(hosts):
    """Seconds between calls, by when their bytes were handed to the kernel: each host has that of its own in its file, and one machine's hosts have one clock."""
    instants = []
    for host in hosts:
        file = next(host.sandbox.path("").rglob("limiter.db"))
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            own = "SELECT instant FROM grants WHERE turn IS NOT NULL AND worker <> ''"
            instants += [row[0] / 1e9 for row in db.execute(own)]
    instants.sort()
    return [later - earlier for earlier, later in zip(instants, instants[1:])]


@pytest.mark.long
def test_a_stores_clock_that_is_an_hour_off_changes_nothing(new_hosts, tmp_path):
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    shim, shift = tmp_path / "shift.so", tmp_path / "shift"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, Path(__file__).parent / "shift.c"], check=True)
    shift.write_bytes(struct.pack("q", 0))
    hosts = new_hosts("clock", SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms", store_under=["env", f"LD_PRELOAD={shim}", f"SHIFT_FILE={shift}"])
    with open(shift, "r+b") as file, mmap.mmap(file.fileno(), 8) as page, Load(hosts) as load:
        for seconds in (3600, 0, -3600, 3600, 0):
            page[:] = struct.pack("q", seconds)
            begin = int(hosts.store.command("TIME")[0])
            assert abs(begin - time.time() - seconds) < 5, "the store's clock was set"
            time.sleep(4)
            assert pause_after(hosts.standin, time.monotonic() - 2) is not None, "calls go on"
    steps = gaps(hosts.standin.calls())
    print(f"\nclock set: {len(steps) + 1} calls, least gap {min(steps) * 1000:.0f} ms, longest {max(steps) * 1000:.0f} ms")
    assert min(steps) >= INTERVAL - LATENESS and max(steps) < 5 * INTERVAL
    load.assert_hits()


@pytest.mark.long
@pytest.mark.parametrize("fault", ["empty_store", "old_snapshot", "killed_host", "other_boot", "host_cut_off_from_the_store"])
def test_no_hour_holds_more_than_it_may_whatever_is_forgotten(new_hosts, has_networks, fault):
    if fault in Broken.NEED_NETWORKS and not has_networks:
        pytest.skip("needs network namespaces")
    most = 40
    hosts = new_hosts("hour", SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms", SPOTIFY_CALLS_PER_HOUR=str(most))
    with Load(hosts) as load:
        broken = Broken(hosts, load)
        for _ in range(TIMES):
            time.sleep(2)
            getattr(broken, fault)()
        time.sleep(15)
    calls = hosts.standin.calls()
    print(f"\nhour: {len(calls)} of {most} calls, {fault} {TIMES} times")
    assert 5 < len(calls) <= most
    assert min(gaps(calls)) >= INTERVAL - LATENESS
    load.assert_hits()


@pytest.mark.long
@pytest.mark.parametrize("fault", ["empty_store", "old_snapshot", "killed_host", "other_boot", "frozen_store", "host_cut_off_from_the_store"])
def test_no_call_is_made_in_a_cooldown_whatever_is_forgotten_and_whoever_comes(new_hosts, has_networks, fault):
    if fault in Broken.NEED_NETWORKS and not has_networks:
        pytest.skip("needs network namespaces")
    hosts = new_hosts("cooldown", SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms")
    length = 40
    with Load(hosts) as load:
        time.sleep(2)
        hosts.standin.fail({"behaviour": "status", "status": 429, "retry_after": length, "times": 1})
        refused = eventually(lambda: [call for call in hosts.standin.calls() if call.get("status") == 429], 10, what="the 429")[0]
        began = refused["monotonic_ns"] / 1e9
        # Calls that were on their way when it was said are none of its.
        time.sleep(1)
        broken = Broken(hosts, load)
        for _ in range(TIMES):
            getattr(broken, fault)()
            time.sleep(2)
        load.leave_alone(hosts[2])
        hosts[2].responder.stop()
        hosts[2].start()
        load.mind(hosts[2])
        time.sleep(max(0, began + length + 10 - time.monotonic()))
    instants = [call["monotonic_ns"] / 1e9 - began for call in hosts.standin.calls()]
    inside = [instant for instant in instants if 1 < instant < length]
    after = [instant for instant in instants if instant >= length]
    print(f"\ncooldown of {length} s, {fault} {TIMES} times: {len(inside)} calls in it, the first {min(after) - length:.1f} s after it")
    assert inside == [] and min(after) < length + 5
    load.assert_hits()


@pytest.mark.long
def test_over_two_stores_at_once_the_sides_together_do_not_exceed_the_pace(new_hosts, has_networks):
    """A failover gone wrong: one host has a store of its own that the others do not see."""
    if not has_networks:
        pytest.skip("needs network namespaces")
    hosts = new_hosts("stores", SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms")
    apart, address = hosts[0], hosts.bridge.address
    length = 30
    with Load(hosts) as load:
        for _ in range(TIMES):
            time.sleep(2)
            apart.network.shadow(address)
            with apart.inside():
                other = RedisServer(apart.sandbox, "--bind", "0.0.0.0", "--protected-mode", "no", port=hosts.store.port).start()
            began = time.monotonic()
            time.sleep(length)
            ended = time.monotonic()
            told = [host.status()["hosts"] for host in hosts]
            other.stop()
            apart.network.unshadow(address)
            assert [each["silent"] for each in told] == [2, 1, 1], told
            check_two_sides(hosts, began, ended)
            eventually(lambda: hosts.await_company() or True, 45, what="they found together again")
            mended = time.monotonic()
            eventually(lambda mended=mended: pause_after(hosts.standin, mended), 45, what="calls go on")
    load.assert_hits()


def check_two_sides(hosts, began, ended):
    """Both sides have their own rhythm: two calls may meet, and so what is held is the number in any stretch of time."""
    during = sorted(instant for call in hosts.standin.calls() if began < (instant := call["monotonic_ns"] / 1e9) < ended)
    stretch = 20 * INTERVAL
    most = max(sum(first <= instant < first + stretch for instant in during) for first in during)
    print(f"\ntwo stores: {len(during)} calls in {ended - began:.0f} s (one host alone would make {(ended - began) / INTERVAL:.0f}), "
          f"{most} in {stretch:.0f} s at most, of 20")
    assert most <= 21
    assert len(during) > (ended - began) / INTERVAL / 4, "both sides go on, slower"
