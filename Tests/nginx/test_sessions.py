"""Sessions through nginx, four workers and DragonflyDB's stand-in: routes, guards, what is handed on, and revocation that holds."""

import concurrent.futures
import json
import os
import re
import sqlite3
import time

import pytest

from harness import http
from harness.household import Household
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.standin import StandIn, spotify_id
from harness.swingmusic import SERVER_ID, Swingmusic, claims, password_hash, token
from harness.waiting import eventually

JSON = {"Content-Type": "application/json"}
BEARER = 'Bearer realm="swingmusic-fcgi"'


@pytest.fixture(scope="module")
def household():
    with Household("sessions", store=True) as opened:
        yield opened


@pytest.fixture
def own():
    with Household("sessions-own", store=True) as opened:
        yield opened


def test_login_answers_tokens_and_their_cookie(household):
    answer = household.ask("POST", "/auth/login", body={"username": "admin", "password": "adminpw"})
    body = answer.json()
    assert list(body) == ["accesstoken", "maxage", "msg", "refreshtoken"] and body["msg"] == "Logged in as admin"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"access_token_cookie={body['accesstoken']}; Expires=")
    assert cookie.endswith(" GMT; Max-Age=2592000; HttpOnly; Path=/")
    me = household.ask("GET", "/auth/user", cookie=body["accesstoken"])
    assert me.body == b'{"extra":null,"id":1,"image":null,"roles":["admin"],"username":"admin"}\n'
    assert me.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/auth/login", 404), ("GET", "/auth/user", 401), ("POST", "/auth/user", 401), ("GET", "/auth/nothing", 401),
    ("GET", "/auth/pair", 400), ("GET", "/auth/logout", 200), ("POST", "/auth/refresh", 401), ("GET", "/auth/users", 200),
    ("GET", "/auth/getpaircode", 401), ("GET", "/auth/sessions", 401), ("GET", "/auth/devices", 401),
    ("POST", "/auth/devices", 401), ("PUT", "/auth/devices", 401), ("DELETE", "/auth/sessions", 401),
    ("OPTIONS", "/auth/user", 200), ("OPTIONS", "/auth/nothing", 200), ("PUT", "/auth/profile/update", 401),
    ("DELETE", "/auth/profile/delete", 401), ("POST", "/auth/profile/guest/create", 401), ("POST", "/auth/login", 422),
])
def test_without_a_token(household, method, path, status):
    answer = household.ask(method, path)
    assert answer.status == status, answer
    assert answer.headers.get("www-authenticate") == (BEARER if status == 401 else None)


@pytest.mark.parametrize("path", ["/files/song.flac", "/guarded/x", "/admins/x", "/auth/verify", "/cache/temp/x", "/dragonfly/health"])
def test_every_401_says_how_to_sign_in(household, path):
    for bearer in (None, "x", token(claims(2), key="0" * 64)):
        answer = household.ask("GET", path, bearer=bearer)
        assert (answer.status, answer.headers.get("www-authenticate")) == (401, BEARER), answer
    assert "www-authenticate" not in household.ask("GET", "/files/song.flac", cookie=household.log_in("bob")["accesstoken"]).headers


@pytest.mark.parametrize("path", ["/auth/sessions/..%2Fsessions", "/auth/sessions/%2e%2e/sessions", "/auth/sessions/x/../../sessions"])
def test_an_id_of_dots_and_slashes_ends_no_sessions(household, path):
    mine, other = household.log_in("bob")["accesstoken"], household.log_in("bob")["accesstoken"]
    assert household.ask("DELETE", path, bearer=mine).status == 400
    assert household.everywhere(other) == {200}


def test_a_guarded_file_is_for_users(household):
    access = household.log_in("bob")["accesstoken"]
    for bearer, cookie in ((access, None), (None, access)):
        answer = household.ask("GET", "/files/song.flac", bearer=bearer, cookie=cookie)
        assert answer.status == 200 and answer.body == b"fLaC" * 1000
    assert household.ask("GET", "/files/song.flac").status == 401
    assert household.ask("GET", "/files/song.flac", bearer="x").status == 401
    assert household.ask("GET", "/files/song.flac", cookie=[access, access]).status == 401
    assert household.ask("GET", "/files/song.flac", cookie=[f"x; access_token_cookie={access}"]).status == 401


