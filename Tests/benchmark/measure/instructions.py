"""Instructions a hit: one worker with one event thread under valgrind's callgrind. Slow, but the same figure on a busy machine.

What the processor executes in user space is counted, of all threads: the lookup thread's share of a hit (that a record was used)
is in it, what the kernel does for it is not.
"""

import collections
import contextlib
import os
import re
import shutil
import socket
import subprocess

from harness import fastcgi, history
from harness.process import LoggedProcess
from harness.responder import spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.waiting import eventually

from . import records
from .build import say
from .contenders import bearer, start_store, store_settings
from .load import fcgi_load, paths_file
from .profile import demangled
from .swingmusic import make_folder
from .table import show

#: Few enough for a slow minute, and more than the memory cache keeps while they are asked in turn.
IDS = 4000
#: Counted; seconds is only where patience ends.
REQUESTS, PATIENCE = 3000, 300
FUNCTIONS = 40


class Watched:
    """A worker under callgrind, not counting yet, on a listening socket as its descriptor 0."""

    def __init__(self, sandbox, program, name, environment):
        self.output = str(sandbox.path(f"{name}.callgrind"))
        self.address = str(sandbox.socket_path(name))
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(64)
        self.process = LoggedProcess(["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.output}", program, "worker"],
                                     sandbox.path(f"{name}.log"), environment, stdin=listener)
        sandbox.owns(self)
        listener.close()
        eventually(lambda: fastcgi.ask(self.address, records.path_of(records.KNOWN), timeout=60).status in (200, 401), 180, what="the worker under valgrind answers")

    def count(self, on):
        subprocess.run(["callgrind_control", "-i", "on" if on else "off", str(self.process.pid)], check=True, capture_output=True)

    def stop(self):
        if self.process.running:
            self.process.stop(60)


def run(options):
    if shutil.which("valgrind") is None:
        raise SystemExit("--instructions needs valgrind")
    counted = {}
    with Sandbox("instructions") as sandbox:
        standin, store, folder = StandIn(sandbox).start(), start_store(sandbox), sandbox.directory("data")
        program = str(sandbox.path("swingmusic-fcgi"))
        # valgrind 3.19 cannot read what Swift writes for debuggers.
        subprocess.run(["strip", "-g", "-o", program, options.program], check=True)
        records.fetch_known(sandbox, options.program, standin, folder)
        records.fill(folder, IDS)
        one, many = paths_file(sandbox, "one", [records.path_of(records.KNOWN)]), paths_file(sandbox, "many", records.copies(IDS, IDS))
        usual = {**spotify_settings(standin), "SWINGMUSIC_FCGI_DATA_DIR": str(folder), "SWINGMUSIC_FCGI_THREADS": "1", "SWINGMUSIC_FCGI_METADATA_AUTH": "off",
                 "SWINGMUSIC_FCGI_LOG_LEVEL": "warning", "SWINGMUSIC_CONFIG_DIR": str(make_folder(sandbox.path("config", "swingmusic")))}
        with_store = {**usual, **store_settings(store, options), "DRAGONFLYDB_TIMEOUT": "60s"}
        cases = {"memory": (usual, one, []), "dragonfly": (with_store, many, []), "sqlite": (usual, many, []),
                 "session": ({**usual, "SWINGMUSIC_FCGI_METADATA_AUTH": "session"}, one, bearer()),
                 "verify": (usual, paths_file(sandbox, "verify", ["/auth/verify"]), bearer()),
                 # With a month of history that is gone on with, and with the same that nobody may write.
                 "month": (usual, one, []), "unwritten": (usual, one, [])}
        for name, (settings, paths, headers) in cases.items():
            if options.only and name not in options.only:
                continue
            if name in ("month", "unwritten"):
                history.write(folder / "history.shared", history.made_up)
            with history.unwritten(folder / "history.shared") if name == "unwritten" else contextlib.nullcontext():
                counted[name] = count(sandbox, program, name, settings, paths, [header.replace("Authorization: ", "HTTP_AUTHORIZATION=") for header in headers])
    for name in [name for name, one in counted.items() if one["statuses"]["2xx"] < one["requests"]]:
        say(f"left out: {name}, whose answers were {counted.pop(name)['statuses']}")
    print_counts(counted)
    return counted


def count(sandbox, program, name, settings, paths, parameters):
    say(f"counting: {name}")
    worker = Watched(sandbox, program, name, sandbox.environment(**settings))
    if name == "dragonfly":  # every record into the store first
        fcgi_load(worker.address, paths, PATIENCE, 1, True, parameters, IDS)
    fcgi_load(worker.address, paths, PATIENCE, 1, True, parameters, 200)
    worker.count(True)
    load = fcgi_load(worker.address, paths, PATIENCE, 1, True, parameters, REQUESTS)
    worker.count(False)
    worker.stop()
    total = int(re.search(r"^totals: (\d+)", open(newest(worker.output)).read(), re.M)[1])
    return {"requests": load["answered"], "instructions": total / max(1, load["answered"]), "tiers": load["tiers"], "statuses": load["statuses"],
            "functions": functions(worker.output, os.path.basename(program), max(1, load["answered"]))}


def newest(output):
    """callgrind numbers its files when it writes more than one."""
    folder, name = os.path.split(output)
    found = [os.path.join(folder, one) for one in os.listdir(folder) if one.startswith(name) and os.path.getsize(os.path.join(folder, one))]
    return max(found, key=os.path.getsize)


def functions(output, program, requests):
    """Instructions a hit of the program's own functions, with what they call."""
    said = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", newest(output)], capture_output=True, text=True).stdout
    found = collections.OrderedDict()
    for line in said.splitlines():
        match = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+\S*?:(.*?) \[(.*?)\]", line)
        if match and os.path.basename(match[3]) == program and len(found) < 2 * FUNCTIONS:
            found.setdefault(match[2].partition("'")[0], int(match[1].replace(",", "")) / requests)
    return found


def print_counts(counted):
    show("Instructions a hit in user space", ["hit", "instructions", "requests", "2xx", "memory", "dragonfly", "sqlite"],
         [[name, one["instructions"], one["requests"], one["statuses"]["2xx"], *(one["tiers"][tier] for tier in ("memory", "dragonfly", "sqlite"))]
          for name, one in counted.items()], "callgrind, one worker with one event thread, one caller.")
    for name, one in counted.items():
        names = demangled(list(one["functions"]))
        rows, seen = [], set()
        for function, spent in one["functions"].items():
            # Thunks and closures that only pass on what their caller has.
            if names[function].startswith(("partial apply", "closure", "thunk", "protocol witness", "@objc", "implicit closure")) or names[function] in seen:
                continue
            seen.add(names[function])
            rows.append([names[function].replace("specialized ", "")[:90], spent, f"{spent / one['instructions']:.1%}"])
        show(f"{name}: the program's functions, with what they call", ["function", "instructions", "share"], rows[:FUNCTIONS])
