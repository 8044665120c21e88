"""The household's own Spotify account: consent by the authorization-code flow with PKCE, before a stand-in that is as strict as the documentation.
In development mode its public playlists come with their items, and nobody sees more than that."""

import fcntl
import json
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import time
import urllib.parse
from pathlib import Path

import pytest

from harness import http
from harness.consent import asking, browser, connect, ended, environment, sent_back
from harness.house import House, assert_spotify_error
from harness.responder import ADMIN_TOKEN, CLIENT_ID
from harness.sandbox import executable, free_port
from harness.waiting import eventually

OWNER = "user7"


@pytest.fixture
def house(request):
    with House("connect", workers=2, mode="development") as opened:
        yield opened


def playlists(house, reader, count=1, **more):
    return house.standin.ids("playlist", count, reader=reader, **more)


def items(house, playlist):
    """How many items everybody is given of a playlist."""
    answer = house.get(f"/spotify/v1/playlists/{playlist}")
    assert answer.status == 200, answer
    return len(answer.json()["tracks"]["items"])


def askers(house, playlist):
    """Of each call for a playlist whether it was the app's: by the tokens of calls for tracks."""
    calls = [call for call in house.standin.calls() if call["path"].startswith(f"/v1/playlists/{playlist}")]
    apps = {call["token"] for call in house.standin.calls() if call["path"].startswith("/v1/tracks/")}
    return ["app" if call["token"] in apps else "account" for call in calls]


# Consent.

def test_the_accounts_public_playlists_come_with_their_items_and_others_do_not(house):
    house.fill()
    own, others = playlists(house, OWNER, 3, more_than=120), playlists(house, OWNER, 2, closed=1)
    assert items(house, own[0]) == 0, "the app may not read them"
    connect(house)
    assert items(house, own[1]) == 100
    page = house.get(f"/spotify/v1/playlists/{own[1]}/items?offset=100&limit=50").json()
    assert len(page["items"]) == min(50, page["total"] - 100)
    assert items(house, others[0]) == 0
    assert askers(house, own[1]) == ["account", "account"] and askers(house, own[0]) == ["app"] and askers(house, others[0]) == ["account"]
    # What stands in it is as the account's country has it: it teaches nothing.
    track = page["items"][0]["item"]["id"]
    before = house.standin.last_number()
    assert house.get(f"/spotify/v1/tracks/{track}").status == 200
    assert [call["path"] for call in house.standin.calls(since=before)] == [f"/v1/tracks/{track}"]


def test_what_was_fetched_without_items_is_asked_for_again_at_once_and_once(house):
    house.fill()
    own, others = playlists(house, OWNER, 3, more_than=120), playlists(house, OWNER, 2, closed=1)
    assert [items(house, playlist) for playlist in own + others] == [0] * 5
    assert_spotify_error(house.get(f"/spotify/v1/playlists/{own[0]}/items?offset=100&limit=20"), 403)
    before = house.standin.last_number()
    connect(house)
    # Nobody asks for them meanwhile.
    eventually(lambda: len(house.standin.calls("playlists", since=before)) == 5, 12, what="each is asked for again")
    eventually(lambda: [items(house, playlist) for playlist in own] == [100] * 3, 5, what="they have their items")
    assert len(house.get(f"/spotify/v1/playlists/{own[0]}/items?offset=100&limit=20").json()["items"]) == 20
    assert [items(house, playlist) for playlist in others] == [0, 0]
    after = house.standin.last_number()
    house.responder.restart()
    assert [items(house, playlist) for playlist in own] == [100] * 3
    time.sleep(3)
    assert house.standin.calls("playlists", since=after) == [], "what has none still is not asked for over and over"


def test_what_is_asked_of_the_owner(house):
    with asking(house) as process:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(process.address).query))
        assert set(query) == {"response_type", "client_id", "redirect_uri", "code_challenge_method", "code_challenge", "state"}
        assert (query["client_id"], query["redirect_uri"], query["code_challenge_method"]) == (CLIENT_ID, process.redirect, "S256")
        with asking(house) as other:
            again = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(other.address).query))
            assert again["state"] != query["state"] and again["code_challenge"] != query["code_challenge"]


