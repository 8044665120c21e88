"""Stale beats missing: what falls due is served at once and renewed behind it, and what Spotify forgot is kept."""

import json

import pytest

from harness.flood import Flood
from harness.house import assert_spotify_error, cache_status, retry_after, track
from harness.standin import spotify_id
from harness.waiting import eventually

#: What can go wrong with one call while the next may go well.
FAILURES = [
    {"behaviour": "status", "status": 500},
    {"behaviour": "status", "status": 503},
    {"behaviour": "hang"},
    {"behaviour": "reset"},
    {"behaviour": "half_head"},
    {"behaviour": "truncate"},
    {"behaviour": "chunked_cut"},
    {"behaviour": "not_json"},
    {"behaviour": "bad_json"},
    {"behaviour": "huge"},
]


def name_of(path):
    return path.rpartition("/")[2]


def is_stale(answer):
    return answer.status == 200 and cache_status(answer).get("ttl", 0) < 0


def test_the_first_answer_after_the_ttl_is_the_old_one_at_once_and_a_later_one_the_new(new_house):
    house = new_house("ttl", SPOTIFY_CACHE_TTL="2s")
    path = track("changing")
    before = house.get(path)
    assert cache_status(before)["fwd"] == "miss"
    house.standin.control("revision")
    # An answer that is late by a second shows that nobody waited for it.
    house.standin.fail({"behaviour": "delay", "ms": 1000})
    fresh = house.get(path)
    assert fresh.body == before.body and cache_status(fresh)["ttl"] >= 0
    stale = eventually(lambda: (got := house.get(path)) and cache_status(got)["ttl"] < 0 and got, 4, what="the TTL is over")
    assert stale.body == before.body and stale.seconds < 0.5
    assert cache_status(stale)["ttl"] <= 0
    after = eventually(lambda: (got := house.get(path)).body != before.body and got, 10, what="the new answer")
    assert after.json()["name"] == before.json()["name"] + " (revision 1)"
    assert after.headers["etag"] != before.headers["etag"]
    assert len(house.standin.calls(spotify_id("changing"))) >= 2


def test_an_answer_that_took_its_time_is_told_to_be_as_old(new_house):
    house = new_house("took-its-time")
    house.standin.fail({"behaviour": "delay", "ms": 2500})
    for path in (track("took-its-time"), "/spotify/v1/search?q=took-its-time&type=track"):
        assert house.get(path).status == 200
        ttl, whole = cache_status(house.get(path))["ttl"], 3600 if "search" in path else 12 * 3600
        assert whole - 60 < ttl <= whole - 3, (path, ttl)


def flooded_while_failing(house, known, rules):
    """10,000 requests while the renewals fail; every one is answered 200 with what was known before."""
    house.standin.fail(*rules)
    house.standin.control("revision")
    before = house.standin.last_number()
    eventually(lambda: is_stale(house.get(known[-1])), 5, what="the records are due")
    flood = Flood(house.port, known, 10_000)
    assert flood.troubles == [] and flood.statuses == {200: 10_000}
    eventually(lambda: house.get(known[0]) and house.standin.calls(since=before), what="renewals")
    assert all(len(flood.bodies[path]) == 1 and b"revision 1" not in min(flood.bodies[path]) for path in known)
    return before


def test_ten_thousand_requests_for_a_hundred_known_records_answer_200_while_upstream_fails_in_every_way(new_house):
    """A tenth of the records fails in each way, all at the same time."""
    house = new_house("failing", workers=2, SPOTIFY_CACHE_TTL="1s", SPOTIFY_TIMEOUT="1s")
    known = house.learn(100)
    rules = [{**rule, "path": "|".join(name_of(known[n]) for n in range(at, 100, len(FAILURES)))}
             for at, rule in enumerate(FAILURES)]
    before = flooded_while_failing(house, known, rules)
    wanted = {(rule["behaviour"], rule.get("status")) for rule in FAILURES if rule["behaviour"] == "status"} | {
        (rule["behaviour"], None) for rule in FAILURES if rule["behaviour"] != "status"}

    def seen():
        return {(call["behaviour"], call["status"] if call["behaviour"] == "status" else None)
                for call in house.standin.calls(since=before)}
    eventually(lambda: seen() >= wanted, 20, what="renewals failed in every way")
    assert seen() == wanted, "none was answered as usual"
    again = Flood(house.port, known, 500)
    assert again.statuses == {200: 500} and all(b"revision 1" not in min(again.bodies[path]) for path in known)


#: What stops the calls that come after it.
STOPS = {
    "429": {"behaviour": "status", "status": 429, "retry_after": 3600},
    "quota": {"behaviour": "status", "status": 429, "reason": "QUOTA_EXCEEDED"},
    "401": {"behaviour": "status", "status": 401, "message": "The access token expired"},
}


