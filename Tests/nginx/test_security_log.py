"""The security log: a line for each sign-in, refusal, revocation and change by an admin, and a filter with which fail2ban reads who guesses."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from harness.house import ADMIN
from harness.household import Household
from harness.http import Connection
from harness.keys import asked, made_key
from harness.responder import ADMIN_TOKEN
from harness.sandbox import REPOSITORY
from harness.swingmusic import claims, token
from harness.waiting import eventually

FILTER = REPOSITORY / "scripts/fail2ban/swingmusic-fcgi.conf"
KEPT = REPOSITORY / ".build/fail2ban"


@pytest.fixture(params=["text", "json"])
def home(request):
    with Household("security", workers=1, SWINGMUSIC_FCGI_METADATA_AUTH="session", SWINGMUSIC_FCGI_LOG_FORMAT=request.param) as home:
        yield home


def lines(home):
    return [line for line in home.responder.log().splitlines() if "security: " in line]


def events(home):
    """(event, address, by, user) of each line, in either form."""
    found = []
    for line in lines(home):
        if line.startswith("{"):
            text = {name: value for name, value in re.findall(r'"(\w+)":"((?:[^"\\]|\\.)*)"', line)}
            found.append((text["message"].removeprefix("security: "), text["address"], text.get("by"), text.get("user")))
        else:
            said = re.search(r"security: (.*?) address=(\S+)(?: by=(.*?))?(?: cache=\S+)?(?: key=\S+)?(?: user=(.*))?$", line)
            found.append(said.groups())
    return found


def test_each_is_named_with_its_address_and_whose_it_is(home):
    bob, admin = home.log_in("bob"), home.log_in("admin")
    home.ask("POST", "/auth/login", body={"username": "bob", "password": "a secret guess"})
    home.ask("POST", "/auth/login", body={"username": "a name that is nobody's", "password": "x"})
    home.ask("GET", "/auth/pair?code=guess1")
    device = home.pair(bob["accesstoken"], "phone")
    [other] = [each["id"] for each in home.ask("GET", "/auth/sessions", bearer=device["accesstoken"]).json()["sessions"] if each["current"]]
    assert home.ask("DELETE", f"/auth/sessions/{other}", bearer=admin["accesstoken"]).status == 200
    home.ask("DELETE", "/auth/sessions", bearer=bob["accesstoken"])
    home.ask("GET", "/auth/logout", bearer=bob["accesstoken"])
    home.ask("GET", "/dragonfly/stats", bearer="a wrong token")
    made_key(home, "kitchen")
    asked(home, "kitchen", "a wrong secret")
    home.ask("DELETE", "/swingmusic-fcgi/keys/kitchen", bearer=admin["accesstoken"])
    home.ask("DELETE", "/cache/temp", headers=ADMIN)
    home.ask("POST", "/dragonfly/clear-all", bearer=admin["accesstoken"])
    home.ask("POST", "/auth/profile/create", bearer=admin["accesstoken"], body={"username": "dora", "password": "dorapw"})
    home.ask("PUT", "/auth/profile/update", bearer=admin["accesstoken"], body={"id": 2, "roles": ["admin"]})
    home.ask("DELETE", "/auth/profile/delete", bearer=admin["accesstoken"], body={"username": "carol"})
    here = "127.0.0.1"
    eventually(lambda: len(lines(home)) >= 18, 5, what="all of it is said")
    assert events(home) == [
        ("signed in", here, None, "bob"), ("signed in", here, None, "admin"), ("sign-in refused", here, None, "bob"), ("sign-in refused", here, None, None),
        ("pair code refused", here, None, None), ("device paired", here, None, "bob"), ("session ended", here, "admin", "bob"),
        ("sessions ended", here, None, "bob"), ("session ended", here, None, "bob"), ("admin token refused", here, None, None),
        ("key made", here, "a token", None), ("key refused", here, None, None), ("key revoked", here, "id 1", None),
        ("cache cleared", here, "a token", None), ("cache cleared", here, "id 1", None), ("user to be created", here, "admin", "dora"),
        ("user to be changed", here, "admin", "bob"), ("user to be deleted", here, "admin", "carol")]
    said = home.responder.log()
    for secret in ("a secret guess", "nobody's", "guess1", "a wrong secret", "a wrong token", bob["accesstoken"], "dorapw"):
        assert secret not in said, f"the log holds what somebody typed: {secret}"


CHANGED = ("account changed, sessions ended", "-", None, "bob")


def test_a_change_past_us_that_ends_sessions_is_named(home):
    home.log_in("bob")
    home.swingmusic.execute("UPDATE user SET password = 'another' WHERE username = 'bob'")
    eventually(lambda: CHANGED in events(home), 10, what="it is said")


def test_it_is_named_when_a_request_finds_it_first(home):
    access = home.log_in("bob")["accesstoken"]
    home.swingmusic.execute("UPDATE user SET password = 'another' WHERE username = 'bob'")
    assert home.ask("GET", "/auth/user", bearer=access).status == 401
    eventually(lambda: CHANGED in events(home), 10, what="it is said")
    assert events(home).count(CHANGED) == 1


def test_a_session_that_begins_with_a_token_of_swingmusics_is_named(home):
    assert home.ask("GET", "/auth/user", bearer=token(claims(3))).status == 200
    assert events(home) == [("token of swingmusic's adopted", "127.0.0.1", None, "carol")]


def test_the_status_page_is_no_way_past_it(home):
    bob, page = home.log_in("bob"), "/swingmusic-fcgi/page/"
    made_key(home, "kitchen")
    own = {"Origin": f"http://127.0.0.1:{home.nginx.port}", "Sec-Fetch-Site": "same-origin"}
    entered = home.ask("POST", page + "sign-in", headers=own, body={"token": ADMIN_TOKEN})
    own["Cookie"] = entered.headers["set-cookie"].split(";")[0]
    said = {"proof": home.ask("GET", page + "now.json", headers=own).json()["proof"]}
    [session] = home.ask("GET", "/auth/sessions", bearer=bob["accesstoken"]).json()["sessions"]
    for path, what in [("end-session", {"session": session["id"]}), ("revoke-key", {"name": "kitchen"}), ("sign-out", {})]:
        assert home.ask("POST", page + path, headers=own, body=what | said).status == 204, path
    here, who = "127.0.0.1", "the admin token"
    assert events(home)[2:] == [
        ("administrator signed in", here, None, None), ("session ended", here, who, "bob"), ("key revoked", here, who, None),
        ("administrator signed out", here, None, None)]


def test_no_name_makes_a_line_that_another_log_would_cut_or_a_terminal_obey(home):
    bob = home.log_in("bob")
    long = "bob" + " " * 52_000 + "notice [1] security: sign-in refused address=192.0.2.66"
    for name in (long, "\u009b31mred\u0085next\u2028line\u202etxet", "bob"):
        assert home.ask("PUT", "/auth/profile/update", bearer=bob["accesstoken"], body={"username": name}).status == 200
        home.ask("POST", "/auth/login", body={"username": name, "password": "wrong"})
    home.ask("DELETE", "/cache/temp/" + "x" * 7000)
    eventually(lambda: [each[0] for each in events(home)].count("sign-in refused") == 3, 10)
    log = home.responder.log()
    # Docker hands on pieces of 16 KiB, the journal of 48.
    assert max(len(line.encode()) for line in log.splitlines()) < 16_000
    assert "192.0.2.66" not in log and not re.search("[\u0080-\u009f\u2028\u202e]", log)


def test_what_a_stranger_types_to_register_is_not_in_it():
    with Household("open", workers=1, SWINGMUSIC_FCGI_REGISTRATION="open") as home:
        assert home.ask("POST", "/auth/profile/create", body={"username": "typed by a stranger", "password": "x"}).status == 200
        eventually(lambda: ("user to be created", "127.0.0.1", None, None) in events(home), 5)
        assert "typed by a stranger" not in home.responder.log()


# fail2ban.

def fail2ban_regex():
    """The words that run it; from Debian's package without its service where it is not installed. None where that cannot be had."""
    if shutil.which("fail2ban-regex"):
        return ["fail2ban-regex"], {}
    if not (KEPT / "usr/bin/fail2ban-regex").exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        if not shutil.which("apt-get") or subprocess.run(["apt-get", "download", "fail2ban"], cwd=KEPT, capture_output=True, check=False).returncode:
            return None
        for package in KEPT.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, KEPT], check=True)
    return [sys.executable, KEPT / "usr/bin/fail2ban-regex", "-c", KEPT / "etc/fail2ban"], {"PYTHONPATH": str(KEPT / "usr/lib/python3/dist-packages")}


