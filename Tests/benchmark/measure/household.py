"""A household in simulated time, for three contenders that are asked the same: docs/household.md has the model and the tables."""

import collections
import os
import sqlite3
import subprocess
import time

from harness.http import percentile
from harness.responder import CLIENT_ID, CLIENT_SECRET
from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import REPOSITORY, listening
from .build import say
from .listening import DAY, HOUR, Household, identity
from .others import Answered, Upstream, direct, usual_cache
from .table import number, show

WEEK = 7 * DAY
PRODUCT = "household"


def add_settings(group):
    """The model's numbers, under the names that docs/household.md has."""
    for name, value in {**listening.SETTINGS, "latency": 0.15, "window": 50, "cache_processes": 2}.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, metavar="N")


class Figures:
    """What one contender gave: its answers, its calls as (instant, why, status, and of this program what for), and when `warm` was through."""

    def __init__(self, answers, calls, warmed=None, seconds=0.0):
        self.answers, self.calls, self.warmed, self.seconds, self.seen = answers, calls, warmed, seconds, None

    def between(self, begin, end):
        answers = [answer for answer in self.answers if begin <= answer.at < end]
        calls = [call for call in self.calls if begin <= call[0] < end]
        late = sorted(answer.stale for answer in answers if answer.stale is not None)
        counted = {why: sum(call[1] == why for call in calls) for why in ("waited for", "renewal", "warm")}
        return {"requests": len(answers), "calls": len(calls), **counted, "429": sum(call[2] == 429 for call in calls),
                "at once": sum(answer.waited == 0 for answer in answers) / max(1, len(answers)),
                "p50": percentile([answer.waited for answer in answers], 0.5), "p99": percentile([answer.waited for answer in answers], 0.99),
                "stale": len(late) / max(1, len(answers)), "late p50": percentile(late, 0.5) / 3600 if late else None,
                "late p99": percentile(late, 0.99) / 3600 if late else None}


    def spent(self, begin, end):
        """For each kind of thing: requests, those of them that waited, and calls by why they were made."""
        answers = [answer for answer in self.answers if begin <= answer.at < end]
        calls = [call[1:] for call in self.calls if begin <= call[0] < end]
        return {kind: {"requests": sum(answer.family == kind for answer in answers),
                       "waited": sum(answer.family == kind and answer.waited > 0 for answer in answers),
                       **{why: sum(call[0] == why and call[2] == kind for call in calls) for why in ("waited for", "renewal", "warm")}}
                for kind in sorted({answer.family for answer in answers} | {call[2] for call in calls})}


def simulation(options):
    """The executable that has the program's catalog in it."""
    if options.simulation:
        return options.simulation
    path = REPOSITORY / ".build/release" / PRODUCT
    if not os.access(path, os.X_OK):
        command = ["swift", "build", "-c", "release", "--product", PRODUCT]
        say(f"no release build yet: {' '.join(command)} (this takes minutes)")
        subprocess.run(command, cwd=REPOSITORY, check=True)
    return str(path)


def standin(sandbox, options):
    started = StandIn(sandbox, mode="development").start()
    started.control("settings", {"window": {"calls": options.window, "seconds": 30}})
    return started


def without_program(name, options, household, contender, *more):
    say(f"{name}: {len(household.requests):,} requests")
    with Sandbox("household") as sandbox:
        upstream, began = Upstream(standin(sandbox, options), options.latency), time.monotonic()
        return Figures(contender(household.requests, upstream, *more), upstream.calls, seconds=time.monotonic() - began)


def with_program(name, options, asked, seconds, warm=(), look=lambda database: None):
    """Figures of (instant, listener, path) that are `asked` in so many seconds; `warm` is fetched ahead. `look` at cache.db in the end."""
    say(f"{name}: {len(asked):,} requests")
    with Sandbox("household") as sandbox:
        upstream, began = standin(sandbox, options), time.monotonic()
        requests, library = sandbox.path("requests.txt"), sandbox.path("library.txt")
        requests.write_text("".join(f"{at} {listener} {path}\n" for at, listener, path in asked))
        library.write_text("\n".join(warm))
        # In memory: what is measured are calls, not this machine's disk.
        with Sandbox("household-data", "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp") as data:
            command = [simulation(options), upstream.url, CLIENT_ID, CLIENT_SECRET, data.directory("data"), requests, seconds, options.latency,
                       *([library] if warm else [])]
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
            figures = read(done.stdout, time.monotonic() - began)
            database = sqlite3.connect(f"file:{data.path('data', 'cache.db')}?mode=ro", uri=True)
            figures.seen = look(database)
            database.close()
        return figures


def renewing(options, albums=1000, tracks=12):
    """What it costs to renew the tracks of many albums: all are fetched, then asked for on two occasions; until 17 h all have fallen due once."""
    with Sandbox("renewing") as sandbox:
        names = StandIn(sandbox, mode="development").start().ids("album", albums, tracks - 1, "renewing", tracks)
    places = [listening.ids.read_canonical(name) for name in names]
    known = [[identity("track", *place[1:3], at) for at in range(tracks)] for place in places]
    warm = [line for name, own in zip(names, known) for line in (f"album/{name}", *(f"track/{id}" for id in own))]
    asked = [(round(hour * HOUR + at / 100, 2), 0, f"/v1/tracks/{id}") for hour in (5, 11.2) for at, id in enumerate(id for own in known for id in own)]
    end = 17 * HOUR

    def look(database):
        now = 1_800_000_000_000 + end * 1000
        return database.execute("SELECT count(*), sum(expires_at > ?) FROM entries WHERE key >= x'636174616c6f673a747261636b2f' AND "
                                "key < x'636174616c6f673a747261636b30'", [now]).fetchone()
    figures = with_program("renewing", options, asked, end, warm, look)
    calls = [call[1] for call in figures.calls]
    kept, fresh = figures.seen
    show(f"Renewing {albums * tracks:,} tracks of {albums:,} albums", ["tracks kept", "not due after 17 h", "renewal calls", "calls of `warm`", "its end, h"],
         [[f"{kept:,}", fresh, calls.count("renewal"), calls.count("warm"), figures.warmed and figures.warmed / 3600]])
    return {"kept": kept, "fresh": fresh, "renewals": calls.count("renewal"), "warm": calls.count("warm"), "warmed": figures.warmed}