def test_a_guarded_post_with_a_large_body_passes_for_users_alone(household):
    access = household.log_in("bob")["accesstoken"]
    body = b'"' + b"x" * 5_000_000 + b'"'
    assert household.ask("POST", "/guarded/upload", cookie=access, body=body).status == 200
    assert household.swingmusic.requests[-1]["body"] == body
    count = len(household.swingmusic.requests)
    assert household.ask("POST", "/guarded/upload", body=body).status in (0, 401)
    assert len(household.swingmusic.requests) == count


def test_swingmusic_is_told_who_it_is_and_sees_the_checked_token_alone(household):
    household.swingmusic.execute("UPDATE user SET username = 'z\u00f6' WHERE id = 3")
    access = household.log_in("z\u00f6", "carolpw")["accesstoken"]
    forged = {"X-Swingmusic-User-Id": "1", "X-Swingmusic-Roles": "admin", "x-swingmusic-username": "admin", "Cookie": f"a=b; access_token_cookie={access}",
              "Authorization": "Bearer something-else"}
    assert household.ask("GET", "/guarded/x", headers=forged).status == 200
    seen = household.swingmusic.requests[-1]["headers"]
    told = {name: value for name, value in seen if name.startswith("x-swingmusic")}
    assert told == {"x-swingmusic-user-id": "3", "x-swingmusic-username": "z%C3%B6"}
    assert [value for name, value in seen if name in ("authorization", "cookie")] == [f"Bearer {access}"]
    household.swingmusic.execute("UPDATE user SET username = 'carol' WHERE id = 3")


def test_an_admins_location_asks_for_the_role(household):
    assert household.ask("GET", "/admins/x", bearer=household.log_in("admin")["accesstoken"]).status == 200
    assert household.ask("GET", "/admins/x", bearer=household.log_in("bob")["accesstoken"]).status == 403
    assert household.ask("GET", "/admins/x").status == 401
    assert household.ask("GET", "/auth/verify/admin", bearer="x").status == 404


def test_a_guarded_location_passes_the_renewed_cookie_on(household):
    due = token(claims(2, issued=int(time.time()) - 25 * 86400))
    answer = household.ask("GET", "/files/song.flac", cookie=due)
    assert answer.status == 200 and answer.headers["set-cookie"].endswith("; Max-Age=31540000; HttpOnly; Path=/")
    renewed = answer.headers["set-cookie"].split(";")[0].removeprefix("access_token_cookie=")
    assert household.everywhere(renewed) == {200}
    assert "set-cookie" not in household.ask("GET", "/files/song.flac", bearer=due).headers
    assert household.ask("GET", "/auth/logout", cookie=due).status == 200
    assert household.everywhere(renewed) == {401}


def test_profile_changes_are_handed_on_with_one_credential(household):
    bob = household.log_in("bob")["accesstoken"]
    count = len(household.swingmusic.requests)
    answer = household.ask("PUT", "/auth/profile/update", cookie=bob, headers={"X-Swingmusic-User-Id": "1"},
                           body={"username": "bobby"})
    assert answer.status == 200 and answer.json()["username"] == "bobby"
    [seen] = household.swingmusic.requests[count:]
    assert (seen["method"], seen["path"], json.loads(seen["body"])) == ("PUT", "/auth/profile/update", {"username": "bobby"})
    headers = [(name, value) for name, value in seen["headers"] if name in ("authorization", "cookie") or "swingmusic" in name]
    assert headers == [("authorization", f"Bearer {bob}")]
    assert household.everywhere(bob) == {200}
    assert household.ask("PUT", "/auth/profile/update", cookie=bob, body={"username": "bob"}).status == 200
    assert household.everywhere(bob) == {200}


