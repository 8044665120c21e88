"""A client key's token at the real swingmusic: behind us, and at its own port, it is worth no more than none."""

import json
import re

import pytest

from harness.keys import asked, made_key, token_of
from harness.responder import ADMIN_TOKEN
from house import credentials

#: Takes long, asks the internet, or is swingmusic's own first step.
LEFT_OUT = re.compile(r"/backup|/trigger-scan|/license|/auth/profile/create|/auth/login")

#: Open to strangers by our files, with what swingmusic itself shows to everybody.
OPEN = re.compile(r"/$|/assets/|/favicon\.ico|/img/|/onboarding-data|/auth/logout|/auth/users|/auth/pair$")


class Household:
    """`harness.keys` asks it."""

    def __init__(self, real):
        self.real = real

    def ask(self, method, path, bearer=None, headers=None, body=b""):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.real.ask(method, path, bearer, {"Content-Type": "application/json", **(headers or {})}, body)


@pytest.fixture(scope="module")
def client(real):
    own = Household(real)
    key = made_key(own, "swingmusic")
    yield token_of(own, *key)
    assert own.ask("DELETE", "/swingmusic-fcgi/keys/swingmusic", ADMIN_TOKEN).status == 200
    assert asked(own, *key).status == 400


def operations(real):
    """(method, path) of all that swingmusic describes."""
    described = real.swingmusic.ask("GET", "/docs/openapi.json").json()["paths"]
    found = [(method.upper(), re.sub(r"\{[^}]*\}", "x", path)) for path, methods in described.items() for method in methods
             if method in ("get", "post", "put", "delete") and not LEFT_OUT.search(path)]
    assert len(found) > 80
    return [*found, ("GET", "/unknown"), ("GET", "/events/stream"), ("GET", "/docs/openapi.json")]


def test_it_opens_the_mirror(real, client):
    assert real.get("/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl").status == 401
    assert real.get("/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl", client).status not in (401, 403)


def test_behind_us_it_opens_nothing_of_swingmusics(real, client):
    for method, path in operations(real):
        if OPEN.search(path):
            assert real.ask(method, path, client).status in (real.ask(method, path).status, 401, 422), (method, path)
        else:
            assert real.ask(method, path, client).status == 401, (method, path)
            assert real.ask(method, path, cookie=client).status == 401, (method, path)


def test_at_its_own_port_it_is_worth_no_more_than_none(real, client):
    asked_of = 0
    for method, path in operations(real):
        if path == "/events/stream":
            continue
        alone = real.swingmusic.ask(method, path)
        for headers in (credentials(client), credentials(cookie=client)):
            answer = real.swingmusic.ask(method, path, headers)
            assert answer.status in (401, 422) or answer.status == alone.status, (method, path, answer)
            assert "access_token_cookie=ey" not in answer.headers.get("set-cookie", "")
        asked_of += alone.status == 401
    assert asked_of > 60, "most of it is for users"
