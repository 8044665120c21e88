"""Client keys: tokens for clients of Spotify's Web API, given as accounts.spotify.com gives them."""

import json
import re
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness import fastcgi, http
from harness.house import House, track
from harness.household import Household
from harness.keys import FORM, GRANT, asked, basic, made_key, token_of
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN
from harness.sandbox import executable
from harness.swingmusic import Swingmusic
from harness.workers import Workers

TRACK = "/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl"
WORDS = ("none of Spotify's", "client key", "keys add NAME")


@pytest.fixture(scope="module")
def own():
    with Household("keys", workers=2, SWINGMUSIC_FCGI_METADATA_AUTH="session") as opened:
        yield opened


@pytest.fixture(scope="module")
def key(own):
    return made_key(own, "module")


def command(own, *words, status=0):
    run = subprocess.run([executable(), *words], env=own.sandbox.environment(**own.responder.settings), capture_output=True, text=True, timeout=30)
    assert run.returncode == status, run
    return run.stdout


def is_let_in(answer):
    """There are no credentials for Spotify here: who is let in is told so."""
    return answer.status == 503 and "SPOTIFY_CLIENT_ID" in answer.json()["error"]["message"]


# The grant.

def test_a_key_in_the_body_or_a_header_is_given_a_token_that_reads_the_mirror(own, key):
    body = GRANT + f"&client_id={key[0]}&client_secret={key[1]}".encode()
    in_body = own.ask("POST", "/spotify/api/token", headers={"Content-Type": FORM + "; charset=UTF-8"}, body=body)
    for answer in (in_body, asked(own, *key)):
        assert answer.status == 200, answer
        assert answer.headers["cache-control"] == "no-store"
        given = answer.json()
        assert (given["token_type"], given["expires_in"]) == ("Bearer", 3600)
        assert re.fullmatch(r"smfcgi_[\w-]{43}", given["access_token"])
        assert is_let_in(own.ask("GET", TRACK, bearer=given["access_token"]))
        assert own.ask("HEAD", TRACK, bearer=given["access_token"]).status == 503


def refused(answer, status, code):
    assert answer.status == status, answer
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == code
    return answer.json()["error_description"]


def test_another_grant_is_no_grant(own, key):
    for body in (b"", b"grant_type=authorization_code&code=x", b"grant_type=refresh_token&refresh_token=x", b"grant_type="):
        refused(asked(own, *key, body=body), 400, "unsupported_grant_type")


def test_nothing_is_taken_from_the_query(own, key):
    query = f"?grant_type=client_credentials&client_id={key[0]}&client_secret={key[1]}"
    form = {"Content-Type": FORM}
    refused(own.ask("POST", "/spotify/api/token" + query, headers=form), 400, "unsupported_grant_type")
    refused(own.ask("POST", "/spotify/api/token" + query, headers=form, body=GRANT), 400, "invalid_client")


def test_a_body_that_is_no_form_is_refused(own, key):
    answer = own.ask("POST", "/spotify/api/token", headers={"Content-Type": "application/json", **basic(*key)}, body={"grant_type": "client_credentials"})
    refused(answer, 415, "unsupported_media_type")
    assert own.ask("GET", "/spotify/api/token").status == 405


def test_who_has_no_key_is_told_what_to_do(own):
    for client in (("0123456789abcdef0123456789abcdef", "what Spotify gave"), ("", ""), ("\x00", "x")):
        said = refused(asked(own, *client), 400, "invalid_client")
        assert all(words in said for words in WORDS)


@pytest.mark.parametrize("bearer", [None, "BQDspotifysown", "smfcgi_" + "A" * 43, "a.b.c"])
def test_a_401_of_the_mirror_says_which_token_is_wanted_and_where_to_get_it(own, bearer):
    answer = own.ask("GET", TRACK, bearer=bearer)
    assert answer.status == 401 and "Bearer" in answer.headers["www-authenticate"]
    said = answer.json()["error"]["message"]
    assert "POST /spotify/api/token" in said and all(words in said for words in WORDS)
    assert bearer is None or bearer not in said


