"""What one answer teaches is not asked for again, and what an account may not ask is tried once a day."""

import time

import pytest

from harness.house import assert_spotify_error
from harness.spotify import Spotify
from harness.waiting import eventually


@pytest.fixture(scope="module", params=["development", "extended"])
def house(open_house, request):
    house = open_house(f"lessons-{request.param}", workers=2, mode=request.param, user="user7", SPOTIFY_FILL_REMOVED_FIELDS="off")
    house.spotify = Spotify(house.sandbox, mode=request.param, user="user7").start()
    return house


def calls_of(house, *paths):
    """The calls that these requests cost, as path?query."""
    before = house.standin.last_number()
    for path in paths:
        answer = house.get(path)
        assert answer.status == 200, (path, answer)
    return [f"{call['path']}?{call['query']}".rstrip("?") for call in house.standin.calls(since=before)]


def test_tracks_that_stood_complete_in_a_playlist_cost_nothing(house):
    name = house.spotify.ids("playlist", 1, more_than=120, seed="lessons")[0]
    assert calls_of(house, f"/spotify/v1/playlists/{name}") == [f"/v1/playlists/{name}"]
    items = [element["item"] for element in house.spotify.get(f"playlists/{name}/items", limit=100)["items"] if element["item"]]
    assert calls_of(house, *(f"/spotify/v1/tracks/{item['id']}" for item in items[:50])) == []
    for item in items[:5]:
        assert house.get(f"/spotify/v1/tracks/{item['id']}").json() == house.spotify.get(f"tracks/{item['id']}")
        assert calls_of(house, f"/api/catalog/track/{item['id']}") == []
    assert len(calls_of(house, f"/spotify/v1/playlists/{name}/items?offset=100&limit=50")) == 1
    further = house.spotify.get(f"playlists/{name}/items", offset=100, limit=1)["items"][0]["item"]
    assert calls_of(house, f"/spotify/v1/tracks/{further['id']}") == []


def test_tracks_and_artists_that_a_search_found_complete_cost_nothing(house):
    found = house.get("/spotify/v1/search?q=slow+river&type=track,artist,album&limit=10").json()
    tracks, artists = ([item["id"] for item in found[key]["items"]] for key in ("tracks", "artists"))
    assert calls_of(house, *(f"/spotify/v1/tracks/{name}" for name in tracks), *(f"/spotify/v1/artists/{name}" for name in artists)) == []
    assert house.get(f"/spotify/v1/artists/{artists[0]}").json() == house.spotify.get(f"artists/{artists[0]}")
    album = found["albums"]["items"][0]["id"]
    assert calls_of(house, f"/spotify/v1/albums/{album}") == [f"/v1/albums/{album}"], "an album was only named there"
    assert "tracks" in house.get(f"/spotify/v1/albums/{album}").json()


def test_a_simplified_object_never_takes_a_full_ones_place(house):
    album = house.spotify.ids("album", 1, more_than=4, seed="simple")[0]
    track = house.spotify.get(f"albums/{album}/tracks")["items"][0]["id"]
    artist = house.spotify.get(f"albums/{album}")["artists"][0]["id"]
    paths = [f"/spotify/v1/tracks/{track}", f"/spotify/v1/artists/{artist}"]
    full = [house.get(path).body for path in paths]
    calls_of(house, f"/spotify/v1/albums/{album}", f"/spotify/v1/albums/{album}/tracks", f"/spotify/v1/artists/{artist}/albums")
    assert [house.get(path).body for path in paths] == full
    assert calls_of(house, f"/spotify/v1/albums/{album}/tracks?limit=5") == [], "an album's first page stands in the album"
    second = house.spotify.get(f"albums/{album}/tracks")["items"][1]["id"]
    assert calls_of(house, f"/spotify/v1/tracks/{second}") == [f"/v1/tracks/{second}"], "a simplified track is no answer"


def test_the_second_program_asks_nothing(house):
    """Once the pages are here, both dialects and every window are answered from them."""
    artist = house.spotify.ids("artist", 1, more_than=52, seed="second")[0]
    calls_of(house, f"/api/catalog/artist/{artist}", f"/spotify/v1/artists/{artist}/albums?include_groups=album,single,compilation&limit=50&offset=50")
    assert calls_of(house, f"/api/catalog/artist/{artist}/albums?limit=50", f"/api/catalog/artist/{artist}/top-tracks",
                    f"/spotify/v1/artists/{artist}/top-tracks", f"/spotify/v1/artists/{artist}",
                    f"/spotify/v1/artists/{artist}/albums?include_groups=compilation,single,album&limit=20&offset=35") == []