def test_with_metadata_auth_session_the_metadata_routes_are_for_users(sandbox):
    spotify = spotify_settings(StandIn(sandbox).start())
    with Household("metadata", SWINGMUSIC_FCGI_METADATA_AUTH="session", **spotify) as own:
        id = spotify_id("metadata")
        mirror, item = f"/spotify/v1/tracks/{id}", f"/api/catalog/track/{id}"
        for forged in (None, "x", token(claims(2), key="0" * 64)):
            assert own.ask("GET", mirror, bearer=forged).json()["error"]["status"] == 401
            assert isinstance(own.ask("GET", item, bearer=forged).json()["error"], str)
            assert {own.ask("GET", path, bearer=forged).status for path in (mirror, item, "/api/catalog/preferences/2")} == {401}
        bob = own.log_in("bob")["accesstoken"]
        assert {own.ask("GET", path, bearer=bob).status for path in (mirror, item)} == {200}
        assert own.ask("POST", "/api/catalog/preferences/2", cookie=bob, body={"show_explicit": False}).status == 200
        assert own.ask("GET", "/api/catalog/preferences/2", cookie=bob).json()["show_explicit"] is False
        changed = own.ask("POST", "/api/catalog/preferences/2", cookie=bob,
                          body={"max_search_results": 500, "preferred_markets": ["SE", "se"], "unknown": 1})
        assert changed.json() == {"message": "Preferences updated successfully"}
        kept = own.ask("GET", "/api/catalog/preferences/2?user_id=3", cookie=bob).json()
        assert (kept["max_search_results"], kept["preferred_markets"], kept["show_explicit"]) == (100, ["SE"], False)
        assert own.ask("GET", "/api/catalog/preferences/3", cookie=bob).status == 403
        foreign = {"Origin": "https://evil.example"}
        assert own.ask("POST", "/api/catalog/preferences/2", cookie=bob, body={"show_explicit": True}, headers=foreign).status == 403
        assert own.ask("GET", "/auth/logout", cookie=bob).status == 200
        assert {own.ask("GET", path, cookie=bob).status for path in (mirror, item, "/api/catalog/preferences/2")} == {401}
        # A route that needs a token renews it: at the latest with the next answer that is there at once.
        due = token(claims(2, issued=int(time.time()) - 25 * 86400))
        answer = own.ask("GET", "/api/catalog/preferences/2", cookie=due)
        assert answer.headers["set-cookie"].endswith("; Max-Age=31540000; HttpOnly; Path=/")
        renewed = answer.headers["set-cookie"].split(";")[0].removeprefix("access_token_cookie=")
        assert own.everywhere(renewed) == {200}
        # What is known is answered at once; a worker that has not made the token does so, and hands it out with a later answer.
        eventually(lambda: "set-cookie" in own.ask("GET", mirror, cookie=due).headers, 10, what="the cookie comes with an answer from memory")
        assert "set-cookie" not in own.ask("GET", mirror, bearer=due).headers


def test_registration_takes_an_admin(household):
    form = {"username": "dora", "password": "pw"}
    assert household.ask("POST", "/auth/profile/create", body=form).status == 401
    assert household.ask("POST", "/auth/profile/create", bearer=household.log_in("bob")["accesstoken"], body=form).status == 403
    assert household.ask("POST", "/auth/profile/create", bearer=household.log_in("admin")["accesstoken"], body=form).status == 200
    assert household.log_in("dora", "pw")["msg"] == "Logged in as dora"