def test_a_host_name_of_its_own_has_tokens_where_spotify_has_them(own, key):
    nginx = Nginx(own.sandbox, own.responder.address, server=["include swingmusic-fcgi/spotify-host.conf;"]).start()
    answer = http.request(nginx.port, "POST", "/api/token", {"Content-Type": FORM, **basic(*key)}, GRANT)
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert is_let_in(http.request(nginx.port, "GET", TRACK.removeprefix("/spotify"), bearer))
    said = http.request(nginx.port, "GET", TRACK.removeprefix("/spotify")).json()["error"]["message"]
    assert "POST /api/token" in said


def test_while_metadata_is_open_to_all_any_id_and_secret_will_do():
    with Household("keys-open", workers=1, SWINGMUSIC_FCGI_METADATA_AUTH="off") as own:
        given = asked(own, "any", "thing").json()
        assert given["expires_in"] == 3600
        assert is_let_in(own.ask("GET", TRACK, bearer=given["access_token"]))
        refused(asked(own, "", ""), 400, "invalid_client")


def test_wrong_secrets_are_heard_ten_times_a_minute_and_then_the_right_one_waits_too():
    with Household("keys-guessed", workers=2, SWINGMUSIC_FCGI_METADATA_AUTH="session") as own:
        key, secret = made_key(own, "guessed")
        for _ in range(20):
            assert asked(own, key, secret).status == 200, "what is right does not count"
        for n in range(10):
            refused(asked(own, key, f"{n}"), 400, "invalid_client")
        for each in ("wrong", secret):
            answer = asked(own, key, each)
            refused(answer, 429, "slow_down")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        # Passwords are counted for themselves.
        own.log_in("bob")


def test_a_key_is_given_sixty_tokens_a_minute(own):
    key = made_key(own, "hurries")
    statuses = [asked(own, *key).status for _ in range(62)]
    assert statuses == [200] * 60 + [429] * 2


# What administrators do.

def test_keys_are_made_listed_and_ended_on_the_command_line(own):
    made = json.loads(command(own, "keys", "add", "by-hand", "--json"))
    assert re.fullmatch("[0-9a-f]{32}", made["id"]) and re.fullmatch("[0-9a-f]{64}", made["secret"])
    [listed] = [each for each in json.loads(command(own, "keys", "list", "--json")) if each["name"] == "by-hand"]
    assert listed["id"] == made["id"] and listed["usedAt"] is None and made["secret"] not in json.dumps(listed)
    token = token_of(own, made["id"], made["secret"])
    assert json.loads(command(own, "keys", "list", "--json"))[0]["usedAt"]
    assert "by-hand" in command(own, "keys", "list")
    command(own, "keys", "add", "by-hand", status=1)
    command(own, "keys", "add", "no name", status=64)
    assert json.loads(command(own, "keys", "revoke", "by-hand", "--json")) == {"revoked": 1}
    assert own.ask("GET", TRACK, bearer=token).status == 401
    refused(asked(own, made["id"], made["secret"]), 400, "invalid_client")
    command(own, "keys", "revoke", "by-hand", status=3)


def test_keys_are_made_listed_and_ended_by_the_route(own):
    key, secret = made_key(own, "by-route")
    listed = own.ask("GET", "/swingmusic-fcgi/keys", bearer=ADMIN_TOKEN)
    assert listed.headers["cache-control"] == "no-store" and secret not in listed.body.decode()
    assert {"name", "id", "createdAt", "usedAt"} == set(listed.json()["keys"][0])
    assert key in {each["id"] for each in listed.json()["keys"]}
    assert own.ask("POST", "/swingmusic-fcgi/keys", bearer=ADMIN_TOKEN, body={"name": "by-route"}).status == 409
    for body in ({}, {"name": "a/b"}, {"name": "-x"}, {"name": "x" * 65}, {"name": 7}, []):
        assert own.ask("POST", "/swingmusic-fcgi/keys", bearer=ADMIN_TOKEN, body=body).status == 400, body
    admin, user = (own.log_in(name)["accesstoken"] for name in ("admin", "bob"))
    assert own.ask("DELETE", "/swingmusic-fcgi/keys/by-route", bearer=user).status == 403
    assert own.ask("DELETE", "/swingmusic-fcgi/keys/by-route", cookie=admin, headers={"Origin": "http://elsewhere.example"}).status == 403
    assert own.ask("DELETE", "/swingmusic-fcgi/keys/by-route", cookie=admin).status == 200
    assert own.ask("DELETE", "/swingmusic-fcgi/keys/by-route", bearer=ADMIN_TOKEN).status == 404
    refused(asked(own, key, secret), 400, "invalid_client")