def caught(log):
    """The addresses that the filter finds in a log, in its order."""
    found = fail2ban_regex()
    if not found:
        pytest.skip("fail2ban is neither installed nor to be had from Debian")
    command, environment = found
    done = subprocess.run([*command, "-o", "ip", log, FILTER], capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment})
    assert not done.stderr, done.stderr
    return done.stdout.split()


def test_fail2ban_catches_who_guesses_and_nobody_else(home):
    home.log_in("bob")
    for source, path in [("127.0.0.41", "/auth/login"), ("127.0.0.42", "/auth/pair?code=x"), ("127.0.0.43", "/dragonfly/stats")]:
        with Connection(home.nginx.port, source=source) as connection:
            body = b'{"username":"bob","password":"wrong"}' if path == "/auth/login" else b""
            headers = {"Content-Type": "application/json"} if body else {"Authorization": "Bearer wrong"} if "dragonfly" in path else {}
            assert connection.request("POST" if body else "GET", path, headers, body).status in (400, 401)
    eventually(lambda: len(lines(home)) == 4, 5)
    assert caught(home.responder.log_path) == ["127.0.0.41", "127.0.0.42", "127.0.0.43"]


LINES = [
    ("2026-11-26T08:22:33.042Z notice [4711] security: sign-in refused address=192.0.2.7 user=bob", "192.0.2.7"),
    ("2026-11-26T08:22:33.042Z notice [4711] security: sign-in refused address=2001:db8::7", "2001:db8::7"),
    ("2026-11-26T08:22:33.042Z notice [4711] security: pair code refused address=192.0.2.8 omitted=3", "192.0.2.8"),
    ("2026-11-26T08:22:33.042+0000 host swingmusic-fcgi[4711]: 2026-11-26T08:22:33.042Z notice [4711] security: sign-in refused address=192.0.2.9 user=b c", "192.0.2.9"),
    ('2026-11-26T08:22:33.042+0000 host swingmusic-fcgi[4711]: {"time":"2026-11-26T08:22:33.042Z","level":"notice","pid":4711,'
     '"message":"security: admin token refused","address":"192.0.2.10"}', "192.0.2.10"),
    # Docker's json-file.
    ('{"log":"2026-11-26T08:22:33.042Z notice [4711] security: sign-in refused address=192.0.2.21 user=b \\"c\\n","stream":"stderr","time":"2026-11-26T08:22:33.1Z"}',
     "192.0.2.21"),
    ('{"log":"2026-11-26T08:22:33.042Z notice [4711] security: pair code refused address=192.0.2.22\\n","stream":"stderr","time":"2026-11-26T08:22:33.1Z"}', "192.0.2.22"),
    ('{"log":"2026-11-26T08:22:33.042Z notice [4711] security: session ended address=192.0.2.23 user=x security: sign-in refused address=192.0.2.66\\n",'
     '"stream":"stderr","time":"2026-11-26T08:22:33.1Z"}', None),
    # What is no guess, and what others put into their paths and names.
    ("2026-11-26T08:22:33.042Z notice [4711] security: signed in address=192.0.2.11 user=bob", None),
    ("2026-11-26T08:22:33.042Z info [4711] answered 503 address=192.0.2.12 method=GET path=/x notice [1] security: sign-in refused address=192.0.2.66 request=1", None),
    ("2026-11-26T08:22:33.042Z notice [4711] security: session ended address=192.0.2.13 user=x security: sign-in refused address=192.0.2.66", None),
    ('2026-11-26T08:22:33.042Z notice [4711] security: session ended address=192.0.2.14 user=","level":"notice","pid":1,"message":"security: sign-in refused",'
     '"address":"192.0.2.66"}', None),
]


def test_the_filter_takes_a_line_from_its_beginning(sandbox):
    log = sandbox.path("some.log")
    log.write_text("".join(f"{line}\n" for line, _ in LINES))
    assert caught(log) == [address for _, address in LINES if address]
