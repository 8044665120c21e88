"""A made-up `history.shared`: a month of samples in the form that Sources/Gateway/Status/StatusHistory.swift has."""

import contextlib
import fcntl
import os
import struct
import time

LAYOUT = 0x5347484953540001
SAMPLE, FIRST = 256, 4096
MINUTES, HOURS = 1500, 768
LENGTH = FIRST + (MINUTES + HOURS) * SAMPLE
SUMS = ("memory", "dragonfly", "sqlite", "stored", "collapsed", "unanswered", "failed", "answered", "calls", "waits", "waitMicroseconds",
        "timed", "timedMicroseconds")


def write(path, sample, now=None):
    """A sample for each minute of 25 hours and each hour of a month. `sample(second)`: the sums of `SUMS` by that second, then callsInWindow,
    budget, callMicroseconds, records, recordBytes, residentBytes, workers, coolingDown, queued, parked."""
    now = int(now or time.time())
    content = bytearray(LENGTH)
    struct.pack_into("<Q", content, 0, LAYOUT)
    for start, count, step in ((FIRST, MINUTES, 60), (FIRST + MINUTES * SAMPLE, HOURS, 3600)):
        for index in range(now // step - count + 1, now // step + 1):
            values = [max(0, int(value)) for value in sample(index * step)]
            assert len(values) == 23
            struct.pack_into("<24Q", content, start + index % count * SAMPLE, index + 1, *values)
    path.write_bytes(content)
    path.chmod(0o640)


def made_up(second):
    """A household: by day more than by night, a cooldown of a few hours, and a worker's memory."""
    hits, day = second // 10, second % 86400 / 86400
    return [hits, hits // 4, hits // 8, hits // 40, hits // 80, hits // 160, hits // 400, hits * 2, hits // 40, hits // 50, hits * 30_000, hits * 2, hits * 900,
            900 * day, 1000, 250_000, second // 1000 % 100_000, second // 10, 40e6 + 20e6 * day, 2, 0.5 < day < 0.6, 10 * day, 3]


@contextlib.contextmanager
def unwritten(path):
    """Whoever opens the history meanwhile does not write it: the right to is had here (fcntl(2), F_OFD_SETLK, on the writer's byte)."""
    with open(path, "r+b") as held:
        fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 16, 1, 0))
        yield
