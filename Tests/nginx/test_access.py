"""Every declared route, through nginx, asked by nobody, a user, an admin, the admin token, the token for the caches, a client key's token, an admin whose
session was ended, and with a forged token: who is let in is whom the description names. Whoever adds a route has it tested here."""

import pytest

from harness import http
from harness.household import Household
from harness.keys import made_key, token_of
from harness.responder import ADMIN_TOKEN

CACHE_TOKEN = "the-cache-token-of-the-tests-8f14e45fceea"

DOCUMENT = "/swingmusic-fcgi/openapi.json"

#: Refused with swingmusic's 422: an access token is none with which one refreshes, and a forged one none at all.
MISPLACED = FORGED = 422

#: What the description says where a token is not needed.
BAD_IS_REFUSED, BAD_IS_NONE = "Needs no token; a bad one is refused.", "Needs no token; a bad one is as none."


@pytest.fixture(params=["off", "session"])
def own(request):
    with Household("access", workers=2, SWINGMUSIC_FCGI_METADATA_AUTH=request.param, SWINGMUSIC_FCGI_CACHE_TOKEN=CACHE_TOKEN) as opened:
        opened.metadata_needs_session = request.param == "session"
        yield opened


def asked(document):
    """Method, path with the examples of its parameters, and description of every route; what ends sessions last."""
    found = []
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            path = template
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    path = path.replace("{%s}" % parameter["name"], str(parameter["example"]))
            assert "{" not in path, f"{template}: a parameter without an example"
            found.append((method.upper(), path, operation))
    return sorted(found, key=lambda one: (one[0] == "DELETE" and one[1].startswith("/auth/"), one[2]["operationId"] == "logout"))


def kind(own, operation):
    """What the description asks of who asks: nothing (open), no bad token (unless bad), nothing though it takes one (permissive), session, refresh, mirror, caches or
    admin."""
    schemes = [next(iter(each), "") for each in operation["security"]]
    if not schemes:
        return "open"
    if "clientKey" in schemes and own.metadata_needs_session:
        return "mirror"
    if "cacheToken" in schemes:
        return "caches"
    if "adminToken" in schemes:
        return "admin"
    if "refresh" in schemes:
        return "refresh"
    if "" in schemes and not (own.metadata_needs_session and operation["tags"][0] in ("spotify", "catalog", "extended")):
        # Metadata that is open to all asks nobody anything.
        return {"auth": "unless bad" if BAD_IS_REFUSED in operation["description"] else "permissive"}.get(operation["tags"][0], "open")
    return "session"


def refused_with(kind, asker):
    """The statuses of who is not let in; nothing for who is."""
    if kind in ("open", "permissive"):
        return ()
    if kind == "unless bad":
        return {"ended": (401,), "a client": (401,), "forged": (FORGED,)}.get(asker, (401, MISPLACED) if asker.endswith("token") else ())
    if kind == "refresh":
        return (401,) if asker in ("nobody", "a client") else (401, MISPLACED)
    if asker == "forged":
        # Elsewhere than below /auth/ any bad token is 401.
        return (401, FORGED) if kind == "session" else (401,)
    if asker in ("nobody", "ended"):
        return (401,)
    if asker == "a client":
        return () if kind == "mirror" else (401,)
    if asker in ("the admin token", "the cache token") and kind in ("session", "mirror"):
        # It is no user's.
        return (401, MISPLACED)
    return (403,) if kind == "admin" and asker in ("user", "the cache token") or kind == "caches" and asker == "user" else ()


class Askers:
    def __init__(self, own):
        self._own, self._sessions = own, {}
        self._ended = own.log_in("admin")["accesstoken"]
        assert own.ask("GET", "/auth/logout", bearer=self._ended).status == 200
        self._forged = own.log_in("admin")["accesstoken"][:-4] + "AAAA"
        self.client = token_of(own, *made_key(own, "walks"))

    def bearer(self, asker, ends_sessions):
        """The asker's token; of a session of its own where the route may end it."""
        named = {"nobody": None, "a client": self.client, "the admin token": ADMIN_TOKEN, "the cache token": CACHE_TOKEN, "ended": self._ended,
                 "forged": self._forged}
        if asker in named:
            return named[asker]
        if ends_sessions or asker not in self._sessions:
            self._sessions[asker] = self._own.log_in({"user": "bob"}.get(asker, asker))["accesstoken"]
        return self._sessions[asker]


