"""What the extended version of swingmusic has below /auth/ and /setup/: handed on for users, and with extended.conf some of it for strangers."""

import itertools
import json
import random
import time
import urllib.parse

import pytest

from harness import http
from harness.extended import Extended
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.swingmusic import claims, token

JSON = {"Content-Type": "application/json"}
INCLUDE = ["include swingmusic-fcgi/extended.conf;"]

#: swingmusic's own routes below /auth/, which are answered here, and those that are ours alone.
OURS = ["login", "user", "users", "refresh", "getpaircode", "pair", "logout", "profile/create", "profile/update", "profile/guest/create",
        "profile/delete", "sessions", "verify"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "BREW"]

#: What must never reach swingmusic from a stranger, and never with what could be a session.
CLAIMED = {"X-Swingmusic-User-Id": "1", "X-Swingmusic-Username": "admin", "X-Swingmusic-Roles": "admin"}


class Front:
    """nginx with all of swingmusic behind the guard, before the program and the stand-in."""

    def __init__(self, sandbox, server=(), **folder):
        self.swingmusic = Extended(sandbox, **folder)
        settings = {"SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder), **spotify_settings(StandIn(sandbox).start())}
        self.responder = Responder(sandbox, settings, workers=2).start()
        self.nginx = self.another(sandbox, server)

    def another(self, sandbox, server=()):
        return Nginx(sandbox, self.responder.address, swingmusic=self.swingmusic.port, guarded=True, server=server).start()

    def ask(self, method, path, token=None, cookie=None, headers=None, body=b"", source=None, nginx=None):
        pairs = list((headers or {}).items())
        if token:
            pairs.append(("Authorization", f"Bearer {token}"))
        if cookie:
            pairs.append(("Cookie", f"access_token_cookie={cookie}"))
        if isinstance(body, dict):
            pairs, body = [*pairs, *JSON.items()], json.dumps(body).encode()
        with http.Connection((nginx or self.nginx).port, 30, source) as connection:
            return connection.request(method, path, pairs, body)

    def reached(self, method, path, **more):
        """The answer, and what swingmusic saw of it, or None."""
        before = len(self.swingmusic.requests)
        answer = self.ask(method, path, **more)
        return answer, self.swingmusic.requests[before] if len(self.swingmusic.requests) > before else None

    def log_in(self, name, source=None):
        answer = self.ask("POST", "/auth/login", body={"username": name, "password": f"{name}pw"}, source=source)
        assert answer.status == 200, answer
        return answer.json()["accesstoken"]


@pytest.fixture(scope="module")
def front():
    """As shipped: without extended.conf."""
    with Sandbox("extended") as sandbox:
        front = Front(sandbox)
        front.admin, front.bob = front.log_in("admin"), front.log_in("bob")
        front.included = front.another(sandbox, INCLUDE)
        yield front


@pytest.fixture
def fresh(sandbox):
    """With extended.conf, before anybody is an admin; nginx has counted no guess."""
    return Front(sandbox, INCLUDE, users=())


def headers_of(seen):
    return dict(seen["headers"])


# Behind the guard.

@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/auth/password/rules", "/auth/invite", "/auth/invite/accept", "/auth/users/3", "/auth/bootstrap/owner", "/auth/"])
def test_what_is_not_ours_is_for_users_and_reaches_swingmusic_with_the_checked_token_alone(front, method, path):
    for bad in ({}, {"token": "rubbish"}, {"cookie": "rubbish"}, {"token": token(claims(2), "another key")}):
        answer, seen = front.reached(method, path, **bad)
        assert answer.status in (401, 422) and seen is None, answer
    body = b"" if method in ("GET", "HEAD") else b'{"username": "dora", "password": "x", "code": "none"}'
    for good in ({"token": front.bob}, {"cookie": front.bob}):
        answer, seen = front.reached(method, f"{path}?a=b%20c", headers=CLAIMED, body=body, **good)
        assert (seen["method"], seen["path"], seen["body"]) == (method, f"{path}?a=b%20c", body), answer
        assert headers_of(seen)["authorization"] == f"Bearer {front.bob}"
        assert not {"cookie", *map(str.lower, CLAIMED)} & set(headers_of(seen))


def test_a_token_that_was_ended_hands_nothing_on(front):
    carol = front.log_in("carol")
    assert front.reached("POST", "/auth/password/change", token=carol, body={"password": "carolpw"})[0].status == 200
    carol = front.log_in("carol")
    assert front.ask("GET", "/auth/logout", cookie=carol).status == 200
    for way in ({"token": carol}, {"cookie": carol}):
        answer, seen = front.reached("POST", "/auth/password/change", body={"password": "x"}, **way)
        assert answer.status == 401 and seen is None
    answer, seen = front.reached("POST", "/auth/password/change", cookie=front.bob, headers={"Origin": "http://evil.example"}, body={})
    assert answer.status == 403 and seen is None, "a page of another site"


def test_a_large_body_passes_and_a_huge_one_does_not(front):
    body = random.Random(1).randbytes(1_500_000)
    answer, seen = front.reached("POST", "/auth/picture", token=front.bob, body=body)
    assert answer.status == 200 and seen["body"] == body
    answer, seen = front.reached("POST", "/auth/picture", token=front.bob, body=bytes(2_200_000))
    assert answer.status == 413 and seen is None


def test_a_cookie_that_ends_soon_is_renewed_on_the_way(front):
    old = token(claims(2, issued=int(time.time()) + 5 * 86_400 - 2_592_000))
    answer, seen = front.reached("GET", "/auth/invite", cookie=old)
    assert answer.status == 200 and headers_of(seen)["authorization"] == f"Bearer {old}"
    assert answer.headers["set-cookie"].startswith("access_token_cookie=ey")


def test_swingmusics_own_refusal_is_passed_on(front):
    answer, _ = front.reached("POST", "/auth/invite/accept", token=front.bob, body={"code": "wrong"})
    assert (answer.status, answer.json()) == (403, {"msg": "no such invitation"})


DETOURS = ["/auth/", "/auth//", "//auth/", "/auth/./", "/auth/x/../", "/x/../auth/", "/auth/%2e/", "/auth/x/%2e%2e/", "/auth/x/..%2f", "/auth/%2f",
           "/%61uth/", "/auth/;a=b/", "/auth/x/%252e%252e/", "/auth/%2e%2e/auth/", "/auth/x%2f..%2F", "/auth/invite/../", "/auth\\", "/auth/\\"]
TAILS = ["", "/", "//", "/.", "/x/..", "/%2e", "%2f", ";", ";a=b", "%3b", "%20", "%09", "%0a", "%00", "#", "%23", "?", "%3f", "?x=/../invite", "/x/%2e%2e",
         "/x/%252e%252e", "%252f"]


def spellings():
    """Raw paths that somebody could take for a route of ours."""
    for route, detour, tail in itertools.product(OURS, DETOURS, TAILS):
        yield detour + route + tail
    for route in OURS:
        yield f"/auth/{route.upper()}"
        yield f"/auth/{route.capitalize()}/"
        yield f"/auth/{route.replace('/', '%2f')}"
        yield f"/auth/{route.replace('/', '%252f')}"
        yield f"/auth/%{ord(route[0]):x}{route[1:]}"
        yield f"/auth/%25{ord(route[0]):x}{route[1:]}"
        # And what is another's, that there is something to hand on.
        yield from (f"/auth/{route}{tail}" for tail in ("x", "/x", "%2fx", ".", "%c4%b1", "%ff"))


def as_read(path):
    """A path as the most careless router would read it."""
    path = urllib.parse.unquote(urllib.parse.unquote(path.partition("?")[0]))
    path = path.partition("?")[0].partition("#")[0].lower().replace("\\", "/")
    parts = []
    for part in (part.partition(";")[0].strip(" \t\n\0") for part in path.split("/")):
        if part == "..":
            parts[-1:] = []
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


@pytest.mark.parametrize("method", METHODS)
def test_no_raw_path_hands_on_what_swingmusic_could_read_as_a_route_of_ours(front, method):
    """swingmusic's own rules for these routes let anybody change anybody."""
    paths = sorted(set(spellings()))
    chosen = paths if method == "POST" else random.Random(method).sample(paths, 400)
    handed_on, token = 0, front.log_in("bob")
    for path in chosen:
        # A change of users that was checked is handed on as well; an empty form does not pass the check.
        answer, seen = front.reached(method, path, token=token)
        if seen is None:
            if answer.headers.get("set-cookie", "").startswith("access_token_cookie=;"):
                token = front.log_in("bob")
            continue
        # What is not below /auth/ is guarded as ever, and as it was sent.
        if not seen["path"].startswith("/auth/"):
            continue
        handed_on += 1
        route = as_read(seen["path"])
        assert not (route.startswith("auth/") and route.removeprefix("auth/") in OURS), (path, seen["path"])
        assert not any(trick in seen["path"].partition("?")[0] for trick in ("/../", "//", "/./", "%2e%2e/")), (path, seen["path"])
    assert handed_on > 0, "some of the paths are others, or the test shows nothing"


# For strangers: as shipped nothing, with the include the few.

FEW = ["/auth/bootstrap/status", "/auth/bootstrap/owner", "/auth/invite/accept", "/setup/", "/setup/step/2", "/setup/assets/x.js"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", FEW)
def test_as_shipped_none_of_it_is_open(front, method, path):
    answer, seen = front.reached(method, path, body=b"" if method in ("GET", "HEAD") else b"{}")
    assert answer.status == 401 and seen is None


def test_the_first_steps_lead_to_an_admin_and_end_there(fresh):
    assert fresh.reached("GET", "/auth/bootstrap/status")[1]["path"] == "/auth/bootstrap/status"
    for path in ("/setup/", "/setup/step/2?x=y"):
        for method in ("GET", "POST"):
            answer, seen = fresh.reached(method, path, token="rubbish", cookie="rubbish", headers=CLAIMED)
            assert answer.status == 200 and (seen["method"], seen["path"]) == (method, path)
            assert not {"authorization", "cookie", *map(str.lower, CLAIMED)} & set(headers_of(seen))
    owner = {"username": "anna", "password": "annapw"}
    made, seen = fresh.reached("POST", "/auth/bootstrap/owner", cookie="rubbish", body=owner)
    assert made.status == 200 and made.json()["roles"] == ["admin"] and json.loads(seen["body"]) == owner
    assert "cookie" not in headers_of(seen)

    with fresh.swingmusic.database() as db:
        fresh.swingmusic.insert(db, "bob", "bobpw", [])
    anna, bob = fresh.log_in("anna"), fresh.log_in("bob")
    for method, path in itertools.product(("GET", "POST", "PUT"), ("/auth/bootstrap/owner", "/setup/", "/setup/step/2")):
        body = b"" if method == "GET" else {"username": "eve", "password": "evepw"}
        for way, status in (({}, 401), ({"token": "rubbish"}, 401), ({"cookie": bob}, 403)):
            # Another address for each: guesses are counted, too.
            answer, seen = fresh.reached(method, path, body=body, source=f"127.0.0.{random.randrange(9, 250)}", **way)
            assert (answer.status, seen) == (status, None), (method, path, way, answer)
    answer, seen = fresh.reached("POST", "/setup/step/2", cookie=anna, body={}, source="127.0.0.5")
    assert answer.status == 200 and headers_of(seen)["authorization"] == f"Bearer {anna}" and "cookie" not in headers_of(seen)
    assert fresh.reached("GET", "/auth/bootstrap/status")[0].status == 200
    invited, _ = fresh.reached("POST", "/auth/invite/accept", body={"username": "gast", "password": "gastpw", "code": Extended.INVITATION}, source="127.0.0.6")
    assert invited.status == 200 and fresh.log_in("gast", source="127.0.0.7")


def test_an_owner_is_an_admin_by_another_name(fresh):
    with fresh.swingmusic.database() as db:
        fresh.swingmusic.insert(db, "anna", "annapw", ["owner"])
    answer, seen = fresh.reached("POST", "/auth/bootstrap/owner", body={"username": "eve", "password": "x"})
    assert answer.status == 401 and seen is None


def test_while_it_cannot_be_told_whether_there_is_an_admin_the_first_steps_are_closed(fresh):
    database = fresh.swingmusic.folder / "swingmusic.db"
    database.rename(database.with_name("away.db"))
    for path in ("/auth/bootstrap/owner", "/setup/"):
        answer, seen = fresh.reached("POST", path, body={"username": "eve", "password": "x"})
        assert answer.status in (401, 403) and seen is None


def test_guesses_are_throttled_like_wrong_logins_for_each_address_and_looks_are_not(fresh):
    guess = {"username": "eve", "password": "x", "code": "guess"}
    answers = [fresh.ask("POST", "/auth/invite/accept", body=guess, source="127.0.0.9") for _ in range(12)]
    assert [answer.status for answer in answers] == [403] * 10 + [429] * 2
    assert answers[-1].json() == {"msg": "Too many attempts"} and int(answers[-1].headers["retry-after"]) == 6
    for path in ("/auth/bootstrap/owner", "/setup/", "/auth/invite/accept"):
        assert fresh.ask("POST", path, body=guess, source="127.0.0.9").status == 429, "one count for all of them"
        assert fresh.ask("GET", path, source="127.0.0.9").status == 200
    assert fresh.ask("POST", "/auth/invite/accept", body=guess, source="127.0.0.10").status == 403
    assert {fresh.ask("GET", "/auth/bootstrap/status", source="127.0.0.9").status for _ in range(20)} == {200}


def test_of_ipv6_a_64_is_one_address(sandbox):
    front = Front(sandbox, [*INCLUDE, "set_real_ip_from 127.0.0.1;", "real_ip_header X-Forwarded-For;"], users=())

    def statuses(addresses):
        return [front.ask("POST", "/auth/invite/accept", headers={"X-Forwarded-For": address}, body={"code": "guess"}).status for address in addresses]
    assert statuses(f"2001:db8:a:b:{n:x}::{n:x}" for n in range(12)) == [403] * 10 + [429] * 2
    assert statuses(["2001:db8:a:c::1", "2001:db8:a:a:ffff::1"]) == [403] * 2
    assert statuses(f"::ffff:192.0.2.{n}" for n in range(12)) == [403] * 12, "these are IPv4 addresses"
    assert statuses(["198.51.100.7"] * 11) == [403] * 10 + [429]


def test_strangers_may_look_at_the_status_and_no_more_and_send_little(fresh):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer, seen = fresh.reached(method, "/auth/bootstrap/status")
        assert answer.status == 403 and seen is None
    answer, seen = fresh.reached("POST", "/setup/", body=bytes(70_000))
    assert answer.status == 413 and seen is None


@pytest.mark.parametrize("path", [
    "/setup/../folder", "/setup/%2e%2e/file/x", "/setup/..%2ffile/x.webp", "/setup/x/../../nothome/", "/Setup/", "/setup", "/setupx/", "//setup/../folder",
    "/auth/bootstrap/../user", "/auth/bootstrap/owner/", "/auth/bootstrap/Owner", "/auth/bootstrap/status/../../users/3", "/auth/bootstrap/owner%2f",
    "/auth/invite/accept/", "/auth/invite/accept/../../password/change", "/auth/invite/accept%00", "/auth/invite/accept%20", "/auth/verify/first",
    "/auth/verify/admin", "/setup/%2e%2e/auth/password/change", "/setup/..;/folder", "/auth/invite/accept;x",
])
def test_no_raw_path_makes_more_of_it_open(front, path):
    for method in ("GET", "POST"):
        answer, seen = front.reached(method, path, nginx=front.included, source=f"127.0.1.{random.randrange(1, 250)}")
        assert answer.status in (301, 400, 401, 404) and seen is None, (method, answer)


@pytest.mark.parametrize("path, sent", [
    ("/auth/x/../invite/accept", "/auth/invite/accept"), ("/auth//invite/%61ccept?a=b", "/auth/invite/accept?a=b"),
    ("/setup/../auth/bootstrap/status", "/auth/bootstrap/status"), ("/auth/bootstrap/status#/../../folder", "/auth/bootstrap/status"),
])
def test_swingmusic_sees_what_is_open_in_the_form_that_was_found_open(front, path, sent):
    answer, seen = front.reached("GET", path, token="rubbish", nginx=front.included)
    assert answer.status == 200 and seen["path"] == sent


def test_it_is_said_that_the_program_or_swingmusic_is_away(sandbox):
    front = Front(sandbox, INCLUDE, users=())
    front.swingmusic.stop()
    for path in FEW[:4]:
        answer = front.ask("GET", path)
        assert (answer.status, answer.json()) == (502, {"msg": "swingmusic does not answer"}), path
    front.responder.stop()
    for path in ("/auth/bootstrap/owner", "/setup/"):
        answer = front.ask("POST", path, body={})
        assert (answer.status, answer.json()) == (502, {"msg": "swingmusic-fcgi does not answer"}), path
