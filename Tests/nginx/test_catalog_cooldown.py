"""429 at the third call: nobody calls again before Spotify's time is over, across four workers and a restart."""

import threading
import time

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.standin import gaps
from harness.waiting import eventually


def limit_at_third_call(house, **more):
    """Makes three calls, the third of which is answered 429; its entry in the stand-in's log."""
    house.standin.fail({"behaviour": "status", "status": 429, "nth": 3, **more})
    known = [track("known-0"), track("known-1")]
    assert [house.get(path).status for path in known] == [200, 200]
    refused = house.get(track("limited"), {"Prefer": "wait=1"})
    assert_spotify_error(refused, 429)
    house.known = known
    [limited] = [call for call in house.standin.calls() if call["status"] == 429]
    return limited, refused


def ask_everywhere(house, seconds, seed):
    """Misses and hits for a while, from several connections; known records must be answered, others honestly refused."""
    troubles, end = [], time.monotonic() + seconds

    def ask(thread):
        number = 0
        with house.connection() as connection:
            while time.monotonic() < end:
                number += 1
                hit = connection.get(house.known[number % 2])
                miss = connection.get(track(f"{seed}-{thread}-{number}"), {"Prefer": "wait=0"})
                if hit.status != 200 or miss.status != 429 or int(miss.headers.get("retry-after", 0)) < 1:
                    troubles.append((hit, miss))
                time.sleep(0.1)
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []


def test_thirty_seconds_without_a_call_across_four_workers_and_a_restart(new_house):
    house = new_house("thirty")
    limited, refused = limit_at_third_call(house, retry_after=30)
    assert 28 <= retry_after(refused) <= 31
    ask_everywhere(house, 4, "before")
    assert len(house.responder.worker_pids()) == 4
    house.responder.kill()
    house.responder.start()
    ask_everywhere(house, 4, "after")
    again = house.get(track("limited"), {"Prefer": "wait=0"})
    left = 30 - (time.monotonic() - limited["monotonic_ns"] / 1e9)
    assert left - 1 <= retry_after(again) <= left + 3, "to the end of the cooldown"
    assert len(house.standin.calls()) == 3
    eventually(lambda: len(house.standin.calls()) > 3, 60, every=0.2, what="calls go on after the cooldown")
    following = house.standin.calls(since=limited["number"])[0]
    assert (following["monotonic_ns"] - limited["monotonic_ns"]) / 1e9 >= 30
    assert house.get(track("limited")).status == 200


def test_a_later_shorter_answer_never_shortens_it(new_house):
    house = new_house("shorter", SWINGMUSIC_FCGI_MISS_WAIT="20s", SPOTIFY_MIN_INTERVAL="10ms")
    # Two calls on their way at once: the second says 1 s while the first one's 4 s last.
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 4, "nth": 1},
                       {"behaviour": "status", "status": 429, "retry_after": 1, "nth": 2})
    house.standin.control("settings", {"latency_ms": 100})
    answers = house.at_once([track(f"shorter-{n}") for n in range(6)])
    assert [answer.status for answer in answers] == [200] * 6
    assert max(gaps(house.standin.calls())) >= 4


@pytest.mark.parametrize("given", [{}, {"retry_after": 0}], ids=["absent", "zero"])
def test_without_a_usable_retry_after_it_backs_off_by_itself(new_house, given):
    house = new_house("by-itself")
    _, refused = limit_at_third_call(house, **given)
    assert 25 <= retry_after(refused) <= 32
    ask_everywhere(house, 2, "meanwhile")
    assert len(house.standin.calls()) == 3


def test_a_spent_quota_is_told_apart_in_the_log(new_house):
    house = new_house("quota", workers=2)
    limit_at_third_call(house, retry_after=3600, reason="QUOTA_EXCEEDED")
    assert "quota" in house.responder.log().lower()
    other = new_house("no-quota", workers=2)
    limit_at_third_call(other, retry_after=3600)
    assert "quota is spent" not in other.responder.log().lower()
