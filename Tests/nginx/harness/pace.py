"""The pace, measured at both ends: the grants in limiter.db and the calls' arrival at the stand-in Spotify."""

import sqlite3

#: A call leaves within this many seconds of its grant, so two calls may be that much closer than their grants.
LATENESS = 0.05
#: How much later than its grant allows a busy machine may send a call, in seconds. (Its arrival is the kernel's word, see standin/arrival.py.)
NOISE = 0.05


def grants(sandbox):
    """The instants of the last hour's grants, in seconds since boot."""
    limiter = sqlite3.connect(f"file:{sandbox.path('data', 'limiter.db')}?mode=ro", uri=True, timeout=10)
    try:
        return [instant / 1e9 for instant, in limiter.execute("SELECT instant FROM grants ORDER BY id")]
    finally:
        limiter.close()


def assert_pace(sandbox, standin, interval):
    """No two grants closer than the interval (seconds), no call without a grant, and arrivals that agree."""
    granted = grants(sandbox)
    steps = [later - earlier for earlier, later in zip(granted, granted[1:])]
    assert all(step >= interval - 1e-6 for step in steps), f"two grants {min(steps)} s apart"
    calls = sorted(call["monotonic_ns"] / 1e9 for call in standin.calls())
    for n, earlier in enumerate(calls):
        for intervals, later in enumerate(calls[n + 1:n + 6], 1):
            assert later - earlier >= intervals * interval - LATENESS - NOISE, (intervals, later - earlier)
    lost = len(granted) - len(calls)
    assert 0 <= lost <= 4 + len(calls) // 10, f"{len(granted)} grants, {len(calls)} calls"
