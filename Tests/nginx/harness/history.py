"""A made-up `history.shared`: a month of samples in the form that Sources/Gateway/Status/StatusHistory.swift has."""

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
