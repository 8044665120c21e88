"""Hundreds of callers wait for a Spotify that hangs, and nobody else notices."""

import threading

from harness.house import assert_spotify_error, retry_after, track
from harness.http import Connection, percentile
from harness.process import event_threads
from harness.waiting import eventually

WAIT = 5.0


def latencies(port, path, count):
    """Seconds of `count` hits, one after another over one connection."""
    with Connection(port) as connection:
        answers = [connection.get(path) for _ in range(count)]
    assert {answer.status for answer in answers} == {200}
    return [answer.seconds for answer in answers]


def test_hits_are_as_fast_beside_500_parked_callers_who_get_their_429_at_their_deadline(new_house):
    house = new_house("parked", SWINGMUSIC_FCGI_MISS_WAIT="5s", SPOTIFY_TIMEOUT="20s")
    [known] = house.fill()
    latencies(house.port, known, 100)
    quiet = percentile(latencies(house.port, known, 500), 0.99)

    house.standin.fail({"behaviour": "hang"})
    parked = []
    thread = threading.Thread(target=lambda: parked.extend(
        house.at_once([track(f"parked-{n % 5}") for n in range(500)])))
    thread.start()
    eventually(lambda: len(house.standin.calls("tracks")) >= 2, 5, what="a lookup hangs")
    busy = latencies(house.port, known, 1000)
    threads = {pid: event_threads(pid) for pid in house.responder.worker_pids()}
    thread.join(30)
    house.standin.fail()

    assert percentile(busy, 0.99) < max(0.010, 3 * quiet), (quiet, percentile(busy, 0.5), percentile(busy, 0.99))
    assert set(threads.values()) == {(1, 3, 0)}, f"a caller holds an event thread: {threads}"
    assert len(parked) == 500
    for answer in parked:
        assert_spotify_error(answer, 429)
        retry_after(answer)
    on_time = [answer for answer in parked if WAIT - 0.1 <= answer.seconds <= WAIT + 1]
    assert len(on_time) == 500, sorted(answer.seconds for answer in parked)[::50]


def test_parked_callers_are_answered_the_moment_their_lookup_is_done(new_house):
    house = new_house("parked-done", SWINGMUSIC_FCGI_MISS_WAIT="20s")
    house.fill()
    house.standin.fail({"path": "tracks", "behaviour": "delay", "ms": 1500})
    answers = house.at_once([track("all-wait")] * 500)
    house.standin.fail()
    assert [answer.status for answer in answers] == [200] * 500
    assert max(answer.seconds for answer in answers) < 3.5
