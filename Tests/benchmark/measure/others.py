"""Those who ask Spotify without this program, on the household's clock: every request direct, and the usual cache in Python."""

import heapq
import itertools
import json
import urllib.request
from dataclasses import dataclass

from harness import http
from harness.responder import CLIENT_ID, CLIENT_SECRET

TTL = 12 * 3600
PACE = 2


@dataclass
class Answered:
    """When a request came, how long it waited, how long past its time the answer was (None: it was fresh), and, of this program, what for."""
    at: float
    waited: float
    stale: float = None
    family: str = ""


class Upstream:
    """A stand-in Spotify of one's own. Notes each call as (instant, why, status)."""

    def __init__(self, standin, latency):
        self.standin, self.latency, self.calls = standin, latency, []
        form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}".encode()
        with urllib.request.urlopen(f"{standin.url}/api/token", form, timeout=10) as answer:
            self.headers = {"Authorization": f"Bearer {json.load(answer)['access_token']}"}
        self.connection = http.Connection(standin.port)

    def ask(self, at, path):
        """Seconds until it may be repeated; None when it was answered."""
        answer = self.connection.get(f"{path}{'&' if '?' in path else '?'}at={at:.3f}", self.headers)
        self.calls.append((at, "waited for", answer.status))
        if answer.status == 429:
            return int(answer.headers["retry-after"])
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer!r}")
        return None


class Agenda:
    """What happens when, in order; things of one instant in the order in which they were entered."""

    def __init__(self):
        self.entries, self.numbers = [], itertools.count()

    def enter(self, at, *what):
        heapq.heappush(self.entries, (at, next(self.numbers), what))

    def __iter__(self):
        while self.entries:
            at, _, what = heapq.heappop(self.entries)
            yield at, *what


def direct(requests, upstream):
    agenda, answered = Agenda(), []
    for at, _, path in requests:
        agenda.enter(at, at, path)
    for now, began, path in agenda:
        again = upstream.ask(now, path)
        if again is None:
            answered.append(Answered(began, now + upstream.latency - began))
        else:
            agenda.enter(now + upstream.latency + again, began, path)
    return answered


def usual_cache(requests, upstream, processes):
    """An answer lives for 12 h. A process makes one call after another, 2 s apart, and looks into the cache before it queues one, not after."""
    agenda, answered, kept = Agenda(), [], {}
    free = [float("-inf")] * processes
    for number, (at, _, path) in enumerate(requests):
        agenda.enter(at, "request", at, path, number % processes)
    for now, what, began, path, process in agenda:
        if what == "answer":
            kept[path] = now
            answered.append(Answered(began, now - began))
        elif what == "request" and kept.get(path, float("-inf")) > now - TTL:
            answered.append(Answered(began, 0.0))
        elif what == "request":
            slot = max(now, free[process])
            free[process] = slot + PACE
            agenda.enter(slot, "call", began, path, process)
        else:
            again = upstream.ask(now, path)
            if again is None:
                agenda.enter(now + upstream.latency, "answer", began, path, process)
            else:
                # It sleeps in the call, and all behind it wait.
                slot = max(now + upstream.latency + again, free[process])
                free[process] = slot + PACE
                agenda.enter(slot, "call", began, path, process)
    return answered
