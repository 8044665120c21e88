"""Whose turn it is: callers before renewals, no client before another's, and sixty calls an hour are sixty.

The hour is a real one here: the calls of the test's first seconds are the hour's, and what would be the sixty-first has to wait for
nearly an hour, which it is told. That the window then moves on, and that clocks may jump, is RateLimitingTests' with a clock of its own.
"""

import threading
import time

import pytest

from harness.house import assert_spotify_error, cache_status, retry_after, track
from harness.http import at_once
from harness.standin import spotify_id
from harness.waiting import eventually


def kinds(calls, known):
    """`renewal` or `caller` for each call, by the ids that were known before."""
    return ["renewal" if call["path"].rpartition("/")[2] in known else "caller" for call in calls]


def queue_renewals(house, count):
    """So many stale records whose renewals are queued; their ids."""
    paths = house.learn(count)
    known = {path.rpartition("/")[2] for path in paths}
    eventually(lambda: cache_status(house.get(paths[-1]))["ttl"] < 0, 5, what="the records are due")
    return paths, known


def test_with_a_hundred_renewals_queued_a_callers_miss_is_next(new_house):
    house = new_house("priority", workers=2, SPOTIFY_CACHE_TTL="1s")
    paths, known = queue_renewals(house, 100)
    house.responder.restart(SPOTIFY_MIN_INTERVAL="300ms")
    before = house.standin.last_number()
    assert {answer.status for answer in house.at_once(paths)} == {200}
    eventually(lambda: len(house.standin.calls(since=before)) >= 2, 10, what="renewals are under way")
    for n in range(5):
        asked = house.standin.last_number()
        answer = house.get(track(f"urgent-{n}"))
        assert answer.status == 200 and answer.seconds < 1.5
        calls = house.standin.calls(since=asked)
        place = [call["path"].rpartition("/")[2] for call in calls].index(spotify_id(f"urgent-{n}"))
        assert place <= 1, "next, but for a turn that was taken before"
    assert len(house.standin.calls(since=before)) < 100, "the renewals were still queued"


def test_one_clients_five_hundred_misses_do_not_starve_anothers_one(new_house):
    house = new_house("fairness", workers=2, SPOTIFY_MIN_INTERVAL="100ms", SWINGMUSIC_FCGI_MISS_WAIT="8s")
    greedy = []
    crowd = threading.Thread(target=lambda: greedy.extend(
        at_once(house.port, [track(f"greedy-{n}") for n in range(500)], source="127.0.0.2")))
    crowd.start()
    eventually(lambda: len(house.standin.calls()) >= 3, 10, what="the crowd is being served")
    asked = house.standin.last_number()
    with house.connection(source="127.0.0.3") as modest:
        for n in range(3):
            answer = modest.get(track(f"modest-{n}"))
            assert answer.status == 200 and answer.seconds < 2, answer
    crowd.join()
    served = [call["path"].rpartition("/")[2] for call in house.standin.calls(since=asked)]
    assert max(served.index(spotify_id(f"modest-{n}")) for n in range(3)) < 20
    assert {answer.status for answer in greedy} == {200, 429}
    refused = [answer for answer in greedy if answer.status == 429]
    for answer in refused:
        assert_spotify_error(answer, 429)
        retry_after(answer)
    # A quarter of the queue's thousand places; those served meanwhile come on top.
    assert sum(answer.seconds < 2 for answer in refused) >= 150


def test_two_clients_take_turns(new_house):
    house = new_house("turns", workers=2, SPOTIFY_MIN_INTERVAL="50ms")
    answers = {}

    def ask(source):
        answers[source] = at_once(house.port, [track(f"{source}-{n}") for n in range(30)], source=source)
    clients = ["127.0.0.4", "127.0.0.5"]
    threads = [threading.Thread(target=ask, args=(source,)) for source in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer.status == 200 for source in clients for answer in answers[source])
    owner = {spotify_id(f"{source}-{n}"): source for source in clients for n in range(30)}
    order = [owner[call["path"].rpartition("/")[2]] for call in house.standin.calls()]
    middle = order[10:50]
    assert 15 <= middle.count(clients[0]) <= 25, "neither waits for the other's whole list"


def test_sixty_calls_an_hour_are_sixty_and_callers_are_never_refused_for_renewals(new_house):
    house = new_house("budget", workers=2, SPOTIFY_CACHE_TTL="1s")
    paths, known = queue_renewals(house, 200)
    house.responder.stop()
    house.sandbox.path("data", "limiter.db").unlink()
    house.responder.start(SPOTIFY_CALLS_PER_HOUR="60", SPOTIFY_MIN_INTERVAL="50ms")
    house.close_batches()
    before = house.standin.last_number()
    assert {answer.status for answer in house.at_once(paths)} == {200}
    with house.connection() as connection:
        answered, refusal = steady_misses(house, connection, before)
        calls = house.standin.calls(since=before)
        made = kinds(calls, known)
        # A permit that came too late for its call on a busy machine is spent all the same.
        assert house.admin("GET", "/swingmusic-fcgi/status.json").json()["limiter"]["lastHour"]["calls"] == 60, "it was spent before anybody was refused"
        assert 50 < len(calls) <= 60
        assert answered == made.count("caller") >= 60 * 0.2, "callers got what renewals left, and that is a fifth at least"
        assert made.count("renewal") <= 60 * 0.8
        assert_spotify_error(refusal, 429)
        assert refusal.seconds < 1 and retry_after(refusal) <= 60 and 3400 <= int(refusal.headers["ratelimit-reset"]) <= 3720
        assert {answer.status for answer in house.at_once(paths)} == {200}, "known records answer on"
        hits_and_misses_for_a_while(house, connection, paths)
    house.responder.restart()
    assert_spotify_error(house.get(track("after-restart"), {"Prefer": "wait=1"}), 429)
    assert len(house.standin.calls(since=before)) == len(calls)


def steady_misses(house, connection, before):
    """One miss after another until one is refused: how many were answered, and the refusal."""
    for n in range(100):
        answer = connection.get(track(f"miss-{n}"))
        if answer.status != 200:
            return n, answer
        assert len(house.standin.calls(since=before)) <= 60
        time.sleep(0.1)
    pytest.fail("a hundred misses in an hour of sixty calls")


def hits_and_misses_for_a_while(house, connection, paths):
    """The sixty-first call does not come, whatever is asked."""
    end, n = time.monotonic() + 3, 0
    while time.monotonic() < end:
        n += 1
        assert connection.get(paths[n % 200]).status == 200
        assert connection.get(track(f"late-{n}"), {"Prefer": "wait=1"}).status == 429


def test_a_full_queue_of_renewals_keeps_nobody_out(new_house):
    house = new_house("full", workers=2, SPOTIFY_CACHE_TTL="1s")
    paths, known = queue_renewals(house, 100)
    house.responder.restart(SPOTIFY_MIN_INTERVAL="200ms", SWINGMUSIC_FCGI_QUEUE_LIMIT="40")
    assert {answer.status for answer in house.at_once(paths)} == {200}
    answers = house.at_once([track(f"let-in-{n}") for n in range(8)])
    assert [answer.status for answer in answers] == [200] * 8
    assert max(answer.seconds for answer in answers) < 8 * 0.2 + 3
