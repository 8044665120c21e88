"""The log: one line an event, as text or JSON, with nginx's request id where a request was not served, and nothing secret."""

import json
import re

import pytest

from harness import http, json_text
from harness.house import track
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN, CLIENT_SECRET, Responder
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

JSON = {"Content-Type": "application/json"}


class Logged:
    """A program without Spotify's credentials, so that unknown things are 503; nginx tells its request id in a header."""

    def __init__(self, sandbox, form):
        swingmusic = Swingmusic(sandbox)
        self.responder = Responder(sandbox, {
            "SWINGMUSIC_FCGI_LOG_FORMAT": form, "SWINGMUSIC_FCGI_METADATA_AUTH": "off",
            "SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder)}, workers=1).start()
        self.nginx = Nginx(sandbox, self.responder.address, sessions=True, swingmusic=swingmusic.port,
                           server=["add_header X-Request-Id $request_id always;"]).start()

    def ask(self, method, path, headers=None, body=b""):
        return http.request(self.nginx.port, method, path, headers, body)

    def line_about(self, answer):
        """The one line that names the answer's request."""
        id = answer.headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", id)
        eventually(lambda: id in self.responder.log(), 5, what="the request is named in the log")
        [line] = [line for line in self.responder.log().splitlines() if id in line]
        return line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_request_that_was_not_served_is_one_line_with_nginxs_request_id(sandbox, form):
    logged = Logged(sandbox, form)
    path = track("unknown")
    answer = logged.ask("GET", path + "?market=DE")
    assert answer.status == 503
    line, id = logged.line_about(answer), answer.headers["x-request-id"]
    if form == "json":
        event = json.loads(line)
        assert {name: event[name] for name in ("level", "message", "method", "path", "address", "request", "status", "reason")} == {
            "level": "info", "message": "answered 503", "method": "GET", "path": path, "address": "127.0.0.1", "request": id,
            "status": 503, "reason": "credentials"}
        assert type(event["milliseconds"]) is int and 0 <= event["milliseconds"] < 10_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert int(event["pid"]) in logged.responder.worker_pids()
        assert all(json.loads(line)["time"] for line in logged.responder.log().splitlines()), "every line is an object"
        assert all(line.encode() == json_text.compact(json.loads(line)) for line in logged.responder.log().splitlines())
        assert list(event)[:4] == ["time", "level", "pid", "message"] and list(event)[4:] == sorted(list(event)[4:])
    else:
        assert re.fullmatch(
            rf"\S+\.\d{{3}}Z info \[\d+\] answered 503 address=127\.0\.0\.1 method=GET milliseconds=\d+ path={path} reason=credentials request={id} "
            "status=503", line), line
    served = logged.ask("GET", "/swingmusic-fcgi/healthz")
    assert served.status == 200
    assert served.headers.get("x-request-id", "none") not in logged.responder.log(), "what was served is nginx's to log"


@pytest.mark.parametrize("form", ["text", "json"])
def test_throttled_guesses_are_named_and_neither_they_nor_any_secret_is_told(sandbox, form):
    logged = Logged(sandbox, form)
    body = b'{"username":"bob","password":"a wrong guess"}'
    login = logged.ask("POST", "/auth/login", JSON, b'{"username":"bob","password":"bobpw"}').json()
    for _ in range(10):
        logged.ask("POST", "/auth/login", JSON, body)
    answer = logged.ask("POST", "/auth/login", JSON, body)
    assert answer.status == 429
    line = logged.line_about(answer)
    assert "/auth/login" in line and re.search(r'reason(=|": ?")guesses', line)
    for _ in range(11):
        answer = logged.ask("GET", "/auth/pair?code=gu355d", {"Authorization": f"Bearer {login['accesstoken']}"})
    assert answer.status == 429
    line = logged.line_about(answer)
    assert "/auth/pair" in line and re.search(r'reason(=|": ?")guesses', line)
    # Hostile names make no second line.
    strange = logged.ask("GET", "/spotify/v1/tracks/%0Ainfo%20[1]%20forged")
    log = logged.responder.log()
    assert strange.status < 500 and "\ninfo [1] forged" not in log
    for secret in (login["accesstoken"], login["refreshtoken"], "a wrong guess", "bobpw", "gu355d", CLIENT_SECRET, ADMIN_TOKEN):
        assert secret not in log


@pytest.mark.parametrize("settings, path, reason", [
    ({"SWINGMUSIC_FCGI_MISS_WAIT": "1s", "SPOTIFY_MIN_INTERVAL": "60s"}, "second", "turn"),
    ({"SWINGMUSIC_FCGI_QUEUE_LIMIT": "1", "SPOTIFY_MIN_INTERVAL": "60s", "SWINGMUSIC_FCGI_MISS_WAIT": "1s"}, "third", "client-share|queue-full|turn"),
])
def test_who_has_to_wait_too_long_is_told_apart_by_the_reason(new_house, settings, path, reason):
    house = new_house(f"log-{path}", SWINGMUSIC_FCGI_LOG_FORMAT="json", **settings)
    statuses = [answer.status for answer in house.at_once([track(f"{path}-{n}") for n in range(6)])]
    assert 429 in statuses
    lines = [json.loads(line) for line in house.responder.log().splitlines() if "answered 429" in line]
    assert len(lines) == statuses.count(429)
    assert {line["reason"] for line in lines} <= set(reason.split("|")), lines
    assert all(line["status"] == 429 and line["address"] == "127.0.0.1" for line in lines)


def test_a_users_request_that_was_not_served_names_the_user(sandbox):
    swingmusic = Swingmusic(sandbox)
    responder = Responder(sandbox, {"SWINGMUSIC_FCGI_LOG_FORMAT": "json", "SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder)}, workers=1).start()
    nginx = Nginx(sandbox, responder.address, sessions=True, swingmusic=swingmusic.port).start()
    login = http.request(nginx.port, "POST", "/auth/login", JSON, b'{"username":"bob","password":"bobpw"}').json()
    headers = {"Authorization": f"Bearer {login['accesstoken']}"}
    user = http.request(nginx.port, "GET", "/auth/user", headers).json()["id"]
    assert http.request(nginx.port, "GET", track("user"), headers).status == 503
    [line] = [json.loads(line) for line in responder.log().splitlines() if "answered 503" in line]
    assert (line["user"], line["reason"], line["address"]) == (user, "credentials", "127.0.0.1")