def read(text, seconds):
    """What the simulation wrote: a line for each answer, each call and the end of `warm`."""
    answers, calls, warmed = [], [], None
    for line in text.splitlines():
        what, at, *rest = line.split(" ")
        if what == "answer":
            answers.append(Answered(float(at), float(rest[0]), None if rest[1] == "fresh" else float(rest[1]), rest[2]))
        elif what == "call":
            calls.append((float(at), rest[0].replace("-", " "), int(rest[1]), rest[2].replace("-", " ")))
        elif what == "warmed":
            warmed = float(at)
    return Figures(answers, calls, warmed, seconds)


def different(household):
    """Different things that are asked for in the first week, by kind: all, those that a listener asks for alone, and those that the library does not have."""
    known = {f"/v1/{name.replace('/', 's/', 1)}" for name in household.library.names()}
    together = collections.Counter((at, listener) for at, listener, _ in household.requests)
    seen, counts = set(), {}
    for at, listener, path in household.requests:
        if at >= WEEK or path in seen:
            continue
        seen.add(path)
        words = path.split("?")[0].split("/")[2:]
        count = counts.setdefault("/".join(words[:1] + words[2:]), [0, 0, 0])
        count[0] += 1
        count[1] += together[at, listener] == 1
        count[2] += path not in known
    return counts


def run(options):
    household = Household(**{name: getattr(options, name) for name in listening.SETTINGS})
    library = household.library
    counts = different(household)
    rows = [[kind, *of] for kind, of in sorted(counts.items())] + [["all", *map(sum, zip(*counts.values()))]]
    show("What is asked for in the first week, each once", ["", "different", "asked for alone", "not in the library"], rows)
    say(f"{len(library.albums):,} albums, {len(library.tracks):,} tracks, {len(library.artists):,} artists")
    figures = {"direct": without_program("direct", options, household, direct),
               "usual cache": without_program("usual cache", options, household, usual_cache, options.cache_processes),
               "this program, cold": with_program("this program, cold", options, household.requests, household.seconds),
               "this program, `warm`": with_program("this program, warm", options, household.requests, household.seconds, list(library.names()))}
    spans = {"The first week": (0, WEEK), "The first week after its first day": (DAY, WEEK)}
    if options.weeks > 1:
        spans["The second week"] = (WEEK, 2 * WEEK)
    result = {title: {name: one.between(*span) for name, one in figures.items()} for title, span in spans.items()}
    for title, of in result.items():
        print_table(title, of)
    spent = {name: one.spent(0, WEEK) for name, one in figures.items() if name.startswith("this program")}
    for name, of in spent.items():
        show(f"What the calls are spent on: {name.removeprefix('this program, ')}, the first week",
             ["", "requests", "that waited", "calls waited for", "renewals", "`warm`"], [[kind, *counts.values()] for kind, counts in of.items()])
    warmed = figures["this program, `warm`"].warmed
    print_held(result, warmed)
    say(", ".join(f"{name} {one.seconds:.0f} s" for name, one in figures.items()))
    return {"tables": result, "different": counts, "spent": spent, "warmed": warmed, "renewing": renewing(options), "seconds": {name: one.seconds for name, one in figures.items()}}


def print_table(title, of):
    def share(value):
        return f"{value:.1%}"
    rows = [[name, one["requests"], one["calls"], one["waited for"], one["renewal"], one["warm"], one["429"], share(one["at once"]), number(one["p50"], 2),
             number(one["p99"], 1), share(one["stale"]), one["late p50"], one["late p99"]] for name, one in of.items()]
    show(title, ["", "requests", "calls", "waited for", "renewals", "warm", "429", "at once", "waiting: p50 s", "p99 s", "stale", "by half of them h", "p99 h"],
         rows)


def print_held(result, warmed):
    """The figures that the promises are held against."""
    first, later = result["The first week"], result["The first week after its first day"]
    last = result.get("The second week", later)
    cold, warm = "this program, cold", "this program, `warm`"

    def fewer(of):
        return f"{1 - of[warm]['waited for'] / of['direct']['calls']:.1%}"
    rows = [["calls waited for with `warm`, fewer than direct", fewer(first), fewer(last)],
            ["all calls of the usual cache to those of the cold run", *(number(of["usual cache"]["calls"] / of[cold]["calls"], 2) for of in (first, last))],
            ["answered at once with `warm`, after the first day", f"{later[warm]['at once']:.1%}", f"{last[warm]['at once']:.1%}"],
            ["429 in all", *(str(of[cold]["429"] + of[warm]["429"]) for of in (first, last))]]
    show("Held against the promises", ["", "the first week", "the last week"], rows,
         f"`warm` was through after {warmed / 3600:.1f} h." if warmed else "`warm` was not through at the end.")
