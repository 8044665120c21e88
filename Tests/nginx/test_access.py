"""Every declared route, through nginx, asked by nobody, a user, an admin, the admin token, the token for the caches, and an admin whose session was ended: who is
let in is whom the description names. Whoever adds a route has it tested here."""

import pytest

from harness import http
from harness.household import Household
from harness.responder import ADMIN_TOKEN

CACHE_TOKEN = "the-cache-token-of-the-tests-8f14e45fceea"

DOCUMENT = "/swingmusic-fcgi/openapi.json"

#: Refused with swingmusic's 422: an access token is none with which one refreshes.
MISPLACED = 422


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
    """What the description asks of who asks: open, anybody, session, refresh or admin."""
    schemes = [next(iter(each), "") for each in operation["security"]]
    if not schemes:
        return "open"
    if "cacheToken" in schemes:
        return "caches"
    if "adminToken" in schemes:
        return "admin"
    if "refresh" in schemes:
        return "refresh"
    if "" in schemes and not (own.metadata_needs_session and operation["tags"][0] in ("spotify", "catalog", "extended")):
        return "anybody"
    return "session"


def refused_with(kind, asker):
    """The statuses of who is not let in; nothing for who is."""
    if kind in ("open", "anybody"):
        return ()
    if kind == "refresh":
        return (401,) if asker == "nobody" else (401, MISPLACED)
    if asker in ("nobody", "ended"):
        return (401,)
    if asker in ("the admin token", "the cache token") and kind == "session":
        # It is no user's.
        return (401, MISPLACED)
    return (403,) if kind == "admin" and asker in ("user", "the cache token") or kind == "caches" and asker == "user" else ()


class Askers:
    def __init__(self, own):
        self._own, self._sessions = own, {}
        self._ended = own.log_in("admin")["accesstoken"]
        assert own.ask("GET", "/auth/logout", bearer=self._ended).status == 200

    def bearer(self, asker, ends_sessions):
        """The asker's token; of a session of its own where the route may end it."""
        if asker in ("nobody", "the admin token", "the cache token", "ended"):
            return {"nobody": None, "the admin token": ADMIN_TOKEN, "the cache token": CACHE_TOKEN, "ended": self._ended}[asker]
        if ends_sessions or asker not in self._sessions:
            self._sessions[asker] = self._own.log_in({"user": "bob"}.get(asker, asker))["accesstoken"]
        return self._sessions[asker]


def test_every_route_lets_in_whom_its_description_names_and_nobody_else(own):
    document = http.request(own.nginx.port, "GET", DOCUMENT).json()
    askers = Askers(own)
    wrong, seen = [], set()
    for method, path, operation in asked(document):
        for asker in ("nobody", "ended", "user", "admin", "the admin token", "the cache token"):
            # What a page alone may do says where it comes from.
            is_pages = operation["operationId"] == "changeDevices" or operation["tags"] == ["page"]
            headers = {"Origin": f"http://127.0.0.1:{own.nginx.port}"} if is_pages else {}
            answer = own.ask(method, path, bearer=askers.bearer(asker, operation["tags"] == ["auth"]), headers=headers)
            needs = kind(own, operation)
            seen.add(needs)
            expected = refused_with(needs, asker)
            if expected:
                right = answer.status in expected
            elif needs == "anybody":
                # Whose token is no good is refused, or taken for nobody; a form that is missing may be found first.
                right = asker != "nobody" or operation["tags"][0] == "auth" or answer.status != 401
            elif needs == "open":
                right = answer.status not in (401, 403)
            else:
                # 403: whose it is, or what it is about, and not whether there is a session.
                right = answer.status != 401 and (answer.status != 403 or needs == "session")
            if not right:
                wrong.append(f"{operation['operationId']} by {asker}: {answer.status}, and it is for {needs}")
    assert not wrong, "\n".join(wrong)
    assert seen == {"open", "anybody", "session", "refresh", "admin", "caches"}
