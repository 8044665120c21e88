"""Attacks on the sessions: each refused, none a server error, none slower than 50 ms."""

import hashlib
import time

import pytest

from harness import http
from harness.household import Household
from harness.swingmusic import claims, token

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def household():
    with Household("attacks", store=True) as opened:
        yield opened


@pytest.fixture
def own():
    with Household("attacks-own", store=True) as opened:
        yield opened


def altered():
    """The head and signature of one token around the payload of another."""
    mine, other = token(claims(2)).split("."), token(claims(1)).split(".")
    return ".".join([mine[0], other[1], mine[2]])


TOKENS = {
    "alg none": lambda: token(claims(1), header='{"alg":"none"}'),
    "alg none without a signature": lambda: token(claims(1), header='{"alg":"none","typ":"JWT"}').rpartition(".")[0] + ".",
    "HS512": lambda: token(claims(1), header='{"alg":"HS512"}', digest=hashlib.sha512),
    "altered payload": altered,
    "expired": lambda: token(claims(1, issued=1)),
    "not yet valid": lambda: token(claims(1, issued=int(time.time()) + 1000)),
    "refresh as access": lambda: token(claims(1, "refresh")),
    "another key": lambda: token(claims(1), key="0" * 64),
    "no key": lambda: token(claims(1), key=""),
    "60 KB": lambda: "a" * 6000 + "." + "b" * 54_000,
    "60 KB of payload": lambda: token({**claims(1), "x": "y" * 60_000}, key="0" * 64),
    "7 KB, which nginx lets pass": lambda: token({**claims(1), "x": "y" * 5000}, key="0" * 64),
    "empty parts": lambda: "..",
}


@pytest.mark.parametrize("place", ["bearer", "cookie"])
@pytest.mark.parametrize("name", TOKENS)
def test_a_forged_token(household, name, place):
    forged = TOKENS[name]()
    for path in ("/auth/user", "/files/song.flac", "/guarded/x", "/auth/sessions"):
        # nginx itself refuses a header beyond its own bounds.
        household.attack("GET", path, 400, 401, 422, **{place: forged})
    household.attack("GET", "/auth/verify", 400, 401, **{place: forged})


def test_ten_thousand_random_tokens(household):
    slow = []
    with http.Connection(household.nginx.port) as connection:
        for number in range(10_000):
            forged = hashlib.sha256(str(number).encode()).hexdigest()
            answer = connection.request("GET", "/auth/verify", {"Authorization": f"Bearer {forged}.{forged}.{forged}"})
            assert answer.status == 401, answer
            if answer.seconds >= 0.05:
                slow.append(f"{forged}.{forged}.{forged}")
    assert len(slow) < 100
    for forged in slow:
        household.attack("GET", "/auth/verify", 401, bearer=forged)


def test_a_name_that_would_be_a_header(own):
    own.swingmusic.execute("UPDATE user SET username = ? WHERE id = 2", "bob\r\nX-Swingmusic-Roles: admin\r\n\r\nbody")
    bob = own.log_in("bob\r\nX-Swingmusic-Roles: admin\r\n\r\nbody", "bobpw")["accesstoken"]
    answer = own.ask("GET", "/auth/verify", bearer=bob)
    # nginx shows what the answer to a request of its own holds.
    assert answer.status == 204
    assert answer.headers["x-swingmusic-username"] == "bob%0D%0AX-Swingmusic-Roles%3A%20admin%0D%0A%0D%0Abody"
    assert answer.headers.get("x-swingmusic-roles", "") == ""
    assert own.ask("GET", "/guarded/x", bearer=bob).status == 200
    told = dict(own.swingmusic.requests[-1]["headers"])
    assert "x-swingmusic-roles" not in told and told["x-swingmusic-user-id"] == "2"
    own.attack("GET", "/admins/x", 403, bearer=bob)


def test_a_session_id_of_somebody_else(household):
    admin, bob = household.log_in("admin"), household.log_in("bob")
    listed = household.ask("GET", "/auth/sessions", bearer=admin["accesstoken"]).json()["sessions"]
    [mine] = [each for each in listed if each["current"]]
    household.attack("DELETE", f"/auth/sessions/{mine['id']}", 404, bearer=bob["accesstoken"])
    household.attack("GET", "/auth/sessions?user=1", 403, bearer=bob["accesstoken"])
    # An id is not what one signs in with.
    household.attack("GET", "/auth/user", bearer=mine["id"])
    assert household.everywhere(admin["accesstoken"]) == {200}


