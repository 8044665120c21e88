"""Records of Spotify's: what is known is asked for all the time, what is not now and then; and a judge of the calls that are made for it."""

import bisect
import collections
import random
import re
import threading
import time
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs

from harness.http import Connection, at_once
from harness.standin import spotify_id

#: SPOTIFY_CACHE_TTL as the suite believes it to be, in seconds.
TTL = 12 * 3600
#: Seconds by which the clocks of a busy machine differ. A record's age is rounded up, and counted from when it was asked for.
SLACK = 0.5
#: Seconds that a lookup is waited for: with what else is asked for, and at the pace.
PATIENCE = 10
#: Seconds without calls after a 429 that does not say.
UNTOLD = 30.0
_AGE = re.compile(r"hit; ttl=(-?\d+)")
_REVISION = re.compile(r"\(revision (\d+)\)")


class Revisions:
    """Which revision of its world the stand-in told when: names end in its number, so a record says when it was fetched."""

    def __init__(self, home):
        self.home, self.begun = home, [time.monotonic()]

    def run(self, stop):
        while not stop.wait(1.0):
            # One that was not taken, as far as is known, has not begun.
            if self.home.bump(len(self.begun)):
                self.begun.append(time.monotonic())

    def fetched_between(self, body):
        """The instants between which it can have been fetched."""
        found = _REVISION.search(body.decode("utf-8", "replace"))
        revision = int(found[1]) if found else 0
        # A revision is there a moment before it is written down.
        return self.begun[revision - 1 if revision else 0], self.begun[revision + 1] if revision + 1 < len(self.begun) else time.monotonic()


class Records:
    def __init__(self, home):
        self.home, self.judge = home, home.judge
        self.revisions = Revisions(home)
        #: id: the instant at which it was first answered, since the last loss.
        self.known, self.names = {}, {}
        #: id: the instant at which it was first answered since it was last fetched, as far as that is known (CallJudge).
        self.answered = {}
        #: What was asked for during a fault, to be asked for again.
        self.struck = collections.deque(maxlen=100)
        self._lock, self._asked, self._urged, self._forgotten = threading.Lock(), 0, 0, 0.0

    def forget(self):
        """The records may be gone."""
        with self._lock:
            self._forgotten = time.monotonic()
            self.known.clear()
            self.answered.clear()

    def note(self, name, asked):
        """`asked`: when the answer was asked for that shows that it is known."""
        with self._lock:
            if asked > self._forgotten:
                self.known.setdefault(name, time.monotonic())
                self.answered.setdefault(name, time.monotonic())

    def some(self, chance):
        with self._lock:
            return chance.choice(list(self.known)) if self.known else None

    def fill(self, count):
        for number in range(count):
            name = spotify_id(f"known-{number}")
            for _ in range(100):
                answer = self.home.get(f"/spotify/v1/tracks/{name}", {"X-Fill": "yes", **self.home.ticket})  # what is sabotaged is so for hits
                if answer.status == 200:
                    break
                time.sleep(0.1)
            assert answer.status == 200, answer
            self.judge_record(name, answer)

    def hit(self, seed, stop):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.6.{1 + seed % 200}") as connection:
            while not stop.wait(0.01):
                name = self.some(chance)
                if name:
                    self.ask(name, connection)

    def ask(self, name, connection):
        known_since = self.known.get(name)
        ticket = self.home.ticket
        answer = connection.get(f"/spotify/v1/tracks/{name}", ticket)
        self.judge.count("hit", answer.status == 200)
        self.judge.timely_hit(name, answer)
        if answer.status == 200:
            self.judge.answered(answer)
            self.judge_record(name, answer)
        elif answer.status in (401, 403, 503) and self.judge.excused("sessions", answer.started):
            if answer.status == 401:
                self.home.renew_ticket(ticket)
        elif known_since and self.known.get(name) == known_since and not self.judge.is_away(answer) \
                and not self.judge.excused("hits", answer.started):
            self.judge.found("hit-answered", f"{name}: {answer!r}")

    def look_up(self, seed, stop, every):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.7.{1 + seed % 200}") as connection:
            while not stop.wait(chance.uniform(0.5, 1.5) * every):
                if self.struck and chance.random() < 0.5:
                    self.ask_again(self.struck.popleft(), connection)
                else:
                    self.ask_new(connection)

    def new(self):
        """The id of something that nobody has asked for yet."""
        with self._lock:
            self._asked += 1
            return spotify_id(f"new-{self._asked}")

    def ask_new(self, connection, wait=PATIENCE, name=None):
        name, ticket = name or self.new(), self.home.ticket
        answer = connection.get(f"/spotify/v1/tracks/{name}", {"Prefer": f"wait={wait}", **ticket})
        self.judge.count("lookup", answer.status == 200)
        if answer.status == 401:
            self.home.renew_ticket(ticket)
        if not self.judge_lookup(name, answer, wait) and not self.judge.excused("lookups", answer.started):
            self.judge.found("looked-up", f"{name} was not looked up within {wait} s: {answer!r}", "refused")
        return answer

    def ask_again(self, name, connection):
        """What met a fault is known, refused for good, or has to wait; and if it is answered, with what it is."""
        answer = connection.get(f"/spotify/v1/tracks/{name}", {"Prefer": "wait=1", **self.home.ticket})
        self.judge.count("asked for again", answer.status == 200)
        self.judge_lookup(name, answer, 1)

    def urge(self, count=3):
        """Asks for some new things, so that there are calls; waits for none of them."""
        with self._lock:
            names = [spotify_id(f"urged-{self._urged + number}") for number in range(count)]
            self._urged += count

        def ask():
            headers = {"Prefer": "wait=1", **self.home.ticket}
            answers = at_once(self.home.port, [f"/spotify/v1/tracks/{name}" for name in names], headers=headers, source="127.0.10.1")
            for name, answer in zip(names, answers):
                self.judge.count("urged", answer.status == 200)
                self.judge_lookup(name, answer, 1)
            self.struck.extend(names)
        threading.Thread(target=ask, daemon=True).start()

    #: What a lookup may be answered with beside the record: that it has to be waited for, that there is no such thing, or that Spotify failed.
    WAITS, FAILED = (202, 429, 503), (403, 404, 410, 502, 504)

    def judge_lookup(self, name, answer, wait):
        """Whether it was answered, or there is a reason that it was not; whatever fails, some answers are never right."""
        self.judge.timely("a lookup", answer, wait)
        if answer.status == 200:
            self.judge_record(name, answer, "lookup")
            return True
        if self.judge.is_away(answer) or (answer.status in (401, 403, 503) and self.judge.excused("sessions", answer.started)):
            return True
        if answer.status in self.WAITS:
            if "retry-after" not in answer.headers:
                self.judge.found("looked-up", f"{name} is to be waited for, nobody says how long: {answer!r}", "no Retry-After")
        elif answer.status not in self.FAILED:
            self.judge.found("looked-up", f"{name} was answered so: {answer!r}", "strange")
        return False

    def judge_record(self, name, answer, at="hit"):
        body = answer.json()
        plain = _REVISION.sub("", body["name"]).strip()
        if body["id"] != name or body["uri"] != f"spotify:track:{name}" or self.names.setdefault(name, plain) != plain:
            self.judge.found("own-record", f"{name} was answered with {body['id']}, {body['name']}", at)
            return
        self.note(name, answer.started)
        ttl = _AGE.search(answer.cache_status)
        if not ttl or self.judge.excused("age-honest", answer.started):
            return
        # By the wall clock, wherever its hands stood meanwhile: records fall due by it.
        asked = answer.started, answer.started + answer.seconds
        says = asked[0] + min(self.home.ahead_between(*asked)) - (TTL - int(ttl[1]))
        fetched = self.revisions.fetched_between(answer.body)
        latest = fetched[1] + max(self.home.ahead_between(*fetched))
        if says > latest + SLACK:
            self.judge.found("age-honest", f"{name} is {says - latest:.1f} s older than it says")


