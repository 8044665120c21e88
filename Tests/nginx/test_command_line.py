"""`cache`, `sessions` and `backup` beside a running `serve`."""

import json
import os
import sqlite3
import subprocess

import pytest

from harness import http, json_text
from harness.house import ADMIN, track
from harness.nginx import Nginx
from harness.responder import Responder
from harness.sandbox import executable
from harness.standin import spotify_id
from harness.swingmusic import Swingmusic


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("commands", workers=2)


def command(house, *words, status=0, text=None, **settings):
    environment = house.sandbox.environment(**{**house.responder.settings, **settings})
    run = subprocess.run([executable(), *map(str, words)], env=environment, input=text, capture_output=True, timeout=30)
    assert run.returncode == status, run
    return run.stdout.decode()


def test_an_entry_that_was_set_is_seen_by_the_workers_and_the_other_way_round(house):
    command(house, "cache", "set", "temp", "shelf/one", "first")
    assert house.request("GET", "/cache/temp/shelf/one", ADMIN).body == b"first"
    command(house, "cache", "set", "temp", "shelf/two", "--ttl", "1h", text=b"\x00\xffbytes")
    assert house.request("GET", "/cache/temp/shelf/two", ADMIN).body == b"\x00\xffbytes"
    assert house.request("PUT", "/cache/user/colour", ADMIN, b"blue").status == 204
    assert command(house, "cache", "get", "user", "colour") == "blue"
    shown = json.loads(command(house, "cache", "get", "user", "colour", "--json"))
    assert (shown["value"], shown["cache"], shown["key"]) == ("blue", "user", "colour")


def test_scripts_are_told_in_one_layout_whatever_is_in_the_values(house):
    value = 'a/b "c" \\ é 夜 \n\t\x01'
    for words in (["set", "temp", "lay/out", value, "--json"], ["get", "temp", "lay/out", "--json"],
                  ["delete", "temp", "lay/out", "--json"], ["clear", "temp", "--prefix", "lay/", "--json"]):
        text = command(house, "cache", *words)
        assert text.encode() == json_text.printed(json.loads(text))
        if words[0] == "get":
            assert json.loads(text)["value"] == value and r'a/b \"c\" \\ é 夜 \n\t\u0001' in text
    command(house, "cache", "set", "temp", "lay/bytes", text=b"\xff\x00")
    text = command(house, "cache", "get", "temp", "lay/bytes", "--json")
    assert '"valueBase64" : "/wA="' in text and text.encode() == json_text.printed(json.loads(text))


def test_what_is_deleted_or_cleared_is_gone_for_the_workers(house):
    for name in ["a", "b", "c"]:
        assert house.request("PUT", f"/cache/temp/row/{name}", ADMIN, b"x").status == 204
    command(house, "cache", "delete", "temp", "row/a")
    assert house.request("GET", "/cache/temp/row/a", ADMIN).status == 404
    command(house, "cache", "delete", "temp", "row/a", status=3)
    command(house, "cache", "get", "temp", "row/a", status=3)
    assert json.loads(command(house, "cache", "clear", "temp", "--prefix", "row/", "--json")) == {"cleared": 2}
    assert house.request("GET", "/cache/temp/row/b", ADMIN).status == 404


def test_what_cannot_be_fetched_again_needs_a_word_more(house):
    assert house.request("PUT", "/cache/user/keep", ADMIN, b"x").status == 204
    command(house, "cache", "clear", "user", status=64)
    command(house, "cache", "set", "spotify", "catalog:track/x", "y", status=64)
    command(house, "cache", "get", "attic", "x", status=64)
    assert house.request("GET", "/cache/user/keep", ADMIN).status == 200


def test_a_record_of_the_catalog_is_shown_as_its_json_and_delete_makes_it_due(house):
    house.fill(1, "shown")
    key = f"catalog:track/{spotify_id('shown-0')}"
    assert json.loads(command(house, "cache", "get", "spotify", key))["type"] == "track"
    command(house, "cache", "delete", "spotify", key)
    assert house.get(track("shown-0")).status == 200


