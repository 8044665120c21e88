"""The mirror's routes beside those that its clients' tests ask: batches, windows, markets, links and what Spotify refuses."""

import itertools
import urllib.parse

import pytest

from harness.house import assert_spotify_error, cache_status, retry_after
from harness.spotify import Spotify, comparable, mirrored
from harness.standin import missing_id
from harness.waiting import eventually

PLURALS = {"track": "tracks", "album": "albums", "artist": "artists"}


@pytest.fixture(scope="module", params=["development", "extended"])
def house(open_house, request):
    house = open_house(f"mirror-{request.param}", workers=2, mode=request.param, user="user7", SPOTIFY_FILL_REMOVED_FIELDS="off")
    house.spotify = Spotify(house.sandbox, mode=request.param, user="user7").start()
    return house


def base(house):
    return f"http://127.0.0.1:{house.port}"


def whole(house, path, key, size):
    """All items of the mirror's paging object, followed by its own links."""
    items, link = [], f"{base(house)}/spotify/v1/{path}{'&' if '?' in path else '?'}limit={size}"
    while link:
        assert link.startswith(base(house)), "a page's links lead back here"
        answer = house.get(link[len(base(house)):])
        assert answer.status == 200, answer
        page = answer.json()[key] if key else answer.json()
        items, link = items + page["items"], page["next"]
    assert len(items) == page["total"]
    return items


@pytest.mark.parametrize("kind", ["track", "album", "artist", "playlist"])
def test_an_object_is_spotifys_own_but_for_the_links_of_its_page(house, kind):
    for name in house.spotify.ids(kind, 3, seed="objects"):
        got, wanted = house.get(f"/spotify/v1/{kind}s/{name}").json(), house.spotify.get(f"{kind}s/{name}")
        if kind == "playlist":  # its page stands there under both names
            part = "items" if "items" in wanted else "tracks"
            other = got.pop({"items": "tracks", "tracks": "items"}[part])
            assert other["total"] == wanted[part]["total"] and len(other["items"]) == len(wanted[part]["items"])
        assert got == mirrored(wanted, base(house))
        assert got["href"] == f"https://api.spotify.com/v1/{kind}s/{name}", "an object's own link stays Spotify's"


def test_albums_artists_and_playlists_beyond_one_page_are_read_to_the_end(house):
    spotify = house.spotify
    album, artist = (spotify.ids(kind, 1, more_than=50, seed="end")[0] for kind in ("album", "artist"))
    playlist = spotify.ids("playlist", 1, more_than=200, seed="end")[0]
    assert whole(house, f"albums/{album}/tracks", None, 50) == spotify.pages(f"albums/{album}/tracks")
    assert whole(house, f"albums/{album}/tracks", None, 17) == spotify.pages(f"albums/{album}/tracks")
    assert whole(house, f"artists/{artist}/albums", None, 50) == spotify.pages(f"artists/{artist}/albums")
    wanted = spotify.pages(f"playlists/{playlist}/items")
    assert whole(house, f"playlists/{playlist}/items", None, 100) == wanted
    old = whole(house, f"playlists/{playlist}/tracks", None, 33)
    assert [element["track"] for element in old] == [element["item"] for element in wanted]


@pytest.mark.parametrize("offset, limit", [(0, 1), (1, 3), (49, 2), (50, 50), (51, 7), (10_000, 20)])
def test_a_window_is_what_spotify_would_give(house, offset, limit):
    album = house.spotify.ids("album", 1, more_than=50, seed="window")[0]
    artist = house.spotify.ids("artist", 1, more_than=52, seed="window")[0]
    for path in (f"albums/{album}/tracks", f"artists/{artist}/albums"):
        got = house.get(f"/spotify/v1/{path}?offset={offset}&limit={limit}").json()
        assert comparable(got) == comparable(house.spotify.get(path, offset=offset, limit=limit))


