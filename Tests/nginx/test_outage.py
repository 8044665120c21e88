"""Spotify is down, unreachable or talks nonsense: what is known is answered, what is not is refused honestly."""

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.standin import spotify_id
from harness.waiting import eventually

WAIT = 3.0


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("outage", SWINGMUSIC_FCGI_MISS_WAIT="3s", SPOTIFY_TIMEOUT="2s")
    house.known = house.fill(5)
    return house


def assert_known_at_once(house):
    for path in house.known:
        answer = house.get(path)
        assert answer.status == 200 and answer.seconds < 0.25, answer


def assert_refused_honestly(answers):
    for answer in answers:
        assert_spotify_error(answer, 502, 504, 429)
        retry_after(answer)
        assert answer.seconds < WAIT + 1


def recovers(house, path):
    eventually(lambda: house.get(path).status == 200, 20, every=0.2, what="the lookup succeeds after the outage")


@pytest.mark.parametrize("away, back", [("kill", "start"), ("freeze", "thaw")])
def test_known_ids_are_answered_and_unknown_ones_refused_within_the_wait(house, away, back):
    paths = [track(f"{away}-{n}") for n in range(4)]
    getattr(house.standin, away)()
    answers = house.at_once(paths)
    assert_refused_honestly(answers)
    assert_known_at_once(house)
    getattr(house.standin, back)()
    recovers(house, paths[0])


def test_known_ids_answer_and_unknown_ones_are_refused_when_spotify_answers_500(house):
    house.standin.fail({"behaviour": "status", "status": 500})
    assert_refused_honestly(house.at_once([track(f"500-{n}") for n in range(4)]))
    assert_known_at_once(house)
    house.standin.fail()
    recovers(house, track("500-0"))


def test_no_token_to_be_had_is_said(new_house):
    house = new_house("no-token", SWINGMUSIC_FCGI_MISS_WAIT="2s")
    house.standin.fail({"on": "token", "behaviour": "status", "status": 503})
    answers = house.at_once([track(f"no-token-{n}") for n in range(10)])
    for answer in answers:
        assert_spotify_error(answer, 503)
        retry_after(answer)
    assert house.standin.calls() == []
    assert len(house.standin.calls(on="token")) == 1, "a failed token request backs off for all workers"


@pytest.mark.parametrize("behaviour", [
    {"behaviour": "status", "status": 502}, {"behaviour": "reset"}, {"behaviour": "close"}, {"behaviour": "half_head"},
    {"behaviour": "garbage"}, {"behaviour": "truncate"}, {"behaviour": "chunked_cut"}, {"behaviour": "not_json"},
    {"behaviour": "bad_json"}, {"behaviour": "empty"}, {"behaviour": "huge"},
    {"behaviour": "redirect", "location": "http://127.0.0.1:1/"}, {"behaviour": "hang"},
], ids=lambda behaviour: behaviour["behaviour"])
def test_an_answer_that_is_none_is_never_stored(house, behaviour):
    name = spotify_id(str(behaviour))
    house.standin.fail({"path": name, "times": 1, **behaviour})
    first = house.get(track(str(behaviour)))
    if first.status != 200:
        assert_refused_honestly([first])
    recovers(house, track(str(behaviour)))
    final = house.get(track(str(behaviour)))
    assert final.status == 200 and final.json()["id"] == name
    assert len(house.standin.calls(name)) == 2
    house.standin.fail()


@pytest.mark.parametrize("behaviour", [
    {"behaviour": "delay", "ms": 500}, {"behaviour": "chunked"}, {"behaviour": "drip", "ms": 5, "bytes": 256},
    {"behaviour": "content_type", "type": "text/plain"}, {"behaviour": "close_after"},
], ids=lambda behaviour: behaviour["behaviour"])
def test_an_unusual_but_whole_answer_is_taken(house, behaviour):
    name = spotify_id(str(behaviour))
    house.standin.fail({"path": name, **behaviour})
    answer = house.get(track(str(behaviour)))
    assert answer.status == 200 and answer.json()["id"] == name
    assert len(house.standin.calls(name)) == 1
    house.standin.fail()


def test_a_kept_connection_that_spotify_closed_meanwhile_is_no_failure(house):
    house.fill(name="before-close")
    house.standin.control("close_idle")
    assert house.get(track("after-close")).status == 200
    assert len(house.standin.calls(spotify_id("after-close"))) == 1


def test_a_call_that_spotify_refuses_is_answered_as_spotify_says(house):
    name = spotify_id("forbidden")
    house.standin.fail({"path": name, "behaviour": "status", "status": 403, "message": "Forbidden by the stand-in"})
    assert_spotify_error(house.get(track("forbidden")), 403)
    house.standin.fail()