def pause_of(call):
    """For how many seconds an answer keeps everybody from calling; None where it does not."""
    told = next((value for name, value in (call["headers"] or {}).items() if name.lower() == "retry-after"), "")
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(told).timestamp() - call["wall_ms"] / 1000
        except (TypeError, ValueError):
            seconds = 0.0
    if call["status"] == 429:
        return seconds if seconds > 0 else UNTOLD
    return seconds if (call["status"] or 0) >= 500 and seconds > 0 else None


def named_in(call):
    """The ids that a call asks for, alone or several at once."""
    several = parse_qs(call["query"]).get("ids")
    return several[0].split(",") if several else [call["path"].rpartition("/")[2]]


class CallJudge:
    """Looks at each call that arrives at the stand-in. `interval` in seconds, as the suite believes it to be."""

    #: A call may be this much nearer to the one before: between the kernel's stamp and the program's instant lies a system call.
    TOLERANCE = 0.02

    def __init__(self, home, records, interval):
        self.home, self.judge, self.records, self.interval = home, home.judge, records, interval
        self.calls, self._seen, self._fetched = [], 0, {}
        self._closed_until, self._refused_at = 0.0, None
        self.lock = threading.Lock()

    def run(self, stop):
        while not stop.wait(0.3):
            self.look()
        self.look()

    def look(self):
        with self.lock:
            for call in self.home.standin.calls(since=self._seen):
                self._seen = call["number"]
                self._judge(call)

    def _judge(self, call):
        at = call["monotonic_ns"] / 1e9
        # One whose answer takes long to make is written down after a later one.
        place = bisect.bisect(self.calls, at)
        self.calls.insert(place, at)
        self.judge.count("call")
        around = self.calls[max(0, place - 1):place + 2]
        for gap in (later - earlier for earlier, later in zip(around, around[1:])):
            if gap < self.interval - self.TOLERANCE and not self.judge.excused("pace", at - self.interval, at + self.interval):
                self.judge.found("pace", f"{gap:.3f} s between two calls, one of them {call}")
        # What left before the refusal was read may still arrive.
        if self._refused_at is not None and self._refused_at + 0.7 < at < self._closed_until - 0.1 and not self.judge.excused("cooldown", self._refused_at - 0.5, self._refused_at + 1):
            self.judge.found("cooldown", f"a call {at - self._refused_at:.2f} s after an answer that said {self._closed_until - self._refused_at:.0f} s")
        pause = pause_of(call)
        if pause:
            self._refused_at, self._closed_until = at, max(at + pause, self._closed_until if self._refused_at is not None else 0.0)
        for name in named_in(call):
            self._judge_fetch(name, at, call)

    def _judge_fetch(self, name, at, call):
        first, answered = self._fetched.get(name), self.records.answered.get(name)
        if first is not None and answered is not None and first < answered < at - 0.1 and not self.judge.excused("once", at - 0.5, at + 0.1):
            self.judge.found("once", f"{name} was fetched {at - first:.1f} s after the first time, and answered meanwhile")
        if call["status"] == 200 and call["behaviour"] is None:
            self._fetched[name] = at
            # Hits show it again at once.
            self.records.answered.pop(name, None)

    def forget_cooldown(self):
        self._refused_at = None

    def forget_fetched(self):
        """All may be fetched once more."""
        self.look()
        with self.lock:
            self._fetched.clear()
