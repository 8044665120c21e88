"""How clients of the Web API wait: some seconds in the call, then 429 and when to come back. Untouched clients get what they ask for."""

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.house import assert_plain_error, assert_spotify_error, cache_status, retry_after, track
from harness.nginx import Nginx
from harness.standin import spotify_id
from harness.waiting import eventually

spotipy = pytest.importorskip("spotipy", reason="pip install -r Tests/nginx/requirements.txt")
tekore = pytest.importorskip("tekore", reason="pip install -r Tests/nginx/requirements.txt")
asyncspotify = pytest.importorskip("asyncspotify", reason="pip install -r Tests/nginx/requirements.txt")
from asyncspotify.http import Route  # noqa: E402
from tekore._client import base as tekore_base  # noqa: E402

#: Nothing but the program's own defaults.
DEFAULTS = {"SPOTIFY_MIN_INTERVAL": None, "SPOTIFY_CALLS_PER_HOUR": None, "SWINGMUSIC_FCGI_MIRROR_WAIT": None}


def mirror(house):
    return f"http://127.0.0.1:{house.port}/spotify/v1/"


class Wishes:
    """What the clients ask for, none of it known."""

    def __init__(self, standin):
        self.tracks = standin.ids("track", 10, seed="waiting")
        self.artist = standin.ids("artist", 1, more_than=4, seed="waiting")[0]
        self.playlist = standin.ids("playlist", 1, more_than=150, seed="waiting")[0]


def spotipy_client(house):
    """As it comes: a time-out of 5 s, three retries."""
    client = spotipy.Spotify(auth="whatever")
    client.prefix = mirror(house)
    return client


SPOTIPY = {
    "ten tracks": lambda client, wishes: len(client.tracks(wishes.tracks)["tracks"]) == 10,
    "a search of fifty": lambda client, wishes: len(client.search("waiting room", limit=50, type="track")["tracks"]["items"]) == 50,
    "top tracks": lambda client, wishes: len(client.artist_top_tracks(wishes.artist)["tracks"]) > 0,
    "the second page of a playlist": lambda client, wishes: client.playlist_items(wishes.playlist, limit=50, offset=100)["items"],
}


@pytest.mark.parametrize("what", SPOTIPY)
def test_untouched_spotipy_gets_it_at_its_first_call_at_the_default_pace(new_house, what):
    house = new_house("spotipy", workers=2, mode="development", user="user7", **DEFAULTS)
    wishes = Wishes(house.standin)
    house.get(track("the-pace-is-not-fresh"))
    assert SPOTIPY[what](spotipy_client(house), wishes)


def test_tekores_retrying_sender_gets_it(new_house, monkeypatch):
    house = new_house("tekore", workers=2, mode="development", user="user7", **DEFAULTS)
    monkeypatch.setattr(tekore_base, "prefix", mirror(house))
    client = tekore.Spotify("whatever", sender=tekore.RetryingSender(retries=3))
    assert len(client.tracks(Wishes(house.standin).tracks)) == 10
    assert len(client.search("waiting room", types=("track",), limit=50)[0].items) == 50


def test_asyncspotify_gets_it(new_house, monkeypatch):
    house = new_house("asyncspotify", workers=2, mode="development", user="user7", **DEFAULTS)
    monkeypatch.setattr(Route, "BASE", mirror(house).rstrip("/"))
    wishes = Wishes(house.standin)

    class Known:
        header = {"Authorization": "Bearer whatever"}

        def __call__(self, client):
            return self

    async def ask():
        client = asyncspotify.Client(Known())
        try:
            return await client.get_tracks(*wishes.tracks)
        finally:
            await client.http.close()
    assert len(asyncio.run(ask())) == 10


def test_a_client_without_retries_gets_an_error_that_it_can_read_within_five_seconds(new_house):
    house = new_house("no-retries", workers=2, mode="development", user="user7", **DEFAULTS)
    client = spotipy.Spotify(auth="whatever", retries=0, status_retries=0)
    client.prefix = mirror(house)
    begun = time.monotonic()
    with pytest.raises(spotipy.SpotifyException) as error:
        client.tracks(Wishes(house.standin).tracks)
    assert time.monotonic() - begun < 5 and error.value.http_status == 429
    answer = house.get(f"/spotify/v1/tracks?ids={','.join(house.standin.ids('track', 10, seed='others'))}")
    assert "queued" in assert_spotify_error(answer, 429) and answer.seconds < 5


def test_who_comes_back_when_told_finds_it_though_others_come_meanwhile(new_house):
    house = new_house("honest-429", workers=2, SPOTIFY_MIN_INTERVAL="500ms", SWINGMUSIC_FCGI_MIRROR_WAIT="3s")
    honest = house.standin.ids("track", 12, seed="honest")
    path = f"/spotify/v1/tracks?ids={','.join(honest)}"
    answer = house.get(path)
    assert_spotify_error(answer, 429)
    told = retry_after(answer)
    assert 4 <= told <= 8 and int(answer.headers["ratelimit-reset"]) == told
    # Others wait all the time, and would go before it if nobody stood in for it.
    with ThreadPoolExecutor(10) as others:
        for number in range(10):
            others.submit(house.get, track(f"patient-{number}"), {"Prefer": "wait=20"})
        # On a busy machine turns may come a little late. Clients come three times.
        for _ in range(3):
            time.sleep(retry_after(answer))
            answer = house.get(path)
            if answer.status == 200:
                break
        assert len(answer.json()["tracks"]) == 12
        called = [call["path"].rpartition("/")[2] for call in house.standin.calls("/v1/tracks/")]
    assert set(called[:12]) == set(honest), "each in its turn, before who came later"