def test_top_tracks_in_extended_mode_are_spotifys(new_house):
    house = new_house("top-extended", workers=1, mode="extended")
    spotify = Spotify(house.sandbox, mode="extended").start()
    name = spotify.ids("artist", 1, more_than=5, seed="top")[0]
    assert calls_of(house, f"/spotify/v1/artists/{name}/top-tracks") == [f"/v1/artists/{name}/top-tracks"]
    assert house.get(f"/spotify/v1/artists/{name}/top-tracks").json() == spotify.get(f"artists/{name}/top-tracks")


def test_top_tracks_in_development_mode_are_found_and_the_closed_endpoint_is_tried_once(new_house):
    house = new_house("top-development", workers=2, mode="development")
    artists = house.standin.ids("artist", 5, more_than=5, seed="top")
    answers = [house.get(f"/spotify/v1/artists/{name}/top-tracks") for name in artists]
    for name, answer in zip(artists, answers):
        tracks = answer.json()["tracks"]
        assert answer.status == 200 and 1 <= len(tracks) <= 10
        assert all(any(by["id"] == name for by in track["artists"]) for track in tracks)
    assert len(house.standin.calls("top-tracks")) == 1, "403 is learned from one call, for all artists"
    house.responder.restart()
    for name in house.standin.ids("artist", 2, more_than=5, seed="top-later"):
        assert house.get(f"/spotify/v1/artists/{name}/top-tracks").status == 200
    assert len(house.standin.calls("top-tracks")) == 1, "and remembered over a restart"


def test_a_closed_endpoint_is_tried_again_after_a_day(new_house):
    """The day is in the database; the test takes the note away as the day's end would."""
    house = new_house("top-reopened", workers=1, mode="development")
    first, second, third = house.standin.ids("artist", 3, more_than=5, seed="reopened")
    house.get(f"/spotify/v1/artists/{first}/top-tracks")
    house.standin.control("mode", {"mode": "extended"})
    house.get(f"/spotify/v1/artists/{second}/top-tracks")
    assert len(house.standin.calls("top-tracks")) == 1
    expire_notes(house)
    assert len(house.get(f"/spotify/v1/artists/{third}/top-tracks").json()["tracks"]) >= 1
    assert [call["status"] for call in house.standin.calls("top-tracks")] == [403, 200]


def expire_notes(house):
    """Ends what the program noted about the account for a day: `temp` rows whose key is no record's."""
    import sqlite3
    house.responder.stop()
    for name in ("cache.db", "limiter.db"):
        with sqlite3.connect(house.sandbox.path("data", name)) as file:
            for table, columns in _tables(file).items():
                _age(file, table, columns)
        file.close()
    house.responder.start()


def _tables(file):
    names = [name for name, in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    return {name: [column[1] for column in file.execute(f"PRAGMA table_info({name})")] for name in names}


def _age(file, table, columns):
    """Rows whose key is a note about closed endpoints are made to have expired a minute ago."""
    if "key" in columns and "expires_at" in columns:
        file.execute(f"UPDATE {table} SET expires_at = ? WHERE CAST(key AS TEXT) LIKE '%closed/%'", (int(time.time() * 1000) - 60_000,))


def test_a_404_of_a_part_is_remembered_for_all_that_need_it(house):
    name = "0000" + house.spotify.ids("album")[0][4:]
    for path in (f"albums/{name}", f"albums/{name}/tracks", f"albums?ids={name}"):
        answer = house.get(f"/spotify/v1/{path}")
        if "ids" in path:
            assert answer.json() == {"albums": [None]}
        else:
            assert_spotify_error(answer, 404)
    assert len(house.standin.calls(name)) == 1


def test_an_answer_of_an_unknown_form_is_never_kept(new_house):
    house = new_house("unknown-form", workers=1, SWINGMUSIC_FCGI_MISS_WAIT="10s")
    name = house.standin.ids("track", 1)[0]
    house.standin.fail({"behaviour": "status", "status": 200, "body": '{"id":"x","type":"episode"}', "times": 2})
    assert house.get(f"/spotify/v1/tracks/{name}").json()["id"] == name, "the third turn got it"
    assert len(house.standin.calls(name)) == 3
    house.standin.fail({"behaviour": "not_json"})
    other = house.standin.ids("track", 1, seed="never")[0]
    assert_spotify_error(house.get(f"/spotify/v1/tracks/{other}"), 502)
    assert len(house.standin.calls(other)) == 3, "three turns for a waiting caller"
    house.standin.fail()
    eventually(lambda: house.get(f"/spotify/v1/tracks/{other}").status == 200, 30, every=0.3, what="it is asked for again")