@pytest.mark.parametrize("limit, offset", [(1, 0), (10, 0), (50, 0), (50, 45), (20, 395)])
def test_search_puts_pages_of_ten_together(house, limit, offset):
    query = f"q=Velvet+Harbour&type=track,artist&limit={limit}&offset={offset}"
    before = house.standin.last_number()
    got = house.get(f"/spotify/v1/search?{query}").json()
    for key in ("tracks", "artists"):
        page = got[key]
        wanted = []
        for at in range(offset, offset + limit, 10):
            wanted += house.spotify.get("search", q="Velvet Harbour", type="track,artist", limit=10, offset=at)[key]["items"]
        assert page["items"] == wanted[:limit] and (page["limit"], page["offset"]) == (limit, offset)
        assert page["href"].startswith(f"{base(house)}/spotify/v1/search?")
    calls = house.standin.calls("search", since=before)
    asked, most = ("50", limit // 50 + 2) if house.standin.figures()["mode"] == "extended" else ("10", limit // 10 + 2)
    assert all(urllib.parse.parse_qs(call["query"])["limit"] == [asked] for call in calls) and len(calls) <= most


def test_the_end_of_one_kind_is_not_the_end_of_another(house):
    """Without a market there are no shows: beyond that known end are tracks all the same."""
    query = "q=Ghost+Letters&type=track,show,episode"
    assert house.get(f"/spotify/v1/search?{query}&limit=10").json()["shows"]["total"] == 0
    got = house.get(f"/spotify/v1/search?{query}&limit=10&offset=20").json()
    assert list(got) == ["tracks", "shows", "episodes"] and len(got["tracks"]["items"]) == 10


def test_case_and_spaces_make_no_second_search(house):
    first = house.get("/spotify/v1/search?q=Neon%20%20Bones&type=track")
    before = house.standin.last_number()
    for query in ("neon+bones", "%20NEON%09bones%20", "nEON%0Abones"):
        answer = house.get(f"/spotify/v1/search?q={query}&type=track")
        assert [item["id"] for item in answer.json()["tracks"]["items"]] == [
            item["id"] for item in first.json()["tracks"]["items"]]
        assert "hit" in cache_status(answer)
    assert house.standin.calls(since=before) == []


@pytest.mark.parametrize("kind", PLURALS)
def test_a_batch_has_the_asked_order_and_null_only_for_what_does_not_exist(house, kind):
    there = house.spotify.ids(kind, 4, seed="batch")
    asked = [there[2], missing_id(kind), there[0], there[2], there[3]]
    answer = house.get(f"/spotify/v1/{PLURALS[kind]}?ids={','.join(asked)}")
    assert answer.status == 200
    got = answer.json()[PLURALS[kind]]
    assert [one and one["id"] for one in got] == [there[2], None, there[0], there[2], there[3]]
    assert got[0] == house.get(f"/spotify/v1/{PLURALS[kind]}/{there[2]}").json()
    again = house.get(f"/spotify/v1/{PLURALS[kind]}?ids={','.join(asked)}")
    assert again.body == answer.body and "hit" in cache_status(again)
    assert len(house.standin.calls(missing_id(kind))) == 1 and len(house.standin.calls(there[2])) == 1


def test_a_batch_that_is_not_complete_is_429_and_complete_later(new_house):
    house = new_house("batch-parts", workers=2, SPOTIFY_MIN_INTERVAL="250ms")
    ids = house.standin.ids("track", 12, seed="parts")
    path = f"/spotify/v1/tracks?ids={','.join(ids)}"
    first = house.get(path, {"Prefer": "wait=1"})
    assert_spotify_error(first, 429)
    assert 1 <= retry_after(first) <= 5, "twelve calls at four a second"
    assert b"null" not in first.body
    eventually(lambda: len(house.standin.calls()) == 12, 10, what="its parts stay queued")
    eventually(lambda: (answer := house.get(path, {"Prefer": "wait=0"})).status == 200 and "hit" in cache_status(answer), 5,
               what="the retry is a hit")
    assert [track["id"] for track in house.get(path).json()["tracks"]] == ids
    assert len(house.standin.calls()) == 12


def forms(kind, name):
    return [f"spotify:{kind}:{name}", f"https://open.spotify.com/{kind}/{name}", f"https:/open.spotify.com/{kind}/{name}",
            f"http://open.spotify.com/{kind}/{name}", f"https://open.spotify.com/intl-de/{kind}/{name}",
            f"https://open.spotify.com/{kind}/{name}%3Fsi=0123456789abcdef", f"open.spotify.com/{kind}/{name}"]


@pytest.mark.parametrize("kind", ["track", "album", "artist", "playlist"])
def test_uris_and_links_are_as_good_as_ids(house, kind):
    name = house.spotify.ids(kind, 1, seed="links")[0]
    plain = house.get(f"/spotify/v1/{kind}s/{name}")
    item = house.get(f"/api/catalog/{kind}/{name}")
    assert (plain.status, item.status) == (200, 200)
    before = house.standin.last_number()
    for form in forms(kind, name):
        assert house.get(f"/spotify/v1/{kind}s/{form}").body == plain.body, form
        assert house.get(f"/api/catalog/{kind}/{form}").json()["spotify_id"] == name, form
        assert house.get(f"/spotify/v1/{kind}s/{urllib.parse.quote(form, safe='%')}").body == plain.body, form
    assert house.get(f"/spotify/v1/{kind}s/https://open.spotify.com/{kind}/{name}?si=0123").body == plain.body
    if kind == "album":
        tracks = f"/spotify/v1/albums/spotify:album:{name}/tracks"
        assert house.get(tracks).json()["items"] and house.get(f"/spotify/v1/albums/https://open.spotify.com/album/{name}/tracks").status == 200
    assert house.standin.calls(since=before) == []


def test_links_in_a_batch(house):
    ids = house.spotify.ids("track", 2, seed="batch-links")
    answer = house.get(f"/spotify/v1/tracks?ids=spotify:track:{ids[1]},https://open.spotify.com/track/{ids[0]}")
    assert [track["id"] for track in answer.json()["tracks"]] == [ids[1], ids[0]]


def test_a_link_of_another_kind_or_a_short_one_is_400(house):
    name, before = house.spotify.ids("track", 1, seed="wrong")[0], house.standin.last_number()
    for form in (*forms("album", name), f"https://spotify.link/{name}", "https://spotify.link/abcdef", f"https://example.org/track/{name}",
                 f"https://open.spotify.com.example.org/track/{name}", f"https://example.org/open.spotify.com/track/{name}",
                 "spotify:track:", f"spotify:episode:{name}", f"spotify:user:u:track:{name}", f"https://open.spotify.com/user/u/playlist/{name}"):
        assert house.get(f"/spotify/v1/tracks/{urllib.parse.quote(form, safe='')}").status in (400, 404), form
        assert house.get(f"/api/catalog/track/{urllib.parse.quote(form, safe='')}").status in (400, 404), form
    assert_spotify_error(house.get(f"/spotify/v1/tracks/spotify:album:{name}"), 400)
    assert_spotify_error(house.get("/spotify/v1/tracks/spotify.link:abcdef"), 400)
    assert house.standin.calls(since=before) == []


def test_a_market_is_asked_for_and_kept_apart(house):
    name = house.spotify.ids("track", 1, seed="market")[0]
    plain, there = house.get(f"/spotify/v1/tracks/{name}").json(), house.get(f"/spotify/v1/tracks/{name}?market=SE").json()
    assert there == house.spotify.get(f"tracks/{name}", market="SE") and "is_playable" in there and "is_playable" not in plain
    assert house.get(f"/spotify/v1/tracks/{name}").json() == plain
    assert [call["query"] for call in house.standin.calls(name)] == ["", "market=SE"]
    for path in (f"albums/{house.spotify.ids('album', 1, seed='market')[0]}/tracks",
                 f"artists/{house.spotify.ids('artist', 1, seed='market')[0]}/albums",
                 f"playlists/{house.spotify.ids('playlist', 1, more_than=0, seed='market')[0]}/items"):
        got = house.get(f"/spotify/v1/{path}?market=SE&limit=2").json()
        assert comparable(got) == comparable(house.spotify.get(path, market="SE", limit=2))


def test_the_hosts_own_market_goes_with_every_call_that_takes_one(new_house):
    house = new_house("own-market", workers=1, mode="development", SPOTIFY_MARKET="SE")
    track, album, artist, playlist = (house.standin.ids(kind)[0] for kind in ("track", "album", "artist", "playlist"))
    for path in (f"tracks/{track}", f"albums/{album}", f"artists/{artist}/albums", f"playlists/{playlist}", "search?q=bones&type=track",
                 f"artists/{artist}"):
        assert house.get(f"/spotify/v1/{path}").status == 200
    queries = {call["path"]: urllib.parse.parse_qs(call["query"]).get("market") for call in house.standin.calls()}
    assert queries.pop(f"/v1/artists/{artist}") is None
    assert set(map(tuple, queries.values())) == {("SE",)} and len(queries) == 5
    assert house.get(f"/spotify/v1/tracks/{track}?market=NO").status == 200
    assert house.standin.calls(f"{track}.*market=NO")


def test_a_playlist_that_may_not_be_read_has_no_items(house):
    name = "0001" + house.spotify.ids("playlist")[0][4:]
    playlist = house.get(f"/spotify/v1/playlists/{name}")
    assert playlist.status == 200 and playlist.json()["name"]
    if house.standin.mode == "development":
        assert "items" not in playlist.json() and "tracks" not in playlist.json()
        for part in ("items", "tracks"):
            assert_spotify_error(house.get(f"/spotify/v1/playlists/{name}/{part}"), 403)
        item = house.get(f"/api/catalog/playlist/{name}").json()
        assert item["tracks"] == [] and item["title"] == playlist.json()["name"]


@pytest.mark.parametrize("path", ["tracks", "albums", "artists", "playlists"])
def test_spotifys_404_is_passed_on_and_remembered(house, path):
    name = missing_id(f"mirror-{path}")
    for _ in range(3):
        assert assert_spotify_error(house.get(f"/spotify/v1/{path}/{name}"), 404) == "Resource not found"
    assert len(house.standin.calls(name)) == 1
    below = {"albums": "tracks", "artists": "albums", "playlists": "items"}.get(path)
    if below:
        assert_spotify_error(house.get(f"/spotify/v1/{path}/{name}/{below}"), 404)


BAD = [
    ("tracks/short", "Invalid base62 id"), ("tracks?ids=", "Missing required field: ids"),
    ("tracks?ids=" + ",".join(["5" * 22] * 51), "Too many ids requested"), ("albums?ids=" + ",".join(["5" * 22] * 21), "Too many ids requested"),
    ("artists?ids=" + ",".join(["5" * 22] * 51), "Too many ids requested"), ("search?type=track", "No search query"),
    ("search?q=%20&type=track", "No search query"), ("search?q=x", "Missing parameter type"),
    ("search?q=x&type=track,song", "Bad search type field song"), ("search?q=x&type=track&limit=51", "Invalid limit"),
    ("search?q=x&type=track&offset=1001", "Invalid offset"), ("search?q=x&type=track&market=sweden", "Invalid market code"),
    (f"albums/{'5' * 22}/tracks?limit=0", "Invalid limit"), (f"albums/{'5' * 22}/tracks?limit=51", "Invalid limit"),
    (f"albums/{'5' * 22}/tracks?offset=-1", "Invalid offset"), (f"artists/{'5' * 22}/albums?include_groups=live", "Invalid include_groups"),
    (f"playlists/{'5' * 22}/items?limit=101", "Invalid limit"),
]


@pytest.mark.parametrize("path, message", BAD, ids=[path[:40] for path, _ in BAD])
def test_bounds_and_messages_are_the_web_apis(house, path, message):
    before = house.standin.last_number()
    assert assert_spotify_error(house.get(f"/spotify/v1/{path}"), 400) == message
    assert house.standin.calls(since=before) == []
    if house.standin.mode == "extended" and "limit=101" not in path:
        status, said = house.spotify.ask(*_split(path))if "?" not in path else _asked(house.spotify, path)
        assert (status, said["error"]["message"]) == (400, message), "and the stand-in says the same"


def _split(path):
    return (path,)


def _asked(spotify, path):
    path, _, query = path.partition("?")
    return spotify.ask(path, **dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))