# Revocation.

class OneWorker:
    """A worker of several, asked past nginx as a household is asked."""

    def __init__(self, address):
        self.address = address

    def ask(self, method, path, bearer=None, headers=None, body=b""):
        named = {"HTTP_HOST": "music.example", "CONTENT_TYPE": "application/json"}
        for name, value in {**(headers or {}), **({"Authorization": f"Bearer {bearer}"} if bearer else {})}.items():
            named["CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper()}"] = value
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = fastcgi.ask(self.address, path, method=method, body=body, parameters=named, timeout=20)
        answer.json = lambda: json.loads(answer.body)
        return answer


@pytest.fixture
def workers(sandbox):
    return Workers(sandbox, ["admin"], SWINGMUSIC_FCGI_ADMIN_TOKEN=ADMIN_TOKEN)


def test_every_worker_refuses_a_revoked_keys_tokens_at_its_next_request(workers):
    each = [OneWorker(address) for address in workers.addresses]
    (ended, other) = (made_key(each[0], name) for name in ("ended", "other"))
    tokens = [token_of(one, *ended) for one in each]
    kept = token_of(each[1], *other)
    for _ in range(3):
        assert {one.ask("GET", TRACK, bearer=token).status for one in each for token in [*tokens, kept]} == {503}
    # What the file said is remembered by now.
    time.sleep(2.1)
    assert {one.ask("GET", TRACK, bearer=token).status for one in each for token in [*tokens, kept]} == {503}
    assert each[0].ask("DELETE", "/swingmusic-fcgi/keys/ended", bearer=ADMIN_TOKEN).status == 200
    for one in each:
        for token in tokens:
            answer = one.ask("GET", TRACK, bearer=token)
            assert answer.status == 401 and b"was revoked" in answer.body
        assert one.ask("GET", TRACK, bearer=kept).status == 503
        refused(asked(one, *ended), 400, "invalid_client")
    workers.kill()
    workers.store.kill()
    workers.start()
    assert {one.ask("GET", TRACK, bearer=tokens[0]).status for one in each} == {401}
    assert {one.ask("GET", TRACK, bearer=kept).status for one in each} == {503}


def test_a_locked_file_is_waited_for_and_not_taken_for_an_unknown_token(workers):
    first = OneWorker(workers.addresses[0])
    token = token_of(first, *made_key(first, "waits"))
    lock = sqlite3.connect(workers.sandbox.path("data") / "sessions.db", isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.5, lambda: lock.execute("ROLLBACK"))
    release.start()
    began = time.monotonic()
    assert first.ask("GET", TRACK, bearer=token).status == 503
    assert time.monotonic() - began > 0.3
    release.join()


def test_a_key_is_one_client_in_the_queue_and_neither_it_nor_its_token_is_named_there():
    with House("keys-queue", workers=2, start=False, SPOTIFY_MIN_INTERVAL="30s", SWINGMUSIC_FCGI_MIRROR_WAIT="100ms", SWINGMUSIC_FCGI_QUEUE_LIMIT="40") as house:
        swingmusic = Swingmusic(house.sandbox)
        house.responder.start(SWINGMUSIC_CONFIG_DIR=str(swingmusic.folder))
        own = OneWorker(house.responder.address)
        one, other = (token_of(own, *made_key(own, name)) for name in ("one", "other"))
        answers = [own.ask("GET", track(f"queued-{n}"), bearer=one) for n in range(14)]
        assert "of yours" in answers[-1].json()["error"]["message"], "a quarter of the queue is a client's share"
        assert "of yours" not in own.ask("GET", track("queued-other"), bearer=other).json()["error"]["message"]
        rows = sqlite3.connect(house.sandbox.path("data") / "limiter.db").execute("SELECT DISTINCT client FROM lookups").fetchall()
        assert {row[0] for row in rows} == {"key:1", "key:2"}


