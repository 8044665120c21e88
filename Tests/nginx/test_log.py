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
        assert {name: event[name] for name in ("level", "message", "method", "path", "address", "request")} == {
            "level": "info", "message": "answered 503", "method": "GET", "path": path, "address": "127.0.0.1", "request": id}
        assert int(event["pid"]) in logged.responder.worker_pids()
        assert all(json.loads(line)["time"] for line in logged.responder.log().splitlines()), "every line is an object"
        assert all(line.encode() == json_text.compact(json.loads(line)) for line in logged.responder.log().splitlines())
        assert list(event)[:4] == ["time", "level", "pid", "message"] and list(event)[4:] == sorted(list(event)[4:])
    else:
        assert re.fullmatch(rf"\S+Z info \[\d+\] answered 503 address=127\.0\.0\.1 method=GET path={path} request={id}", line), line
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
    assert "/auth/login" in logged.line_about(answer)
    for _ in range(11):
        answer = logged.ask("GET", "/auth/pair?code=gu355d", {"Authorization": f"Bearer {login['accesstoken']}"})
    assert answer.status == 429
    assert "/auth/pair" in logged.line_about(answer)
    # Hostile names make no second line.
    strange = logged.ask("GET", "/spotify/v1/tracks/%0Ainfo%20[1]%20forged")
    log = logged.responder.log()
    assert strange.status < 500 and "\ninfo [1] forged" not in log
    for secret in (login["accesstoken"], login["refreshtoken"], "a wrong guess", "bobpw", "gu355d", CLIENT_SECRET, ADMIN_TOKEN):
        assert secret not in log
