"""limiter.db cannot be written: no call is made, what is known is answered, the rest says why."""

import os
import sqlite3

from harness.house import assert_spotify_error, track
from harness.waiting import eventually


def test_a_read_only_limiter_means_no_call_and_a_reason(new_house):
    house = new_house("read-only", SWINGMUSIC_FCGI_MISS_WAIT="2s")
    known = house.fill(3)
    house.responder.stop()
    calls = house.standin.last_number()
    limiter = house.sandbox.path("data", "limiter.db")
    limiter.chmod(0o444)
    # root writes whatever the mode says, unless it gives that up.
    humble = ["setpriv", "--bounding-set=-dac_override", "--"] if os.geteuid() == 0 else []
    house.responder.start(command=[*humble, house.responder.program, "serve"])

    for path in known:
        answer = house.get(path)
        assert answer.status == 200 and answer.seconds < 0.25
    answers = house.at_once([track(f"unwritable-{n}") for n in range(10)])
    for answer in answers:
        message = assert_spotify_error(answer, 503)
        assert "limiter" in message.lower(), message
        assert "retry-after" in answer.headers
    assert house.standin.calls(since=calls, on="all") == [], "not even for a token"
    assert "limiter.db" in house.responder.log()


def test_a_limiter_that_another_process_keeps_locked_means_no_call_until_it_is_free(new_house):
    house = new_house("locked", SWINGMUSIC_FCGI_MISS_WAIT="2s")
    known = house.fill(3)
    calls = house.standin.last_number()
    holder = sqlite3.connect(house.sandbox.path("data", "limiter.db"), timeout=10, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    paths = [track(f"locked-{n}") for n in range(10)]
    for answer in house.at_once(paths):
        assert_spotify_error(answer, 503, 429)
        assert answer.seconds < 4
    for path in known:
        answer = house.get(path)
        assert answer.status == 200 and answer.seconds < 0.25
    assert house.standin.calls(since=calls) == []
    holder.execute("ROLLBACK")
    holder.close()
    eventually(lambda: house.get(paths[0]).status == 200, 15, every=0.2, what="lookups go on once the lock is free")
