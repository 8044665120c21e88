#!/usr/bin/env python3
"""Makes every call of every library before the stand-in Spotify in both modes and through the mirror, and writes the tables of docs/clients.md.

    table.py            rewrites the tables
    table.py --check    says whether they are what comes out, and fails when they are not
"""

import re
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

from harness.page import Page  # noqa: E402
from harness.sandbox import REPOSITORY  # noqa: E402
from stage import LIBRARIES, PROGRAMS, Stage  # noqa: E402

PAGE = Page(REPOSITORY / "docs/clients.md", "<!-- tables: Tests/clients/table.py -->\n", "<!-- end of tables -->\n")
WAYS = ("extended", "development", "mirror")
#: The libraries that are counted, and what stands on another environment.
SEVEN = ("spotipy", "tekore", "asyncspotify", "aiospotify", "async_spotify", "pyfy", "spotifyaio")
FURTHER = ("spotifywebapipython", "spotdl", "beets")
#: Calls are made at this pace; test_mirror_waiting.py is about the usual one.
PACE = {"SPOTIFY_MIN_INTERVAL": "5ms"}


class Outcome:
    """What came of a library's calls: `works[way]` is a set of names, `said[way][name]` why another did not."""

    def __init__(self, name, by_way):
        self.name = name
        self.title = by_way["mirror"]["library"]
        self.calls = [call["name"] for call in by_way["mirror"]["calls"]]
        self.works = {way: {call["name"] for call in by_way[way]["calls"] if call["works"]} for way in WAYS}
        self.said = {way: {call["name"]: call["said"] for call in by_way[way]["calls"]} for way in WAYS}

    def lost(self):
        """What works directly in development mode and not through the mirror, and why."""
        return {name: self.said["mirror"][name] for name in self.calls if name in self.works["development"] - self.works["mirror"]}


def measure(names=SEVEN + FURTHER):
    with Stage("clients", **PACE) as stage:
        def one(name):
            python = PROGRAMS if name in FURTHER else LIBRARIES
            return Outcome(name, {way: stage.ways[way].run(name, stage.things, python) for way in WAYS})
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(one, names))


def totals(outcomes):
    """[calls, works in extended mode, in development mode, through the mirror]"""
    return [sum(len(outcome.calls) for outcome in outcomes), *(sum(len(outcome.works[way]) for outcome in outcomes) for way in WAYS)]


def tables(outcomes):
    seven, further = ([outcome for outcome in outcomes if outcome.name in names] for names in (SEVEN, FURTHER))
    lines = ["| library | calls | extended mode | development mode | through the mirror |\n", "| --- | --- | --- | --- | --- |\n"]
    for outcome in seven:
        lines.append(row(outcome.title, *totals([outcome])))
    lines.append(row("these seven", *totals(seven)))
    for outcome in further:
        lines.append(row(outcome.title, *totals([outcome])))
    for outcome in outcomes:
        lines += ["\n", *details(outcome)]
    return "".join(lines)


def row(*cells):
    return "| " + " | ".join(map(str, cells)) + " |\n"


def details(outcome):
    """The calls of a library, by where they work."""
    by_pattern = {}
    for name in outcome.calls:
        by_pattern.setdefault(tuple(name in outcome.works[way] for way in WAYS), []).append(f"`{name}`")
    lines = [f"**{outcome.title}**\n"]
    for pattern in sorted(by_pattern, reverse=True, key=lambda found: (found[2], found)):
        text = f"{where(pattern)}: {', '.join(by_pattern[pattern])}"
        lines += ["\n", *(line + "\n" for line in wrapped(text))]
    return lines


def wrapped(text):
    """Lines that end between names, not within one."""
    whole = re.sub("`[^`]*`", lambda name: name[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in textwrap.wrap(whole, 150, break_long_words=False, break_on_hyphens=False)]


def where(pattern):
    extended, development, mirror = pattern
    if mirror:
        return "Works everywhere" if extended and development else (
            "Through the mirror and in extended mode" if extended else
            "Through the mirror and in development mode" if development else "Through the mirror alone")
    if development:
        return "LOST: in development mode, and not through the mirror"
    return "In extended mode alone" if extended else "Nowhere"


if __name__ == "__main__":
    PAGE.main(lambda: tables(measure()), __file__)