# What is kept, and what is shown.

def test_a_restored_backup_has_no_keys_unless_sessions_are_kept():
    with Household("keys-restored", workers=1, SWINGMUSIC_FCGI_METADATA_AUTH="session") as own:
        key = made_key(own, "of-before")
        token = token_of(own, *key)
        folder = str(own.sandbox.path("backup"))
        command(own, "backup", folder)
        own.responder.stop()
        command(own, "restore", folder)
        own.responder.start()
        assert own.ask("GET", TRACK, bearer=token).status == 401
        refused(asked(own, *key), 400, "invalid_client")
        own.responder.stop()
        command(own, "restore", "--keep-sessions", folder)
        own.responder.start()
        assert is_let_in(own.ask("GET", TRACK, bearer=token))


def test_keys_and_tokens_are_in_no_log_no_figures_no_process_list_and_no_backup():
    real = "this-is-what-spotify-gave-0123456789"
    with Household("keys-secret", store=True, workers=2, SWINGMUSIC_FCGI_METADATA_AUTH="session", SWINGMUSIC_FCGI_LOG_LEVEL="trace") as own:
        by_hand = json.loads(command(own, "keys", "add", "by-hand", "--json"))
        keys = [made_key(own, "by-route"), (by_hand["id"], by_hand["secret"])]
        tokens = [token_of(own, *key) for key in keys for _ in range(2)]
        for token in [*tokens, real]:
            own.ask("GET", TRACK, bearer=token)
            own.ask("GET", "/auth/verify", bearer=token)
            own.ask("GET", "/swingmusic-fcgi/status.json", bearer=token)
            own.ask("GET", "/api/catalog/trending", bearer=token, cookie=token)
        seen = []
        asked(own, real, real)
        asked(own, keys[0][0], real)
        own.ask("POST", "/spotify/api/token", headers={"Content-Type": FORM}, body=GRANT + f"&client_id={real}&client_secret={real}".encode())
        # Throttled, and a body that is none.
        for _ in range(12):
            asked(own, keys[0][0], real)
        own.ask("POST", "/spotify/api/token", headers=basic(real, real), body=real.encode())
        for path in ("status", "status.json", "history.json", "page/now.json", "metrics", "readyz", "openapi.json"):
            seen.append((path, own.ask("GET", f"/swingmusic-fcgi/{path}", bearer=ADMIN_TOKEN).body))
        listed = own.ask("GET", "/swingmusic-fcgi/keys", bearer=ADMIN_TOKEN).body
        pids = [own.responder.pid, *own.responder.worker_pids()]
        for pid in pids:
            seen += [(f"{name} of {pid}", Path(f"/proc/{pid}/{name}").read_bytes()) for name in ("cmdline", "environ")]
        for words in (["status"], ["queue"], ["check"], ["sessions", "list"]):
            run = subprocess.run([executable(), *words], env=own.sandbox.environment(**own.responder.settings), capture_output=True, timeout=60)
            seen.append((words[0], run.stdout + run.stderr))
        command(own, "backup", str(own.sandbox.path("backup")))
        own.responder.stop()
        seen.append(("log", own.responder.log().encode()))
        seen.append(("nginx's log", own.nginx.log.read_bytes()))
        for folder in ("backup", "data"):
            seen += [(str(path), path.read_bytes()) for path in own.sandbox.path(folder).rglob("*") if path.is_file()]
        assert len([name for name, _ in seen if "sessions.db" in name]) >= 2
        secrets = [text.encode() for text in [*tokens, *(secret for _, secret in keys), real]]
        for name, content in seen:
            assert not any(each in content for each in secrets), name
            # The id is no secret, and is shown in lists alone.
            if "sessions.db" not in name:
                assert not any(key.encode() in content for key, _ in keys), name
        assert all(each not in listed for each in secrets)
