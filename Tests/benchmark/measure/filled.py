"""Filled hits beside plain ones: one account in development mode, one data folder, two programs on it. One fills in what development mode
removed, the other does not."""

from harness import http
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import say
from .contenders import responder, start_store
from .front import Front
from .load import http_load, paths_file, wrk
from .processor import family, total_cpu
from .table import median, show

#: What is asked for, by the bytes of its plain answer, roughly: its kind and how many things are in it.
THINGS = {"2 KB": ("track", -1, 1000), "8 KB": ("album", 7, 11), "32 KB": ("playlist", 8, 12), "64 KB": ("playlist", 18, 24)}


class Pair:
    """One request, for both programs."""

    def __init__(self, label, paths, ports, pids, size=None, tier="memory"):
        self.label, self.paths, self.ports, self.pids, self.size, self.tier = label, paths, ports, pids, size, tier
        self.rounds = {"plain": [], "filled": []}

    def measure(self, options, first):
        """`first`: which of the two is asked first, in turn from round to round."""
        for form in sorted(self.rounds, reverse=first == "plain"):
            before = total_cpu(self.pids[form]())
            got = wrk(self.ports[form], self.paths, options.seconds, options.connections, options.threads)
            got["processor"] = (total_cpu(self.pids[form]()) - before) / max(1, got["answered"]) * 1e6
            if got["failed"] or got["bad_status"]:
                say(f"{self.label}, {form}: {got['failed']} failed, {got['bad_status']} bad answers")
            self.rounds[form].append(got)

    def row(self):
        rate = {form: median([one["per_second"] for one in got]) for form, got in self.rounds.items()}
        spent = {form: median([one["processor"] for one in got]) for form, got in self.rounds.items()}
        # Of each round's own two measurements: a slow minute of the machine meets both.
        ratio = median([filled["per_second"] / plain["per_second"] for plain, filled in zip(self.rounds["plain"], self.rounds["filled"])])
        return [self.label, *(self.size or ["", ""]), rate["plain"], rate["filled"], ratio, spent["plain"], spent["filled"]]


def run(options):
    with Sandbox("filled") as sandbox:
        # Of a user who signed in: the items of a playlist are for its owner.
        standin = StandIn(sandbox, "--user", "user7", mode="development").start()
        folder = sandbox.directory("data")
        records.fetch_known(sandbox, options.program, standin, folder)
        records.fill(folder, options.ids)
        store, front, pairs = start_store(sandbox), Front(sandbox), []
        programs = {}
        for place, more in [("tiered", store), ("alone", None)]:
            for form, switch in [("plain", "off"), ("filled", "on")]:
                program = responder(sandbox, options, standin, folder, f"{place}-{form}", more, SPOTIFY_FILL_REMOVED_FIELDS=switch,
                                    SPOTIFY_MIN_INTERVAL="20ms", SPOTIFY_CALLS_PER_HOUR="100000").start()
                front.add_fastcgi(f"{place}_{form}", program.address)
                programs[place, form] = program
        front.start()

        def both(place):
            ports = {form: front.ports[f"{place}_{form}"] for form in ("plain", "filled")}
            return ports, {form: lambda form=form: family(programs[place, form].pid) for form in ("plain", "filled")}
        for label, (kind, more_than, at_most) in THINGS.items():
            name = standin.ids(kind, 1, more_than, "filled", at_most)[0]
            path = f"/spotify/v1/{kind}s/{name}"
            ports, pids = both("alone")
            answers = [http.request(ports[form], "GET", path) for form in ("plain", "filled")]
            if [answer.status for answer in answers] != [200, 200]:
                raise RuntimeError(f"{path}: {answers}")
            pairs.append(Pair(f"{kind}, {label}", paths_file(sandbox, label.replace(" ", ""), [path]), ports, pids, [len(answer.body) for answer in answers]))
        many = paths_file(sandbox, "many", records.copies(options.ids, options.ids))
        for place, tier in [("tiered", "dragonfly"), ("alone", "sqlite")]:
            ports, pids = both(place)
            for port in ports.values():
                http_load(port, many, count=options.ids)
            answers = [http.request(ports[form], "GET", records.path_of(records.copy_id(1))) for form in ("plain", "filled")]
            pairs.append(Pair(f"{options.ids:,} tracks, {tier}", many, ports, pids, [len(answer.body) for answer in answers], tier))
        for number in range(options.rounds):
            for pair in pairs:
                say(f"round {number + 1} of {options.rounds}: {pair.label}")
                pair.measure(options, ("plain", "filled")[number % 2])
        show(f"Filled hits beside plain ones: medians of {options.rounds} rounds",
             ["hit", "bytes plain", "bytes filled", "plain req/s", "filled req/s", "filled to plain", "µs plain", "µs filled"],
             [pair.row() for pair in pairs],
             f"wrk -t{options.threads} -c{options.connections} -d{options.seconds}s, one after the other in each round; {options.workers} processes of "
             f"{options.responder_threads} threads each. One thing is asked over and over, from memory; tracks in turn, from the tier named. "
             "Filled to plain: the median of the rounds' own ratios. µs: processor time a request, of the responder.")
        return {pair.label: {"size": pair.size, "rounds": pair.rounds} for pair in pairs}
