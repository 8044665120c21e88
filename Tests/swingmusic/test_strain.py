"""Paused players, listeners to events and strangers: none of them takes swingmusic from the others."""

import contextlib
import json
import re
import statistics
import time

import pytest

from harness.nginx import Nginx
from harness.process import children_of
from harness.standin import spotify_id
from harness.waiting import eventually
from caller import Caller, active_listeners, settle
from house import JSON, USERS, credentials
from server import MEGABYTE

PLAYERS = 24


def resident(nginx):
    """Bytes of memory that nginx's workers hold, and the kernel for all TCP connections."""
    with open("/proc/net/sockstat") as counts:
        total = int(re.search(r"^TCP:.* mem (\d+)$", counts.read(), re.M)[1]) * 4096
    for pid in children_of(nginx.process.pid):
        with open(f"/proc/{pid}/status") as status:
            total += int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024
    return total


@pytest.fixture(scope="module")
def strain(real):
    """24 players that paused after a quarter of a megabyte; 8 strangers and 8 users who want events."""
    path = f"/spotify/v1/tracks/{spotify_id('strain')}"
    assert real.get(path, real.tokens["user0"]).status == 200
    settle(real)
    before = resident(real.nginx)
    with contextlib.ExitStack() as stack:
        players = [Caller(real.nginx.port, real.song_path(number % 2), real.tokens[USERS[number % 8]]) for number in range(PLAYERS)]
        listeners = [Caller(real.nginx.port, "/events/stream", token) for token in [None] * 8 + [real.tokens[name] for name in USERS]]
        for caller in players + listeners:
            stack.callback(caller.close)
        for player in players:
            player.read(MEGABYTE // 4)
        real.players, real.listeners, real.memory_before, real.known = players, listeners, before, path
        yield real
    eventually(lambda: active_listeners(real) == 0, 30, what="swingmusic has noticed that all listeners left")


def test_three_users_have_streams_of_events_and_the_others_are_told_when_to_come_back(strain):
    statuses = [listener.status for listener in strain.listeners]
    assert statuses[:8] == [401] * 8
    assert sorted(statuses[8:]) == [200] * 3 + [503] * 5
    for listener in strain.listeners[8:]:
        if listener.status == 503:
            assert int(listener.headers["retry-after"]) >= 1
            assert listener.headers["content-type"] == "application/json"
    assert active_listeners(strain) == 3


def everything_else(real):
    """(name, a request) of what people do meanwhile."""
    token = real.tokens["user7"]
    return {
        "the page": lambda: real.get("/"),
        "a file of the client": lambda: real.get("/assets/index.js"),
        "a cover": lambda: real.get("/img/thumbnail/x.webp"),
        "the home page": lambda: real.get("/nothome/?limit=9", token),
        "a folder": lambda: real.ask("POST", "/folder", token, JSON, json.dumps({"folder": str(real.swingmusic.music)}).encode()),
        "the settings": lambda: real.get("/notsettings", token),
        "a search": lambda: real.get("/search/top?q=song&limit=5", token),
        "a song": lambda: real.get(real.song_path(2), token, headers={"Range": "bytes=0-99"}),
        "first steps": lambda: real.get("/onboarding-data"),
        "one's session": lambda: real.get("/auth/user", token),
        "metadata": lambda: real.get(real.known, token),
    }


@pytest.mark.parametrize("name", ["the page", "a file of the client", "a cover", "the home page", "a folder", "the settings", "a search",
                                  "a song", "first steps", "one's session", "metadata"])
def test_everything_else_answers_within_a_tenth_of_a_second(strain, name):
    ask = everything_else(strain)[name]
    answers = [ask() for _ in range(20)]
    assert {answer.status for answer in answers} <= {200, 206}, answers[0]
    assert statistics.median(answer.seconds for answer in answers) < 0.1


def test_a_paused_player_takes_less_than_8_mb_of_nginxs_memory(strain):
    taken = (resident(strain.nginx) - strain.memory_before) / PLAYERS
    print(f"{taken / MEGABYTE:.1f} MB a player")
    assert MEGABYTE / 2 < taken < 8 * MEGABYTE, f"{taken / MEGABYTE:.1f} MB a player"


def test_a_paused_player_goes_on_where_it_was(strain):
    path = strain.song_path(2)
    own = strain.swingmusic.ask("GET", path, credentials(strain.tokens["user0"])).body
    player = Caller(strain.nginx.port, path, strain.tokens["user0"])
    assert player.read(3 * MEGABYTE) == own[:3 * MEGABYTE]
    time.sleep(3)
    assert player.read(len(own) - 3 * MEGABYTE) == own[3 * MEGABYTE:]
    player.close()


def test_a_song_that_is_heard_to_its_end_leaves_no_more_behind_in_memory_than_a_piece(strain):
    before = resident(strain.nginx)
    player = Caller(strain.nginx.port, strain.song_path(0), strain.tokens["user0"], window=1 << 20)
    player.read(79 * MEGABYTE)
    assert resident(strain.nginx) - before < 8 * MEGABYTE
    player.close()


def test_a_player_that_was_paused_for_an_hour_of_nginxs_goes_on(real, sandbox):
    """nginx's clock is 120 times as fast: 32 s are more than an hour to it, and its minute half a second."""
    def be_patient(folder):
        # With what is not about the player: five seconds of its own are none of a busy machine's.
        for name, short in (("proxy.conf", "proxy_connect_timeout 5s"), ("request.conf", "fastcgi_connect_timeout 5s"),
                            ("request.conf", "fastcgi_read_timeout 40s"), ("request.conf", "fastcgi_send_timeout 15s")):
            path = folder / "swingmusic-fcgi" / name
            assert short in path.read_text()
            path.write_text(path.read_text().replace(short, f"{short.split()[0]} 1h"))

    nginx = Nginx(sandbox, real.responder.address, swingmusic=real.swingmusic.port, guarded=True, edit=be_patient)
    nginx.start(under=["faketime", "-f", "+0 x120"])
    path = real.song_path(2)
    own = real.swingmusic.ask("GET", path, credentials(real.tokens["user0"])).body
    players = {read: Caller(nginx.port, path, real.tokens["user0"]) for read in (MEGABYTE // 4, 5_000_000)}
    for read, player in players.items():
        assert player.read(read) == own[:read]
    time.sleep(32)
    for read, player in players.items():
        assert player.read(len(own) - read) == own[read:]
        player.close()
