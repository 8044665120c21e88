"""Playlists that the connected account's owner keeps from others: for signed-in users, as SPOTIFY_PRIVATE_PLAYLISTS has it, and for nobody else, by
key or by page; apart from all that others are answered from; gone with the consent."""

import contextlib
import json
import sqlite3
import subprocess
import time
from concurrent import futures

import pytest

from harness.consent import asking, browser, connect, ended, environment, sent_back
from harness.house import House, assert_spotify_error
from harness.keys import made_key, token_of
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN
from harness.sandbox import executable
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

OWNER = "user7"


class Home(House):
    """With swingmusic's users, and metadata for who has a session or a key."""

    def furnished(self):
        users = [("admin", "adminpw", ["admin"]), ("bob", "bobpw", []), ("guest", "guestpw", ["guest"])]
        swingmusic = Swingmusic(self.sandbox, users)
        self.responder.start(SWINGMUSIC_CONFIG_DIR=str(swingmusic.folder))
        self.close_batches()
        self.nginx.stop()
        self.nginx = Nginx(self.sandbox, self.responder.address, sessions=True, swingmusic=swingmusic.port).start()
        self.key = token_of(self, *made_key(self, "a-player"))
        self.boss, self.bob, self.guest = (self.log_in(name) for name, *_ in users)
        return self

    def ask(self, method, path, bearer=None, headers=None, body=b""):
        headers = {**(headers or {}), **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        if isinstance(body, dict):
            headers, body = {"Content-Type": "application/json", **headers}, json.dumps(body).encode()
        return self.request(method, path, headers, body)

    def log_in(self, name):
        return self.ask("POST", "/auth/login", body={"username": name, "password": f"{name}pw"}).json()["accesstoken"]

    def items(self, playlist, bearer):
        """How many items who has the token is given of a playlist."""
        answer = self.ask("GET", f"/spotify/v1/playlists/{playlist}", bearer)
        assert answer.status == 200, answer
        return len(answer.json()["tracks"]["items"])

    def kept(self, count, **more):
        """Lists of the account's, which are not public."""
        found = self.standin.ids("playlist", count, reader=OWNER, **more)
        self.standin.control("account", {"kept": found})
        return found

    def private_files(self):
        return [path for path in self.sandbox.path("data").rglob("*") if path.is_file() and path.parent.name.startswith("private-")]


@contextlib.contextmanager
def opened(name, shown="users", **more):
    with Home(f"private-{name}", start=False, **{"workers": 3, "mode": "development", "SPOTIFY_PRIVATE_PLAYLISTS": shown, **more}) as house:
        yield house.furnished()


@pytest.fixture
def home():
    with opened("users") as house:
        connect(house, "--private")
        yield house


def store_bytes(house):
    """All that is in the store, keys and values."""
    return house.store.command("KEYS", "*"), [house.store.command("GET", key) for key in house.store.command("KEYS", "*")]


def closed_to_others(house, playlist):
    """To whoever has no session of swingmusic's, or a guest's, on every worker."""
    for _ in range(4):
        for bearer in (house.key, house.guest):
            assert house.items(playlist, bearer) == 0
            assert_spotify_error(house.ask("GET", f"/spotify/v1/playlists/{playlist}/items?offset=100&limit=50", bearer), 403)
        assert house.ask("GET", f"/api/catalog/playlist/{playlist}", house.guest).json()["tracks"] == []
        for bearer in (None, ADMIN_TOKEN, "smfcgi_" + "A" * 43):
            for path in (f"/spotify/v1/playlists/{playlist}", f"/spotify/v1/playlists/{playlist}/tracks", f"/api/catalog/playlist/{playlist}"):
                assert house.ask("GET", path, bearer).status == 401
        assert house.ask("GET", f"/api/catalog/playlist/{playlist}", house.key).status == 401


def test_signed_in_users_see_them_and_nobody_else_whoever_asks_first():
    with opened("seen", store=True, SWINGMUSIC_FCGI_LOG_LEVEL="trace") as house:
        connect(house, "--private")
        first, second = house.kept(2, more_than=160)
        closed_to_others(house, first)
        seen = []
        for playlist in (first, second):
            answer = house.ask("GET", f"/spotify/v1/playlists/{playlist}", house.bob)
            assert answer.headers["cache-control"] == "private, max-age=0"
            # A page of somebody else's, in bob's browser.
            foreign = house.ask("GET", f"/spotify/v1/playlists/{playlist}", headers={"Cookie": f"access_token_cookie={house.bob}", "Origin": "http://127.0.0.1:1"})
            assert not [name for name in foreign.headers if name.startswith("access-control-allow")]
            page = answer.json()["tracks"]
            assert (len(page["items"]), page["total"] > 160) == (100, True)
            assert {house.items(playlist, house.bob) for _ in range(6)} == {100}, "every worker knows it"
            rest = house.ask("GET", f"/spotify/v1/playlists/{playlist}/items?offset=100&limit=50", house.bob).json()
            assert len(rest["items"]) == 50
            shown = house.ask("GET", f"/api/catalog/playlist/{playlist}", house.bob).json()
            assert shown["tracks"], shown
            seen += [element["track"]["id"] for element in page["items"] if element["track"]] + [element["item"]["id"] for element in rest["items"] if element["item"]]
        before = house.standin.last_number()
        for playlist in (first, second):
            closed_to_others(house, playlist)
            assert house.items(playlist, house.boss) == 100
        assert house.standin.calls("playlists", since=before) == [], "all of it is known"
        # The status page is an administrator's, who may have but the admin token.
        pages = [house.admin("GET", f"/swingmusic-fcgi/{path}").body for path in ("status.json", "page/now.json", "metrics", "status")]
        listed = house.admin("GET", "/cache/spotify?prefix=catalog:").body
        assert b"private playlist" in pages[1]
        house.responder.stop()
        apart = house.private_files()
        assert apart and all(path.stat().st_mode & 0o077 == 0 for path in apart) and all(path.parent.stat().st_mode & 0o077 == 0 for path in apart)
        elsewhere = [path for path in house.sandbox.path("data").rglob("*") if path.is_file() and path not in apart]
        everything = {**{str(path): path.read_bytes() for path in elsewhere}, "log": house.responder.log().encode(), "store": repr(store_bytes(house)).encode(),
                      "pages": b"".join(pages), "list": listed}
        marks = {id.encode() for id in seen}
        assert len(marks) > 100 and any(mark in b"".join(path.read_bytes() for path in apart) for mark in marks)
        for place, content in everything.items():
            assert not [mark for mark in marks if mark in content], place


def test_for_admins_alone_where_it_is_set_so():
    with opened("admins", shown="admin", workers=2) as house:
        connect(house, "--private")
        [playlist] = house.kept(1, more_than=60)
        assert house.items(playlist, house.boss) > 60
        assert house.items(playlist, house.bob) == 0
        closed_to_others(house, playlist)
        house.responder.restart(SPOTIFY_PRIVATE_PLAYLISTS=None)
        assert house.items(playlist, house.boss) == 0, "without the setting nobody sees them"


def test_both_scopes_are_asked_for_and_lists_that_friends_may_edit_come_too(home):
    lists = home.kept(60)
    own = [playlist for playlist in lists if home.ask("GET", f"/spotify/v1/playlists/{playlist}", home.key).json()["collaborative"]]
    assert own and all(home.items(playlist, home.bob) > 0 for playlist in own[:2] if home.ask(
        "GET", f"/spotify/v1/playlists/{playlist}", home.bob).json()["tracks"]["total"])
    with asking(home, "--private") as process:
        assert "scope=playlist-read-collaborative%20playlist-read-private" in process.address


def test_a_list_that_its_owner_closes_gives_no_further_page_to_others(home):
    [playlist] = home.standin.ids("playlist", 1, reader=OWNER, more_than=250)
    assert home.items(playlist, home.key) == 100, "it is public"
    assert len(home.ask("GET", f"/spotify/v1/playlists/{playlist}/items?offset=100&limit=50", home.key).json()["items"]) == 50
    home.standin.control("account", {"kept": [playlist]})
    # A minute later.
    limiter = sqlite3.connect(home.sandbox.path("data") / "limiter.db", timeout=10)
    with limiter:
        assert limiter.execute("DELETE FROM facts WHERE name = ?", [f"account-open/{playlist}"]).rowcount == 1
    before = home.standin.last_number()
    assert_spotify_error(home.ask("GET", f"/spotify/v1/playlists/{playlist}/items?offset=200&limit=50", home.key), 403)
    first, *others = home.standin.calls(playlist, since=before)
    assert (first["path"], first["query"]) == (f"/v1/playlists/{playlist}", "fields=public")
    assert others and first["token"] not in [call["token"] for call in others], "as the app"
    # One that stays public is asked once a minute, whatever pages are wanted.
    [other] = home.standin.ids("playlist", 1, reader=OWNER, more_than=250, seed="other")
    assert len(home.ask("GET", f"/spotify/v1/playlists/{other}/items?offset=150&limit=100", home.key).json()["items"]) == 100
    assert not [call for call in home.standin.calls(other) if call["query"] == "fields=public"], "the list itself has just said so"


def test_a_list_that_its_owner_opens_is_everybodys():
    with opened("open", workers=2, SPOTIFY_CACHE_TTL="2s") as house:
        connect(house, "--private")
        [playlist] = house.kept(1, more_than=60)
        assert house.items(playlist, house.bob) > 60 and house.items(playlist, house.key) == 0
        house.standin.control("account", {"kept": []})

        def shown_to_all():
            house.items(playlist, house.bob)
            return house.items(playlist, house.key) > 60
        eventually(shown_to_all, 20, every=0.5, what="it is for everybody")
        assert not house.private_files()


@pytest.mark.parametrize("ending", ["disconnect", "withdraw", "connect", "another"])
def test_they_go_with_the_consent(home, ending):
    [playlist, other] = home.kept(2, more_than=60)
    assert home.items(playlist, home.bob) > 60 and home.private_files()
    if ending == "disconnect":
        done = subprocess.run([executable(), "disconnect"], env=environment(home), capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done
    elif ending == "withdraw":
        home.standin.control("account", {"withdraw": True})
        assert home.items(other, home.bob) == 0
    elif ending == "connect":
        connect(home)
    else:
        home.standin.control("account", {"owner": "user8"})
        connect(home, "--private")
    assert {home.items(playlist, home.bob) for _ in range(6)} == {0}
    assert not home.private_files()
    left = [path.name for path in home.sandbox.path("data").iterdir() if path.name.startswith("private-")]
    assert len(left) == (ending == "another")


@pytest.mark.parametrize("isKnown", [False, True])
def test_what_is_under_way_when_another_account_is_connected_is_kept_for_nobody(isKnown):
    with opened("raced", SPOTIFY_CACHE_TTL="1s", TEMP_CACHE_TTL="1s") as house:
        connect(house, "--private")
        [playlist] = house.kept(1, more_than=60)
        if isKnown:
            assert house.items(playlist, house.bob) > 60
            time.sleep(1.1)
        house.standin.fail({"path": playlist, "behaviour": "delay", "ms": 6000, "times": 1})
        house.standin.control("account", {"owner": "user8"})
        before = house.standin.last_number()
        with futures.ThreadPoolExecutor() as pool:
            asked = pool.submit(house.ask, "GET", f"/spotify/v1/playlists/{playlist}", house.bob, {"Prefer": "wait=25"})
            first = eventually(lambda: house.standin.calls(playlist, since=before), 5, what="it is asked for")[0]
            connect(house, "--private")
            assert isKnown or asked.result().status == 200 and not asked.result().json()["tracks"]["items"], asked.result()
        time.sleep(max(0, 7 - (time.monotonic_ns() - first["monotonic_ns"]) / 1e9))
        assert {house.items(playlist, house.bob) for _ in range(6)} == {0}
        assert not house.private_files()
        later = [call for call in house.standin.calls(playlist, since=before) if call["number"] != first["number"]]
        assert later and first["token"] not in [call["token"] for call in later]


# Each way in which it is refused says what to do.

def test_it_is_refused_while_metadata_is_open_to_all_and_where_nobody_would_see_them():
    with House("private-open", workers=1, mode="development", start=False) as house:
        for settings, status, words in (
                ({}, 1, "SPOTIFY_PRIVATE_PLAYLISTS is not set"),
                ({"SPOTIFY_PRIVATE_PLAYLISTS": "users"}, 78, "needs sessions of this host: set SWINGMUSIC_FCGI_METADATA_AUTH=session"),
                ({"SPOTIFY_PRIVATE_PLAYLISTS": "everybody"}, 78, "is none of: admin, users")):
            for command in (["connect", "--private"], *([["serve"]] if settings else [])):
                done = subprocess.run([executable(), *command], env=environment(house, **settings), capture_output=True, text=True, timeout=30)
                assert done.returncode == status and words in done.stderr, (command, done)


@pytest.mark.parametrize("scopes", ["", "playlist-read-private"])
def test_an_owner_who_does_not_agree_to_that(home, scopes):
    home.standin.control("account", {"scopes": scopes})
    with asking(home, "--private") as process:
        sent_back(process, browser(home, process).headers["location"])
        assert "did not agree to playlists that are not public" in ended(process, 1)
