"""What an album, a playlist or a search brings besides itself: fewer calls, and no record of anything else."""

import re

import pytest

from harness.house import cache_status
from harness.spotify import Spotify, comparable
from harness.waiting import eventually


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("containers", workers=2, mode="development", user="user7")


@pytest.fixture(scope="module")
def spotify(house):
    return Spotify(house.sandbox, mode="development", user="user7").start()


def album_of(house, seed, more_than=9, at_most=14):
    """An album and its tracks, all known now: paths below /v1."""
    (name,) = house.standin.ids("album", 1, more_than, seed, at_most)
    answer = house.get(f"/spotify/v1/albums/{name}")
    assert answer.status == 200, answer
    tracks = [f"tracks/{track['id']}" for track in answer.json()["tracks"]["items"]]
    assert {answer.status for answer in house.at_once([f"/spotify/v1/{track}" for track in tracks])} == {200}
    return f"albums/{name}", tracks


def renew(house, paths):
    """Makes everything due, asks for `paths`, and waits for the renewals; the calls, as paths below /v1. What one worker asked for and an album
    that the other fetched did not renew after all is asked for anew half a minute later."""
    before = house.standin.last_number()
    assert house.admin("DELETE", "/cache/spotify").status == 200
    for answer in house.at_once([f"/spotify/v1/{path}" for path in paths]):
        assert cache_status(answer)["ttl"] != 0, answer
    eventually(lambda: all(cache_status(house.get(f"/spotify/v1/{path}"))["ttl"] > 0 for path in paths), 45, every=0.1, what="all is renewed")
    return [call["path"].removeprefix("/v1/") for call in house.standin.calls(since=before)]


def test_the_tracks_of_an_album_are_renewed_by_its_call_and_equal_what_spotify_says_of_each(house, spotify):
    album, tracks = album_of(house, "renewed")
    calls = renew(house, [album, *tracks])
    assert album in calls and len(calls) <= len(tracks) // 2, calls
    alone = [path for path in tracks if path not in calls]
    for path in alone:
        assert comparable(house.get(f"/spotify/v1/{path}").json()) == comparable(spotify.get(path)), path
    assert comparable(house.get(f"/spotify/v1/{album}").json()) == comparable(spotify.get(album))


def test_a_track_that_is_called_otherwise_now_is_asked_for_alone(house, spotify):
    album, tracks = album_of(house, "renamed")
    house.standin.control("revision", {"revision": 3})
    try:
        calls = renew(house, [album, *tracks])
        assert set(tracks) <= set(calls), calls
        for path in tracks:
            assert house.get(f"/spotify/v1/{path}").json()["name"].endswith("(revision 3)")
    finally:
        house.standin.control("revision", {"revision": 0})


def test_who_waits_for_what_a_playlist_brings_needs_no_call_of_his_own(new_house):
    house = new_house("together", workers=1, mode="development", user="user7", SPOTIFY_MIN_INTERVAL="1s")
    house.get(f"/spotify/v1/artists/{house.standin.ids('artist', seed='first')[0]}")
    (name,) = house.standin.ids("playlist", 1, 20, "together", 100)
    spotify = Spotify(house.sandbox, mode="development", user="user7").start()
    items = spotify.get(f"playlists/{name}")["items"]["items"]
    tracks = [f"/spotify/v1/tracks/{element['item']['id']}" for element in items if element["item"]][:10]
    before = house.standin.last_number()
    assert house.request("GET", f"/spotify/v1/playlists/{name}", {"Prefer": "respond-async"}).status == 202
    answers = house.at_once(tracks)
    assert {answer.status for answer in answers} == {200}
    calls = house.standin.calls(since=before)
    assert [call["path"] for call in calls] == [f"/v1/playlists/{name}"], [call["path"] for call in calls]
    assert max(answer.seconds for answer in answers) < 2.5
    assert re.search(r"collapsed|hit", answers[0].cache_status), answers[0]
