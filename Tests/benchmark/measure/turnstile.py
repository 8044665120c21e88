"""The pace of calls with several processes, and what a long queue costs."""

import re
import sqlite3
import time

from harness import fastcgi
from harness.responder import ADMIN_TOKEN
from harness.sandbox import Sandbox
from harness.standin import StandIn, spotify_id

from . import records
from .build import say
from .contenders import responder
from .front import Front
from .load import http_load, paths_file
from .table import number, show

#: Hits a second beside a long queue.
RATE = 500


def settings(options, workers, queue=1000):
    # One client may hold a quarter of the queue, and all that is queued here comes from one.
    return {"SPOTIFY_MIN_INTERVAL": f"{options.interval}ms", "SPOTIFY_CALLS_PER_HOUR": "1000000", "SWINGMUSIC_FCGI_WORKERS": str(workers),
            "SWINGMUSIC_FCGI_QUEUE_LIMIT": str(4 * queue + 100)}


def enqueue(address, count, seed):
    """Asks for `count` unknown records without waiting for them; how long each answer took, in seconds, and the statuses."""
    seconds, statuses = [], {}
    with fastcgi.FastCGIConnection(address) as connection:
        for n in range(count):
            started = time.monotonic()
            answer = connection.ask(records.path_of(spotify_id(f"{seed} {n}")), keep=True, parameters={"HTTP_PREFER": "respond-async"})
            seconds.append(time.monotonic() - started)
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
    return seconds, statuses


def await_calls(standin, count, limit):
    """The calls for records, once there are `count` of them or `limit` seconds have passed."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        calls = standin.calls("^/v1/tracks")
        if len(calls) >= count:
            return calls
        time.sleep(0.2)
    return standin.calls("^/v1/tracks")


def gaps(instants):
    """Seconds between one instant and the next, given nanoseconds."""
    ordered = sorted(instants)
    return [(later - earlier) / 1e9 for earlier, later in zip(ordered, ordered[1:])]


def granted(folder):
    """Seconds between grants, as limiter.db has them (instants of the boot-time clock in nanoseconds)."""
    database = sqlite3.connect(f"file:{folder}/limiter.db?mode=ro", uri=True)
    instants = [row[0] for row in database.execute("SELECT instant FROM grants ORDER BY id")]
    database.close()
    return gaps(instants)


def spread_of(values, interval):
    """Mean, least and 99th percentile in milliseconds, and how many lie below the interval."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "mean": None, "least": None, "p99": None, "most": None, "below": 0}
    return {"count": len(ordered), "mean": sum(ordered) / len(ordered) * 1000, "least": ordered[0] * 1000,
            "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000, "most": ordered[-1] * 1000,
            "below": sum(value * 1000 < interval for value in ordered)}


def pace(options, processes):
    """`lookups` records queued for `processes` workers: the gaps between grants and between calls."""
    with Sandbox("pace") as sandbox:
        standin, folder = StandIn(sandbox, mode="development").start(), sandbox.directory("data")
        program = responder(sandbox, options, standin, folder, "pace", **settings(options, processes, options.lookups))
        program.workers = processes
        program.start()
        enqueue(program.address, options.lookups, f"pace {processes}")
        calls = await_calls(standin, options.lookups, options.lookups * options.interval / 1000 * 1.5 + 10)
        connections = {call["connection"] for call in calls}
        return {"grants": spread_of(granted(folder), options.interval), "calls": spread_of(gaps(call["monotonic_ns"] for call in calls), options.interval),
                "turns": turns(program), "twice": len(calls) - len({call["path"] for call in calls}), "connections": len(connections)}


def turns(program):
    """How long turns took, from the program's own metrics: how many there were, the mean in ms, the bound that half of them keep, and
    the share within 5 ms."""
    answer = fastcgi.ask(program.address, "/swingmusic-fcgi/metrics", parameters={"HTTP_AUTHORIZATION": f"Bearer {ADMIN_TOKEN}"})
    found = dict(re.findall(r'^swingmusic_fcgi_spotify_turn_seconds_(sum|count|bucket{le="[^"]*"}) (\S+)$', answer.body.decode(), re.MULTILINE))
    count = float(found["count"])
    within = sorted((float(key[11:-2]), float(value)) for key, value in found.items() if key.startswith("bucket"))
    half = next(bound for bound, kept in within if kept >= count / 2)
    return {"count": count, "mean": float(found["sum"]) / count * 1000, "half": half * 1000, "within_5": dict(within)[0.005] / count}


def queue(options, length):
    """Hits and calls while `length` lookups wait."""
    with Sandbox("queue") as sandbox:
        standin, folder = StandIn(sandbox, mode="development").start(), sandbox.directory("data")
        records.fetch_known(sandbox, options.program, standin, folder)
        records.fill(folder, 1000)
        program = responder(sandbox, options, standin, folder, "queue", **settings(options, options.workers, length)).start()
        front = Front(sandbox)
        front.add_fastcgi("queue", program.address)
        front.start()
        seconds, statuses = enqueue(program.address, length, f"queue {length}")
        before = len(granted(folder))
        hits = http_load(front.ports["queue"], paths_file(sandbox, "hits", records.copies(1000, 1000)), max(options.seconds, 3), 16, rate=RATE)
        time.sleep(max(0.0, 25 * options.interval / 1000 - options.seconds))
        return {"statuses": statuses, "ask": spread_of(seconds, 0), "hits": hits["latency"], "bad": hits["sent"] - hits["statuses"]["2xx"],
                "grants": spread_of(granted(folder)[before:], options.interval)}


def run(options):
    paces, queues = {}, {}
    for processes in options.processes:
        say(f"{options.lookups} lookups at {options.interval} ms with {processes} processes")
        paces[processes] = pace(options, processes)
    for length in options.queues:
        say(f"a queue of {length:,}")
        queues[length] = queue(options, length)
    print_paces(options, paces)
    print_queues(options, queues)
    return {"pace": paces, "queue": queues}


def print_paces(options, paces):
    rows = [[f"{processes}", one["grants"]["count"], *(number(one["grants"][key], 2) for key in ("mean", "least", "p99")), one["grants"]["below"],
             one["calls"]["count"], *(number(one["calls"][key], 2) for key in ("mean", "least", "p99", "most")), one["twice"], one["connections"],
             one["turns"]["mean"], f"≤ {one['turns']['half']:g}", f"{one['turns']['within_5']:.1%}"]
            for processes, one in paces.items()]
    show(f"Pace: {options.lookups} lookups at {options.interval} ms",
         ["processes", "grants: gaps", "mean ms", "least ms", "p99 ms", "below", "calls: gaps", "mean ms", "least ms", "p99 ms", "most ms",
          "asked twice", "connections", "a turn: mean ms", "median ms", "within 5 ms"], rows,
         "Grants as limiter.db has them, calls as the stand-in logs their arrival. A turn: how long the transaction took in which it was taken, "
         "the wait for the file's lock included, by the program's own metrics.")


def print_queues(options, queues):
    rows = [[f"{length:,}", one["ask"]["mean"], one["ask"]["p99"], one["hits"]["p50"], one["hits"]["p99"], one["bad"],
             *(one["grants"][key] for key in ("count", "mean", "most")), ", ".join(f"{count} × {status}" for status, count in one["statuses"].items())]
            for length, one in queues.items()]
    show(f"A long queue: {options.workers} workers, {options.interval} ms",
         ["lookups", "to queue one: mean ms", "p99 ms", f"hits at {RATE}/s: p50 µs", "p99 µs", "not 2xx", "grants: gaps", "mean ms", "most ms",
          "answers to the askers"], rows)
