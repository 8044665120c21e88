"""Soak: many requests at full speed, and the workers' anonymous memory as they go by."""

from harness.process import children_of
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import say
from .contenders import bearer, responder, start_store
from .front import Front
from .load import http_load, paths_file
from .processor import anonymous_megabytes
from .swingmusic import make_folder
from .table import show

STEPS = 10


def mixture(ids):
    """Hits for the most part; every tenth a session check, every twentieth refused."""
    hits = records.copies(ids, ids)
    mixed = []
    for n, hit in enumerate(hits):
        mixed.append(hit)
        if n % 10 == 0:
            mixed.append("/auth/verify")
        if n % 20 == 0:
            mixed.append(f"/spotify/v1/tracks/not-an-id-{n}")
    return mixed


def run(options):
    with Sandbox("soak") as sandbox:
        standin, store, folder = StandIn(sandbox).start(), start_store(sandbox), sandbox.directory("data")
        records.fetch_known(sandbox, options.program, standin, folder)
        records.fill(folder, options.ids)
        paths = paths_file(sandbox, "mixture", mixture(options.ids))
        swingmusic = make_folder(sandbox.path("config", "swingmusic"))
        program = responder(sandbox, options, standin, folder, "soak", store, SWINGMUSIC_CONFIG_DIR=str(swingmusic)).start()
        front = Front(sandbox)
        front.add_fastcgi("soak", program.address)
        front.start()
        workers = children_of(program.pid)
        steps = [{"requests": 0, "megabytes": [anonymous_megabytes(pid) for pid in workers]}]
        for step in range(STEPS):
            got = http_load(front.ports["soak"], paths, count=options.requests // STEPS, connections=options.connections, headers=bearer(),
                            first=steps[-1]["requests"])
            steps.append({"requests": steps[-1]["requests"] + got["answered"], "per_second": got["per_second"], "statuses": got["statuses"],
                          "broken": got["broken"], "megabytes": [anonymous_megabytes(pid) for pid in workers]})
            say(f"{steps[-1]['requests']:,} requests: {', '.join(f'{size:.1f} MB' for size in steps[-1]['megabytes'])}")
        same = children_of(program.pid) == workers
        show(f"Soak: {steps[-1]['requests']:,} requests" + ("" if same else " (WORKERS WERE REPLACED)"),
             ["requests", "requests/s", "2xx", "4xx", "5xx", "broken", *(f"worker {n + 1} MB" for n in range(len(workers)))],
             [[f"{one['requests']:,}", one.get("per_second"), *(one["statuses"][kind] if "statuses" in one else None for kind in ("2xx", "4xx", "5xx")),
               one.get("broken"), *one["megabytes"]] for one in steps],
             "MB: anonymous memory (smaps_rollup). The 4xx are asked for: every twentieth id is malformed.")
        return {"steps": steps, "same_workers": same}
