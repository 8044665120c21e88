"""13,000 random requests, to Spotify's stand-in and through the mirror of the same account. Long: LONG_TESTS=1 makes it run."""

import collections
import http.client
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import differences
from harness.house import House
from harness.sandbox import REPOSITORY
from harness.spotify import Spotify
from random_requests import KINDS, Generator

COUNT, SEED = 13_000, 20261126
#: What one request may take at this pace, on a machine that is busy with other things as well.
SLOWEST = 30.0


class Kept:
    """A kept connection for each thread to each port."""

    def __init__(self):
        self.local = threading.local()

    def get(self, port, path, headers):
        """(status, decoded body, seconds)"""
        began = time.monotonic()
        connections = self.local.__dict__.setdefault("connections", {})
        for is_last in (False, True):
            connection = connections.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=SLOWEST))
            try:
                connection.request("GET", path, headers=headers)
                response = connection.getresponse()
                body = response.read()
                break
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connections.pop(port).close()
                if is_last:
                    raise
        return response.status, json.loads(body), time.monotonic() - began


@pytest.mark.skipif(not os.environ.get("LONG_TESTS"), reason="takes minutes: LONG_TESTS=1")
def test_every_difference_has_a_name_and_no_request_hangs_or_fails():
    signal.alarm(0)  # the time limit of short tests
    with House("random", workers=2, mode="development", SPOTIFY_MIN_INTERVAL="1ms", SPOTIFY_CALLS_PER_HOUR="1000000") as house:
        spotify = Spotify(house.sandbox, mode="development").start()
        ids = {kind: spotify.ids(kind, 30, seed="random") for kind in KINDS}
        names = [spotify.get(f"artists/{name}")["name"] for name in ids["artist"][:6]]
        kept, found, trouble, statuses = Kept(), collections.Counter(), collections.defaultdict(list), collections.Counter()

        def both(request):
            direct = kept.get(spotify.port, f"/v1/{request}", {"Authorization": f"Bearer {spotify.token}"})
            for _ in range(5):
                mirror = kept.get(house.port, f"/spotify/v1/{request}", {})
                # docs/failures.md has it: a limiter that others hold for a moment, which a pace of 1 ms on a busy machine makes likely.
                if mirror[0] != 503 or "locked" not in mirror[1]["error"]["message"]:
                    break
            return request, direct, mirror
        with ThreadPoolExecutor(6) as threads:
            for request, direct, mirror in threads.map(both, Generator(SEED, ids, names).requests(COUNT)):
                statuses[direct[0], mirror[0]] += 1
                try:
                    assert mirror[0] < 500 and mirror[0] != 429 and mirror[2] < SLOWEST, f"{mirror[0]} after {mirror[2]:.1f} s"
                    found.update(differences.of(request, direct[:2], mirror[:2]))
                except (differences.Unnamed, AssertionError) as error:
                    trouble[f"{type(error).__name__}: {error}"].append(request)
    print(f"seed {SEED}: {sum(statuses.values())} requests, statuses direct and mirrored {dict(statuses)}, differences {dict(found)}")
    assert not trouble, "\n".join(f"{len(requests)} like {requests[0]}: {what}" for what, requests in list(trouble.items())[:20])
    assert sum(statuses.values()) == COUNT and set(found) == set(differences.NAMED), "a difference that is named is seen"


def test_the_document_names_every_difference():
    text = (REPOSITORY / "docs/clients.md").read_text()
    _, _, rest = text.partition("<!-- differences: Tests/clients/differences.py -->\n")
    named, end, _ = rest.partition("<!-- end of differences -->")
    assert end and [" ".join(point.split()) for point in named.split("\n- ")] == [
        words if number else f"- {words}" for number, words in enumerate(differences.NAMED.values())]
