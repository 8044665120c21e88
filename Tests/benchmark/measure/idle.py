"""Idle: processor time and memory of workers that have served and have nothing to do."""

import time

from harness.process import children_of, cpu_seconds
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import say
from .contenders import responder, start_store
from .front import Front
from .load import http_load, paths_file
from .processor import anonymous_megabytes, clock_ticks, context_switches
from .swingmusic import make_folder
from .table import show


def run(options):
    with Sandbox("idle") as sandbox:
        standin, store, folder = StandIn(sandbox).start(), start_store(sandbox), sandbox.directory("data")
        records.fetch_known(sandbox, options.program, standin, folder)
        records.fill(folder, 1000)
        paths = paths_file(sandbox, "paths", records.copies(1000, 1000))
        swingmusic = make_folder(sandbox.path("config", "swingmusic"))
        program = responder(sandbox, options, standin, folder, "idle", store, SWINGMUSIC_CONFIG_DIR=str(swingmusic)).start()
        front = Front(sandbox)
        front.add_fastcgi("idle", program.address)
        front.start()
        workers = children_of(program.pid)
        fresh = {pid: anonymous_megabytes(pid) for pid in workers}
        http_load(front.ports["idle"], paths, count=5000)
        time.sleep(6)  # nginx closes its idle connections after 5 s
        watched = {"serve": program.pid, **{f"worker {n + 1}": pid for n, pid in enumerate(workers)}}
        say(f"watching for {options.idle_seconds} s")
        before = {name: (cpu_seconds(pid), clock_ticks(pid), context_switches(pid)) for name, pid in watched.items()}
        time.sleep(options.idle_seconds)
        result = {}
        for name, pid in watched.items():
            cpu, ticks, switches = before[name]
            result[name] = {"processor_seconds": cpu_seconds(pid) - cpu, "ticks": clock_ticks(pid) - ticks,
                            "wakes_per_second": (context_switches(pid) - switches) / options.idle_seconds,
                            "megabytes_fresh": fresh.get(pid), "megabytes": anonymous_megabytes(pid)}
        show(f"Idle for {options.idle_seconds} s",
             ["process", "processor ms", "% of a core", "ticks of 10 ms", "wakes/s", "MB when started", "MB after 5000 requests"],
             [[name, one["processor_seconds"] * 1000, f"{one['processor_seconds'] / options.idle_seconds:.3%}", one["ticks"],
               one["wakes_per_second"], one["megabytes_fresh"], one["megabytes"]] for name, one in result.items()],
             "Processor time from /proc/PID/task/*/schedstat, ticks from /proc/PID/stat, MB: anonymous memory (smaps_rollup).")
        return result