class Family:
    """swingmusic's folder, two workers, and nginx with the session routes."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.swingmusic = Swingmusic(sandbox)
        self.responder = Responder(sandbox, {"SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder)}, workers=2).start()
        self.nginx = Nginx(sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port).start()

    def get(self, path, headers):
        return self.nginx.get(path, headers)


@pytest.fixture
def family(sandbox):
    return Family(sandbox)


def sign_in(house, name):
    body = json.dumps({"username": name, "password": name + "pw"}).encode()
    answer = http.request(house.nginx.port, "POST", "/auth/login", {"Content-Type": "application/json"}, body)
    assert answer.status == 200, answer
    return {"Authorization": "Bearer " + answer.json()["accesstoken"]}


def test_a_session_that_was_revoked_is_refused_by_every_worker_from_then_on(family):
    bob, carol = sign_in(family, "bob"), sign_in(family, "carol")
    text = command(family, "sessions", "list", "--json")
    listed = json.loads(text)
    assert {session["user"] for session in listed} == {"bob", "carol"} and text.encode() == json_text.printed(listed)
    assert "bob" in command(family, "sessions", "list", "--user", "bob")
    command(family, "sessions", "revoke", next(s["id"] for s in listed if s["user"] == "bob"))
    for _ in range(8):
        assert family.get("/auth/user", bob).status == 401
        assert family.get("/auth/user", carol).status == 200
    command(family, "sessions", "revoke", "--user", "carol")
    assert family.get("/auth/user", carol).status == 401
    command(family, "sessions", "revoke", "no-such-session", status=3)
    # Ids are random, and some begin like an option.
    command(family, "sessions", "revoke", "-ATWzevG8BQrTn0yK5mYxQ", status=3)
    command(family, "sessions", "revoke", "--user", "nobody", status=3)
    command(family, "sessions", "revoke", status=64)


def test_everything_is_revoked_at_once(family):
    bob, carol = sign_in(family, "bob"), sign_in(family, "carol")
    command(family, "sessions", "revoke", "--everything")
    assert [family.get("/auth/user", who).status for who in (bob, carol)] == [401, 401]
    assert command(family, "sessions", "list").strip() == "no open sessions"
    assert command(family, "sessions", "list", "--json") == "[\n\n]\n"


@pytest.mark.parametrize("named", ["bob", "2"])
def test_what_is_kept_of_a_user_who_is_gone_goes_and_the_tokens_stay_refused(family, named):
    bob, ended, carol = sign_in(family, "bob"), sign_in(family, "bob"), sign_in(family, "carol")
    assert http.request(family.nginx.port, "POST", "/api/catalog/preferences/2", {**bob, "Content-Type": "application/json"},
                        b'{"show_explicit": false}').status in (200, 204)
    assert family.get("/auth/logout", ended).status == 200
    with sqlite3.connect(family.swingmusic.folder / "swingmusic.db") as users:
        assert users.execute("DELETE FROM user WHERE username = 'bob'").rowcount == 1
    text = command(family, "sessions", "forget", named, "--json")
    (gone,) = json.loads(text)["forgotten"]
    assert text.encode() == json_text.printed(json.loads(text))
    assert (gone["id"], gone["name"], gone["inSwingmusic"], gone["preferences"]) == (2, "bob", False, True)
    assert (gone["devices"], gone["refusedTokens"]) == (1, 4)
    for _ in range(6):
        assert [family.get("/auth/user", who).status for who in (bob, ended, carol)] == [401, 401, 200]
    data = family.sandbox.path("data")
    with sqlite3.connect(data / "sessions.db") as db:
        assert db.execute("SELECT count(*) FROM account WHERE name = 'bob'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM token").fetchone() == (6,)
    with sqlite3.connect(data / "cache.db") as db:
        assert db.execute("SELECT count(*) FROM entries WHERE cache IN (1, 2, 3) AND value LIKE '%bob%'").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM entries WHERE cache = 2 AND CAST(key AS TEXT) LIKE '%preferences/2'").fetchone() == (0,)
    command(family, "sessions", "forget", named, status=3)
    assert json.loads(command(family, "sessions", "forget", "nobody", "--json", status=3)) == {"forgotten": []}
    shown = command(family, "sessions", "forget", "carol")
    assert "user 3, carol" in shown and "sessions ended: 1" in shown and "swingmusic still has this user" in shown
    assert family.get("/auth/user", carol).status == 401


def test_without_swingmusic_there_are_no_sessions_to_list(house):
    command(house, "sessions", "list", status=1)


def test_copies_taken_while_serving_are_sound_and_of_one_moment(house):
    house.fill(3, "copied")
    folder = house.sandbox.folder / "copies"
    copied = json.loads(command(house, "backup", folder, "--json"))["copied"]
    assert {"cache.db", "limiter.db"} <= {copy["file"] for copy in copied}
    assert oct(os.stat(folder).st_mode & 0o777) == "0o700"
    for copy in copied:
        path = folder / copy["file"]
        assert path.stat().st_size == copy["bytes"] and path.stat().st_mode & 0o077 == 0
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with sqlite3.connect(folder / "cache.db") as db:
        found = db.execute("SELECT count(*) FROM entries WHERE CAST(key AS TEXT) LIKE 'catalog:track/%'").fetchone()[0]
    assert found >= 3
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(copy["file"] for copy in copied)
    command(house, "backup", folder)


def test_a_backup_can_be_served_from(house, new_house):
    house.fill(1, "restored")
    folder = house.sandbox.folder / "restored"
    command(house, "backup", folder)
    other = new_house("restored", workers=1, SWINGMUSIC_FCGI_DATA_DIR=str(folder), SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    assert other.get(track("restored-0")).status == 200
    assert other.standin.calls() == []


def test_a_backup_that_cannot_be_made_says_why_and_leaves_the_last_good_one(house):
    folder = house.sandbox.folder / "kept"
    command(house, "backup", folder)
    command(house, "backup", house.responder.settings["SWINGMUSIC_FCGI_DATA_DIR"], status=1)
    broken = house.sandbox.directory("broken")
    (broken / "cache.db").write_bytes(b"no database" * 1000)
    before = (folder / "cache.db").read_bytes()
    command(house, "backup", folder, status=1, SWINGMUSIC_FCGI_DATA_DIR=broken)
    assert (folder / "cache.db").read_bytes() == before
