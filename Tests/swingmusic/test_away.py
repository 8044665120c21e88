"""swingmusic-fcgi, or swingmusic, is away: clients are told so in words they can read, and music can be made to go on."""

import json
import time

import pytest

from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from house import JSON, password

#: Path and what its family's errors look like.
FAMILIES = {
    "/spotify/v1/tracks/x": {"error": {"status": 502, "message": "swingmusic-fcgi does not answer"}},
    "/api/catalog/track/x": {"error": "swingmusic-fcgi does not answer"},
    "/auth/user": {"msg": "swingmusic-fcgi does not answer"},
    "/auth/verify": {"msg": "swingmusic-fcgi does not answer"},
    "/cache/temp/x": {"error": "swingmusic-fcgi does not answer"},
    "/dragonfly/health": {"error": "swingmusic-fcgi does not answer"},
    "/swingmusic-fcgi/readyz": {"error": "swingmusic-fcgi does not answer"},
    "/nothome/": {"msg": "swingmusic-fcgi does not answer"},
    "/file/x/legacy?filepath=x": {"msg": "swingmusic-fcgi does not answer"},
    "/events/stream": {"msg": "swingmusic-fcgi does not answer"},
}


class Away:
    """nginx in front of the real swingmusic, and of a program that has been stopped."""

    def __init__(self, sandbox, real):
        settings = {"SWINGMUSIC_CONFIG_DIR": str(real.swingmusic.folder), **spotify_settings(StandIn(sandbox).start())}
        self.responder = Responder(sandbox, settings, workers=1).start()
        self.nginx = Nginx(sandbox, self.responder.address, swingmusic=real.swingmusic.port, guarded=True).start()
        self.emergency = Nginx(sandbox, self.responder.address, swingmusic=real.swingmusic.port).start()
        self.responder.stop()


@pytest.fixture(scope="module")
def away(real):
    with Sandbox("away") as sandbox:
        yield Away(sandbox, real)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", FAMILIES)
def test_each_family_says_in_its_own_shape_that_the_program_is_away(real, away, path, method):
    answer = real.ask(method, path, real.tokens["user0"], port=away.nginx.port)
    assert answer.status == 502 and answer.json() == FAMILIES[path]
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/", "/assets/index.js", "/img/thumbnail/x.webp", "/onboarding-data"])
def test_what_is_open_stays_open_without_the_program(real, away, path):
    assert real.get(path, port=away.nginx.port).status == 200


def test_with_the_include_for_emergencies_music_goes_on_without_the_program(real, away):
    """nginx/site/swingmusic.conf as it is: unguarded.conf, without sessions.conf."""
    port = away.emergency.port
    login = real.post("/auth/login", {"username": "user1", "password": password("user1")}, port=port)
    assert login.status == 200
    token = login.json()["accesstoken"]
    for usual in (token, real.tokens["user1"]):
        assert real.get("/nothome/?limit=9", usual, port=port).status == 200
        assert real.get(real.song_path(3), usual, port=port).body == real.get(real.song_path(3), usual).body
    assert real.get("/nothome/", port=port).status == 401
    assert real.get("/nothome?limit=9", token, port=port).headers["location"] == "/nothome/?limit=9"


def test_without_the_guard_listeners_to_events_are_bounded_by_address_and_in_all(real, away):
    from caller import Caller, active_listeners
    from harness.waiting import eventually

    eventually(lambda: active_listeners(real) == 0, 30, what="swingmusic has noticed that the listeners before left")
    callers = [Caller(away.emergency.port, "/events/stream", source=f"127.0.0.{number}") for number in (2, 2, 3)]
    assert [caller.status for caller in callers] == [200, 503, 200]
    # One may be opened in five seconds.
    time.sleep(6)
    callers.append(Caller(away.emergency.port, "/events/stream", source="127.0.0.4"))
    time.sleep(6)
    callers.append(Caller(away.emergency.port, "/events/stream", source="127.0.0.5"))
    assert [caller.status for caller in callers[3:]] == [200, 503]
    for caller in callers:
        caller.close()


def test_it_is_said_in_json_that_swingmusic_is_away(real, sandbox):
    nginx = Nginx(sandbox, real.responder.address, swingmusic=1, guarded=True).start()
    for method, path, value in (("GET", "/nothome/", None), ("GET", real.song_path(0), None), ("GET", "/events/stream", None),
                                ("GET", "/", None), ("GET", "/img/thumbnail/x.webp", None), ("GET", "/onboarding-data", None),
                                ("PUT", "/auth/profile/update", {"username": "user7"})):
        body = b"" if value is None else json.dumps(value).encode()
        answer = real.ask(method, path, real.tokens["user7"], {} if value is None else JSON, body, port=nginx.port)
        assert (answer.status, answer.json()) == (502, {"msg": "swingmusic does not answer"}), (path, answer)
        assert int(answer.headers["retry-after"]) >= 1
