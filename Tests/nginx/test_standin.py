"""The stand-in Spotify is never kinder than Spotify: what its documentation and its users say of it, asked without the program in between."""

import urllib.error
import urllib.parse
import urllib.request

import pytest

from harness.spotify import Spotify


@pytest.fixture
def spotify(sandbox):
    """Started in development mode; its token is the app's own."""
    return Spotify(sandbox, mode="development").start()


def refusal(spotify, path, **query):
    status, value = spotify.ask(path, **query)
    return status, value.get("error", {}).get("message")


def test_in_development_mode_the_items_of_a_playlist_are_its_owners(spotify):
    (name,) = spotify.ids("playlist", more_than=5)
    assert "items" not in spotify.get(f"playlists/{name}") and refusal(spotify, f"playlists/{name}/items") == (403, "Forbidden")
    spotify.control("settings", {"user": spotify.get(f"playlists/{name}")["owner"]["id"]})
    assert spotify.get(f"playlists/{name}")["items"]["total"] == spotify.get(f"playlists/{name}/items")["total"] > 5
    assert refusal(spotify, f"playlists/{name}/tracks") == (403, "Forbidden")
    spotify.control("settings", {"user": None})
    spotify.control("mode", {"mode": "extended"})
    assert spotify.get(f"playlists/{name}/tracks")["total"] > 5


def test_a_search_takes_its_own_links_and_operators_in_capitals_only(spotify):
    def first(text):
        page = spotify.get("search", q=text, type="track")["tracks"]
        return page["total"], page["items"][0]["id"]
    page = spotify.get("search", q="slow River", type="track", limit=2)["tracks"]
    link = urllib.parse.urlsplit(page["next"])
    query = dict(urllib.parse.parse_qsl(link.query))
    assert query["query"] == "slow River" and "q" not in query
    assert spotify.get("search", **query)["tracks"]["offset"] == 2
    assert first("slow River") == first(" SLOW river ") and first("slow NOT river") != first("slow not river")
    assert first("slow OR river") != first("slow or river")


def test_a_search_by_the_filters_album_and_artist_finds_that_albums_tracks_and_some_others(spotify):
    (name,) = spotify.ids("album", 1, 11, "filters", 19)
    album = spotify.get(f"albums/{name}")
    text = 'album:"{}" artist:"{}"'.format(album["name"].replace('"', ""), album["artists"][0]["name"])
    found = [track for offset in (0, 10) for track in spotify.get("search", q=text, type="track", limit=10, offset=offset)["tracks"]["items"]]
    own = [track["id"] for track in album["tracks"]["items"]]
    assert set(own[:15]) <= {track["id"] for track in found} and len({track["id"] for track in found} - set(own)) >= 2
    assert all(track["external_ids"] and track["album"]["id"] for track in found)


