"""What was found to be wrong, by rule; and the weather: which troubles are on now, and what they excuse."""

import collections
import contextlib
import sys
import threading
import time

#: Every rule, in the words of what must hold.
RULES = {
    "write-kept": "no acknowledged write is lost or undone",
    "ended-refused": "no ended session is accepted",
    "key-refused": "no revoked key is accepted",
    "good-accepted": "no good session or key is refused",
    "age-honest": "no record is older than it says",
    "own-record": "nobody's record is served under another's key",
    "pace": "no two calls are closer than the pace",
    "hour": "no hour is over budget",
    "cooldown": "no call is made in a cooldown",
    "once": "no lookup is fetched twice within its TTL",
    "hit-answered": "what is known is answered",
    "recovers": "when a fault is over, all is well again",
}

#: Findings of a rule that are kept; all are counted.
MOST = 20

#: Statuses that say that somebody on the way was away: 0 is a connection that ended.
AWAY = (0, 502, 504)


class Finding:
    def __init__(self, rule, text, at, faults):
        self.rule, self.text, self.at, self.faults = rule, text, at, faults

    def __str__(self):
        return f"{self.rule}: {self.text} ({self.at:.1f} s after the start, {'+'.join(self.faults) or 'no fault'})"


class Spell:
    """A span of time in which something is excused; it has no end yet while the trouble is on."""

    def __init__(self, excuses, begin):
        self.excuses, self.begin, self.end = frozenset(excuses), begin, None


class Judge:
    """Excuses are words. `links`: connections may end, and answers be 502 or 504. `hits`, `reads`, `writes`, `sessions`: those may be refused.
    `slow`: answers may take long. A rule's own name: the rule does not hold for what began meanwhile."""

    def __init__(self):
        self.begin = time.monotonic()
        self.findings, self.counts, self.faults = [], {}, ()
        self.broken = collections.Counter()
        self.latencies = []  # (began, seconds) of hits that were answered
        self._spells, self._lock = [], threading.Lock()

    def found(self, rule, text):
        assert rule in RULES, rule
        with self._lock:
            self.broken[rule] += 1
            # What is broken for good is found all the time.
            if self.broken[rule] <= MOST:
                self.findings.append(Finding(rule, text, time.monotonic() - self.begin, self.faults))
                print(f"FOUND {self.findings[-1]}", file=sys.stderr, flush=True)

    def count(self, kind):
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1

    @contextlib.contextmanager
    def excusing(self, excuses):
        spell = Spell(excuses, time.monotonic())
        with self._lock:
            self._spells.append(spell)
        try:
            yield spell
        finally:
            spell.end = time.monotonic()

    def excuse(self, excuse, begin, end, after=0.0):
        """Excuses what happened between two instants, and what `after` seconds later."""
        spell = Spell([excuse], begin)
        spell.end = end + after
        with self._lock:
            self._spells.append(spell)

    def excused(self, excuse, begin, end=None):
        """Whether a request that took from `begin` until `end` (now) met a trouble that excuses it."""
        end = time.monotonic() if end is None else end
        with self._lock:
            return any(excuse in spell.excuses and spell.begin <= end and (spell.end is None or spell.end >= begin) for spell in self._spells)

    def is_away(self, answer):
        """Whether nobody answered, and that is no wonder."""
        return answer.status in AWAY and self.excused("links", answer.started)

    def answered(self, answer):
        """A hit that was answered."""
        with self._lock:
            self.latencies.append((answer.started, answer.seconds))

    def worst(self, begin, end):
        """The longest that a hit took that was asked for between two instants, in seconds; None where none was."""
        with self._lock:
            return max((seconds for began, seconds in self.latencies if begin <= began <= end), default=None)
