"""Each route of the web client's contract, field by field, in both modes; and each of its errors."""

import pytest

from harness.catalogitem import catalog_item, sections, widest
from harness.house import assert_plain_error, cache_status
from harness.spotify import Spotify, mirrored
from harness.standin import missing_id
from harness.waiting import eventually

KINDS = ("track", "album", "artist", "playlist")
PLURALS = [f"{kind}s" for kind in KINDS]


@pytest.fixture(scope="module", params=["development", "extended"])
def house(open_house, request):
    house = open_house(f"items-{request.param}", workers=2, mode=request.param, user="user7")
    house.spotify = Spotify(house.sandbox, mode=request.param, user="user7").start()
    return house


def get(house, path):
    answer = house.get(f"/api/catalog/{path}")
    assert answer.status == 200, answer
    value = answer.json()
    assert "pending" not in value and "no-store" not in answer.headers["cache-control"]
    return value


def base(house):
    return f"http://127.0.0.1:{house.port}"


def well_formed(items):
    """Items of routes that choose for themselves: each must be what its own data says."""
    for item in items:
        assert item == catalog_item(item["data"])
    assert len({item["spotify_id"] for item in items}) == len(items)


def test_a_track(house):
    for name in house.spotify.ids("track", 3, seed="items"):
        wanted = catalog_item(house.spotify.get(f"tracks/{name}"))
        assert get(house, f"track/{name}") == wanted
        assert (wanted["popularity"] is None) == (house.standin.mode == "development")
        assert wanted["preview_url"] is None and wanted["duration_ms"] > 0


def test_an_album_with_all_its_tracks(house):
    small, large = house.spotify.ids("album", 1, seed="items")[0], house.spotify.ids("album", 1, more_than=50, seed="items")[0]
    for name in (small, large):
        album = house.spotify.get(f"albums/{name}")
        wanted = catalog_item(mirrored(album, base(house)))
        wanted["tracks"] = [catalog_item(track, album, numbered=True) for track in house.spotify.pages(f"albums/{name}/tracks")]
        got = get(house, f"album/{name}")
        assert got == wanted
        assert len(got["tracks"]) == album["total_tracks"]
        assert [track["track_number"] for track in got["tracks"]][:2] == [1, 2][:album["total_tracks"]]


@pytest.mark.parametrize("query, most", [("", 200), ("?limit=1", 1), ("?limit=0", 1), ("?limit=-7", 1), ("?limit=120", 120),
                                         ("?limit=300", 300), ("?limit=9999", 300)])
def test_a_playlist(house, query, most):
    name = house.spotify.ids("playlist", 1, more_than=210, seed="items")[0]
    playlist, items = house.spotify.get(f"playlists/{name}"), house.spotify.pages(f"playlists/{name}/items")
    got = get(house, f"playlist/{name}{query}")
    data, wanted = got.pop("data"), catalog_item(playlist)
    wanted.pop("data")
    wanted.update(
        owner=playlist["owner"]["display_name"], description=playlist["description"], public=True, collaborative=False,
        tracks_total=len(items), tracks=[catalog_item(element["item"], numbered=True) for element in items[:most] if element["item"]])
    assert got == wanted
    part = "items" if house.standin.mode == "development" else "tracks"
    assert {key: value for key, value in data.items() if key not in ("items", "tracks")} == {
        key: value for key, value in playlist.items() if key != part}
    assert data[part] == mirrored(playlist[part], base(house))


def test_a_playlist_with_a_removed_track_leaves_it_out(house):
    for name in house.spotify.ids("playlist", 30, more_than=8, seed="gaps"):
        page = house.spotify.get(f"playlists/{name}/items", limit=9)["items"]
        if page[7]["item"] is None:
            got = get(house, f"playlist/{name}?limit=9")
            assert [track["spotify_id"] for track in got["tracks"]] == [element["item"]["id"] for element in page if element["item"]]
            return
    pytest.fail("no playlist with a removed track among thirty")


def top_tracks(spotify, artist, most):
    """What the contract's top tracks are: Spotify's, or the artist's own among what a search for the name finds."""
    if spotify.mode == "extended":
        return spotify.get(f"artists/{artist['id']}/top-tracks")["tracks"][:most]
    found = []
    for offset in (0, 10, 20):
        page = spotify.get("search", q=artist["name"], type="track", limit=10, offset=offset)["tracks"]
        found += [track for track in page["items"] if any(by["id"] == artist["id"] for by in track["artists"])]
        if len(found) >= most or page["total"] <= offset + 10:
            break
    return found[:most]


GROUPS = "album,single,compilation"


