"""Growth: the same hits on SQLite with more and more records beside them. All sizes run side by side, so that rounds interleave."""

import os
import time

from harness import fastcgi
from harness.process import children_of
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import say
from .contenders import responder
from .front import Front
from .load import http_load, paths_file, wrk
from .processor import anonymous_megabytes, family, settle
from .table import median, show

#: Asked in turn at every size, evenly spread over all records, so that only the size differs.
ASKED = 1000
#: Slower than memory's few seconds for each of ASKED, so that SQLite answers: requests a second.
SLOW_RATE = 300


class Grown:
    """The program on a folder with `size` records."""

    def __init__(self, sandbox, options, standin, base, size):
        self.size = size
        self.folder = records.copy_folder(base, sandbox.path(f"data-{size}"))
        say(f"filling a data folder with {size:,} records")
        records.fill(self.folder, size)
        os.sync()  # or the disk would be busy with it while hits are measured
        self.gigabytes = sum(file.stat().st_size for file in self.folder.iterdir()) / 1e9
        self.program = responder(sandbox, options, standin, self.folder, f"grown-{size}")
        self.asked = paths_file(sandbox, f"asked-{size}", records.copies(ASKED, size))
        self.spread = paths_file(sandbox, f"spread-{size}", records.copies(options.ids, size))
        self.rounds = []

    def start_up(self):
        """Seconds from the executable's start to the first record answered."""
        started = time.monotonic()
        self.program.launch()
        path = records.path_of(records.copy_id(self.size // 2))
        while time.monotonic() < started + 120:
            try:
                answer = fastcgi.ask(self.program.address, path)
                if answer is not None and answer.status == 200:
                    return time.monotonic() - started
            except OSError:
                pass
            time.sleep(0.001)
        raise RuntimeError(f"no answer within 120 s with {self.size:,} records\n{self.program.log()[-2000:]}")

    def starts(self, count):
        """Median start-up after a clean stop and after SIGKILL; leaves it running."""
        stopped, killed = [], []
        for _ in range(count):
            killed.append(self.start_up())
            self.program.await_ready()
            self.program.stop()
            stopped.append(self.start_up())
            self.program.await_ready()
            self.program.kill()
        self.start_up()
        self.program.await_ready()
        return median(stopped), median(killed[1:]) if count > 1 else None

    def memory(self):
        return max(anonymous_megabytes(pid) for pid in children_of(self.program.pid))

    def measure(self, port, options):
        asked = wrk(port, self.asked, options.seconds, options.connections, options.threads)
        spread = wrk(port, self.spread, options.seconds, options.connections, options.threads)
        time.sleep(3.5)  # what memory holds grows old
        slow = http_load(port, self.asked, 2 * options.seconds, 8, rate=SLOW_RATE)
        self.rounds.append({"asked": asked, "spread": spread, "slow": slow})

    def row(self):
        def middle(kind, *keys):
            found = []
            for one in self.rounds:
                value = one[kind]
                for key in keys:
                    value = value[key]
                found.append(value)
            return median(found)
        sqlite = sum(one["slow"]["tiers"]["sqlite"] for one in self.rounds) / max(1, sum(one["slow"]["answered"] for one in self.rounds))
        return [f"{self.size:,}", self.gigabytes, self.start[0] * 1000, self.start[1] and self.start[1] * 1000,
                middle("asked", "per_second"), middle("asked", "latency", "p99"),
                middle("spread", "per_second"), middle("spread", "latency", "p99"),
                middle("slow", "latency", "p50"), middle("slow", "latency", "p99"), f"{sqlite:.0%}", self.settled, self.memory_idle, self.memory_after]


def run(options):
    with Sandbox("growth") as sandbox:
        standin = StandIn(sandbox).start()
        base = sandbox.directory("base")
        records.fetch_known(sandbox, options.program, standin, base)
        grown = [Grown(sandbox, options, standin, base, size) for size in options.sizes]
        front = Front(sandbox)
        for one in grown:
            say(f"starting {one.size:,} records")
            one.start = one.starts(options.rounds)
            front.add_fastcgi(f"grown_{one.size}", one.program.address)
        front.start()
        for one in grown:
            one.settled = settle(family(one.program.pid))
            one.memory_idle = one.memory()
        for number in range(options.rounds):
            for one in grown:
                say(f"round {number + 1} of {options.rounds}: {one.size:,} records")
                one.measure(front.ports[f"grown_{one.size}"], options)
        for one in grown:
            one.memory_after = one.memory()
        show(f"Growth: medians of {options.rounds} rounds, SQLite alone",
             ["records", "GB", "start ms", "after SIGKILL", f"{ASKED:,} ids: req/s", "p99 µs", f"{options.ids:,} ids: req/s", "p99 µs",
              f"SQLite at {SLOW_RATE}/s: p50 µs", "p99 µs", "from SQLite", "busy after start s", "MB idle", "MB loaded"],
             [one.row() for one in grown],
             "start: from exec to the first record answered; busy after start: until it has nothing to do. "
             "MB: anonymous memory of the largest worker. The ids asked are spread over all records; "
             "a folder with fewer records than ids is asked for all it has.")
        return {str(one.size): {"gigabytes": one.gigabytes, "start": one.start, "settled": one.settled, "memory_idle": one.memory_idle,
                                "memory_after": one.memory_after, "rounds": one.rounds} for one in grown}
