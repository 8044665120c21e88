"""What the extended web client asks for below /api beside its catalog, and which tracks swingmusic has."""

import json
import re
import time
from urllib.parse import quote

import pytest

from harness import http
from harness.house import BRISK, assert_plain_error
from harness.household import Household
from harness.nginx import Nginx
from harness.responder import spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn, spotify_id
from harness.waiting import eventually

SONGS = [
    ("Emotion", "Carly Rae Jepsen", "e1", "Carly Rae Jepsen", 208, "Run Away With Me", "t1", 1700000000, 7),
    ("Live", "Carly Rae Jepsen", "e2", "Carly Rae Jepsen", 260, "Run Away With Me", "t2", 0, 0),
    ("Für Elise", "Various", "e3", "Ludwig van Beethoven; Anna", 175, "Für Elise!", "t3", 0, 1),
    ("Odd", "Sia", "e4", "Anastasia", 200, "Chandelier", "t4", 0, 0),
    ("", "Sia", "e5", "Sia", 200, "Untitled Song", "t5", 0, 0),
    ("Glass", "Kana", "e6", "Kana", 200, "バス", "t6", 0, 0),
    ("Park", "Simon & Garfunkel", "e7", "Simon & Garfunkel; Other", 200, "Bridge", "t7", 0, 0),
    ("Blank", "Sia", "e8", "Sia", 200, "", "t8", 0, 0),
    ("Gold (Deluxe)", "Sia", "e9", "Sia", 200, "Alive", "t9", 0, 0),
]

#: By which swingmusic's routes know these songs; the column `trackhash` has another. None: that cannot be told.
HASHES = {
    "t1": "7e9f81e69892aaa2", "t2": "35c0caacbd637fb0", "t3": "4ebe60248be014e9", "t4": "c5cb830c0faa4bd8",
    "t5": "8e4d6db0a5247f9f", "t6": "b064485343ebd8d2", "t7": "515497ce374de1a0", "t9": None,
}


def insert(own, song):
    own.swingmusic.execute(
        "INSERT INTO track (album, albumartists, albumhash, artists, duration, title, trackhash, lastplayed, playcount, bitrate, disc, filepath, folder,"
        " last_mod, track, playduration) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 320, 1, hex(randomblob(8)), '/music', 0, 1, 0)", *song)


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("extended-search", workers=2)


@pytest.fixture(scope="module")
def own():
    with Sandbox("library-standin") as box, Household("library", workers=2, **BRISK, **spotify_settings(StandIn(box).start())) as opened:
        for song in SONGS:
            insert(opened, song)
        yield opened


ITEM = {"spotify_id", "id", "type", "item_type", "title", "artist", "album", "duration_ms", "popularity", "preview_url", "image_url", "release_date",
        "explicit", "data", "source", "navigation"}


def test_a_global_search_has_every_member_that_the_client_reads(house):
    answer = house.post("/api/search/global", {"query": "carly rae", "type": "all", "limit": 5, "user_id": 1})
    assert answer.status == 200
    found = answer.json()
    assert set(found) == {"query", "total", "tracks", "albums", "artists", "playlists", "source", "cache_info"}
    assert found["query"] == "carly rae" and found["source"] == "global_catalog" and set(found["cache_info"]) == {"from_cache", "expires_at"}
    assert found["total"] == sum(len(found[kind]) for kind in ("tracks", "albums", "artists", "playlists"))
    for kind in ("track", "album", "artist", "playlist"):
        assert 1 <= len(found[f"{kind}s"]) <= 5
        for item in found[f"{kind}s"]:
            assert set(item) == ITEM and item["type"] == kind and item["id"] == item["spotify_id"] == item["data"]["id"] and item["source"] == "global"
    one = house.post("/api/search/global", {"query": "carly rae", "type": "tracks"}).json()
    assert one["tracks"] and not one["albums"]


@pytest.mark.parametrize("path", ["/api/search/global", "/api/search/combined"])
@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "  "}, {"query": "x", "type": "songs"}, {"query": "x" * 301}, {"query": "x", "limit": "y"}, []])
def test_a_search_that_is_asked_badly_is_400(house, path, body):
    assert_plain_error(house.post(path, body), 400)


