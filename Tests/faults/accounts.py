"""Entries of the four caches: writers that keep books outside, and readers that compare."""

import random
import threading
import time

from harness import ledger
from harness.house import ADMIN
from harness.http import Connection

#: What a deletion in `spotify` means is another thing: such a record is served stale.
CACHES = ("session", "user", "temp", "spotify")
DONE = (200, 201, 204)


class Account(ledger.Account):
    """As a ledger's, with when each write was acknowledged: a fault may take some of them back."""

    def __init__(self, cache, key):
        super().__init__(cache, key)
        self.cache, self.history = cache, []
        #: Whether a wall clock that was set may have ended it for good.
        self.may_be_over = False

    def acknowledge(self, number):
        super().acknowledge(number)
        with self.lock:
            self.history.append((time.monotonic(), number))
            self.may_be_over = False

    def allowed_since(self, first):
        # What a loss gave free while the read was under way may be seen by it.
        return super().allowed_since(min(first, self.acknowledged))

    def note_clock(self, boot):
        """The wall clock is set, in a boot of the host that began then."""
        if self.is_older_than(boot):
            self.may_be_over = True

    def is_older_than(self, boot):
        """Whether nothing was acknowledged since the host started: what was written before goes by the wall clock, and may be over by one that is set."""
        with self.lock:
            return not any(at > boot for at, _ in self.history)

    def rewind(self, instant):
        """All that was acknowledged after an instant may be gone."""
        with self.lock:
            self.acknowledged = max((number for at, number in self.history if at <= instant), default=0)
            self.history = [entry for entry in self.history if entry[0] <= instant]


class Accounts:
    #: After which share of its writes an account is left.
    leaving = 0.1

    def __init__(self, home):
        self.home, self.judge = home, home.judge
        #: What is still written to, and what is only read any more: all of it, to the end of the run.
        self.open, self.closed = [], []
        self._made, self._lock = 0, threading.Lock()

    def new(self, cache):
        with self._lock:
            self._made += 1
            account = Account(cache, f"faults/{cache}/{self._made}")
            self.open.append(account)
            return account

    def all(self):
        with self._lock:
            return [*self.open, *self.closed]

    def note_clock(self):
        for account in self.all():
            account.note_clock(self.home.rebooted)

    def rewind(self, instant, caches=CACHES):
        """`instant` 0: everything may be gone."""
        for account in self.all():
            if account.cache in caches:
                account.rewind(instant)

    def write(self, cache, seed, stop):
        """One writer, until `stop`."""
        chance, account = random.Random(seed), self.new(cache)
        with Connection(self.home.port, timeout=30, source=f"127.0.2.{1 + seed % 200}") as connection:
            while not stop.wait(0.04):
                deletes = cache != "spotify" and chance.random() < 0.2
                value = None if deletes else b"%s #%d " % (account.key.encode(), len(account.values)) + b"x" * chance.choice([0, 30, 3000])
                number = account.begin(value)
                answer = connection.request("DELETE" if deletes else "PUT", account.path, ADMIN, value or b"")
                self.judge.timely("a write", answer)
                self.judge.count("delete" if deletes else "write", answer.status in DONE or answer.status == 404)
                if answer.status in DONE or (deletes and answer.status == 404):
                    account.acknowledge(number)
                    # What is left alone shows for good what a later write would hide.
                    if chance.random() < self.leaving:
                        account = self._leave(account)
                elif answer.status not in (429, 503):
                    # Nobody knows whether it was or will be carried out: nothing more is written there.
                    if not self.judge.is_away(answer):
                        self.judge.found("write-kept", f"a write to {account.path} was {answer!r}")
                    account = self._leave(account)
                elif not self.judge.excused("writes", answer.started):
                    self.judge.found("write-kept", f"a write to {account.path} was refused: {answer!r}")

    def _leave(self, account):
        """Another account of the same cache; this one is only read from now on."""
        with self._lock:
            self.open.remove(account)
            self.closed.append(account)
        return self.new(account.cache)

    def read(self, seed, stop):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.3.{1 + seed % 200}") as connection:
            while not stop.wait(0.015):
                # The latest are where a fault may show, and what is old is lost as badly.
                some = chance.choice([self.open, self.open, self.closed[-150:], self.closed])
                if some:
                    self.check(chance.choice(some), connection)

    def check(self, account, connection):
        first = account.acknowledged
        answer = connection.get(account.path, ADMIN)
        self.judge.timely("a read", answer)
        self.judge.count("read", answer.status in (200, 404))
        if answer.status not in (200, 404):
            if not self.judge.is_away(answer) and not self.judge.excused("reads", answer.started):
                self.judge.found("hit-answered", f"{account.path}: {answer!r}")
            return
        value = answer.body if answer.status == 200 else None
        if value in account.allowed_since(first) or (value is None and account.may_be_over):
            return
        if value is not None and not value.startswith(account.key.encode() + b" "):
            self.judge.found("own-record", f"{account.path} holds {value[:60]!r}")
        # A loss that is told a moment later than it shows is none.
        elif not self.judge.excused("write-kept", answer.started):
            self.judge.found("write-kept", f"{account.path} holds {value and value[:60]!r} and not one of {account.allowed_since(first)[:3]!r}")