def test_on_a_machine_without_a_browser_the_address_is_pasted(house):
    with asking(house) as process:
        location = browser(house, process).headers["location"]
        process.stdin.write(f"what?\n{location}\n")
        process.stdin.flush()
        assert "Connected." in ended(process, 0)


def test_an_answer_to_another_asking_is_left_alone(house):
    with asking(house) as process:
        forged = f"{process.redirect}?code=somebodys&state=guessed"
        assert sent_back(process, forged).status == 400
        assert http.request(process.port, "GET", "/favicon.ico").status == 404
        assert http.request(process.port, "GET", "/?x=y").status == 404
        assert process.poll() is None
        assert sent_back(process, browser(house, process).headers["location"]).status == 200
        assert "Connected." in ended(process, 0)


# Each way in which it fails says what to do.

def test_an_owner_who_does_not_agree(house):
    house.standin.control("account", {"agrees": False})
    with asking(house) as process:
        sent_back(process, browser(house, process).headers["location"])
        assert "the owner did not agree: run this once more" in ended(process, 1)


def test_a_redirect_that_the_apps_page_does_not_name(house):
    with asking(house, registered=False) as process:
        page = browser(house, process)
        assert page.status == 400 and b"Invalid redirect URI" in page.body
        assert f"Where Spotify says 'Invalid redirect URI', add {process.redirect}" in process.shown


def changed(location, **given):
    target = urllib.parse.urlsplit(location)
    query = {**dict(urllib.parse.parse_qsl(target.query)), **given}
    return target._replace(query=urllib.parse.urlencode(query)).geturl()


def test_a_code_that_is_none_or_was_given_to_another_asking(house):
    with asking(house) as first:
        stolen = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(browser(house, first).headers["location"]).query))["code"]
        for code in ("nonsense", stolen):
            with asking(house) as process:
                sent_back(process, changed(browser(house, process).headers["location"], code=code))
                assert "Spotify does not take the code" in (said := ended(process, 1)) and "run this once more" in said
    assert house.get("/swingmusic-fcgi/readyz").json()["warnings"] == []