def test_an_artist(house):
    for name in (house.spotify.ids("artist", 1, more_than=52, seed="items")[0], house.spotify.ids("artist", 1, seed="items")[0]):
        artist = house.spotify.get(f"artists/{name}")
        albums = [catalog_item(album) for album in house.spotify.get(f"artists/{name}/albums", include_groups=GROUPS, limit=50)["items"]]
        assert get(house, f"artist/{name}") == {
            "spotify_id": name, "name": artist["name"], "image_url": widest(artist["images"]),
            "followers": artist.get("followers", {}).get("total"), "popularity": artist.get("popularity"), "genres": artist["genres"],
            "top_tracks": [catalog_item(track) for track in top_tracks(house.spotify, artist, 15)], "albums": albums,
            "discography_sections": sections(albums), "related_artists": [], "this_is_artist": [], "artist_radio": []}
        assert (artist.get("popularity") is None) == (house.standin.mode == "development")


@pytest.mark.parametrize("query, most", [("", 15), ("?limit=3", 3), ("?limit=0", 1), ("?limit=400", 15)])
def test_an_artists_top_tracks(house, query, most):
    name = house.spotify.ids("artist", 1, more_than=5, seed="top")[0]
    wanted = [catalog_item(track) for track in top_tracks(house.spotify, house.spotify.get(f"artists/{name}"), most)]
    assert get(house, f"artist/{name}/top-tracks{query}") == {"tracks": wanted, "total": len(wanted)}


@pytest.mark.parametrize("query, most", [("", 50), ("?limit=4", 4), ("?limit=0", 1), ("?limit=1000", 50)])
def test_an_artists_albums(house, query, most):
    name = house.spotify.ids("artist", 1, more_than=52, seed="albums")[0]
    page = house.spotify.get(f"artists/{name}/albums", include_groups=GROUPS, limit=50)
    albums = [catalog_item(album) for album in page["items"][:most]]
    assert get(house, f"artist/{name}/albums{query}") == {"albums": albums, "sections": sections(albums), "total": page["total"]}


def searched(spotify, query, kind, offset, limit):
    items, page = [], None
    for at in range(offset, offset + limit, 10):
        page = spotify.get("search", q=query, type=kind, limit=10, offset=at)[f"{kind}s"]
        items += page["items"]
    return items[:limit], page["total"]


@pytest.mark.parametrize("offset, limit, given", [(0, 20, {}), (3, 5, {"offset": 3, "limit": 5}), (0, 50, {"limit": 99}), (0, 1, {"limit": 0})])
@pytest.mark.parametrize("type_", [None, "all", *PLURALS])
def test_search(house, type_, offset, limit, given):
    query = "Tomorrow's  Avenue"
    body = {"query": query, **given, **({"type": type_} if type_ else {})}
    answer = house.post("/api/catalog/search", body)
    assert answer.status == 200, answer
    got, asked = answer.json(), KINDS if type_ in (None, "all") else [type_[:-1]]
    found = {f"{kind}s": searched(house.spotify, query, kind, offset, limit) if kind in asked else ([], 0) for kind in KINDS}
    more = {plural: total > offset + limit for plural, (_, total) in found.items()}
    for plural, (items, _) in found.items():
        shown = got.pop(plural)
        for item, value in zip(shown, items, strict=True):
            wanted = catalog_item(value)
            if plural == "playlists":
                wanted["data"] = item["data"]
            assert item == wanted
    assert got == {
        "query": query, "type": type_ or "all", "offset": offset, "limit": limit,
        "total": sum(len(items) for items, _ in found.values()), "totals": {plural: total for plural, (_, total) in found.items()},
        "has_more": more if type_ in (None, "all") else more[type_],
        "item_total": None if type_ in (None, "all") else found[type_][1]}


@pytest.mark.parametrize("query, most", [("", 20), ("?limit=3", 3), ("?limit=0", 1), ("?limit=500", 50)])
@pytest.mark.parametrize("kind", [None, "tracks", "albums", "artists"])
def test_trending(house, kind, query, most):
    before = house.standin.last_number()
    path = f"trending{query}" + (f"{'&' if query else '?'}type={kind}" if kind else "")
    got, kind = get(house, path), kind or "tracks"
    assert set(got) == {"type", "query", kind, "total"} and got["type"] == kind and isinstance(got["query"], str)
    assert 1 <= got["total"] == len(got[kind]) <= most
    for item in got[kind]:
        assert item["item_type"] == kind[:-1] and set(item) == set(catalog_item(item["data"]))
    assert len({item["spotify_id"] for item in got[kind]}) == len(got[kind])
    assert len(house.standin.calls(since=before)) <= 2


def test_recommendations(house):
    artist = house.spotify.ids("artist", 1, more_than=5, seed="recommended")[0]
    track = house.spotify.ids("track", 1, seed="recommended")[0]
    for seeds in ({"seed_artists": [artist]}, {"seed_tracks": [track]}, {"seed_genres": ["art pop"]},
                  {"seed_artists": [artist], "seed_tracks": [track], "seed_genres": ["swing"], "limit": 5}, {}):
        before = house.standin.last_number()
        answer = house.post("/api/catalog/recommendations", seeds)
        assert answer.status == 200 and "pending" not in answer.json(), answer
        got = answer.json()
        assert set(got) == {"tracks", "total", "seeds"} and got["total"] == len(got["tracks"]) <= seeds.get("limit", 20)
        assert got["seeds"] == {kind: seeds.get(f"seed_{kind}", []) for kind in ("artists", "tracks", "genres")}
        well_formed(got["tracks"])
        assert not seeds or got["tracks"], seeds
        assert track not in [item["spotify_id"] for item in got["tracks"]] or "seed_tracks" not in seeds
        assert len(house.standin.calls(since=before)) <= 6, "a few lookups"


