"""A rolling window of calls, as Spotify counts: whoever makes more of them in it is answered 429 until the oldest has left it."""
import collections
import math
import threading
import time


class Window:
    """`settings["window"]` is {"calls": most, "seconds": length}, or None: no end. Refused calls do not count."""

    def __init__(self, settings):
        self.settings, self.lock, self.instants = settings, threading.Lock(), collections.deque()

    def refusal(self, query):
        """The rule (failures.py) for a call over the window; {} for one within it, which is counted. A simulation says with `at` when it is."""
        window = self.settings["window"]
        if not window:
            return {}
        now = float(query["at"]) if "at" in query else time.monotonic()
        with self.lock:
            while self.instants and self.instants[0] <= now - window["seconds"]:
                self.instants.popleft()
            if len(self.instants) < window["calls"]:
                self.instants.append(now)
                return {}
            wait = self.instants[0] + window["seconds"] - now
        return {"behaviour": "status", "status": 429, "retry_after": max(1, math.ceil(wait))}

    def forget(self):
        with self.lock:
            self.instants.clear()
