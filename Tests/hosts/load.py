"""What goes on while something breaks: unknown records asked for on every host, and a known one that must always come."""

import os
import threading
import time

from harness.hosts import tracks
from harness.standin import gaps


class Load:
    """A context manager. Each host is asked for one unknown record after another by a few clients, and for a known one fifty times a second."""

    def __init__(self, hosts, name="load", clients=2):
        self.hosts, self.name, self._clients = hosts, name, clients
        self.misses, self.bad_hits, self.hits = 0, [], 0
        self._ended = threading.Event()
        self._away = set()
        self._lock = threading.Lock()

    def __enter__(self):
        known, = tracks(f"{self.name}-known", 1)
        for host in self.hosts:
            answer = host.get(known)
            assert answer.status == 200, answer
        jobs = [(self._hit, (host, known)) for host in self.hosts]
        jobs += [(self._miss, (host, client)) for host in self.hosts for client in range(self._clients)]
        self._threads = [threading.Thread(target=job, args=words, daemon=True) for job, words in jobs]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join(15)

    def assert_hits(self):
        """Many were asked for, and all came."""
        assert self.bad_hits == [] and self.hits > 200, (self.hits, self.bad_hits[:3])

    def leave_alone(self, host):
        """A host that is down on purpose has no hits to answer."""
        self._away.add(host.name)

    def mind(self, host):
        self._away.discard(host.name)

    def _hit(self, host, path):
        while not self._ended.wait(0.02):
            if host.name in self._away:
                continue
            answer = host.get(path, timeout=5)
            with self._lock:
                self.hits += 1
                if answer.status != 200 and host.name not in self._away:
                    self.bad_hits.append((host.name, answer))

    def _miss(self, host, client):
        number = 0
        while not self._ended.is_set():
            number += 1
            # The hosts ask for the same and for others.
            who = "all" if number % 3 == 0 else host.name
            path, = tracks(f"{self.name}-{who}-{client}-{number}", 1)
            host.get(path, {"Prefer": "wait=5"}, timeout=10)
            time.sleep(0.02)
            self.misses += 1


def pause_after(standin, instant):
    """Seconds from an instant (time.monotonic) to the first call after it; None: none yet."""
    # CLOCK_MONOTONIC is one for all processes.
    later = [call["monotonic_ns"] / 1e9 for call in standin.calls() if call["monotonic_ns"] / 1e9 > instant]
    return min(later) - instant if later else None


def least_gap(standin):
    return min(gaps(standin.calls()))


class DiskWatch:
    """When the disk stood still, which all hosts of one machine share and hosts of several do not: a block is written and synced fifty times a second beside
    them, and what takes longer than `LATE` seconds is noted. A context manager."""

    LATE = 0.02

    def __init__(self, path):
        self._path, self._ended, self.stalls = path, threading.Event(), []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        with open(self._path, "wb", buffering=0) as file:
            while not self._ended.wait(0.02):
                began = time.monotonic()
                os.pwrite(file.fileno(), b"x" * 4096, 0)
                os.fdatasync(file.fileno())
                if time.monotonic() - began > self.LATE:
                    self.stalls.append((began, time.monotonic()))

    def stood(self, begin, end):
        """Whether it did at any instant between two."""
        return any(first < end and last > begin for first, last in self.stalls)

    def steady(self, instants):
        """Of the steps from each instant to the next those in which it did not."""
        return [later - earlier for earlier, later in zip(instants, instants[1:]) if not self.stood(earlier, later)]
