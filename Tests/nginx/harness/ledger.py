"""A steady load of reads and writes, and a ledger that knows what each read may return."""

import random
import threading
import time

from .http import Connection


class Account:
    """One key with its one writer. `values[i]` is what the i-th write put there, None for a delete; a read that began
    when write `acknowledged` was answered may return that value or one of a later write that has begun."""

    def __init__(self, cache, key):
        self.path = f"/cache/{cache}/{key}"
        self.key = key
        self.values, self.acknowledged = [None], 0
        self.lock = threading.Lock()

    def begin(self, value):
        with self.lock:
            self.values.append(value)
            return len(self.values) - 1

    def acknowledge(self, number):
        with self.lock:
            self.acknowledged = max(self.acknowledged, number)

    def allowed_since(self, first):
        with self.lock:
            return self.values[first:]


class Ledger:
    """Writers and readers over `accounts`, each thread over its own connection, until `stop`.
    `troubles` are reads that returned what they may not; `entries` are all requests as
    (started, seconds, method, status, Cache-Status), in seconds of the monotonic clock."""

    def __init__(self, port, token, caches=("session", "user", "temp"), keys_per_cache=2, readers=4, pause=0.01):
        self.port, self.pause = port, pause
        self.headers = {"Authorization": f"Bearer {token}"}
        self.accounts = [Account(cache, f"ledger/{cache}/{n}") for cache in caches for n in range(keys_per_cache)]
        self.troubles, self.entries, self.failures = [], [], []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(one,), daemon=True) for one in self.accounts]
        self._threads += [threading.Thread(target=self._read, args=(n,), daemon=True) for n in range(readers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def run(self, seconds):
        """Lets the load go on for a while."""
        self._ended.wait(seconds)

    def _note(self, method, answer):
        self.entries.append((answer.started, answer.seconds, method, answer.status, answer.cache_status))

    def _write(self, account):
        chance = random.Random(account.path)
        with Connection(self.port) as connection:
            while not self._ended.wait(self.pause * 3):
                deletes = chance.random() < 0.2
                value = None if deletes else b"%s #%d" % (account.key.encode(), len(account.values))
                number = account.begin(value)
                if deletes:
                    answer = connection.request("DELETE", account.path, self.headers)
                else:
                    answer = connection.request("PUT", account.path, self.headers, value)
                self._note("DELETE" if deletes else "PUT", answer)
                if answer.status in (200, 201, 204) or (deletes and answer.status == 404):
                    account.acknowledge(number)
                else:
                    self.failures.append(("DELETE" if deletes else "PUT", answer))

    def _read(self, seed):
        chance = random.Random(seed)
        with Connection(self.port) as connection:
            while not self._ended.wait(self.pause):
                self.check(chance.choice(self.accounts), connection)

    def check(self, account, connection):
        """One read, judged."""
        first = account.acknowledged
        answer = connection.get(account.path, self.headers)
        self._note("GET", answer)
        if answer.status not in (200, 404):
            self.failures.append(("GET", answer))
            return
        value = answer.body if answer.status == 200 else None
        allowed = account.allowed_since(first)
        if value not in allowed:
            self.troubles.append((time.monotonic(), account.key, value, allowed[:3], answer.cache_status))

    def check_everything(self):
        """Reads each key once more over a connection of its own, after the load."""
        with Connection(self.port) as connection:
            for account in self.accounts:
                self.check(account, connection)

    def longest(self, since=0.0):
        """The slowest request that began after `since`."""
        return max((seconds for started, seconds, *_ in self.entries if started >= since), default=0.0)

    def first_read_from(self, tier, since):
        """When the first read that began after `since` and named `tier` was begun; None if there was none."""
        return next((started for started, _, method, _, status in list(self.entries)
                     if method == "GET" and started >= since and f"detail={tier}" in status), None)
