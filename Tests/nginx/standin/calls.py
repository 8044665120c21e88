"""The log of every call: in memory for /control/calls, and one JSON line each in a file."""
import collections
import json
import threading


class Calls:
    def __init__(self, path=None):
        self.lock = threading.Lock()
        self.kept = collections.deque(maxlen=200_000)
        self.file = open(path, "a", encoding="utf-8", buffering=1) if path else None
        self.count = 0

    def note(self, call):
        """Logs a call, a dict, under the next number."""
        with self.lock:
            self.count += 1
            call["number"] = self.count
            self.kept.append(call)
            if self.file:
                self.file.write(json.dumps(call) + "\n")

    def since(self, number, on):
        with self.lock:
            return [call for call in self.kept if call["number"] > number and on in ("all", call["on"])]

    def forget(self):
        """Empties the memory; numbers go on, the file keeps what it has."""
        with self.lock:
            self.kept.clear()