def test_what_needs_several_rounds_is_gone_on_with_while_its_caller_is_away(new_house):
    house = new_house("rounds", workers=2, mode="development", SPOTIFY_MIN_INTERVAL="400ms", SWINGMUSIC_FCGI_MIRROR_WAIT="100ms")
    house.get(track("the-pace-is-not-fresh"), {"Prefer": "wait=5"})
    path = "/spotify/v1/search?q=several+rounds&type=track&limit=50"
    assert_spotify_error(house.get(path), 429)
    eventually(lambda: len(house.standin.calls("/v1/search")) == 5, 8, what="five pages, for nobody who waits")
    answer = eventually(lambda: (got := house.get(path, {"Prefer": "wait=0"})).status == 200 and got, 3, what="all of it")
    assert "hit" in cache_status(answer) and len(answer.json()["tracks"]["items"]) == 50


def test_a_client_may_ask_for_more_patience_and_gets_no_more_than_the_settings_allow(new_house):
    house = new_house("more", workers=2, SWINGMUSIC_FCGI_MIRROR_WAIT=None, SWINGMUSIC_FCGI_MISS_WAIT="7s", SPOTIFY_TIMEOUT="20s")
    house.standin.control("settings", {"latency_ms": 5000})
    usual = house.get(track("usual"))
    assert_spotify_error(usual, 429)
    assert 3.9 <= usual.seconds < 4.9
    more = house.get(track("more"), {"Prefer": "wait=20"})
    assert more.status == 200 and 4.9 <= more.seconds < 7
    house.standin.fail({"behaviour": "hang"})
    most = house.get(track("most"), {"Prefer": "wait=20"})
    assert_spotify_error(most, 429)
    assert 6.9 <= most.seconds < 8


def test_a_day_of_cooldown_is_slept_through_in_minutes_and_its_end_is_said(new_house):
    house = new_house("day", workers=2, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 86400, "times": 1})
    house.get(track("limited"))
    answer = house.get(track("another"))
    message = assert_spotify_error(answer, 429)
    end = time.time() + 86400
    assert retry_after(answer) <= 60 and 86300 <= int(answer.headers["ratelimit-reset"]) <= 86405
    assert time.strftime("%Y-%m-%dT", time.gmtime(end)) in message, message
    assert answer.seconds < 1 and len(house.standin.calls()) == 1
    # The web client is told as ever.
    catalog = house.get(f"/api/catalog/track/{spotify_id('another')}")
    assert_plain_error(catalog, 503)
    assert retry_after(catalog) >= 86300 and "ratelimit-reset" not in catalog.headers


def test_each_share_of_the_queue_is_a_matter_of_waiting(new_house):
    house = new_house("share", workers=2, SPOTIFY_MIN_INTERVAL="1s", SWINGMUSIC_FCGI_QUEUE_LIMIT="8", SWINGMUSIC_FCGI_MIRROR_WAIT="200ms")
    house.get(track("share-first"))
    answers = house.at_once([track(f"share-{n}") for n in range(12)])
    messages = {assert_spotify_error(answer, 429) for answer in answers if answer.status != 200}
    assert any("of yours" in message for message in messages), messages


def test_what_is_no_matter_of_waiting_has_another_status(new_house):
    house = new_house("other", workers=2, SWINGMUSIC_FCGI_MIRROR_WAIT=None, SPOTIFY_TIMEOUT="500ms")
    house.standin.fail({"behaviour": "status", "status": 500})
    assert "500" in assert_spotify_error(house.get(track("broken"), {"Prefer": "wait=20"}), 502)
    house.standin.fail({"behaviour": "hang"})
    assert_spotify_error(house.get(track("hangs"), {"Prefer": "wait=20"}), 504)
    house.standin.kill()
    away = eventually(lambda: (got := house.get(track("away"))).status == 502 and got, 20, what="that Spotify is away")
    assert "cannot be reached" in assert_spotify_error(away, 502) and retry_after(away) <= 60
    house.responder.restart(SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    none = house.get(track("no-credentials"))
    assert_spotify_error(none, 503)
    assert retry_after(none) <= 60, "spotipy would sleep through an hour"


def test_a_limit_of_nginx_speaks_as_the_web_api_does(new_house):
    house = new_house("nginx-limit", workers=1, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    [known] = house.fill()

    def narrow(folder):
        file = folder / "nginx.conf"
        zone = "limit_req_zone $request_uri zone=narrow:1m rate=1r/m;"
        file.write_text(re.sub(r"(?m)^http \{", f"http {{\n{zone}", file.read_text()))
    door = Nginx(house.sandbox, house.responder.address, server=["limit_req zone=narrow;"], edit=narrow).start()
    answers = [door.get(known) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert_spotify_error(answers[1], 429)
    assert retry_after(answers[1]) >= 1