def test_suggestions_are_what_is_known_and_cost_no_call(house):
    name = spotify_id("suggested")
    track = house.get(f"/spotify/v1/tracks/{name}").json()
    house.get(f"/api/catalog/track/{name}")
    calls = len(house.standin.calls())
    typed = http.request(house.port, "GET", "/api/search/suggestions?q=zz-nothing-of-this&type=all&limit=10&user_id=").json()
    assert typed == {"suggestions": []}
    for short in ("", "?q=", "?q=x"):
        assert house.get(f"/api/search/suggestions{short}").json() == {"suggestions": []}
    assert_plain_error(house.get("/api/search/suggestions?q=ab&type=songs"), 400)
    assert_plain_error(house.get("/api/search/suggestions?q=ab&limit=x"), 400)
    first = track["name"].split()[0].lower()

    def suggested():
        found = house.get(f"/api/search/suggestions?q={first}&type=tracks").json()["suggestions"]
        return next((each for each in found if each["id"] == name), None)

    # That it was used is noted within some seconds.
    found = eventually(suggested, 90, every=1.0)
    assert set(found) == {"id", "type", "title", "artist", "album", "image_url", "popularity", "source"}
    assert found["title"] == track["name"] and found["type"] == "track" and found["source"] == "cache"
    assert len(house.standin.calls()) == calls


def test_artist_and_album_are_the_catalogs(house):
    for kind in ("artist", "album"):
        name = house.standin.ids(kind, 1, seed="extended")[0]
        assert house.get(f"/api/search/{kind}/{name}").json() == house.get(f"/api/catalog/{kind}/{name}").json()
        assert_plain_error(house.get(f"/api/search/{kind}/x"), 400)


@pytest.mark.parametrize("kind", ["track", "album", "artist", "playlist"])
def test_what_a_link_names(house, kind):
    name = spotify_id("linked") if kind == "track" else house.standin.ids(kind, 1, seed="linked")[0]
    url = f"https://open.spotify.com/{kind}/{name}?si=abc"
    known = house.get(f"/api/catalog/{kind}/{name}").json()
    found = house.post("/api/spotify/metadata", {"url": url}).json()
    assert set(found) == {"success", "metadata"} and found["success"] is True
    metadata = found["metadata"]
    assert set(metadata) == {"spotify_id", "item_type", "title", "artist", "album", "duration_ms", "image_url", "release_date", "track_number",
                             "total_tracks", "is_explicit", "preview_url"}
    assert metadata["spotify_id"] == name and metadata["item_type"] == kind and metadata["title"] == known.get("title", known.get("name"))
    flat = house.post("/api/universal/metadata", {"url": f"  {url} "}).json()
    assert set(flat) == {"success", "service", "service_id", "item_type", "title", "artist", "album", "duration_ms", "image_url", "release_date",
                         "explicit", "preview_url", "original_url"}
    assert flat["service"] == "spotify" and flat["service_id"] == name and flat["original_url"] == url and flat["title"] == metadata["title"]
    assert house.post("/api/universal/validate-url", {"url": url}).json() == {
        "valid": True, "service": "spotify", "item_type": kind, "id": name, "metadata": {}}


@pytest.mark.parametrize("url", ["https://tidal.com/track/1", "x", "https://open.spotify.com/track/short", f"spotify:show:{spotify_id('s')}",
                                 f"https://evil.example/open.spotify.com/track/{spotify_id('s')}"])
def test_another_link_is_none(house, url):
    assert house.post("/api/universal/validate-url", {"url": url}).json() == {"valid": False, "error": "Unsupported URL format"}
    for path in ("/api/spotify/metadata", "/api/universal/metadata"):
        assert_plain_error(house.post(path, {"url": url}), 400)


def test_a_link_is_needed_and_what_spotify_does_not_know_is_404(house):
    for path in ("/api/spotify/metadata", "/api/universal/metadata", "/api/universal/validate-url"):
        for body in ({}, {"url": ""}, {"url": " "}, {"url": None}, {"url": 5}, {"url": "x" * 2001}):
            assert_plain_error(house.post(path, body), 400)
    assert_plain_error(house.post("/api/spotify/metadata", {"url": "spotify:track:" + "0" * 22}), 404)


@pytest.mark.parametrize("method, path", [("POST", "/api/spotify/download"), ("GET", "/api/universal/queue"), ("GET", "/api/search/preferences/1"),
                                          ("GET", "/api/downloads/x"), ("GET", "/api/search/artist/a/b"), ("POST", "/api/universal/metadata/x")])
def test_what_else_is_below_api_stays_with_swingmusic(own, method, path):
    """nginx hands it on."""
    site = Nginx(own.sandbox, own.responder.address, sessions=True, swingmusic=own.swingmusic.port, guarded=True).start()
    token = own.log_in("bob")["accesstoken"]
    before = len(own.swingmusic.requests)
    answer = http.request(site.port, method, path, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, b"{}")
    assert answer.status == 200 and own.swingmusic.requests[before:][0]["path"] == path
    site.stop()


