"""Every path and parameter with malformed values: 400 or 404 in the dialect's shape, no call upstream, no 500."""

import json
import random

import pytest

from harness.house import assert_plain_error, assert_spotify_error
from harness.standin import spotify_id

ID = spotify_id("fuzz")
SEED = 20261122

#: What stands where an id belongs, but for `..`, with which nginx makes another path before anybody else sees it.
IDS = ["x", ID[:-1], ID + "0", ID[:-1] + "-", ID[:-1] + "_", ID[:-1] + "%20", ID[:-1] + "%00", ID[:-1] + "%0A", ID[:-1] + "%FF", "%C3%A9" * 11,
       "%F0%9F%94%A5", "a" * 3000, "spotify:", "spotify:track", "spotify:track:", f"spotify:user:{ID}", f"spotify:track:{ID}:x",
       "https://open.spotify.com", f"https://open.spotify.com/user/{ID}", f"https://spotify.link/{ID}", "https:%2F%2Fevil.example%2Ftrack%2F" + ID,
       "null", "undefined", "-1", "0", "{id}", "%7Bid%7D", "'%20OR%201=1--", "%3Cscript%3E", "%25", "%2525", "..%252F..%252Fetc", "%u0041", "*", "$", "@"]
NUMBERS = ["x", "-1", "1.5", "1e3", "0x10", "%201", "1%20", "+1", "99999999999999999999", "-99999999999999999999", "%00", "%FF", "NaN",
           "Infinity", "1,2", "%D9%A1", "null", "true", "[]", "1;2"]