def test_a_port_that_another_has_and_one_that_is_none(house):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([executable(), "connect", "--port", str(port)], env=environment(house), capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "name another with --port" in done.stderr
    done = subprocess.run([executable(), "connect", "--port", "80"], env=environment(house), capture_output=True, text=True, timeout=30)
    assert done.returncode == 64


def test_no_credentials(house):
    house.responder.stop()
    given = environment(house, SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    done = subprocess.run([executable(), "connect"], env=given, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "--env-file" in done.stderr


def test_an_accounts_service_that_is_away_limits_or_gives_no_refresh_token(house):
    def answering(status, body):
        return {"on": "token", "behaviour": "status", "status": status, "body": json.dumps(body)}
    for rule, words in (({"on": "token", "behaviour": "status", "status": 503}, "see that the host reaches SPOTIFY_ACCOUNTS_URL"),
                        (answering(200, {"access_token": "BQonce", "token_type": "Bearer", "expires_in": 3600}), "none to renew it with: run this once more"),
                        (answering(400, {"error": "invalid_client", "error_description": "Invalid client"}), "copy SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET anew"),
                        ({"on": "token", "behaviour": "status", "status": 429, "headers": {"Retry-After": "60"}}, "wait until")):
        with asking(house) as process:
            location = browser(house, process).headers["location"]
            house.standin.fail(rule)
            sent_back(process, location)
            assert words in ended(process, 1)
            house.standin.fail()
    # The cooldown is everybody's, and holds for the command as well.
    with asking(house) as process:
        sent_back(process, browser(house, process).headers["location"])
        assert "run this then" in ended(process, 1)
    assert not (house.sandbox.path("data") / "account.sealed").exists()


def test_another_process_that_is_at_the_account(house):
    with asking(house) as process, open(house.sandbox.path("data") / "account.lock", "w+b") as held:
        # Whoever renews the token has this byte locked (fcntl(2), F_OFD_SETLK).
        fcntl.fcntl(held, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
        sent_back(process, browser(house, process).headers["location"])
        assert "another process is at the account just now: run this once more" in ended(process, 1)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_nobody_who_agrees(house):
    done = subprocess.run(["faketime", "-f", "+0 x200", executable(), "connect", "--port", str(free_port())], env=environment(house), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "nobody agreed within ten minutes: run this once more" in done.stderr


# What becomes of the token.

def due(house):
    """The access tokens that the account is given from now on are due after some seconds: a minute before their end."""
    house.standin.control("token", {"expires_in": 63})


@pytest.mark.parametrize("rotates", [False, True])
def test_one_process_renews_it_and_keeps_a_new_refresh_token(rotates):
    with House("connect-renews", workers=4, mode="development") as house:
        house.fill()
        connect(house)
        house.standin.control("account", {"rotates": rotates})
        own = playlists(house, OWNER, 8)
        for round, playlist in enumerate(own[:3]):
            # Refused by the Web API, or due by the clock.
            house.standin.control("account", {"revoke": True})
            before = house.standin.figures()["token_requests"]
            answers = house.at_once([f"/spotify/v1/playlists/{playlist}"] * 8 + [f"/spotify/v1/tracks/{playlist}"])
            assert {answer.status for answer in answers[:8]} == {200}
            assert house.standin.figures()["token_requests"] == before + 1, round
            assert items(house, playlist) > 0
        assert "ended-consent" not in house.get("/swingmusic-fcgi/readyz").json()["warnings"]
        assert not [line for line in house.responder.log().splitlines() if " error " in line]


def test_a_consent_that_was_taken_back_is_final_and_said_everywhere(house):
    house.fill()
    connect(house)
    house.standin.control("account", {"withdraw": True})
    own = playlists(house, OWNER, 4)
    assert items(house, own[0]) == 0
    requests = house.standin.figures()["token_requests"]
    assert [items(house, playlist) for playlist in own[1:]] == [0, 0, 0]
    assert house.standin.figures()["token_requests"] == requests, "it is not tried again"
    assert set(askers(house, own[3])) == {"app"}
    assert "run 'swingmusic-fcgi connect' again" in house.responder.log()
    readiness = house.admin("GET", "/swingmusic-fcgi/readyz").json()
    [detail] = [each for each in readiness["details"] if each["word"] == "ended-consent"]
    assert "Invalid refresh token" in detail["text"] and "connect" in detail["remedy"]
    assert house.admin("GET", "/swingmusic-fcgi/status.json").json()["account"]["endReason"] == "Invalid refresh token"
    assert "consent ended" in subprocess.run([executable(), "status"], env=environment(house), capture_output=True, text=True).stdout
    checked = subprocess.run([executable(), "check"], env=environment(house), capture_output=True, text=True, timeout=60).stdout
    assert "ended-consent" in checked
    stored = json.loads((house.sandbox.path("data") / "account.sealed").read_text())
    assert set(stored) == {"consentedAt", "ended"}
    connect(house)
    house.standin.control("account", {"withdraw": False})
    assert items(house, playlists(house, OWNER, 6)[5]) > 0
    assert house.get("/swingmusic-fcgi/readyz").json()["warnings"] == []


def test_six_months_after_the_consent_it_ends_whatever_was_renewed(house):
    house.fill()
    house.standin.control("account", {"rotates": True})
    connect(house)
    own = playlists(house, OWNER, 3)
    house.standin.control("account", {"later": 182 * 86_400, "revoke": True})
    assert items(house, own[0]) > 0
    house.standin.control("account", {"later": 184 * 86_400, "revoke": True})
    assert items(house, own[1]) == 0
    assert "Refresh token expired" in house.responder.log()


def test_without_a_token_for_a_while_what_is_known_stays(house):
    house.fill()
    connect(house)
    own = playlists(house, OWNER, 2)
    assert items(house, own[0]) > 0
    house.standin.fail({"on": "token", "behaviour": "status", "status": 503})
    house.standin.control("account", {"revoke": True})
    assert_spotify_error(house.get(f"/spotify/v1/playlists/{own[1]}"), 502, 429)
    assert items(house, own[0]) > 0
    eventually(lambda: "no token of the connected Spotify account is to be had" in house.responder.log(), 10, what="it is said")
    assert house.get("/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl").status == 200, "the app's calls go on"


# What nobody shall see.

def test_a_playlist_that_its_owner_keeps_from_others_is_shown_to_nobody(house):
    house.fill()
    connect(house)
    kept = playlists(house, OWNER, 2, more_than=60)
    house.standin.control("account", {"kept": kept})
    for playlist in kept:
        assert items(house, playlist) == 0
        assert_spotify_error(house.get(f"/spotify/v1/playlists/{playlist}/items?offset=50"), 403)
        assert askers(house, playlist)[:2] == ["account", "app"]
        assert "account" not in askers(house, playlist)[1:]


def test_nor_are_its_pages_where_its_link_is_enough_to_read_it(house):
    house.fill()
    connect(house)
    closed, kept = playlists(house, OWNER, 2, more_than=250)
    assert len(house.get(f"/spotify/v1/playlists/{closed}/items?offset=100&limit=50").json()["items"]) == 50
    house.standin.control("account", {"kept": [closed, kept], "linked": True})
    # A minute later.
    limiter = sqlite3.connect(house.sandbox.path("data") / "limiter.db", timeout=10)
    with limiter:
        assert limiter.execute("DELETE FROM facts WHERE name = ?", [f"account-open/{closed}"]).rowcount == 1
    for playlist in (closed, kept):
        assert_spotify_error(house.get(f"/spotify/v1/playlists/{playlist}/items?offset=200&limit=50"), 403)
    assert items(house, kept) == 0
    assert askers(house, closed)[:4] == ["account", "account", "account", "app"], "the list, its page, the list, and nothing more"
    assert askers(house, kept)[:2] == ["account", "app"]
    assert "account" not in askers(house, closed)[3:] + askers(house, kept)[1:]


def test_tokens_are_in_no_log_no_figures_and_nowhere_in_the_clear():
    with House("connect-secret", workers=2, mode="development", SWINGMUSIC_FCGI_LOG_LEVEL="trace") as house:
        house.fill()
        connect(house)
        own = playlists(house, OWNER, 3)
        for playlist in own:
            house.standin.control("account", {"revoke": True})
            assert items(house, playlist) > 0
        apps = {call["token"] for call in house.standin.calls() if call["path"].startswith("/v1/tracks/")}
        tokens = {call["token"] for call in house.standin.calls()} - apps
        assert len(tokens) == 4
        seen = [(path, house.admin("GET", f"/swingmusic-fcgi/{path}").body) for path in ("status", "status.json", "page/now.json", "metrics", "readyz")]
        seen += [(f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()) for pid in house.responder.worker_pids() for name in ("cmdline", "environ")]
        for words in (["check"], ["status"], ["backup", str(house.sandbox.path("backup"))]):
            run = subprocess.run([executable(), *words], env=environment(house), capture_output=True, timeout=60)
            seen.append((words[0], run.stdout + run.stderr))
        house.responder.stop()
        seen.append(("log", house.responder.log().encode()))
        for folder in ("data", "backup"):
            seen += [(str(path), path.read_bytes()) for path in house.sandbox.path(folder).rglob("*") if path.is_file()]
        assert not [name for name, _ in seen if "backup/account" in name]
        for name, content in seen:
            assert not any(token.encode() in content for token in tokens), name
        sealed = house.sandbox.path("data") / "account.sealed"
        assert sealed.stat().st_mode & 0o077 == 0 and b"refresh" not in sealed.read_bytes()


def test_disconnect_forgets_the_token_and_calls_go_on_as_the_app(house):
    house.fill()
    connect(house)
    own = playlists(house, OWNER, 2)
    assert items(house, own[0]) > 0
    done = subprocess.run([executable(), "disconnect"], env=environment(house), capture_output=True, text=True, timeout=30)
    assert done.returncode == 0 and "spotify.com/account/apps" in done.stdout
    assert not (house.sandbox.path("data") / "account.sealed").exists()
    assert items(house, own[1]) == 0 and askers(house, own[1]) == ["app"]
    assert items(house, own[0]) > 0, "what was fetched of a public playlist stays"
    assert subprocess.run([executable(), "disconnect"], env=environment(house), capture_output=True, timeout=30).returncode == 3


def test_other_credentials_open_nothing_and_say_so(house):
    house.fill()
    connect(house)
    house.responder.restart(SPOTIFY_CLIENT_SECRET="another secret altogether")
    assert items(house, playlists(house, OWNER, 1)[0]) == 0
    assert "sealed with other credentials" in house.responder.log()
    assert ADMIN_TOKEN not in house.responder.log()