# What swingmusic has.

def availability(own, *tracks):
    answer = own.ask("POST", "/api/catalog/availability", body={"tracks": list(tracks)})
    assert answer.status == 200, answer
    return answer.json()


@pytest.mark.parametrize("track, trackhash", [
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen", "album": "Emotion", "duration_ms": 208_400}, "t1"),
    ({"title": "run away with me", "artist": "CARLY RAE JEPSEN", "album": "E·MO·TION", "duration_ms": 207_000}, "t1"),
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen", "album": "Live!", "duration_ms": 250_000}, "t2"),
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen, Somebody", "duration_ms": 259_000}, "t2"),
    ({"title": "Fur Elise", "artist": "Anna", "duration_ms": 176_000}, "t3"),
    ({"title": "Für Elise", "artist": "Ludwig van Beethoven"}, "t3"),
    ({"title": "Run Away With Me", "artist": "Somebody", "duration_ms": 208_000}, None),
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen", "album": "Other", "duration_ms": 230_000}, None),
    ({"title": "Run Away", "artist": "Carly Rae Jepsen", "duration_ms": 208_000}, None),
    ({"title": "Chandelier", "artist": "Sia", "album": "1000 Forms", "duration_ms": 200_000}, "t4"),
    ({"title": "Chandelier", "artist": "Stasi", "duration_ms": 200_000}, None),
    ({"title": "", "artist": ""}, None),
    ({"title": " ", "artist": "Sia", "album": "Blank", "duration_ms": 200_000}, None),
    # Of another album, and how long it is nobody says.
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen", "album": "Other"}, None),
    ({"title": "Run Away With Me", "artist": "Carly Rae Jepsen", "album": "Live"}, "t2"),
    # No album is not the same album.
    ({"title": "Untitled Song", "artist": "Sia", "album": "", "duration_ms": 210_000}, None),
    ({"title": "Untitled Song", "artist": "Sia", "album": " ", "duration_ms": 201_000}, "t5"),
    ({"title": "ハス", "artist": "Kana", "duration_ms": 200_000}, None),
    ({"title": "バス", "artist": "Kana", "duration_ms": 200_000}, "t6"),
    ({"title": "Bridge", "artist": "Simon & Garfunkel", "duration_ms": 200_000}, "t7"),
    ({"title": "Alive", "artist": "Sia", "album": "Gold (Deluxe)", "duration_ms": 200_000}, "t9"),
])
def test_a_track_is_found_by_what_it_is_called(own, track, trackhash):
    found = availability(own, {"spotify_id": "x", **track})
    [one] = found["tracks"]
    assert one["spotify_id"] == "x" and one["availability"]["state"] == ("available" if trackhash else "missing")
    assert one.get("trackhash") == HASHES.get(trackhash) and found["available"] == bool(trackhash)
    assert ("trackhash" in one) == bool(HASHES.get(trackhash))
    if trackhash == "t1":
        assert (one["albumhash"], one["play_count"], one["last_played"]) == ("e1", 7, 1700000000)


def test_a_batch_is_answered_in_its_order_and_follows_the_library(own):
    tracks = [{"spotify_id": str(n), "title": "New" if n % 2 else "Run Away With Me", "artist": "Carly Rae Jepsen", "duration_ms": 208_000} for n in range(300)]
    found = availability(own, *tracks)
    assert [each["spotify_id"] for each in found["tracks"]] == [str(n) for n in range(300)] and found["available"] == 150
    insert(own, ("New", "", "e9", "Carly Rae Jepsen", 208, "New", "t9", 0, 0))
    for _ in range(4):
        assert availability(own, *tracks)["available"] == 300
    assert_plain_error(own.ask("POST", "/api/catalog/availability", body={"tracks": tracks + tracks[:1]}), 400, 413)


@pytest.mark.parametrize("body", [{}, {"tracks": None}, {"tracks": 5}, {"tracks": ["x"]}, {"tracks": [{"title": "x"}]}, {"tracks": [{"title": 5, "artist": "x"}]}, [],
                                  {"tracks": [{"title": "x", "artist": "x", "duration_ms": "1"}]}, {"tracks": [{"title": "x", "artist": "x", "album": 5}]},
                                  {"tracks": [{"title": "x", "artist": "x", "spotify_id": []}]}, {"tracks": [{"title": "x", "artist": "x", "duration_ms": -1}]}])
def test_a_batch_that_is_asked_badly_is_400(own, body):
    assert_plain_error(own.ask("POST", "/api/catalog/availability", body=json.dumps(body).encode()), 400)


