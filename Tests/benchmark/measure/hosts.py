"""Several hosts of one Spotify account: what the store adds to a miss, and what it has to do."""

import os
import time

from harness.hosts import Hosts, tracks

from .build import say
from .table import show
from .turnstile import spread_of

#: Between two misses, so that none of them waits for its turn.
REST = 0.25


def misses(hosts, host, name, count):
    """Seconds that each of `count` unknown records took on an idle host."""
    seconds = []
    for path in tracks(name, count):
        time.sleep(REST)
        answer = hosts[host].get(path)
        assert answer.status == 200, answer
        seconds.append(answer.seconds)
    return seconds


def added(options):
    """Misses of a host alone, of one over a store, and of one of three, a round after the other."""
    kinds = {"a host alone": (1, {"SWINGMUSIC_FCGI_SHARED_STORE": None}), "over a store, no other host": (1, {}), "over a store, three hosts": (3, {})}
    taken = {kind: [] for kind in kinds}
    for number in range(options.rounds):
        for kind, (count, settings) in kinds.items():
            say(f"round {number + 1} of {options.rounds}: misses, {kind}")
            with Hosts("misses", count=count, SPOTIFY_MIN_INTERVAL="100ms", **settings) as hosts:
                hosts[0].get(tracks("first", 1)[0])  # with it come the token and what the account may do
                taken[kind] += misses(hosts, 0, f"miss-{number}", 40)
    return {kind: spread_of(seconds, 0) | {"half": sorted(seconds)[len(seconds) // 2] * 1000} for kind, seconds in taken.items()}


def calls_of(store):
    """How many commands the store has done: what clients sent, and with them what their scripts did."""
    found = {"sent": 0, "all": 0}
    for line in store.command("INFO", "commandstats").decode().splitlines():
        if line.startswith("cmdstat_"):
            name, calls = line[8:].split(":")[0], int(line.split("calls=")[1].split(",")[0])
            found["all"] += calls
            # Of all that they send, scripts do the work; what else comes from clients belongs to a connection's beginning.
            found["sent"] += calls if name in ("evalsha", "eval") else 0
    return found


def load(options, count):
    """Commands a second of a store with `count` hosts that rest, and then with work for all of them."""
    with Hosts("commands", count=count, workers=1, SPOTIFY_MIN_INTERVAL="200ms") as hosts:
        found = {}
        for kind in ("rest", "work"):
            if kind == "work":
                paths = tracks("work", 100)
                for place, host in enumerate(hosts.hosts):
                    host.at_once(paths[place::count], headers={"Prefer": "respond-async"})
            before, calls, begin = calls_of(hosts.store), len(hosts.standin.calls("^/v1/tracks")), time.monotonic()
            time.sleep(options.seconds * 3)
            seconds = time.monotonic() - begin
            after = calls_of(hosts.store)
            found[kind] = {key: (after[key] - before[key]) / seconds for key in after}
            found[kind]["calls"] = (len(hosts.standin.calls("^/v1/tracks")) - calls) / seconds
        return found


def run(options):
    os.environ["SWINGMUSIC_FCGI_EXECUTABLE"] = str(options.program)
    times = added(options)
    say("commands")
    loads = {count: load(options, count) for count in (1, 2, 3, 10)}
    alone = times["a host alone"]
    show("Misses with sharing and without: a lookup's way to Spotify's stand-in and back, nobody else waiting",
         ["", "misses", "p50 ms", "mean ms", "p99 ms", "added to p50: ms"],
         [[kind, one["count"], one["half"], one["mean"], one["p99"], one["half"] - alone["half"]] for kind, one in times.items()],
         "On the loopback address: to each of the two questions a miss asks the store, a real network adds its round trip.")
    show("What the store has to do, by hosts of one worker",
         ["hosts", "at rest: scripts/s", "commands/s with theirs", "at work: calls/s", "scripts/s", "commands/s with theirs"],
         [[f"{count}", one["rest"]["sent"], one["rest"]["all"], one["work"]["calls"], one["work"]["sent"], one["work"]["all"]]
          for count, one in loads.items()])
    return {"misses": times, "store": loads}
