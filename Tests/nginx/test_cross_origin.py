"""What pages of other origins may read: one setting for all families, through nginx."""

import pytest

from harness import http
from harness.house import ADMIN, BRISK, track
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.swingmusic import Swingmusic

FRIEND, EVIL = "https://friend.example", "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,prefer"}
CORS = ["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "access-control-allow-methods"]

#: A path of each family and the status that nobody in particular gets there.
FAMILIES = {"/spotify/v1/tracks/x": 401, "/api/catalog/track/x": 401, "/auth/user": 401, "/cache/temp/x": 401, "/dragonfly/health": 401,
            "/swingmusic-fcgi/status.json": 401, "/swingmusic-fcgi/healthz": 200}


class Site:
    def __init__(self, sandbox, origins, **settings):
        self.standin, self.swingmusic = StandIn(sandbox).start(), Swingmusic(sandbox)
        settings = {**BRISK, **spotify_settings(self.standin), "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder),
                    "SWINGMUSIC_FCGI_CORS_ORIGINS": origins, **settings}
        self.responder = Responder(sandbox, settings, workers=2).start()
        self.nginx = Nginx(sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port, guarded=True).start()

    def ask(self, method, path, origin=None, headers=None):
        origin = {"Origin": origin} if origin else {}
        return http.request(self.nginx.port, method, path, {**origin, **(headers or {})})


def fixture(name, origins, **settings):
    @pytest.fixture(scope="module", name=name)
    def site():
        with Sandbox(name) as sandbox:
            yield Site(sandbox, origins, **settings)
    return site


named = fixture("named", f"https://other.example, {FRIEND}")
star = fixture("star", "*")
unset = fixture("unset", None)
open_metadata = fixture("open_metadata", FRIEND, SWINGMUSIC_FCGI_METADATA_AUTH="off")


@pytest.mark.parametrize("path, status", FAMILIES.items())
def test_a_named_origin_reads_every_familys_answers_and_refusals(named, path, status):
    answer = named.ask("GET", path, FRIEND)
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == FRIEND and answer.headers["access-control-allow-credentials"] == "true"
    assert {"Retry-After", "ETag", "Cache-Status"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert "Origin" in answer.headers["vary"].split(", ")


@pytest.mark.parametrize("path", FAMILIES)
def test_a_preflight_is_answered_before_anybody_is_asked_who_they_are(named, star, path):
    answer = named.ask("OPTIONS", path, FRIEND, PREFLIGHT)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == FRIEND and "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,prefer" and "www-authenticate" not in answer.headers
    answer = star.ask("OPTIONS", path, EVIL, PREFLIGHT)
    assert answer.status == 200 and answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", FAMILIES)
def test_a_star_is_for_all_and_never_with_credentials(star, path):
    for origin in (None, EVIL, FRIEND):
        answer = star.ask("GET", path, origin)
        assert answer.headers["access-control-allow-origin"] == "*" and "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", [path for path in FAMILIES if not path.startswith("/auth/")])
def test_without_the_setting_nothing_is_said(unset, path):
    for method, headers in (("GET", {}), ("OPTIONS", PREFLIGHT)):
        answer = unset.ask(method, path, EVIL, headers)
        assert not [name for name in [*CORS, "vary"] if name in answer.headers], answer.headers


def test_another_origin_is_told_nothing_but_caches_that_it_matters(named):
    for origin in (None, EVIL):
        answer = named.ask("GET", "/spotify/v1/tracks/x", origin)
        assert not [name for name in CORS if name in answer.headers] and answer.headers["vary"] == "Origin"


def test_a_lookup_that_was_waited_for_and_a_304_and_a_405_say_it(open_metadata):
    path = track("waited")
    waited = open_metadata.ask("GET", path, FRIEND)
    assert waited.status == 200 and "fwd=miss" in waited.cache_status and waited.headers["access-control-allow-origin"] == FRIEND
    again = open_metadata.ask("GET", path, FRIEND, {"If-None-Match": waited.headers["etag"]})
    assert again.status == 304 and again.headers["access-control-allow-origin"] == FRIEND and again.headers["vary"] == "Origin"
    wrong = open_metadata.ask("POST", path, FRIEND)
    assert wrong.status == 405 and wrong.headers["access-control-allow-origin"] == FRIEND
    queued = open_metadata.ask("GET", track("queued"), FRIEND, {"Prefer": "respond-async"})
    assert queued.status == 202 and queued.headers["access-control-allow-origin"] == FRIEND
    written = open_metadata.ask("PUT", "/cache/temp/x", FRIEND, ADMIN)
    assert written.status == 204 and written.headers["access-control-allow-origin"] == FRIEND


def test_neither_the_guard_nor_what_it_guards_is_opened_by_a_preflight(named):
    # swingmusic.conf sends OPTIONS on without a token; what asks verify itself is told that nobody is there.
    for path in ("/auth/verify", "/auth/verify?role=admin"):
        answer = named.ask("OPTIONS", path, FRIEND, PREFLIGHT)
        assert answer.status == 401 and not [name for name in CORS if name in answer.headers]


@pytest.mark.parametrize("site", ["named", "star", "unset"])
def test_a_foreign_page_changes_nothing_with_the_cookie_whatever_the_setting(request, site):
    site = request.getfixturevalue(site)
    body = b'{"username":"bob","password":"bobpw"}'
    login = http.request(site.nginx.port, "POST", "/auth/login", {"Content-Type": "application/json"}, body)
    cookie = {"Cookie": f"access_token_cookie={login.json()['accesstoken']}"}
    for method, path in (("GET", "/auth/logout"), ("DELETE", "/auth/sessions"), ("PUT", "/auth/profile/update")):
        assert site.ask(method, path, EVIL, cookie).status == 403, path
    assert site.ask("GET", "/auth/user", EVIL, cookie).headers.get("access-control-allow-credentials") is None
    assert site.ask("GET", "/auth/user", None, cookie).status == 200