def test_a_pair_code_guessed_a_thousand_times(own):
    code = own.ask("GET", "/auth/getpaircode", bearer=own.log_in("bob")["accesstoken"]).json()["code"]
    slow = 0
    for number in range(1000):
        answer = own.ask("GET", f"/auth/pair?code=guess{number % 10}")
        assert answer.status == (400 if number < 10 else 429)
        slow += answer.seconds >= 0.05
    assert slow < 20
    own.attack("GET", "/auth/pair?code=guess1", 429)
    # Neither does the right one help whoever has guessed so often.
    own.attack("GET", f"/auth/pair?code={code}", 429)


@pytest.mark.parametrize("path", ["/auth/verify", "/files/song.flac", "/guarded/x", "/auth/sessions", "/auth/profile/update"])
def test_two_cookies_of_which_one_is_good(household, path):
    good, forged = household.log_in("bob")["accesstoken"], token(claims(1), key="0" * 64)
    method, body = ("PUT", b'{"username":"x"}') if path.endswith("update") else ("GET", b"")
    for cookies in ([good, forged], [forged, good], [good, good]):
        count = len(household.swingmusic.requests)
        household.attack(method, path, 400, 401, 422, cookie=cookies, body=body)
        household.attack(method, path, 400, 401, 422, cookie=f"{cookies[0]}; access_token_cookie={cookies[1]}", body=body)
        assert len(household.swingmusic.requests) == count


@pytest.mark.parametrize("cookie", ["\taccess_token_cookie={}", "a=b;\taccess_token_cookie={}", "access_token_cookie\t={}", 'access_token_cookie="{}"'])
@pytest.mark.parametrize("path", ["/auth/verify", "/files/song.flac", "/guarded/x", "/auth/profile/update"])
def test_a_cookie_that_nginx_would_not_hand_on_does_not_let_another_token_pass(household, path, cookie):
    """nginx finds no cookie behind a tab: what would go to swingmusic is the Authorization header, which nobody has checked."""
    good, ended = household.log_in("bob")["accesstoken"], household.log_in("carol")["accesstoken"]
    assert household.ask("GET", "/auth/logout", cookie=ended).status == 200
    method, body = ("PUT", b'{"username":"x"}') if path.endswith("update") else ("GET", b"")
    count = len(household.swingmusic.requests)
    household.attack(method, path, 401, headers={"Cookie": cookie.format(good)}, bearer=ended, body=body)
    assert len(household.swingmusic.requests) == count


@pytest.mark.parametrize("body, headers, status", [
    (b'{"username":"a","username":"b"}', JSON, 422), (b'"{\\"username\\":\\"a\\"}"', JSON, 422), (b'{"x":1}', JSON, 422),
    (b'{"id":1,"password":"x"}', JSON, 403), (b'{"username":"admin"}', JSON, 400), (b'{"roles":["admin"]}', JSON, 403),
    ('{"username":"x"}'.encode("utf-16"), JSON, 422), ('{"username":"x"}'.encode("utf-16-le"), JSON, 422),
    (b"\xef\xbb\xbf" + b'{"username":"x"}', JSON, 422), (b'{"username":"x"}', {"Content-Type": "text/plain"}, 422),
    (b'{"username":"x"}', {**JSON, "Origin": "https://evil.example"}, 403), (b'{"username":"x"}', {**JSON, "Origin": "null"}, 403),
    (b'{"username":"x"}', {**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
])
def test_a_profile_change_that_must_not_reach_swingmusic(household, body, headers, status):
    carol = household.log_in("carol")["accesstoken"]
    count = len(household.swingmusic.requests)
    household.attack("PUT", "/auth/profile/update", status, cookie=carol, headers=headers, body=body)
    assert len(household.swingmusic.requests) == count


@pytest.mark.parametrize("method, path", [
    ("GET", "/auth/logout"), ("GET", "/auth/getpaircode"), ("POST", "/guarded/x"), ("DELETE", "/auth/sessions"), ("PUT", "/auth/profile/update")])
def test_a_foreign_page_with_the_users_cookie(household, method, path):
    bob = household.log_in("bob")["accesstoken"]
    count = len(household.swingmusic.requests)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        household.attack(method, path, 403, cookie=bob, headers=headers)
    assert household.everywhere(bob) == {200} and len(household.swingmusic.requests) == count