def test_every_route_lets_in_whom_its_description_names_and_nobody_else(own):
    document = http.request(own.nginx.port, "GET", DOCUMENT).json()
    askers = Askers(own)
    wrong, seen = [], set()
    for method, path, operation in asked(document):
        nobodys = None
        for asker in ("nobody", "ended", "forged", "user", "admin", "the admin token", "the cache token", "a client"):
            # What a page alone may do says where it comes from.
            is_pages = operation["operationId"] == "changeDevices" or operation["tags"] == ["page"]
            headers = {"Origin": f"http://127.0.0.1:{own.nginx.port}"} if is_pages else {}
            answer = own.ask(method, path, bearer=askers.bearer(asker, operation["tags"] == ["auth"]), headers=headers)
            needs = kind(own, operation)
            seen.add(needs)
            if str(answer.status) not in operation["responses"]:
                wrong.append(f"{operation['operationId']} by {asker}: {answer.status} is not described")
            nobodys = nobodys or answer.status
            expected = refused_with(needs, asker)
            if expected:
                right = answer.status in expected
            elif needs == "open" or needs == "permissive":
                # Whoever asks, and with whatever token, is answered as nobody is, who is let in.
                right = answer.status == nobodys and answer.status not in (401, 403)
            elif needs == "unless bad":
                # A form that is missing is found first.
                right = answer.status != 401 and (answer.status != 403 or asker != "nobody")
            else:
                # 403: whose it is, or what it is about, and not whether there is a session.
                right = answer.status != 401 and (answer.status != 403 or needs == "session")
            if not right:
                wrong.append(f"{operation['operationId']} by {asker}: {answer.status}, and it is for {needs}")
    assert not wrong, "\n".join(wrong)
    assert seen == {"open", "unless bad", "permissive", "session", "refresh", "admin", "caches"} | ({"mirror"} if own.metadata_needs_session else set())


def test_a_clients_token_opens_nothing_but_what_reads_the_mirror(own):
    """Any path of any family with any method, and what stands behind the guards; as bearer and as cookie."""
    client = Askers(own).client
    mirror = "/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl"
    for method in ("GET", "HEAD"):
        assert own.ask(method, mirror, bearer=client).status not in (401, 403)
    # Without Spotify's credentials what is let in is 503.
    if own.metadata_needs_session:
        assert own.ask("GET", mirror, cookie=client).status == 401
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        assert own.ask(method, mirror, bearer=client).status == 405
    before = len(own.swingmusic.requests)
    guarded = ["/auth/verify", "/auth/verify?role=admin", "/auth/user", "/auth/sessions", "/auth/no-such", "/cache/temp/x", "/cache/no-such", "/dragonfly/health",
               "/swingmusic-fcgi/status.json", "/swingmusic-fcgi/page/now.json", "/swingmusic-fcgi/keys", "/files/song.flac", "/guarded/", "/admins/"]
    if own.metadata_needs_session:
        guarded += ["/api/catalog/trending", "/api/search/suggestions?q=x"]
    for path in guarded:
        # More often than wrong admin tokens are heard.
        for _ in range(12 if path.startswith("/swingmusic-fcgi") else 1):
            assert own.ask("GET", path, bearer=client).status == 401, path
        assert own.ask("GET", path, cookie=client).status == 401, path
    for method, path in (("POST", "/auth/refresh"), ("PUT", "/auth/profile/update"), ("DELETE", "/auth/profile/delete"), ("DELETE", "/auth/sessions"),
                         ("POST", "/swingmusic-fcgi/keys"), ("DELETE", "/swingmusic-fcgi/keys/walks"), ("PUT", "/cache/temp/x"), ("POST", "/guarded/")):
        assert own.ask(method, path, bearer=client, body={}).status == 401, path
    assert len(own.swingmusic.requests) == before
