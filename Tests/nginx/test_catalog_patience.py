"""What a caller may ask of our patience (RFC 7240), and what it is told."""

import pytest

from harness.house import assert_plain_error, assert_spotify_error, cache_status, retry_after, track
from harness.standin import spotify_id
from harness.waiting import eventually


@pytest.fixture(scope="module")
def house(open_house):
    """Spotify takes two seconds for an answer."""
    house = open_house("patience", workers=2)
    house.standin.control("settings", {"latency_ms": 2000})
    return house


def test_wait_bounds_the_wait_and_the_lookup_goes_on(house):
    path = track("wait")
    first = house.get(path, {"Prefer": "wait=1"})
    assert_spotify_error(first, 429)
    assert 0.9 <= first.seconds < 1.8 and retry_after(first) <= 6
    eventually(lambda: (got := house.get(path, {"Prefer": "wait=0"})).status == 200 and "hit" in cache_status(got), 5, what="the retry is a hit")
    assert len(house.standin.calls(spotify_id("wait"))) == 1


def test_no_wait_is_answered_at_once(house):
    answer = house.get(track("no-wait"), {"Prefer": "wait=0"})
    assert_spotify_error(answer, 429)
    assert answer.seconds < 0.7 and retry_after(answer) <= 6
    assert house.standin.await_call(spotify_id("no-wait"))


def test_wait_never_lengthens_what_the_settings_allow(new_house):
    house = new_house("wait-most", workers=1, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    house.standin.fail({"behaviour": "hang"})
    answer = house.get(track("wait-most"), {"Prefer": "wait=20"})
    assert_spotify_error(answer, 429)
    assert answer.seconds < 2


@pytest.mark.parametrize("preference", ["respond-async", "Respond-Async", "respond-async, wait=20", "return=minimal, respond-async"])
def test_respond_async_is_202_and_the_lookup_is_queued(house, preference):
    seed = f"async-{preference}"
    answer = house.get(track(seed), {"Prefer": preference})
    assert answer.status == 202 and answer.seconds < 1, answer
    assert retry_after(answer) <= 10 and "respond-async" in answer.headers["preference-applied"]
    assert "no-store" in answer.headers["cache-control"] and "etag" not in answer.headers
    eventually(lambda: house.get(track(seed), {"Prefer": preference}).status == 200, 10, every=0.1, what="the answer")
    assert len(house.standin.calls(spotify_id(seed))) == 1


def test_respond_async_does_not_touch_hits_and_errors(house):
    path = track("async-known")
    assert house.get(path).status == 200
    hit = house.get(path, {"Prefer": "respond-async"})
    assert hit.status == 200 and "hit" in cache_status(hit)
    assert_spotify_error(house.get("/spotify/v1/tracks/short", {"Prefer": "respond-async"}), 400)


def test_the_web_clients_routes_know_patience_too(house):
    name = spotify_id("items-async")
    assert house.get(f"/api/catalog/track/{name}", {"Prefer": "respond-async"}).status == 202
    assert_plain_error(house.get(f"/api/catalog/track/{spotify_id('items-wait')}", {"Prefer": "wait=0"}), 503)
    eventually(lambda: house.get(f"/api/catalog/track/{name}", {"Prefer": "wait=0"}).status == 200, 10, every=0.1, what="the answer")


@pytest.mark.parametrize("preference", ["", "wait", "wait=", "wait=x", "wait=-1", "wait=1.5", "nonsense", ",;=,", "wait=99999999999999999999", "x" * 4000])
def test_a_preference_that_is_none_is_ignored(house, preference):
    path = track("known-preference")
    assert house.get(path).status == 200
    assert house.get(path, {"Prefer": preference}).status == 200


def test_the_wait_that_is_told_is_the_queues(new_house):
    house = new_house("honest", workers=2, SPOTIFY_MIN_INTERVAL="500ms")
    for n in range(20):
        answer = house.get(track(f"honest-{n}"), {"Prefer": "respond-async"})
        assert answer.status == 202
    told = retry_after(answer)
    assert 7 <= told <= 12, "twenty lookups at two a second"
    eventually(lambda: house.get(track("honest-19"), {"Prefer": "wait=0"}).status == 200, told + 1, every=0.1,
               what="the last one's answer comes by the time that was told")
