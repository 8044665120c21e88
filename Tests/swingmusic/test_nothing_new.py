"""Handing on what is not ours opens nothing of swingmusic itself, which has routes of its own where ours are, with rules of its own."""

import itertools
import json
import random
import re

import pytest

from harness import http
from harness.nginx import Nginx
from house import JSON, credentials, password

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]

#: What the include for an extended version opens, and what could be taken for it.
FEW = ["/auth/bootstrap/status", "/auth/bootstrap/owner", "/auth/invite/accept", "/setup/", "/setup/x", "/setup/x.webp", "/setup/../auth/login"]

DETOURS = ["/auth/", "/auth//", "/auth/./", "/auth/x/../", "/auth/%2e/", "/auth/x/%2e%2e/", "/auth/%2f", "/%61uth/", "/auth/x/%252e%252e/", "/auth/\\",
           "/auth/;/"]
TAILS = ["", "/", "//", "/.", ";", ";a=b", "%3b", "%20", "%0a", "#", "%23", "%3f", "/x/%2e%2e", "%252f", "%2f"]


def own_routes(real):
    """(method, path) of swingmusic's operations below /auth/, by its own description."""
    description = real.swingmusic.ask("GET", "/docs/openapi.json").json()
    found = [(method.upper(), path) for path, operations in description["paths"].items() if path.startswith("/auth/") for method in operations]
    assert len(found) >= 11, found
    return found


@pytest.fixture(scope="module")
def victim(real):
    """A user whose account the others would like to have, and what of it must stay."""
    name = "victim"
    if real.post("/auth/login", {"username": name, "password": password(name)}).status != 200:
        real.make_user(name, real.tokens["admin"])
    return real.get("/auth/user", real.log_in(name)).json()


def users(real):
    listed = real.get("/auth/users", real.tokens["admin"]).json()["users"]
    return sorted(json.dumps(user, sort_keys=True) for user in listed)


def test_without_us_a_user_may_change_another(real, victim):
    """Else the tests below would show nothing."""
    body = json.dumps({"id": victim["id"], "username": "victim2"}).encode()
    answer = real.ask("PUT", "/auth/profile/update", real.tokens["user1"], JSON, body, port=real.swingmusic.port)
    assert answer.status == 200 and answer.json()["username"] == "victim2"
    body = json.dumps({"id": victim["id"], "username": "victim"}).encode()
    assert real.ask("PUT", "/auth/profile/update", real.tokens["user1"], JSON, body, port=real.swingmusic.port).status == 200


def test_no_spelling_of_a_route_reaches_swingmusics_own(real, victim):
    """Each of its routes, with a form that its own rules allow to any user and ours do not."""
    before = users(real)
    form = json.dumps({"id": victim["id"], "username": "taken", "password": "taken"}).encode()
    tried = 0
    for method, path in own_routes(real):
        route = path.removeprefix("/auth/")
        if route in ("logout", "login"):
            continue
        spellings = [detour + route + tail for detour, tail in itertools.product(DETOURS, TAILS)]
        spellings += [f"/auth/{route.upper()}", f"/auth/{route.replace('/', '%2f')}", f"/auth/{route.replace('/', '%252f')}", f"/auth/%25{ord(route[0]):x}{route[1:]}"]
        for spelling in random.Random(path).sample(spellings, 60) + [path, path + "/"]:
            body = b"" if method == "GET" else form
            answer = real.ask(method, spelling, real.tokens["user1"], JSON if body else {}, body)
            assert "accesstoken" not in answer.body.decode(errors="replace") or route in ("pair", "refresh"), (method, spelling, answer)
            tried += 1
    assert tried > 400
    assert users(real) == before, "somebody was changed, made or removed"
    assert real.post("/auth/login", {"username": "victim", "password": password("victim")}).status == 200


def test_what_swingmusic_does_not_know_is_its_own_404_for_users_and_401_for_strangers(real):
    for method in METHODS:
        for path in ("/auth/password/change", "/auth/invite/accept", "/auth/bootstrap/owner", "/auth/loginx", "/auth/"):
            assert real.ask(method, path).status == 401
            assert real.ask(method, path, cookie="rubbish").status in (401, 422)
            ours = real.ask(method, path, real.tokens["user2"])
            own = real.ask(method, path, real.tokens["user2"], port=real.swingmusic.port)
            assert (ours.status, ours.body) == (own.status, own.body) and ours.status in (404, 405), (method, path, ours)


def test_no_cookie_is_renewed_by_swingmusic_on_that_way(real):
    """swingmusic renews what comes as a cookie; what it gets here is a bearer, and the renewal is ours."""
    old = real.made_token(4, lifetime=5 * 86_400)
    answer = real.get("/auth/password/change", cookie=old)
    assert answer.status == 404
    renewed = re.findall(r"access_token_cookie=([^;, ]+)", answer.headers["set-cookie"])
    assert len(renewed) == 1 and real.get("/auth/verify", cookie=renewed[0]).status == 204
    assert real.get("/auth/logout", cookie=old).status == 200
    assert real.get("/auth/verify", cookie=renewed[0]).status == 401, "it is the same session"
    assert real.get("/auth/password/change", cookie=old).status == 401


@pytest.fixture(scope="module")
def extended(real):
    """As if swingmusic were an extended one."""
    return Nginx(real.sandbox, real.responder.address, swingmusic=real.swingmusic.port, guarded=True, server=["include swingmusic-fcgi/extended.conf;"]).start()


def test_even_the_include_for_the_extended_version_opens_nothing_of_swingmusic_itself(real, extended):
    """Whoever includes it by mistake: there is an admin, and nothing behind the rest."""
    before = users(real)
    form = json.dumps({"username": "eve", "password": "eve", "roles": ["admin"]}).encode()
    for number, (method, path) in enumerate(itertools.product(METHODS, FEW)):
        body = b"" if method in ("GET", "HEAD") else form
        for way in ({}, {"cookie": real.tokens["user3"]}, {"token": "rubbish"}):
            # Each from an address of its own: guesses are counted.
            with http.Connection(extended.port, 30, f"127.0.2.{number + 1}") as connection:
                answer = connection.request(method, path, {**(JSON if body else {}), **credentials(**way)}, body)
            assert answer.status in (400, 401, 403, 404, 405, 413, 422), (method, path, way, answer)
            assert "set-cookie" not in answer.headers or way.get("cookie"), (method, path, answer.headers)
    assert users(real) == before
    # What the include does not name is as without it.
    for path, token, status in (("/folder", None, 401), ("/nothome/", None, 401), ("/nothome/", real.tokens["user3"], 200), ("/auth/user", None, 401)):
        assert real.get(path, token, port=extended.port).status == status
