"""429: nobody calls until Spotify's time is over, whatever is restarted meanwhile."""

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.standin import spotify_id


def test_no_call_is_made_until_retry_after_is_over_also_after_a_restart(new_house):
    house = new_house("cooldown", SWINGMUSIC_FCGI_MISS_WAIT="1s")
    known = house.fill(2)
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 5, "times": 1})
    first = house.get(track("limited"))
    assert_spotify_error(first, 429)
    assert retry_after(first) <= 6
    [limited] = house.standin.calls(spotify_id("limited"))

    answers = house.at_once([track(f"limited-{n}") for n in range(20)])
    for answer in answers:
        assert_spotify_error(answer, 429)
        assert 2 <= retry_after(answer) <= 7
    assert [house.get(path).status for path in known] == [200, 200]
    house.responder.kill()
    house.responder.start(SWINGMUSIC_FCGI_MISS_WAIT="10s")
    assert house.get(track("limited")).status == 200
    following = house.standin.calls(since=limited["number"])[0]
    assert (following["monotonic_ns"] - limited["monotonic_ns"]) / 1e9 >= 5


@pytest.mark.parametrize("given", [{}, {"retry_after": 0}], ids=["missing", "zero"])
def test_without_a_usable_retry_after_it_is_thirty_seconds(new_house, given):
    house = new_house("cooldown-30", workers=2, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    house.standin.fail({"behaviour": "status", "status": 429, "times": 1, **given})
    answer = house.get(track("limited"))
    assert_spotify_error(answer, 429)
    assert 25 <= retry_after(answer) <= 32


def test_a_day_of_cooldown_is_said_and_kept(new_house):
    house = new_house("cooldown-day", workers=2, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 86400, "reason": "QUOTA_EXCEEDED", "times": 1})
    house.get(track("limited"))
    answer = house.get(track("another"))
    assert_spotify_error(answer, 429)
    assert retry_after(answer) <= 60, "a client sleeps as long as it is told, in the call"
    assert 86000 <= int(answer.headers["ratelimit-reset"]) <= 86500
    assert len(house.standin.calls()) == 1