def test_two_hosts_get_their_own_links_from_one_record(house):
    album = house.spotify.ids("album", 1, more_than=50, seed="hosts")[0]
    artist = house.spotify.ids("artist", 1, more_than=50, seed="hosts")[0]
    paths = [f"/spotify/v1/albums/{album}", f"/spotify/v1/albums/{album}/tracks", f"/spotify/v1/artists/{artist}/albums",
             "/spotify/v1/search?q=bones&type=track", f"/api/catalog/album/{album}"]
    hosts = ["music.example.org", "192.168.1.7:8443", "127.0.0.1:9"]
    for path in paths:
        answers = {host: house.get(path, {"Host": host}) for host in hosts * 2}
        for host, answer in answers.items():
            others = [other for other in hosts if other != host]
            assert answer.status == 200 and f"http://{host}/spotify/v1/".encode() in answer.body, path
            assert not any(f"//{other}/".encode() in answer.body for other in others), path
        assert len({answer.headers["etag"] for answer in answers.values()}) == 3, "what differs has tags of its own"
    for host in ("evil.example/path", "a b", "x\"y", "<script>"):
        answer = house.get(paths[0], {"Host": host})
        assert answer.status == 400 or host.encode() not in answer.body


def test_a_public_url_of_the_settings_stands_in_every_link(new_house):
    house = new_house("public", workers=1, SWINGMUSIC_FCGI_PUBLIC_URL="https://music.example.org")
    album = house.standin.ids("album", 1, more_than=50)[0]
    page = house.get(f"/spotify/v1/albums/{album}/tracks", {"Host": "other.example.org"}).json()
    assert page["next"].startswith(f"https://music.example.org/spotify/v1/albums/{album}/tracks?")


def test_any_bearer_will_do_and_none(house):
    name = house.spotify.ids("track", 1, seed="bearer")[0]
    bodies = {house.get(f"/spotify/v1/tracks/{name}", headers).body
              for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"})}
    assert len(bodies) == 1