def test_home_recommendations(house):
    got = get(house, "home/recommendations")
    assert set(got) == {"strategy", "artists", "total"} and isinstance(got["strategy"], str) and got["strategy"]
    assert 1 <= got["total"] == len(got["artists"]) <= 18
    well_formed(got["artists"])
    assert all(item["item_type"] == "artist" for item in got["artists"])


def test_preferences_need_a_session(house):
    for user in ("1", "2", "x"):
        assert_plain_error(house.get(f"/api/catalog/preferences/{user}"), 401)
        assert_plain_error(house.post(f"/api/catalog/preferences/{user}", {"show_explicit": False}), 401)
    assert_plain_error(house.get("/api/catalog/preferences/1?user_id=1"), 401)


@pytest.mark.parametrize("path, message", [
    ("track/{}", "Track not found"), ("album/{}", "Album not found"), ("playlist/{}", "Playlist not found"),
    ("artist/{}", "Artist not found"), ("artist/{}/top-tracks", "Artist not found"), ("artist/{}/albums", "Artist not found"),
])
def test_what_spotify_does_not_know_is_404_in_the_clients_words(house, path, message):
    for _ in range(2):
        assert assert_plain_error(house.get("/api/catalog/" + path.format(missing_id("items"))), 404) == message


@pytest.mark.parametrize("path", ["track/short", "album/short", "playlist/short", "artist/short", "artist/short/top-tracks",
                                  "artist/short/albums", "trending?limit=x", "playlist/5555555555555555555555?limit=x"])
def test_what_is_malformed_is_400(house, path):
    assert_plain_error(house.get(f"/api/catalog/{path}"), 400)


def test_errors_of_search_and_trending_are_the_contracts(house):
    for query in ("", "   ", None):
        assert assert_plain_error(house.post("/api/catalog/search", {"query": query}), 400) == "Search query is required"
    assert assert_plain_error(house.post("/api/catalog/search", {}), 400) == "Search query is required"
    said = assert_plain_error(house.get("/api/catalog/trending?type=playlists"), 400)
    assert said.startswith("Invalid type. Must be one of: ")
    for body in ({"query": "x", "type": "songs"}, {"query": "x", "offset": -1}, {"query": "x", "limit": "many"}):
        assert_plain_error(house.post("/api/catalog/search", body), 400)


def test_the_user_id_of_a_query_is_ignored(house):
    name = house.spotify.ids("track", 1, seed="items")[0]
    assert get(house, f"track/{name}?user_id=4711") == get(house, f"track/{name}")


def test_what_has_not_come_in_time_is_named_and_the_rest_is_there(new_house):
    house = new_house("pending", workers=2, mode="extended", SPOTIFY_MIN_INTERVAL="50ms")
    name = house.standin.ids("artist", 1, more_than=52)[0]
    house.standin.fail({"behaviour": "delay", "ms": 4000, "path": "top-tracks"})
    answer = house.get(f"/api/catalog/artist/{name}", {"Prefer": "wait=2"})
    assert answer.status == 200 and answer.seconds < 3.5, answer
    got = answer.json()
    assert got["pending"] == ["top_tracks"] and got["top_tracks"] == [] and got["name"] and got["albums"]
    assert "no-store" in answer.headers["cache-control"] and "etag" not in answer.headers
    whole = eventually(lambda: (later := house.get(f"/api/catalog/artist/{name}")).json().get("pending") is None and later, 10,
                       what="the parts come")
    assert whole.json()["top_tracks"]


def test_a_playlists_late_pages_are_named(new_house):
    house = new_house("pending-playlist", workers=2, mode="development", user="user7", SPOTIFY_MIN_INTERVAL="50ms")
    name = house.standin.ids("playlist", 1, more_than=210)[0]
    house.standin.fail({"behaviour": "delay", "ms": 4000, "path": "offset=150"})
    answer = house.get(f"/api/catalog/playlist/{name}", {"Prefer": "wait=2"})
    got = answer.json()
    assert answer.status == 200 and got["pending"] == ["tracks"] and len(got["tracks"]) >= 99 and got["tracks_total"] > 210
    assert "no-store" in answer.headers["cache-control"]
    eventually(lambda: "pending" not in house.get(f"/api/catalog/playlist/{name}").json(), 10, what="the rest")


def test_hits_are_said_to_be_hits(house):
    name = house.spotify.ids("track", 1, seed="items")[0]
    get(house, f"track/{name}")
    answer = house.get(f"/api/catalog/track/{name}")
    assert "hit" in cache_status(answer)
    assert house.get(f"/api/catalog/track/{name}", {"If-None-Match": answer.headers["etag"]}).status == 304
