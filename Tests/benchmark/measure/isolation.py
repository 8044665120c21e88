"""Isolation: hits at a fixed rate below saturation, alone and beside each trouble, round after round."""

import signal
import threading

from harness import http
from harness.process import send_signal
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.waiting import TooLate, eventually

from . import records
from .build import say
from .contenders import responder, start_store
from .front import Front
from .load import http_load, paths_file
from .processor import family
from .swingmusic import make_folder
from .table import median, show
from .troubles import Freezing, Frozen, Logins, Parked, Purge, SlowReaders, StalledPeers, Trouble

TROUBLES = {"parked": Parked, "frozen": Frozen, "freezing": Freezing, "purge": Purge, "logins": Logins, "slow": SlowReaders,
            "stalled": StalledPeers}

#: Patience that outlasts a measurement, and lookups that do not crawl.
PATIENT = {"SWINGMUSIC_FCGI_MISS_WAIT": "39s", "SPOTIFY_TIMEOUT": "60s", "SPOTIFY_MIN_INTERVAL": "200ms", "SPOTIFY_CALLS_PER_HOUR": "1000000"}
#: Every record is due at once, and renewed as fast as the stand-in can.
DUE = {**PATIENT, "SPOTIFY_CACHE_TTL": "1s", "SPOTIFY_MIN_INTERVAL": "20ms", "SWINGMUSIC_FCGI_QUEUE_LIMIT": "10000"}


class Quarter(Trouble):
    """Nothing else, at the rate of those that need a processor themselves."""
    share = Logins.share


class Place:
    """The program on a folder of its own, its store and its stand-in, behind nginx."""
    headers = ()

    def __init__(self, sandbox, options, front, name, settings):
        self.name, self.front, self.seconds = name, front, options.seconds
        self.standin, self.store = StandIn(sandbox).start(), start_store(sandbox)
        folder = sandbox.directory(f"data-{name}")
        records.fetch_known(sandbox, options.program, self.standin, folder, SPOTIFY_CACHE_TTL=settings.get("SPOTIFY_CACHE_TTL", "12h"))
        records.fill(folder, options.ids)
        self.paths = records.copies(options.ids, options.ids)
        self.file = paths_file(sandbox, name, self.paths)
        swingmusic = make_folder(sandbox.path(f"config-{name}", "swingmusic"))
        program = responder(sandbox, options, self.standin, folder, name, self.store, SWINGMUSIC_CONFIG_DIR=str(swingmusic), **settings).start()
        self.program, self.address = program, program.address
        front.add_fastcgi(name, self.address)

    @property
    def port(self):
        return self.front.ports[self.name]

    def pause(self):
        """Stops every process of the program, so that nothing of it disturbs what is measured on another place."""
        for pid in family(self.program.pid):
            send_signal(pid, signal.SIGSTOP)

    def resume(self):
        for pid in family(self.program.pid):
            send_signal(pid, signal.SIGCONT)
        eventually(lambda: http.request(self.port, "GET", self.paths[0]).status == 200, 30, what=f"{self.name} answers again")


def measured(place, trouble, number, rate):
    """What http_load counted beside the trouble; a trouble that cannot be made is left out."""
    try:
        trouble.begin(number)
    except RuntimeError as refused:
        say(f"{trouble.label}: {refused}")
        return {"skipped": True, "came_to": f"left out: {refused}"}
    beside = threading.Thread(target=trouble.during)
    beside.start()
    try:
        got = http_load(place.port, place.file, place.seconds, 64, rate=rate, headers=place.headers, first=0 if place.headers else number * 1000)
    finally:
        beside.join()
        came_to = ended(trouble)
    got["came_to"] = came_to
    return got


def ended(trouble):
    """What the trouble came to. One that does not pass is a finding, not the end of the run."""
    try:
        return trouble.end()
    except TooLate as late:
        say(f"{trouble.label}: {late}")
        return str(late)


def run(options):
    chosen = {name: kind for name, kind in TROUBLES.items() if not options.trouble or name in options.trouble}
    with Sandbox("isolation") as sandbox:
        front = Front(sandbox)
        places = {"usual": Place(sandbox, options, front, "usual", PATIENT)}
        if "purge" in chosen:
            places["due"] = Place(sandbox, options, front, "due", DUE)
        front.start()
        for place in places.values():
            http_load(place.port, place.file, count=options.ids)
        if "due" in places:
            places["due"].pause()
        fastest = http_load(places["usual"].port, places["usual"].file, 2)["per_second"]
        cases = arranged(chosen, places)
        rates = {share: options.rate or int(fastest * share) for share in dict.fromkeys(kind.share for kind, _ in cases)}
        say(f"http_load reaches {fastest:,.0f}/s; the rates are {', '.join(f'{rate:,}/s' for rate in rates.values())}")
        rounds = {kind: [] for kind, _ in cases}
        for number in range(options.rounds):
            for kind, place in cases:
                say(f"round {number + 1} of {options.rounds}: {kind.label}")
                rounds[kind].append(measured(place, kind(place), number, rates[kind.share]))
        print_isolation(rounds, rates, options)
        if "due" in places:
            places["due"].resume()  # what is stopped cannot end
        return {"fastest": fastest, "rates": list(rates.values()), "rounds": {kind.__name__: got for kind, got in rounds.items()}}


def arranged(chosen, places):
    """The troubles and where each is made, those at one rate together and after nothing else at that rate."""
    cases = []
    for share, alone in ((Trouble.share, Trouble), (Quarter.share, Quarter)):
        kinds = [kind for kind in chosen.values() if kind.share == share]
        cases += [(kind, places["due" if kind is Purge else "usual"]) for kind in ([alone] + kinds if kinds else [])]
    return cases


def print_isolation(rounds, rates, options):
    rows, base = [], {}
    for kind, all_rounds in rounds.items():
        rate = f"{rates[kind.share]:,}"
        got = [one for one in all_rounds if not one.get("skipped")]
        if not got:
            rows.append([kind.label, rate, *[None] * 6, all_rounds[-1]["came_to"]])
            continue
        p99 = median([one["latency"]["p99"] for one in got])
        alone = base.setdefault(kind.share, p99)
        bad = sum(one["broken"] + one["sent"] - one["statuses"]["2xx"] for one in got)
        rows.append([kind.label, rate, median([one["latency"]["p50"] for one in got]), p99,
                     "" if kind.label == Trouble.label else f"{p99 / alone:.2f} × / {(p99 - alone) / 1000:+.2f} ms",
                     *(median([one["latency"][key] for one in got]) for key in ("p99.9", "max")), bad, got[-1]["came_to"]])
    show(f"Isolation: hits at fixed rates, medians of {options.rounds} rounds of {options.seconds} s",
         ["beside", "hits/s", "p50 µs", "p99 µs", "p99 to alone", "p99.9 µs", "max µs", "not 2xx", "last round"], rows,
         f"Latency counts from the instant at which a request was due. {options.ids:,} records in turn, from the store. "
         "The lower rate is for troubles that need a processor themselves.")