def test_without_the_owners_premium_every_call_is_refused_in_plain_text(spotify):
    spotify.control("settings", {"premium": False})
    call = urllib.request.Request(f"{spotify.url}/v1/tracks/11dFghVXANMlKmJXsNCbNl", headers={"Authorization": f"Bearer {spotify.token}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(call, timeout=5)
    assert refused.value.code == 403 and refused.value.headers["content-type"].startswith("text/plain")
    assert refused.value.read().startswith(b"Active premium subscription required for the owner of the app.")


@pytest.mark.parametrize("kind", ["show", "episode", "audiobook", "chapter"])
def test_what_is_spoken_needs_a_market_and_its_batches_extended_mode(spotify, kind):
    (name,) = spotify.ids(kind)
    assert refusal(spotify, f"{kind}s/{name}") == (404, "non existing id")
    assert spotify.get(f"{kind}s/{name}", market="US")["id"] == name
    books = kind in ("audiobook", "chapter")
    assert spotify.ask(f"{kind}s/{name}", market="SE")[0] == (404 if books else 200)
    assert refusal(spotify, f"{kind}s", ids=name, market="US") == (403, "Forbidden")
    spotify.control("mode", {"mode": "extended"})
    assert spotify.get(f"{kind}s", ids=name, market="US")[f"{kind}s"][0]["id"] == name
    if kind != "chapter":
        key = f"{kind}s"
        assert spotify.get("search", q="hidden", type=kind)[key]["items"] == []
        assert len(spotify.get("search", q="hidden", type=kind, market="US", limit=1)[key]["items"]) == 1


def test_an_episode_in_a_playlist_looks_like_a_track_to_who_does_not_know_episodes(spotify):
    spotify.control("mode", {"mode": "extended"})
    (name,) = spotify.ids("playlist", episode=True)

    def found(**query):
        items = spotify.get(f"playlists/{name}/tracks", **query)["items"]
        return next(item["track"] for item in items if item["track"] and item["track"]["episode"])
    assert "show" not in found() and found()["album"]["album_type"] is None
    assert "artists" not in found(additional_types="track,episode", market="US")
    assert found(additional_types="episode", market="US")["show"]["type"] == "show"
    items = spotify.get(f"playlists/{name}/tracks", additional_types="track,episode")["items"]
    assert not any(item["track"] and item["track"]["episode"] for item in items), "nobody's token has no country"


def test_a_playlist_is_filtered_by_fields(spotify):
    spotify.control("mode", {"mode": "extended"})
    (name,) = spotify.ids("playlist", more_than=5)
    got = spotify.get(f"playlists/{name}", fields="name,tracks.items(added_by.id,track(name,album(!images,!artists)))")
    assert set(got) == {"name", "tracks"} and set(got["tracks"]) == {"items"}
    item = got["tracks"]["items"][0]
    assert set(item) == {"added_by", "track"} and set(item["added_by"]) == {"id"} and set(item["track"]) == {"name", "album"}
    assert "images" not in item["track"]["album"] and "name" in item["track"]["album"]
    assert "followers" not in spotify.get(f"playlists/{name}", fields="!followers")
    for bad in ("a(", "a)", "a..b", ",", "a b", "("):
        assert refusal(spotify, f"playlists/{name}", fields=bad) == (400, "Invalid fields"), bad


@pytest.mark.parametrize("path, query, status, message", [
    ("search", {"q": "x", "type": "track", "limit": 11}, 400, "Invalid limit"),
    ("search", {"q": "x" * 251, "type": "track"}, 400, "Query exceeds maximum length of 250 characters"),
    ("search", {"q": "x", "type": "track", "market": "XX"}, 400, "Invalid market code"),
    ("tracks/11dFghVXANMlKmJXsNCbN_", {}, 400, "Invalid base62 id"), ("me", {}, 401, "Valid user authentication required"),
    ("me/tracks", {}, 401, "Valid user authentication required"), ("markets", {}, 403, "Forbidden"), ("users/x", {}, 403, "Forbidden"),
    ("artists/6sFIWsNpZYqfjUpaCgueju/related-artists", {}, 403, "Forbidden"), ("browse/categories", {}, 403, "Forbidden"),
    ("recommendations", {"seed_genres": "swing"}, 403, "Forbidden"), ("audio-features/11dFghVXANMlKmJXsNCbNl", {}, 403, "Forbidden")])
def test_refusals_in_development_mode(spotify, path, query, status, message):
    assert refusal(spotify, path, **query) == (status, message)


@pytest.mark.parametrize("path, query", [
    ("markets", {}), ("users/x", {}), ("users/x/playlists", {}), ("browse/categories", {}), ("browse/categories/jazz/playlists", {}),
    ("browse/new-releases", {}), ("browse/featured-playlists", {}), ("recommendations", {"seed_genres": "swing"}),
    ("recommendations/available-genre-seeds", {}), ("audio-features/11dFghVXANMlKmJXsNCbNl", {}),
    ("audio-analysis/11dFghVXANMlKmJXsNCbNl", {}), ("artists/6sFIWsNpZYqfjUpaCgueju/related-artists", {}),
    ("search", {"q": "x", "type": "track", "limit": 50}), ("tracks", {"ids": "11dFghVXANMlKmJXsNCbNl"})])
def test_extended_mode_has_it_all(spotify, path, query):
    spotify.control("mode", {"mode": "extended"})
    assert spotify.get(path, **query)


def test_nothing_that_development_mode_took_is_in_its_answers(spotify):
    track, artist, album = "tracks/11dFghVXANMlKmJXsNCbNl", "artists/6sFIWsNpZYqfjUpaCgueju", "albums/0tGPJ0bkWOUmH7MEOR77qc"
    gone = {track: {"popularity", "available_markets"}, artist: {"popularity", "followers"},
            album: {"popularity", "available_markets", "label"}}
    for path, names in gone.items():
        assert not names & set(spotify.get(path))
    assert "external_ids" in spotify.get(track)
    spotify.control("mode", {"mode": "extended"})
    for path, names in gone.items():
        assert names <= set(spotify.get(path))


def test_a_window_of_calls_that_is_full_answers_429_until_its_oldest_call_has_left_it(spotify):
    spotify.control("settings", {"window": {"calls": 3, "seconds": 30}})

    def status(at):
        return spotify.ask("tracks/11dFghVXANMlKmJXsNCbNl", at=at)[0]
    assert [status(at) for at in (0, 10, 20, 29, 29.9, 30, 31, 39.9, 40)] == [200, 200, 200, 429, 429, 200, 429, 429, 200]
    assert [call["status"] for call in spotify.calls()][-2:] == [429, 200]
    spotify.reset()
    assert [status(50) for _ in range(4)] == [200] * 4
