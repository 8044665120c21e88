"""What the machine itself is late by: a line is written to a file beside the program's own logs, twenty times a second, and each that comes late is
noted. What a hit waited for that is not the program's doing."""

import threading
import time

EVERY = 0.05
#: What is less is noise.
LATE = 0.2


class Pulse:
    def __init__(self, path):
        self._path, self._lock = path, threading.Lock()
        self._beat, self._gaps = time.monotonic(), []

    def run(self, stop):
        self._beat = time.monotonic()
        with open(self._path, "wb", buffering=0) as file:
            while not stop.wait(EVERY):
                file.write(b"beat\n")
                if file.tell() > 1 << 20:
                    file.seek(0)
                    file.truncate()
                self._note(time.monotonic())

    def _note(self, now):
        with self._lock:
            if now - self._beat > EVERY + LATE:
                self._gaps.append((self._beat, now))
            self._beat = now

    def stood(self, begin, end):
        """Of the time between two instants, the seconds that no beat came in."""
        with self._lock:
            gaps = [*self._gaps, *([(self._beat, end)] if end - self._beat > EVERY + LATE else [])]
        return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in gaps)

    def worst(self):
        """The longest time without a beat, in seconds, and how many there were that were late."""
        with self._lock:
            return max((last - first for first, last in self._gaps), default=0.0), len(self._gaps)