@pytest.mark.parametrize("rule", STOPS.values(), ids=STOPS.keys())
def test_ten_thousand_requests_for_a_hundred_known_records_answer_200_while_no_call_can_be_made(new_house, rule):
    house = new_house("stopped", workers=2, SPOTIFY_CACHE_TTL="1s")
    known = house.learn(100)
    before = flooded_while_failing(house, known, [rule])
    calls = house.standin.calls(since=before)
    assert calls and {call["status"] for call in calls} == {rule["status"]}
    assert len(calls) < 20, "those that were on their way, and then none"
    assert len(house.standin.calls(since=before, on="token")) <= 4, "tokens are rare"


def test_ten_thousand_requests_answer_200_when_nobody_listens(new_house):
    house = new_house("nobody", workers=2, SPOTIFY_CACHE_TTL="1s")
    known = house.learn(100)
    house.standin.kill()
    eventually(lambda: is_stale(house.get(known[-1])), 5, what="the records are due")
    flood = Flood(house.port, known, 10_000)
    assert flood.troubles == [] and flood.statuses == {200: 10_000}


def test_a_failed_renewal_keeps_the_record_and_is_tried_again_later(new_house):
    house = new_house("renewal-fails", workers=1, SPOTIFY_CACHE_TTL="1s")
    [path] = house.fill()
    house.standin.control("revision")
    house.standin.fail({"behaviour": "status", "status": 500})
    before = house.standin.last_number()
    eventually(lambda: is_stale(house.get(path)), 4, what="the record is due")
    eventually(lambda: house.get(path) and house.standin.calls(since=before), what="its renewal")
    for _ in range(20):
        answer = house.get(path)
        assert answer.status == 200 and "revision" not in answer.json()["name"]
    assert len(house.standin.calls(since=before)) == 1, "no second try at once: the pause after a failure is a minute"


def test_what_spotify_forgot_is_kept_and_left_alone_for_a_day(new_house):
    house = new_house("gone", SPOTIFY_CACHE_TTL="1s")
    path, name = track("gone"), spotify_id("gone")
    before = house.get(path)
    house.standin.control("gone", {"ids": [name]})
    eventually(lambda: is_stale(house.get(path)), 4, what="the record is due")
    eventually(lambda: house.get(path) and len(house.standin.calls(name)) == 2, what="its renewal")
    noted = eventually(lambda: (got := house.get(path)) and str(cache_status(got)["detail"]).endswith("/404") and got, what="the 404 is noted")
    assert is_stale(noted)
    for _ in range(5):
        answer = house.get(path)
        assert answer.status == 200 and answer.body == before.body
    assert len(house.standin.calls(name)) == 2
    house.responder.restart()
    assert house.get(path).body == before.body
    assert len(house.standin.calls(name)) == 2
    assert_spotify_error(house.get(track("gone").replace(name, "0000" + name[4:])), 404)


def test_an_old_search_result_stands_in_when_spotify_is_away(new_house):
    house = new_house("old-search", TEMP_CACHE_TTL="1s", SWINGMUSIC_FCGI_MISS_WAIT="3s")
    mirror, items = "/spotify/v1/search?q=glass+harbour&type=track&limit=10", {"query": "glass harbour", "type": "tracks"}
    before, listed = house.get(mirror), house.post("/api/catalog/search", items)
    assert (before.status, listed.status) == (200, 200)
    house.standin.control("revision")
    renewed = eventually(
        lambda: (got := house.get(mirror)).body != before.body and got, 6, what="while Spotify is there the search is made anew")
    assert "revision 1" in renewed.json()["tracks"]["items"][0]["name"]
    house.standin.kill()
    stale = eventually(lambda: is_stale(got := house.get(mirror)) and got, 8, what="the old result")
    assert stale.body == renewed.body
    old = house.post("/api/catalog/search", items)
    assert old.status == 200 and json.loads(old.body)["tracks"]
    assert_spotify_error(house.get("/spotify/v1/search?q=never+asked&type=track"), 502, 429)
    house.responder.restart()
    assert house.get(mirror).body == renewed.body


def test_an_account_that_is_refused_every_token_asks_for_few(new_house):
    house = new_house("refused", workers=2, SWINGMUSIC_FCGI_MISS_WAIT="5s")
    [known] = house.fill()
    house.standin.fail({"behaviour": "status", "status": 401})
    answers = house.at_once([track(f"refused-{n}") for n in range(10)])
    for answer in answers:
        assert_spotify_error(answer, 503)
    late = house.get(track("refused-late"))
    assert_spotify_error(late, 503)
    assert late.seconds < 1 and 20 <= retry_after(late) <= 31, "it is known that no token is good"
    assert len(house.standin.calls(on="token")) <= 4 and house.get(known).status == 200


def test_a_token_that_was_refused_is_renewed_once_for_all_workers(new_house):
    house = new_house("revoked-token")
    house.fill()
    house.standin.control("token", {"revoke": True})
    before = house.standin.last_number()
    answers = house.at_once([track(f"revoked-{n}") for n in range(12)])
    assert [answer.status for answer in answers] == [200] * 12
    assert len(house.standin.calls(since=before, on="token")) == 1
    refused = [call for call in house.standin.calls(since=before) if call["status"] == 401]
    assert 1 <= len(refused) and len(house.standin.calls(since=before)) == 12 + len(refused)
