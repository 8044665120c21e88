"""What it costs that a write outlives a power cut before it is acknowledged: PUTs by one writer and by a hundred, on this disk and on one
that takes 50 ms a sync, beside hits at a fixed rate."""

import subprocess
import threading
import time

from harness import http
from harness.responder import ADMIN_TOKEN
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import FOLDER, OUTPUT, say
from .contenders import responder
from .front import Front
from .load import http_load, paths_file
from .table import median, number, show

#: Hits a second beside the writers.
RATE = 500
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
DISKS = {"this disk": 0, "50 ms a sync": 50}
WRITERS = [1, 100]


def slow_sync():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    library = OUTPUT / "slow_sync.so"
    subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", library, FOLDER / "load/slow_sync.c", "-ldl"], check=True)
    return str(library)


class Writers:
    """Threads that put values of 200 bytes, each the next when the one before was acknowledged."""

    def __init__(self, port, cache, count):
        self.port, self.cache, self.seconds, self.refused = port, cache, [], 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]

    def _write(self, number):
        count = 0
        with http.Connection(self.port) as connection:
            while not self._stop.is_set():
                began = time.monotonic()
                status = connection.request("PUT", f"/cache/{self.cache}/w{number}-{count}", ADMIN, b"x" * 200).status
                self.seconds.append(time.monotonic() - began)
                self.refused += status != 204
                count += 1

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def at(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def measured(front, name, file, options, cache, writers):
    """Milliseconds of a PUT, and what hits took meanwhile."""
    port = front.ports[name]
    with Writers(port, cache, writers) as all_writers:
        hits = http_load(port, file, options.seconds, 16, rate=RATE)
    return {"puts": len(all_writers.seconds), "refused": all_writers.refused, "p50": at(all_writers.seconds, 0.5), "p99": at(all_writers.seconds, 0.99),
            "hit p50": hits["latency"]["p50"], "hit p99": hits["latency"]["p99"], "bad": hits["sent"] - hits["statuses"]["2xx"]}


def run(options):
    with Sandbox("durable") as sandbox:
        standin, front, names = StandIn(sandbox).start(), Front(sandbox), {}
        for place, (disk, delay) in enumerate(DISKS.items()):
            folder = sandbox.directory(f"data{place}")
            records.fetch_known(sandbox, options.program, standin, folder)
            records.fill(folder, 1000)
            shim = {"LD_PRELOAD": slow_sync(), "SLOW_SYNC_MS": str(delay)} if delay else {}
            program = responder(sandbox, options, standin, folder, f"disk{place}", **shim).start()
            front.add_fastcgi(f"disk{place}", program.address)
            names[disk] = f"disk{place}"
        file = paths_file(sandbox, "hits", records.copies(1000, 1000))
        front.start()
        rounds = {}
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            for disk in DISKS:
                alone = http_load(front.ports[names[disk]], file, options.seconds, 16, rate=RATE)["latency"]
                rounds.setdefault((disk, "", 0), []).append({"hit p50": alone["p50"], "hit p99": alone["p99"]})
                for cache in ("user", "temp"):
                    for writers in WRITERS:
                        rounds.setdefault((disk, cache, writers), []).append(measured(front, names[disk], file, options, cache, writers))
    print_table(options, rounds)
    return {" ".join(map(str, key)): got for key, got in rounds.items()}


def print_table(options, rounds):
    rows = []
    for (disk, cache, writers), got in rounds.items():
        def of(name):
            return median([one[name] for one in got]) if name in got[0] else None
        rows.append([disk, cache or "nobody writes", writers or "", number(of("puts") / options.seconds, 0) if cache else None,
                     *(number(of(name), 2) if cache else None for name in ("p50", "p99")), of("hit p50"), of("hit p99"),
                     sum(one.get("refused", 0) + one.get("bad", 0) for one in got)])
    show(f"Durable writes: {options.workers} workers, medians of {options.rounds} rounds of {options.seconds} s",
         ["disk", "cache", "writers", "PUTs/s", "PUT p50 ms", "p99 ms", f"hits at {RATE}/s: p50 µs", "p99 µs", "refused"], rows,
         "`user` waits for a sync of the log, `temp` does not (`SWINGMUSIC_FCGI_DURABLE_CACHES`).")
