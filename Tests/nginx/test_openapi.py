"""The description of all routes, held against the running program: what it takes is taken, what it answers is described."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from harness import http, json_text
from harness.house import BRISK
from harness.household import Household
from harness.nginx import Nginx
from harness.redis import RedisServer
from harness.responder import ADMIN_TOKEN, Responder, spotify_settings
from harness.sandbox import Sandbox
from harness.standin import StandIn
from harness.swingmusic import Swingmusic

DOCUMENT = "/swingmusic-fcgi/openapi.json"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
REASON = "pip install -r Tests/nginx/requirements.txt"


#: What the callers leave out: a logout would end the session that the rest of the run is asked with, and whether an admin is the
#: caller makes no difference to the metadata.
CALLERS = {
    "nobody": [],
    "a-user": ["--exclude-operation-id", "logout", "--exclude-tag", "spotify", "--exclude-tag", "catalog", "--exclude-tag", "extended"],
    "an-admin": ["--exclude-operation-id", "logout"],
    "the-admin-token": ["--exclude-operation-id", "logout", "--exclude-tag", "spotify", "--exclude-tag", "catalog", "--exclude-tag", "extended"],
}


@pytest.fixture
def house():
    with Sandbox("openapi") as sandbox:
        standin = StandIn(sandbox).start()
        swingmusic = Swingmusic(sandbox)
        settings = {**BRISK, "SPOTIFY_MIN_INTERVAL": "1ms", **spotify_settings(standin), **RedisServer(sandbox).start().settings(),
                    "SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder)}
        responder = Responder(sandbox, settings, workers=2).start()
        nginx = Nginx(sandbox, responder.address, sessions=True, swingmusic=swingmusic.port).start()
        yield SimpleNamespace(sandbox=sandbox, port=nginx.port, url=f"http://127.0.0.1:{nginx.port}")


def sign_in(house, name):
    body = json.dumps({"username": name, "password": name + "pw"}).encode()
    answer = http.request(house.port, "POST", "/auth/login", {"Content-Type": "application/json"}, body)
    assert answer.status == 200, answer
    return answer.json()["accesstoken"]


def authorization(house, caller):
    if caller == "nobody":
        return []
    token = ADMIN_TOKEN if caller == "the-admin-token" else sign_in(house, {"a-user": "bob", "an-admin": "admin"}[caller])
    return ["--header", f"Authorization: Bearer {token}"]


def test_the_description_is_open_and_sound(house):
    validator = pytest.importorskip("openapi_spec_validator", reason=REASON)
    answer = http.request(house.port, "GET", DOCUMENT)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json", answer
    validator.validate(answer.json())


def test_the_description_is_written_without_a_byte_too_many_and_in_the_order_of_the_routes(house):
    answer = http.request(house.port, "GET", DOCUMENT)
    document = answer.json()
    assert answer.body == json_text.plain(document)
    assert list(document) == ["openapi", "info", "servers", "tags", "paths", "components"]
    assert next(iter(document["paths"])) == "/spotify/v1/tracks/{id}"


@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_undescribed_is_answered_and_nothing_fails(house, caller):
    """No undescribed status, type, header or body, no 5xx, and nothing taken that is described as wrong: schemathesis.toml."""
    pytest.importorskip("schemathesis", reason=REASON)
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION, "run", house.url + DOCUMENT, "--max-examples", "10",
         "--no-color", "--continue-on-failure", *authorization(house, caller), *CALLERS[caller]],
        cwd=house.sandbox.folder, capture_output=True, text=True, timeout=110)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
    document = http.request(house.port, "GET", DOCUMENT).json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    wanted = [operation for operation in operations if not left_out(operation, CALLERS[caller])]
    assert re.search(rf"Tested: {len(wanted)}\b", run.stdout), run.stdout[-5000:]


def left_out(operation, options):
    """schemathesis does not ask for the document itself."""
    return operation["operationId"] in [*options, "openapi"] or operation["tags"][0] in options


def test_what_is_described_has_descriptions_and_examples_that_are_right(house):
    jsonschema = pytest.importorskip("jsonschema", reason=REASON)
    document = http.request(house.port, "GET", DOCUMENT).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], (path, method)
            for parameter in operation.get("parameters", []):
                assert parameter["description"] and ("example" in parameter or "enum" in parameter["schema"]), (path, parameter["name"])
                if parameter["name"] != "fields":
                    jsonschema.Draft202012Validator({**parameter["schema"], "components": document["components"]}).validate(parameter.get("example", parameter["schema"].get("enum", [None])[0]))
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        [example] = schema["examples"]
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(example)


@pytest.fixture
def seldom():
    """Asks, and looks whether what comes is described: the status, and the headers that always come with it."""
    with Household("openapi-seldom", workers=1) as house:
        document = house.ask("GET", DOCUMENT).json()
        headers = document["components"]["headers"]

        def ask(method, path, template=None, **more):
            answer = house.ask(method, path, **more)
            described = document["paths"][template or path][method.lower()]["responses"]
            assert str(answer.status) in described, f"{method} {path}: {answer.status} is none of {sorted(described)}"
            always = [name for name in described[str(answer.status)].get("headers", {}) if headers[name].get("required")]
            assert all(name.lower() in answer.headers for name in always), (always, answer)
            return answer.status

        yield house, ask


def test_a_change_that_swingmusic_is_not_there_for_is_described(seldom):
    house, ask = seldom
    admin = house.log_in("admin")["accesstoken"]
    house.swingmusic.hangs_up = True
    for method, path, body in (("POST", "/auth/profile/create", {"username": "zoe", "password": "pw"}), ("POST", "/auth/profile/guest/create", b""),
                               ("PUT", "/auth/profile/update", {"password": "adminpw"}), ("DELETE", "/auth/profile/delete", {"username": "bob"})):
        assert ask(method, path, bearer=admin, body=body) == 502


def test_a_session_with_as_many_tokens_as_it_may_have_is_described(seldom):
    house, ask = seldom
    refresh = house.log_in("carol")["refreshtoken"]
    database = sqlite3.connect(house.sandbox.path("data") / "sessions.db", timeout=10)
    with database:
        [session] = database.execute("SELECT id FROM session WHERE userID = 3").fetchone()
        database.executemany("INSERT INTO token (hash, sessionID, kind, expiresAt) VALUES (?, ?, 0, ?)",
                             [(os.urandom(32), session, int(time.time()) + 999_999) for _ in range(10_000)])
    database.close()
    assert ask("POST", "/auth/refresh", bearer=refresh) == 429


@pytest.mark.parametrize("path", ["/swingmusic-fcgi/page/sign-in", "/auth/login", "/spotify/api/token", "/api/catalog/search", "/auth/refresh"])
def test_a_body_that_is_too_long_is_described(seldom, path):
    assert seldom[1]("POST", path, body=b"x" * 70_000) == 413


def test_wrong_admin_tokens_are_described_until_they_are_throttled(seldom):
    _, ask = seldom
    for method, path in (("GET", "/cache/temp"), ("DELETE", "/cache/temp"), ("GET", "/dragonfly/health"), ("POST", "/dragonfly/clear-all"), ("GET", "/swingmusic-fcgi/metrics"), ("GET", "/swingmusic-fcgi/status.json"),
                         ("GET", "/swingmusic-fcgi/keys"), ("GET", "/swingmusic-fcgi/page/now.json"), ("POST", "/swingmusic-fcgi/page/evict")):
        template = path.replace("/cache/temp", "/cache/{name}")
        # Ten in a minute are heard; a minute may end meanwhile.
        statuses = {ask(method, path, template, bearer="a-wrong-token") for _ in range(22)}
        assert 429 in statuses and statuses <= {401, 429}, (path, statuses)


#: Values at the edge of what is taken, by operation and name: in the path, in the query, or in the body beside what it needs.
EDGES = {
    ("POST", "/api/catalog/search", "limit", '{"query":"x"}'): ["+5", "-5", "5", "007", " 5", "0000000000000007", "9" * 15, "1" + "0" * 15, "5.0", "x", "", 5, -5, 5.0, 5.5,
                                                                10**15 - 1, 10**15, None, True],
    ("POST", "/api/catalog/search", "offset", '{"query":"x"}'): ["0", "5", "99", "950", "951", "1000", "05", "-1", "-0", "+5", 0, 950, 951, -1, None],
    ("POST", "/api/search/global", "limit", '{"query":"x"}'): ["+5", "-5", "5", "05", 5],
    ("POST", "/api/catalog/recommendations", "limit", "{}"): ["+5", "-5", "5", "05", 5],
    ("POST", "/api/catalog/recommendations", "seed_tracks", "{}"): [["11dFghVXANMlKmJXsNCbNl"], ["spotify:track:11dFghVXANMlKmJXsNCbNl"], ["spotify:album:11dFghVXANMlKmJXsNCbNl"], "x"],
    ("POST", "/api/catalog/preferences/{user_id}", "max_top_tracks", "{}"): ["+7", "-7", "7", "07", 7, None],
    ("GET", "/api/catalog/preferences/{user_id}", "user_id", None): ["2", "+2", "02", "-2", "2.0", "x"],
    ("GET", "/api/catalog/trending", "limit", None): ["7", "-7", "", "x", "9" * 18, "1" + "0" * 18],
    ("GET", "/spotify/v1/search", "type", "q=x"): ["track", ",".join(["track"] * 9), "track,playlist,show,track", "chapter", "", "x"],
    ("GET", "/spotify/v1/search", "limit", "q=x&type=track"): ["0", "50", "51", "-1", "x"],
    ("GET", "/spotify/v1/tracks", "ids", None): ["11dFghVXANMlKmJXsNCbNl", "spotify:track:11dFghVXANMlKmJXsNCbNl", "spotify:album:11dFghVXANMlKmJXsNCbNl", "x"],
    ("GET", "/spotify/v1/artists/{id}/albums", "include_groups", None): ["album", ",".join(["album"] * 6), "album,single,appears_on,compilation,album", "", "x"],
    ("PUT", "/cache/{name}/{key}", "ttl", None): ["1s", "01s", "0s", "00s", "1S", "+1s", "999999999999d", "9999999999999s", "1.5h", "90", ""],
    ("POST", "/cache/{name}/{key}", "incr", None): ["0", "1", "-1", "01", "+1", "-0", "9" * 18, "9" * 19],
    ("GET", "/cache/{name}", "limit", None): ["1", "1000", "1001", "0", "01", "x"],
    ("POST", "/dragonfly/clear/{namespace}", "namespace", None): ["temp", "spotify", "temp:", "temp:a.b", "temp:a b", "temp:" + "x" * 80, "temp:é", "temp:a:b", "temp/", "temp:a/b",
                                                                  "user", "x", "Temp"],
    ("GET", "/auth/sessions", "user", None): ["1", "2", "02", "-1", "+2", "all", "All", "", "x", "9" * 18, "1" + "0" * 18],
    ("GET", "/auth/users", "simplified", None): ["1", "t", "Yes", "ON", "FALSE", "oFf", "maybe", "", "2"],
    ("POST", "/swingmusic-fcgi/page/search", "words", "{}"): ["x", "x" * 200, "x" * 201, "é" * 200, ""],
}

#: What says that a value is none.
REFUSALS = {400, 404, 422}


def admits(schema, document, text_or_json, is_text):
    """Whether a schema has a value; of a path or a query also as the number or the boolean that it spells."""
    import jsonschema
    values = [text_or_json]
    if is_text and re.fullmatch("-?(0|[1-9][0-9]*)|true|false", text_or_json):
        values.append(json.loads(text_or_json))
    validator = jsonschema.Draft202012Validator({**schema, "components": document["components"]})
    return any(validator.is_valid(value) for value in values)


def test_what_is_taken_is_described_and_what_is_not_taken_is_not():
    pytest.importorskip("jsonschema", reason=REASON)
    with Household("openapi-edges", workers=1) as house:
        document = house.ask("GET", DOCUMENT).json()
        admin, bob = (house.log_in(name)["accesstoken"] for name in ("admin", "bob"))
        origin = {"Origin": f"http://127.0.0.1:{house.nginx.port}"}
        proof = house.ask("GET", "/swingmusic-fcgi/page/now.json", bearer=admin).json()["proof"]
        wrong = []
        for (method, template, name, beside), values in EDGES.items():
            operation = document["paths"][template][method.lower()]
            for value in values:
                path, body = template, json.loads(beside) if method == "POST" and beside else {}
                parameter = next((each for each in operation.get("parameters", []) if each["name"] == name), None)
                if parameter is None:
                    schema = operation["requestBody"]["content"]["application/json"]["schema"]["properties"][name]
                    body |= {name: value, "proof": proof}
                    is_described = admits(schema, document, value, False)
                elif parameter["schema"].get("type") == "array":
                    items = [each for each in value.split(",")] if value else []
                    is_described = admits(parameter["schema"], document, items, False)
                else:
                    is_described = admits(parameter["schema"], document, value, True)
                for each in operation.get("parameters", []):
                    if each["in"] == "path":
                        own = {"name": "temp", "key": f"edge-{name}-{values.index(value)}", "user_id": "2"}.get(each["name"], each.get("example"))
                        path = path.replace("{%s}" % each["name"], quote(value if each is parameter else str(own), safe=""))
                query = [] if method == "POST" or beside is None else [beside]
                if parameter is not None and parameter["in"] == "query":
                    query.append(f"{name}={quote(value)}")
                answer = house.ask(method, path + "?" * bool(query) + "&".join(query), bearer=bob if "preferences" in path else admin, body=body or b"",
                                   headers={**origin, "Prefer": "respond-async"})
                if (answer.status not in REFUSALS) != is_described or str(answer.status) not in operation["responses"]:
                    wrong.append(f"{method} {path} {query} {body}: {answer.status}, and it is {'' if is_described else 'not '}described")
        assert not wrong, "\n".join(wrong)


def test_who_has_the_description_already_is_told_so(house):
    answer = http.request(house.port, "GET", DOCUMENT)
    assert re.fullmatch('"[0-9a-f]{16}"', answer.headers["etag"]) and answer.headers["cache-control"] == "no-cache"
    again = http.request(house.port, "GET", DOCUMENT, {"If-None-Match": f"W/{answer.headers['etag']}"})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert http.request(house.port, "GET", DOCUMENT, {"If-None-Match": '"0123456789abcdef"'}).status == 200
