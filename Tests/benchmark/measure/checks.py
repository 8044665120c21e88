"""/auth/verify at a steady rate, alone and while 50 logins at a time are hashed."""

from harness.sandbox import Sandbox

from .build import say
from .contenders import bearer
from .front import Front
from .isolation import PATIENT, Place, measured
from .load import http_load, paths_file
from .table import median, show
from .troubles import Logins, Trouble

RATE = 1000


class Checks(Place):
    """Asked for /auth/verify with a good token, where other places are asked for records."""

    headers = bearer()


def run(options):
    with Sandbox("checks") as sandbox:
        front = Front(sandbox)
        place = Checks(sandbox, options, front, "checks", PATIENT)
        place.file = paths_file(sandbox, "verify", ["/auth/verify"])
        front.start()
        http_load(place.port, place.file, 1, 64, rate=RATE, headers=place.headers)
        cases = {"alone": Trouble, "logins": Logins}
        rounds = {name: [] for name in cases}
        for number in range(options.rounds):
            for name, kind in cases.items():
                say(f"round {number + 1} of {options.rounds}: /auth/verify, {kind.label}")
                rounds[name].append(measured(place, kind(place), number, RATE))
        rows = [[kind.label, *(median([one["latency"][key] for one in rounds[name]]) for key in ("p50", "p99", "max")),
                 sum(one["broken"] + one["sent"] - one["statuses"]["2xx"] for one in rounds[name]), rounds[name][-1]["came_to"]]
                for name, kind in cases.items()]
        show(f"Checks: /auth/verify at {RATE:,} a second, medians of {options.rounds} rounds of {options.seconds} s",
             ["beside", "p50 µs", "p99 µs", "max µs", "not 2xx", "last round"], rows,
             "Latency counts from the instant at which a request was due.")
        return {"rate": RATE, "rounds": rounds}
