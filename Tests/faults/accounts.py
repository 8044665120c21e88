"""Entries of the four caches: writers that keep books outside, and readers that compare."""

import random
import threading
import time

from harness.house import ADMIN
from harness.http import Connection

#: What a deletion in `spotify` means is another thing: such a record is served stale.
CACHES = ("session", "user", "temp", "spotify")
DONE = (200, 201, 204)


class Account:
    """A key with its one writer. `values[n]` is what the n-th write put there, None for a delete. A read may find what the last acknowledged
    write before it put there, or what a later one did that had begun."""

    def __init__(self, cache, key):
        self.cache, self.key, self.path = cache, key, f"/cache/{cache}/{key}"
        self.values, self.acknowledged, self.history = [None], 0, []
        self.lock = threading.Lock()

    def begin(self, value):
        with self.lock:
            self.values.append(value)
            return len(self.values) - 1

    def acknowledge(self, number):
        with self.lock:
            self.acknowledged = max(self.acknowledged, number)
            self.history.append((time.monotonic(), number))

    def allowed_since(self, first):
        with self.lock:
            # What a loss gave free while the read was under way may be seen by it.
            return self.values[min(first, self.acknowledged):]

    def rewind(self, instant):
        """All that was acknowledged after an instant may be gone."""
        with self.lock:
            self.acknowledged = max((number for at, number in self.history if at <= instant), default=0)
            self.history = [entry for entry in self.history if entry[0] <= instant]


class Accounts:
    def __init__(self, home, chance):
        self.home, self.judge, self.chance = home, home.judge, chance
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
                self.judge.count("delete" if deletes else "write")
                if answer.status in DONE or (deletes and answer.status == 404):
                    account.acknowledge(number)
                elif answer.status not in (429, 503):
                    # Nobody knows whether it was or will be carried out: nothing more is written there.
                    if not self.judge.is_away(answer):
                        self.judge.found("write-kept", f"a write to {account.path} was {answer!r}")
                    with self._lock:
                        self.open.remove(account)
                        self.closed = [*self.closed[-100:], account]
                    account = self.new(cache)
                elif not self.judge.excused("writes", answer.started):
                    self.judge.found("write-kept", f"a write to {account.path} was refused: {answer!r}")

    def read(self, seed, stop):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.3.{1 + seed % 200}") as connection:
            while not stop.wait(0.015):
                account = chance.choice(self.all() or [None])
                if account:
                    self.check(account, connection)

    def check(self, account, connection):
        first = account.acknowledged
        answer = connection.get(account.path, ADMIN)
        self.judge.count("read")
        if answer.status not in (200, 404):
            if not self.judge.is_away(answer) and not self.judge.excused("reads", answer.started):
                self.judge.found("hit-answered", f"{account.path}: {answer!r}")
            return
        value = answer.body if answer.status == 200 else None
        if value in account.allowed_since(first):
            return
        if value is not None and not value.startswith(account.key.encode() + b" "):
            self.judge.found("own-record", f"{account.path} holds {value[:60]!r}")
        # A loss that is told a moment later than it shows is none.
        elif not self.judge.excused("write-kept", answer.started):
            self.judge.found("write-kept", f"{account.path} holds {value and value[:60]!r} and not one of {account.allowed_since(first)[:3]!r}")