MARKETS = ["x", "sweden", "S", "SWE", "s%C3%A9", "12", "%00%00", "--", "se", "%FF%FF"]
GROUPS = ["x", "album,live", "ALBUM", "album;single", "%00", "appears-on", ",", "album%20single"]
TYPES = ["x", "track,song", "tracks", "Track", "%00", "track;album", "chapter", ",", "%FF"]
BODIES = [b"", b"{", b"[]", b"null", b"1", b'"x"', b"{]", b"\xff\xfe", b"\x00" * 50, b'{"query"', b'{"query":1}', b'{"query":[]}', b'{"query":{}}',
          b'{"query":""}', b'{"query":"\\u0000"}', b'{"query":"' + b"x" * 400 + b'"}', b"[" * 5000, b'{"a":' * 3000]


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("fuzz", workers=2, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    house.kept = house.connection()
    return house


@pytest.fixture(autouse=True)
def no_call_and_no_crash(house):
    before, workers = house.standin.last_number(), house.responder.worker_pids()
    yield
    assert house.standin.calls(since=before, on="all") == []
    assert house.responder.worker_pids() == workers


def refused(house, path, statuses=(400, 404), method="GET", body=b""):
    answer = house.kept.request(method, path, {"Content-Type": "application/json"} if body else None, body)
    # nginx itself answers what is no path at all, before anybody else sees it.
    if answer.status == 400 and answer.headers["content-type"] == "text/html":
        assert any(escape in path.partition("?")[0] for escape in ("%00", "%u")), path
        return
    try:
        (assert_spotify_error if path.startswith("/spotify/") else assert_plain_error)(answer, *statuses)
    except (AssertionError, ValueError, KeyError, TypeError) as error:
        raise AssertionError(f"{method} {path[:200]} {body[:80]!r}: {answer!r}") from error


OBJECTS = ["tracks/{}", "albums/{}", "artists/{}", "playlists/{}", "albums/{}/tracks", "artists/{}/albums", "artists/{}/top-tracks",
           "playlists/{}/items", "playlists/{}/tracks", "playlists/{}/images", "shows/{}", "episodes/{}", "audiobooks/{}", "chapters/{}",
           "shows/{}/episodes", "audiobooks/{}/chapters", "users/u/playlists/{}"]
ITEMS = ["track/{}", "album/{}", "artist/{}", "playlist/{}", "artist/{}/top-tracks", "artist/{}/albums"]


@pytest.mark.parametrize("route", [f"/spotify/v1/{path}" for path in OBJECTS] + [f"/api/catalog/{path}" for path in ITEMS])
def test_ids(house, route):
    for value in IDS:
        refused(house, route.format(value))


@pytest.mark.parametrize("plural", ["tracks", "albums", "artists", "shows", "episodes", "audiobooks", "chapters"])
def test_lists_of_ids(house, plural):
    for value in [value for value in IDS if "&" not in value]:
        refused(house, f"/spotify/v1/{plural}?ids={value}")
        refused(house, f"/spotify/v1/{plural}?ids={ID},{value}")
    for query in ("", "?", "?ids", "?ids=", "?ids=,,,", "?id=" + ID, "?ids=" + ",".join([ID] * 51), "?ids=%", "?ids=%zz"):
        refused(house, f"/spotify/v1/{plural}{query}")


@pytest.mark.parametrize("route", [
    f"albums/{ID}/tracks?limit={{}}", f"albums/{ID}/tracks?offset={{}}", f"artists/{ID}/albums?limit={{}}", f"artists/{ID}/albums?offset={{}}",
    f"shows/{ID}/episodes?limit={{}}", f"audiobooks/{ID}/chapters?offset={{}}", f"playlists/{ID}/items?limit={{}}", f"playlists/{ID}/items?offset={{}}", f"playlists/{ID}/tracks?limit={{}}",
    "search?q=x&type=track&limit={}", "search?q=x&type=track&offset={}"])
def test_numbers_of_the_mirror(house, route):
    for value in NUMBERS:
        refused(house, f"/spotify/v1/{route.format(value)}", (400,))


@pytest.mark.parametrize("route", [f"playlist/{ID}?limit={{}}", f"artist/{ID}/top-tracks?limit={{}}", f"artist/{ID}/albums?limit={{}}", "trending?limit={}"])
def test_numbers_of_the_web_client(house, route):
    """Numbers out of bounds are clamped there."""
    for value in [value for value in NUMBERS if not value.lstrip("+-").isdigit()]:
        refused(house, f"/api/catalog/{route.format(value)}", (400,))


@pytest.mark.parametrize("path", [path.format(ID) for path in OBJECTS if path not in ("artists/{}", "playlists/{}/images")] + [f"tracks?ids={ID}", "search?q=x&type=track"])
def test_markets(house, path):
    for value in MARKETS:
        for name in ("market", "country"):
            refused(house, f"/spotify/v1/{path}{'&' if '?' in path else '?'}{name}={value}", (400,))


def test_groups_and_types(house):
    for value in GROUPS:
        refused(house, f"/spotify/v1/artists/{ID}/albums?include_groups={value}", (400,))
    for value in TYPES:
        refused(house, f"/spotify/v1/search?q=x&type={value}", (400,))
        if value != "tracks":
            refused(house, f"/api/catalog/trending?type={value}", (400,))


def test_queries(house):
    for query in ("", "q=", "q=%20", "q=%09%0A", "q=%00", "q=" + "x" * 400, "q=%F0%9F%94%A5" * 1 + "%FF", "q=%", "q=%4", "q=%zz", "x=1", "&&&", "="):
        refused(house, f"/spotify/v1/search?{query}&type=track", (400,))


@pytest.mark.parametrize("route", ["search", "recommendations"])
def test_bodies(house, route):
    for body in [body for body in BODIES if route == "search" or not body.startswith(b'{"query":')]:
        refused(house, f"/api/catalog/{route}", (400,), "POST", body)
    bad = [0, True, [], {}, "x", 1.5, "1.5", -1e300]
    for field, values in {
        "search": {"type": [0, [], "songs", "", True], "limit": [v for v in bad if v != 0], "offset": [-1, 10**12, *[v for v in bad if v != 0]]},
        "recommendations": {"seed_artists": ["x", {}, [1], [None], ["short"], [ID] * 51], "seed_tracks": ["x", [[]], ["spotify:album:" + ID]],
                            "seed_genres": ["x", {}, [1], ["g" * 200], ["g"] * 51], "limit": [[], {}, "x", 1.5, True]},
    }[route].items():
        for value in values:
            if field == "limit" and value == -1e300:
                continue  # a whole number, if a small one: clamped
            body = json.dumps({"query": "x", field: value}).encode()
            refused(house, f"/api/catalog/{route}", (400,), "POST", body)


def test_paths(house):
    for path in ("browse/new-releases", "markets", f"users/{ID}", f"artists/{ID}/related-artists", "me", f"playlists/{ID}/followers"):
        refused(house, f"/spotify/v1/{path}", (401, 403))
        refused(house, f"/api/catalog/{path}")
    for path in ("", "/", "tracks/", "x", "melody", f"tracks/{ID}/audio", f"shows/{ID}/chapters",
                 f"albums/{ID}/tracks/{ID}", "episodes/x", "%00", "%FF", "a" * 4000, "x/" * 500):
        refused(house, f"/spotify/v1/{path}")
        refused(house, f"/api/catalog/{path}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
def test_methods(house, method):
    for path in (f"/spotify/v1/tracks/{ID}", "/spotify/v1/search", f"/api/catalog/track/{ID}", "/api/catalog/trending"):
        answer = house.request(method, path)
        (assert_spotify_error if path.startswith("/spotify/") else assert_plain_error)(answer, 405)
        assert "GET" in answer.headers["allow"]
    for path in ("/api/catalog/search", "/api/catalog/recommendations"):
        if method != "POST":
            assert_plain_error(house.request(method, path), 405)


def test_a_thousand_random_requests(house):
    """Any mixture of the above, from a fixed seed; the query may be anything, the path never names something that exists."""
    chance = random.Random(SEED)
    values = IDS + NUMBERS + MARKETS + GROUPS + TYPES
    names = ["limit", "offset", "market", "ids", "type", "q", "include_groups", "fields", "country", "additional_types", "query", "%00", "[]", ""]
    for _ in range(1000):
        query = "&".join(f"{chance.choice(names)}={chance.choice(values)}" for _ in range(chance.randrange(4)))
        query = "".join(chr(chance.randrange(33, 127)) for _ in range(8)).replace("#", "") if chance.random() < 0.1 else query
        route = chance.choice([f"/spotify/v1/{path}" for path in OBJECTS] + [f"/api/catalog/{path}" for path in ITEMS])
        refused(house, route.format(chance.choice(IDS)) + (f"?{query}" if query else ""))
