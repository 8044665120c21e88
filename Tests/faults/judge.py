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
    "looked-up": "what is not known is looked up",
    "in-time": "every request is answered, or ended, in time",
    "recovers": "when a fault is over, all is well again",
}

#: Findings of a rule that are kept from each place; all are counted.
MOST = 20

#: Seconds that a hit may take: where nothing is wrong, and whatever is.
PROMPT, LONGEST_HIT = 3.0, 8.0
#: Seconds after which anything else is stuck, beyond what it asked to wait and what a trouble held it up.
STUCK = 8.0

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
    """Excuses are words. `links`: connections may end, and answers be 502 or 504. `hits`, `reads`, `writes`, `sessions`, `lookups`: those may be
    refused. `slow`: answers may take as long as it lasts. A rule's own name: the rule does not hold for what began meanwhile."""

    def __init__(self):
        self.begin = time.monotonic()
        self.findings, self.faults = [], ()
        #: How often each kind of thing was asked for, and how often that was done.
        self.counts, self.done = collections.Counter(), collections.Counter()
        self.broken, self._places = collections.Counter(), collections.Counter()
        self.latencies = []  # (began, seconds) of hits that were answered
        self._spells, self._lock = [], threading.Lock()
        #: Of the time between two instants, the seconds in which the machine itself stood still (pulse.py).
        self.stood = lambda begin, end: 0.0

    def found(self, rule, text, at=""):
        """`at`: where, if what is found there is not to hide what is found elsewhere."""
        assert rule in RULES, rule
        with self._lock:
            self.broken[rule] += 1
            self._places[rule, at] += 1
            # What is broken for good is found all the time.
            if self._places[rule, at] <= MOST:
                self.findings.append(Finding(rule, text, time.monotonic() - self.begin, self.faults))
                print(f"FOUND {self.findings[-1]}", file=sys.stderr, flush=True)

    def places(self, rule):
        """Where it was found to be broken."""
        with self._lock:
            return {at for broken, at in self._places if broken == rule}

    def count(self, kind, done=True):
        with self._lock:
            self.counts[kind] += 1
            self.done[kind] += bool(done)

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

    def held_up(self, begin, end):
        """For how many seconds between two instants a trouble was on that holds answers up."""
        with self._lock:
            spells = [(max(begin, spell.begin), min(end, spell.end or end)) for spell in self._spells if spell.excuses & {"links", "slow"}]
        total, until = 0.0, begin
        for first, last in sorted(spells):
            total, until = total + max(0.0, last - max(first, until)), max(until, last)
        return total

    def timely(self, what, answer, wait=0.0):
        """Looks at how long an answer took, or its connection's end, where `wait` seconds were asked for."""
        span = answer.started, answer.started + answer.seconds
        allowed = wait + STUCK + self.held_up(*span) + self.stood(*span)
        if answer.seconds > allowed:
            self.found("in-time", f"{what} took {answer.seconds:.1f} s, {allowed:.1f} at most: {answer!r}", what)

    def timely_hit(self, what, answer):
        """The same of a hit, for which no trouble is a reason to wait as long as it lasts."""
        allowed = LONGEST_HIT if any(self.excused(word, answer.started) for word in ("slow", "links")) else PROMPT
        allowed += self.stood(answer.started, answer.started + answer.seconds)
        if answer.seconds > allowed:
            self.found("in-time", f"a hit of {what} took {answer.seconds:.1f} s, {allowed:.1f} at most: {answer!r}", "a hit")

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
