"""Open paths give strangers what they shall have and nothing more: no ended token comes back to life by any of them."""

import itertools
import random
import re

import pytest

from harness import http
from harness.nginx import Nginx
from house import credentials

#: Each is open, by another location of nginx/swingmusic-fcgi/swingmusic.conf.
OPEN = ["/", "/index.html", "/assets/index.js", "/favicon.ico", "/img/thumbnail/x.webp", "/img/artist/small/x.webp", "/onboarding-data"]

#: What may stand before an open path and be resolved away by nginx.
DETOURS = ["/x/..", "/x/y/../..", "/x/%2e%2e", "/%2e", "/.", "/x/.%2e", "/x%2f..", "/x%2F%2e%2e", "/file/abc/legacy/../../..", "/auth/user/../..",
           "/nothome/..", "/notsettings/..", "//", "/x//..", "/folder;a=b/..", "/x%3f/..", "/x%23/..", "/x%00/..", "/\u00e9/..", "/x%ff/..",
           "/auth/logout/../..", "/events/stream/../..", "/x%0d%0a/..", "/%252e%252e/..", "/x\\y/.."]

#: What may follow it.
TAILS = ["", "?x=1", "#/../../folder", "?#", "%3f", ";a", "/.", "/%2e", "/x/..", "%20", "?filepath=/etc/passwd"]


def raw_paths():
    """Every detour before every open path, with every tail."""
    for path, detour, tail in itertools.product(OPEN, DETOURS, TAILS):
        yield detour + path + tail
    dice = random.Random(13)
    for _ in range(500):
        parts = [dice.choice(["x", "..", ".", "%2e%2e", "%2E.", "", "file", "auth", "%2f", "a%2fb", "assets", "img"]) for _ in range(dice.randrange(1, 9))]
        yield "/" + "/".join(parts) + dice.choice(OPEN)


#: A token among the cookies that an answer sets.
RENEWED = re.compile(r"access_token_cookie=([^;, ]+)")


@pytest.fixture(scope="module")
def ended(real):
    """A token with five of its thirty days left, whose session was ended."""
    old = real.made_token(3, lifetime=5 * 86_400)
    assert real.get("/auth/verify", cookie=old).status == 204
    assert real.get("/auth/logout", cookie=old).status == 200
    assert real.get("/auth/verify", cookie=old).status == 401
    return old


def token_in(answer):
    for found in RENEWED.findall(answer.headers.get("set-cookie", "")):
        if found:
            return found
    return None


def test_swingmusic_itself_would_renew_such_a_token(real, ended):
    """Else the tests below would show nothing."""
    assert token_in(real.swingmusic.ask("GET", "/unknown", credentials(cookie=ended)))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_no_raw_path_turns_an_ended_token_into_one_that_works(real, ended, method):
    paths = list(raw_paths())
    if method != "GET":
        paths = random.Random(method).sample(paths, 300)
    reached = 0
    for path in paths:
        answer = real.ask(method, path, cookie=ended)
        renewed = token_in(answer)
        assert renewed is None, f"{method} {path}: {answer.status}"
        reached += answer.status == 200
    assert method in ("POST", "PUT", "DELETE") or reached > 20


def test_no_open_path_takes_a_session_along_to_swingmusic(real, ended):
    """swingmusic tells users more than strangers only of /onboarding-data."""
    good = real.get("/onboarding-data", real.tokens["user0"]).json()
    assert "userHome" in good
    for headers in (credentials(ended), credentials(cookie=ended), {}):
        answer = real.ask("GET", "/onboarding-data", headers=headers)
        assert answer.status == 200 and "userHome" not in answer.json()


def test_the_first_page_leads_through_the_first_steps_as_swingmusics_own(real):
    for cookie in ("x-onboarding-complete=false; access_token_cookie=x", "a=b; x-onboarding-complete=true", "other=x", ""):
        headers = {"Cookie": cookie} if cookie else {}
        own, ours = real.swingmusic.ask("GET", "/", headers), real.ask("GET", "/", headers=headers)
        assert ours.body == own.body and ours.headers.get("set-cookie") == own.headers.get("set-cookie")


#: Changes something, takes long, or asks the internet.
LEFT_OUT = re.compile(r"/backup|/trigger-scan|/plugins/|/license|/logout|/stream|/getpaircode|/lyrics|/auth/pair|/mixes")


def test_what_is_good_for_a_users_token_without_us_is_good_with_us(real):
    """Every GET operation of swingmusic's own description, with a user's token: the same status here and there."""
    description = real.swingmusic.ask("GET", "/docs/openapi.json").json()
    asked = 0
    for path, operations in description["paths"].items():
        if "get" not in operations or LEFT_OUT.search(path):
            continue
        path = re.sub(r"\{[^}]*\}", "x", path)
        own = real.swingmusic.ask("GET", path, credentials(real.tokens["admin"]))
        ours = real.get(path, real.tokens["admin"])
        assert ours.status == own.status or ours.status == 404 and own.status == 500, (path, own, ours)
        asked += 1
    assert asked > 30


def test_a_neighbour_who_floods_an_open_path_is_slowed_down_then_refused(real, sandbox):
    nginx = Nginx(sandbox, real.responder.address, swingmusic=real.swingmusic.port, guarded=True).start()
    answers = http.at_once(nginx.port, ["/img/thumbnail/x.webp"] * 900)
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429} and statuses.count(200) >= 300
    assert real.get("/nothome/", real.tokens["user0"], port=nginx.port).status == 200


@pytest.mark.parametrize("path", [*OPEN, "/events/stream"])
def test_strangers_have_nothing_to_upload_where_it_is_open(real, path):
    """nginx would keep it in its folder for temporary files, which may be memory."""
    for method in ("POST", "PUT", "GET", "OPTIONS"):
        assert real.ask(method, path, body=b"x" * 10_000).status == 413, method
