"""The faults, by where they strike. A fault is a generator over a home: up to its `yield` it does harm, after it it makes good."""

import contextlib
import importlib
from dataclasses import dataclass, field

PLACES = ("worker", "serve", "web", "store", "spotify", "files", "time", "swingmusic")

#: By name, in the order of the table.
FAULTS = {}


@dataclass
class Fault:
    name: str
    deed: object
    excuses: frozenset
    #: Of two faults that take one thing only one is on at a time.
    takes: frozenset
    #: The least and the most seconds for which it is on.
    lasts: tuple
    #: Whether it takes too long for the short form.
    long: bool = False
    needs: tuple = field(default=())

    def on(self, run):
        return contextlib.contextmanager(self.deed)(run)


def fault(name, excuses="", takes="", lasts=(0.3, 1.5), long=False, needs=""):
    """`excuses`: judge.Judge's words; `takes`: what it needs for itself; `needs`: what must be there (`disk`: a file system of its own)."""
    def keep(deed):
        FAULTS[name] = Fault(name, deed, frozenset(excuses.split()), frozenset(takes.split()), lasts, long, tuple(needs.split()))
        return deed
    return keep


def load():
    for place in PLACES:
        importlib.import_module(f"{__name__}.{place}")
    return FAULTS
