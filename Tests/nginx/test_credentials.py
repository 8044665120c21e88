"""The token: one for all workers, renewed once, and what is said when there are no credentials."""

import time

import pytest

from harness.house import assert_spotify_error, cache_status, track
from harness.responder import ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET
from harness.standin import missing_id, spotify_id


def test_without_credentials_hits_are_served_and_misses_say_why(new_house):
    house = new_house("no-credentials")
    [known] = house.fill()
    house.responder.restart(SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    since = house.standin.last_number()
    answer = house.get(known)
    assert answer.status == 200 and "hit" in cache_status(answer)
    for answer in house.at_once([track(f"no-credentials-{n}") for n in range(10)]):
        message = assert_spotify_error(answer, 503)
        assert "SPOTIFY_CLIENT_ID" in message or "credentials" in message.lower(), message
        assert answer.seconds < 1, "nothing to wait for"
    assert house.standin.calls(since=since, on="all") == []


def test_wrong_credentials_are_said_and_not_tried_again_by_every_worker(new_house):
    house = new_house("wrong-credentials", SWINGMUSIC_FCGI_MISS_WAIT="3s")
    house.standin.control("token", {"client_id": CLIENT_ID, "client_secret": "another secret"})
    for answer in house.at_once([track(f"wrong-credentials-{n}") for n in range(20)]):
        message = assert_spotify_error(answer, 503)
        assert "credentials" in message.lower() or "client" in message.lower(), message
    assert len(house.standin.calls(on="token")) == 1
    assert house.standin.calls() == []
    assert CLIENT_SECRET not in house.responder.log()


def test_one_token_is_requested_for_all_workers_and_survives_a_restart(new_house):
    house = new_house("token")
    answers = house.at_once([track(f"token-{n}") for n in range(40)])
    assert [answer.status for answer in answers] == [200] * 40
    assert len(house.standin.calls(on="token")) == 1
    house.responder.restart()
    assert house.get(track("token-after")).status == 200
    assert len(house.standin.calls(on="token")) == 1


def test_an_expired_token_is_renewed_once_before_it_is_refused(new_house):
    house = new_house("token-expiry", SPOTIFY_MIN_INTERVAL="100ms")
    house.standin.control("token", {"expires_in": 2})
    answers = house.at_once([track(f"expiry-{n}") for n in range(40)])
    assert [answer.status for answer in answers] == [200] * 40
    assert {call["status"] for call in house.standin.calls()} == {200}, "no call is made with an expired token"
    spent = (house.standin.calls()[-1]["monotonic_ns"] - house.standin.calls()[0]["monotonic_ns"]) / 1e9
    assert len(house.standin.calls(on="token")) <= 2 + spent / 1.5


def test_a_refused_token_is_renewed_once_and_the_lookup_repeated(new_house):
    house = new_house("token-refused")
    house.fill()
    house.standin.control("token", {"revoke": True})
    answers = house.at_once([track(f"refused-{n}") for n in range(20)])
    assert [answer.status for answer in answers] == [200] * 20
    assert len(house.standin.calls(on="token")) == 2
    refused = [call for call in house.standin.calls("tracks") if call["status"] == 401]
    assert 1 <= len(refused) <= 4, "no more than one of each worker was under way with the old token"


def test_a_token_that_is_refused_for_ever_ends_in_an_error_not_in_a_loop(new_house):
    house = new_house("token-loop", SWINGMUSIC_FCGI_MISS_WAIT="3s")
    house.standin.fail({"behaviour": "status", "status": 401, "message": "Invalid access token"})
    answer = house.get(track("loop"))
    assert_spotify_error(answer, 503)
    assert len(house.standin.calls(on="token")) <= 3
    assert len(house.standin.calls()) <= 3


@pytest.mark.parametrize("name", ["answers", "errors"])
def test_no_secret_reaches_a_log(new_house, name):
    password = "the-stores-password-7f3a"
    from harness.redis import RedisServer
    house = new_house("secrets", SWINGMUSIC_FCGI_LOG_LEVEL="trace", SWINGMUSIC_FCGI_MISS_WAIT="4s",
                      SWINGMUSIC_FCGI_LOG_FORMAT="json" if name == "errors" else "text")
    store = RedisServer(house.sandbox, password=password).start()
    house.responder.restart(**store.settings())
    if name == "errors":
        house.standin.fail({"path": spotify_id("leak-1"), "behaviour": "status", "status": 401, "times": 1},
                           {"path": spotify_id("leak-2"), "behaviour": "garbage", "times": 1},
                           {"on": "token", "behaviour": "status", "status": 500, "skip": 1, "times": 1})
    house.at_once([track(f"leak-{n}") for n in range(5)])
    house.get(f"/spotify/v1/tracks/{missing_id('leak')}")
    house.admin("PUT", "/cache/session/leak", b"a value that is a secret too: 9e107d9d")
    house.admin("GET", "/cache/session/leak")
    house.request("GET", "/cache/session/leak", {"Authorization": "Bearer not-the-token-3b5d"})
    house.get(track("leak-1"), {"Cookie": "access_token_cookie=the-cookie-6c9f"})
    if name == "errors":
        store.kill()
        house.admin("GET", "/cache/session/leak")
        house.responder.process.signal(1)
    house.responder.stop()
    log = house.responder.log()
    assert log.strip()
    tokens = {call["token"] for call in house.standin.calls() if call["token"]}
    assert tokens
    for secret in (CLIENT_SECRET, password, "the-admin-token-of-the-tests", "9e107d9d", "not-the-token-3b5d", "the-cookie-6c9f",
                   *tokens):
        assert secret not in log, f"{secret[:12]}... is in the log"


@pytest.mark.parametrize("path", ["/cache/temp/k", "/dragonfly/keys", "/swingmusic-fcgi/status.json", "/swingmusic-fcgi/metrics",
                                  "/swingmusic-fcgi/readyz"])
def test_guesses_at_the_admin_token_are_throttled_over_all_workers_and_routes(new_house, path):
    house = new_house("guesses", workers=2)
    # The count begins anew with each minute of the host's clock.
    left = 60 - time.clock_gettime(time.CLOCK_BOOTTIME) % 60
    if left < 15:
        time.sleep(left + 0.1)

    def ask(token, route, source=None):
        with house.connection(source) as connection:
            return connection.get(route, {"Authorization": f"Bearer {token}"})
    opens = path.endswith("readyz")
    assert ask(ADMIN_TOKEN, path).status in (200, 404)
    wrong = [ask(f"guess-{number}", path) for number in range(10)]
    assert {answer.status for answer in wrong} == ({200} if opens else {401})
    # The right one waits as well: else the eleventh answer would tell.
    for token in ("guess-11", ADMIN_TOKEN):
        refused = ask(token, "/cache/temp/k")
        assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 60
        assert b"Too many wrong admin tokens" in refused.body
    assert ask(ADMIN_TOKEN, "/cache/temp/k", source="127.0.0.9").status == 404, "another address is not held up"


def test_tokens_of_sessions_are_no_guesses_at_the_admin_token(new_house):
    house = new_house("no-guesses", workers=1)
    for number in range(15):
        assert house.get("/cache/temp/k", {"Authorization": f"Bearer aaa.bbb.c{number}"}).status == 401
    assert house.admin("GET", "/cache/temp/k").status == 404
