"""One lookup's way: through Spotify the first time, from the database from then on."""

import pytest

from harness.house import assert_spotify_error, cache_status, track
from harness.standin import missing_id, spotify_id


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("first-light")


def test_the_first_answer_comes_from_spotify_and_the_next_from_here(house):
    path = track("first")
    first, second = house.get(path), house.get(path)
    assert (first.status, second.status) == (200, 200)
    assert first.json()["id"] == spotify_id("first") and first.json()["type"] == "track"
    assert first.body == second.body
    assert first.headers["content-type"].startswith("application/json")
    assert cache_status(first) == {"fwd": "miss", "stored": True}
    hit = cache_status(second)
    assert hit["hit"] is True and hit["detail"] in ("memory", "sqlite")
    assert 12 * 3600 - 60 <= hit["ttl"] <= 12 * 3600
    assert len(house.standin.calls(spotify_id("first"))) == 1


@pytest.mark.parametrize("kind", ["track", "album", "artist"])
def test_tracks_albums_and_artists_are_looked_up_by_id(house, kind):
    name = spotify_id(f"by-id-{kind}")
    answer = house.get(f"/spotify/v1/{kind}s/{name}")
    assert answer.status == 200 and answer.json()["id"] == name and answer.json()["type"] == kind
    assert [call["path"] for call in house.standin.calls(name)] == [f"/v1/{kind}s/{name}"]


def test_the_example_track_of_spotifys_documentation_is_answered(house):
    assert house.get("/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl").json()["id"] == "11dFghVXANMlKmJXsNCbNl"


def test_a_trailing_slash_is_ignored(house):
    [path] = house.fill(name="slash")
    answer = house.get(path + "/")
    assert answer.status == 200 and "hit" in cache_status(answer)


def test_head_answers_as_get_does_but_without_a_body(house):
    [path] = house.fill(name="head")
    got, head = house.get(path), house.request("HEAD", path)
    assert head.status == 200 and head.body == b""
    assert head.headers["content-length"] == str(len(got.body))
    assert head.headers["etag"] == got.headers["etag"]


def test_head_of_something_unknown_looks_it_up(house):
    path = track("head-unknown")
    assert house.request("HEAD", path).status == 200
    assert "hit" in cache_status(house.get(path))


def test_a_known_etag_is_answered_304_without_a_body(house):
    [path] = house.fill(name="etag")
    etag = house.get(path).headers["etag"]
    for condition in (etag, f'"other", {etag}', "*", f"W/{etag}" if not etag.startswith("W/") else etag):
        answer = house.get(path, {"If-None-Match": condition})
        assert answer.status == 304 and answer.body == b"", condition
        assert answer.headers["etag"] == etag
    assert house.get(path, {"If-None-Match": '"other"'}).status == 200


def test_answers_are_for_the_caller_alone(house):
    [path] = house.fill(name="private")
    assert "private" in house.get(path).headers["cache-control"]


def test_a_404_is_remembered_and_costs_one_call(house):
    name = missing_id("nothing")
    answers = [house.get(f"/spotify/v1/tracks/{name}") for _ in range(5)]
    for answer in answers:
        assert_spotify_error(answer, 404)
    assert cache_status(answers[0])["fwd"] == "miss"
    assert all("hit" in cache_status(answer) for answer in answers[1:])
    assert len(house.standin.calls(name)) == 1


def test_a_track_with_a_large_answer_arrives_whole(house):
    """Answers over 64 KB need several FastCGI records."""
    ids = house.standin.control("ids", method="GET", query="?kind=album&more_than=49&count=1")["ids"]
    first, second = (house.get(f"/spotify/v1/albums/{ids[0]}") for _ in range(2))
    assert first.status == 200 and len(first.body) > 65536 and first.body == second.body
    assert first.json()["id"] == ids[0]


def test_cached_answers_survive_a_restart_of_everything_and_a_spotify_that_is_gone(new_house):
    house = new_house("restart")
    path = track("restart")
    before = house.get(path)
    house.standin.kill()
    house.responder.restart()
    after = house.get(path)
    assert after.status == 200 and after.body == before.body
    assert cache_status(after)["detail"] == "sqlite"
    house.responder.kill()
    house.responder.start()
    assert house.get(path).body == before.body


def test_it_listens_on_a_tcp_address_as_well(new_house):
    from harness.sandbox import free_port
    house = new_house("tcp", address=("127.0.0.1", free_port()))
    path = track("tcp")
    assert house.get(path).status == 200
    assert "hit" in cache_status(house.get(path))


def test_healthz_is_open(house):
    assert house.get("/swingmusic-fcgi/healthz").status == 200


def test_readyz_is_open(house):
    assert house.get("/swingmusic-fcgi/readyz").status == 200