def test_the_librarys_database_is_only_read(own):
    before = own.swingmusic.database().execute("PRAGMA data_version").fetchone(), (own.swingmusic.folder / "swingmusic.db").stat().st_mtime_ns
    availability(own, {"title": "Run Away With Me", "artist": "Carly Rae Jepsen"})
    assert (own.swingmusic.database().execute("PRAGMA data_version").fetchone(), (own.swingmusic.folder / "swingmusic.db").stat().st_mtime_ns) == before


def test_a_combined_search_has_the_songs_of_the_library(own):
    answer = own.ask("POST", "/api/search/combined", body={"query": "run away", "include_local": True, "include_global": False, "type": "all"})
    assert answer.status == 200
    found = answer.json()
    assert set(found) == {"query", "local", "global", "total"}
    assert [song["trackhash"] for song in found["local"]["tracks"]] == [HASHES["t1"], HASHES["t2"]]
    assert {album["albumhash"] for album in found["local"]["albums"]} == {"e1", "e2"} and found["local"]["artists"][0]["title"] == "Carly Rae Jepsen"
    assert found["global"] == {"tracks": [], "albums": [], "artists": [], "playlists": []}
    assert found["total"] == 5
    tracks = own.ask("POST", "/api/search/combined", body={"query": "elise", "include_global": False, "type": "tracks"}).json()
    assert [song["title"] for song in tracks["local"]["tracks"]] == ["Für Elise!"] and tracks["local"]["albums"] == []
    nothing = own.ask("POST", "/api/search/combined", body={"query": "elise", "include_local": False, "include_global": False}).json()
    assert nothing["total"] == 0
    [untold] = own.ask("POST", "/api/search/combined", body={"query": "alive", "include_global": False, "type": "tracks"}).json()["local"]["tracks"]
    assert (untold["trackhash"], untold["id"]) == (None, "t9")


def test_a_song_that_is_new_is_in_the_next_combined_search_beside_spotifys(own):
    def search():
        answer = own.ask("POST", "/api/search/combined", body={"query": "carly brand-new", "limit": 5})
        assert answer.status == 200, answer
        return answer.json()

    before = search()
    assert before["local"]["tracks"] == [] and before["global"]["tracks"]
    insert(own, ("Brand-New", "", "en", "Carly Rae Jepsen", 100, "Brand-New", "tn", 0, 0))
    for _ in range(4):
        found = search()
        assert [song["title"] for song in found["local"]["tracks"]] == ["Brand-New"] and found["global"] == before["global"]
        assert found["total"] == before["total"] + 3


def test_without_a_library_there_is_nothing_local(house):
    found = house.post("/api/search/combined", {"query": "carly", "limit": 3}).json()
    assert found["local"] == {"tracks": [], "albums": [], "artists": []} and len(found["global"]["tracks"]) == 3 and found["total"] >= 3
    assert_plain_error(house.post("/api/catalog/availability", {"tracks": []}), 503)


# Pairing.

def test_a_pair_code_tells_when_it_ends(own):
    code = own.ask("GET", "/auth/getpaircode", bearer=own.log_in("bob")["accesstoken"]).json()
    assert set(code) == {"code", "expires_at", "ttl_seconds"} and code["ttl_seconds"] == 600
    assert abs(code["expires_at"] - time.time() - 600) < 30


@pytest.mark.parametrize("typed", [str, str.upper, str.lower, lambda code: f" {code} ", lambda code: f"{code[:3]} {code[3:]}".lower()])
def test_a_pair_code_is_good_however_it_is_typed(own, typed):
    """The extended web client shows every code in capitals, and its mobile client sends it so."""
    for _ in range(3):
        code = own.ask("GET", "/auth/getpaircode", bearer=own.log_in("bob")["accesstoken"]).json()["code"]
        assert re.fullmatch("[A-HJ-NP-Z2-9]{6}", code)
        paired = own.ask("GET", f"/auth/pair?code={quote(typed(code))}")
        assert paired.status == 200 and paired.json()["accesstoken"]
    assert own.ask("GET", f"/auth/pair?code={code}").status == 400, "once"


def test_with_a_public_address_it_has_what_a_qr_code_says():
    with Household("pair-url", workers=1, SWINGMUSIC_FCGI_PUBLIC_URL="https://music.example") as own:
        code = own.ask("GET", "/auth/getpaircode", bearer=own.log_in("bob")["accesstoken"]).json()
        assert code["server_url"] == "https://music.example" and code["qr_payload"] == f"https://music.example|{code['code']}"