def test_a_flood_of_wrong_logins_is_told_to_wait(own):
    answers = [own.ask("POST", "/auth/login", body={"username": "bob", "password": "wrong"}) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


@pytest.mark.parametrize("trouble", [None, "freeze", "kill"])
def test_logout_is_seen_by_every_worker_whatever_the_store_does(own, trouble):
    mine, other = own.family("bob"), own.family("bob")
    if trouble:
        getattr(own.store, trouble)()
    assert own.ask("GET", "/auth/logout", cookie=mine[0][0]).status == 200
    own.assert_ended(mine)
    assert own.everywhere(other[0][0]) == {200}


def test_revocations_outlive_kill_9_and_the_loss_of_the_cache(own):
    mine = own.family("bob")
    assert own.ask("GET", "/auth/logout", cookie=mine[0][0]).status == 200
    own.responder.kill()
    for path in own.sandbox.path("data").glob("cache.db*"):
        path.unlink()
    own.responder.start()
    own.assert_ended(mine)


def test_a_lost_sessions_db_refuses_every_older_token(own):
    mine = own.family("bob")
    own.responder.stop()
    (own.sandbox.path("data") / "sessions.db").unlink()
    own.responder.start()
    own.assert_ended(mine)
    assert own.everywhere(token({"sub": {"id": 2}})) == {401}
    assert own.everywhere(own.log_in("bob")["accesstoken"]) == {200}
    assert "sessions.db was lost" in own.responder.log()


def test_a_changed_password_or_a_removed_user_ends_everything_at_once(own):
    bob, carol = own.family("bob"), own.family("carol")
    own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 2", password_hash("other"))
    own.assert_ended(bob)
    own.swingmusic.execute("DELETE FROM user WHERE id = 3")
    answer = own.ask("GET", "/auth/user", bearer=carol[0][0])
    assert answer.status == 401 and answer.json()["msg"].startswith("Error loading the user {'id': 3, 'image': None, 'username': 'carol'")
    own.swingmusic.execute("INSERT INTO user (id, password, username, roles) VALUES (3, ?, 'carol', '[]')", password_hash("carolpw"))
    own.assert_ended(carol)


def test_ones_own_new_password_keeps_this_session_and_ends_the_others(own):
    mine, other = own.log_in("bob"), own.family("bob")
    assert own.ask("PUT", "/auth/profile/update", cookie=mine["accesstoken"], body={"password": "new one"}).status == 200
    own.assert_ended(other)
    assert own.everywhere(mine["accesstoken"]) == {200}
    assert own.log_in("bob", "new one")


def test_swingmusics_folder_may_change_under_way(own):
    access = own.log_in("bob")["accesstoken"]
    database = own.swingmusic.folder / "swingmusic.db"
    lock = own.swingmusic.database()
    lock.isolation_level = None
    lock.execute("BEGIN EXCLUSIVE")
    assert own.everywhere(access) == {200}
    lock.execute("ROLLBACK")
    lock.close()
    database.rename(database.with_suffix(".away"))
    assert own.ask("GET", "/auth/user", bearer=access).status == 503
    assert own.ask("GET", "/files/song.flac", bearer=access).status == 403
    database.with_suffix(".away").rename(database)
    assert own.everywhere(access) == {200}
    # A backup is put in its place.
    access = own.log_in("bob")["accesstoken"]
    copy = sqlite3.connect(database.with_suffix(".copy"))
    theirs = own.swingmusic.database()
    theirs.backup(copy)
    theirs.close()
    copy.execute("DELETE FROM user WHERE id = 3")
    copy.commit()
    copy.close()
    carol = own.log_in("carol")["accesstoken"]
    for suffix in ("-wal", "-shm"):
        database.with_name(f"swingmusic.db{suffix}").unlink(missing_ok=True)
    os.replace(database.with_suffix(".copy"), database)
    assert own.everywhere(carol) == {401} and own.everywhere(access) == {200}
    own.swingmusic.write_settings("ab" * 32)
    assert own.everywhere(access) == {422}
    own.swingmusic.write_settings(SERVER_ID)
    assert own.everywhere(access) == {200}
    assert "the file is missing" in own.responder.log() and "another serverId" in own.responder.log()


def test_swingmusics_folder_may_be_one_that_we_cannot_write(own):
    """As another user than swingmusic's: read as immutable while nobody has the database open, through its log while somebody has."""
    legacy = "cd" * 32
    own.swingmusic.write_settings(legacy=legacy)
    own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 2", password_hash("bobpw", legacy))
    database = own.swingmusic.folder / "swingmusic.db"
    database.chmod(0o400)
    own.swingmusic.folder.chmod(0o500)
    # root writes whatever the mode says, unless it gives that up.
    humble = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []
    own.responder.stop()
    command = [*humble, own.responder.program, "serve"]
    own.responder.start(command=command)
    bob = own.log_in("bob")["accesstoken"]
    assert own.everywhere(bob) == {200}
    eventually(lambda: "stays in its old form" in own.responder.log(), 5, what="the log says that the hash was not replaced")

    # swingmusic has it open, and has written: the change is in the log file alone.
    theirs = own.swingmusic.database()
    theirs.execute("UPDATE user SET username = 'robert' WHERE id = 2")
    theirs.execute("INSERT INTO user (id, password, username, roles) VALUES (9, ?, 'new', '[]')", [password_hash("newpw")])
    theirs.commit()
    for suffix in ("-wal", "-shm"):
        database.with_name(f"swingmusic.db{suffix}").chmod(0o400)
    new = own.log_in("new")["accesstoken"]
    assert own.everywhere(new) == {200}
    assert own.everywhere(bob) == {401}, "another name, behind our back, is another owner"
    theirs.execute("DELETE FROM user WHERE id = 9")
    theirs.commit()
    assert own.everywhere(new) == {401}

    # swingmusic ends: the log file is gone when nobody else has the database open.
    theirs.close()
    own.responder.stop()
    own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 3", password_hash("other"))
    assert not database.with_name("swingmusic.db-wal").exists()
    own.responder.start(command=command)
    carol = own.log_in("carol", "other")["accesstoken"]
    assert own.everywhere(carol) == {200}
    own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 3", password_hash("a third"))
    assert own.everywhere(carol) == {401}
    assert own.log_in("carol", "a third")


def test_no_token_or_password_reaches_a_log(own):
    tokens = own.log_in("bob")
    own.ask("POST", "/auth/login", body={"username": "bob", "password": "a wrong secret"})
    own.ask("GET", "/auth/user", cookie=tokens["accesstoken"] + "x")
    log = own.responder.log()
    assert "a wrong secret" not in log and "bobpw" not in log and tokens["accesstoken"].split(".")[2] not in log


def test_fifty_logins_at_once_leave_checks_quick(own):
    access = own.log_in("admin")["accesstoken"]
    body = json.dumps({"username": "bob", "password": "bobpw"}).encode()
    seconds = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        logins = pool.submit(http.at_once, own.nginx.port, ["/auth/login"] * 50, "POST", JSON, body)
        with http.Connection(own.nginx.port) as connection:
            while not logins.done():
                answer = connection.request("GET", "/auth/verify", {"Authorization": f"Bearer {access}"})
                assert answer.status == 204
                seconds.append(answer.seconds)
        # A slow build may not come round to all of them; what it does not is told to come again.
        statuses = [answer.status for answer in logins.result()]
        assert set(statuses) <= {200, 503} and statuses.count(200) >= 10
    print(f"{len(seconds)} checks beside 50 logins, p99 {http.percentile(seconds, 0.99) * 1000:.1f} ms")
    assert http.percentile(seconds, 0.5) < 0.02


@pytest.mark.parametrize("settings, headers, attributes", [
    ({}, {}, ""),
    ({"SWINGMUSIC_FCGI_CORS_ORIGINS": "https://elsewhere.example"}, {}, ""),
    ({}, {"X-Forwarded-Proto": "https"}, "; Secure; SameSite=Lax"),
    ({"SWINGMUSIC_FCGI_CORS_ORIGINS": "*"}, {"X-Forwarded-Proto": "https"}, "; Secure; SameSite=Lax"),
    ({"SWINGMUSIC_FCGI_CORS_ORIGINS": "https://elsewhere.example"}, {"X-Forwarded-Proto": "https"}, "; Secure; SameSite=None"),
    ({"SWINGMUSIC_FCGI_PUBLIC_URL": "https://music.example"}, {}, "; Secure; SameSite=Lax"),
    ({"SWINGMUSIC_FCGI_PUBLIC_URL": "http://music.example"}, {}, ""),
])
def test_the_cookie_is_swingmusics_own_over_plain_http_and_for_https_alone_where_there_is_https(sandbox, settings, headers, attributes):
    swingmusic = Swingmusic(sandbox)
    responder = Responder(sandbox, {"SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder), **settings}, workers=1).start()
    nginx = Nginx(sandbox, responder.address, sessions=True, swingmusic=swingmusic.port).start()
    login = http.request(nginx.port, "POST", "/auth/login", {"Content-Type": "application/json", **headers}, b'{"username":"bob","password":"bobpw"}')
    assert re.fullmatch(rf"access_token_cookie=[\w.-]+; Expires=[^;]+ GMT; Max-Age=2592000; HttpOnly; Path=/{attributes}", login.headers["set-cookie"])
    out = http.request(nginx.port, "GET", "/auth/logout", headers)
    assert out.headers["set-cookie"] == f"access_token_cookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/{attributes}"
