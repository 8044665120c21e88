"""swingmusic's events: for users, as they come, and never more of them than swingmusic can bear."""

import statistics

import pytest

from caller import Caller, active_listeners, settle


def test_events_come_as_they_are_sent(real):
    listener = Caller(real.nginx.port, "/events/stream", real.tokens["user5"])
    assert listener.status == 200 and listener.headers["content-type"].startswith("text/event-stream")
    text = b""
    while b"heartbeat" not in text:
        text += listener.read(1)
    listener.close()


def test_one_user_has_one_stream_by_whatever_token(real):
    settle(real)
    other = real.log_in("user4")
    callers = [Caller(real.nginx.port, "/events/stream", token) for token in (real.tokens["user4"], real.tokens["user4"], other)]
    # nginx would hand on the quotation marks as well: who asks so is nobody.
    callers.append(Caller(real.nginx.port, "/events/stream", headers={"Cookie": f'access_token_cookie="{other}"'}))
    assert [caller.status for caller in callers] == [200, 503, 503, 401]
    for caller in callers:
        caller.close()


def test_strangers_take_no_users_place(real):
    settle(real)
    forged = [Caller(real.nginx.port, "/events/stream", f"a.b.{number:043d}", headers={"Content-Length": "1"}) for number in range(20)]
    assert {caller.status for caller in forged} == {401}
    user = Caller(real.nginx.port, "/events/stream", real.tokens["user3"])
    assert user.status == 200
    for caller in [user, *forged]:
        caller.close()


def test_one_user_with_many_tokens_who_reloads_stops_nobody(real):
    settle(real)
    tokens = [real.log_in("user2") for _ in range(6)]
    for _ in range(3):
        for token in tokens:
            Caller(real.nginx.port, "/events/stream", token).close()
    answers = [real.get("/nothome/?limit=9", real.tokens["user1"]) for _ in range(20)]
    assert statistics.median(answer.seconds for answer in answers) < 0.1


@pytest.mark.parametrize("path", ["/events/stream", "/events/status", "/events/", "/docs", "/docs/openapi.json", "/events//stream", "/x/../events/stream",
                                  "/events/%73tream"])
def test_events_and_the_description_are_for_users(real, path):
    assert real.get(path).status == 401
    assert real.get(path, "rubbish").status == 401


def test_a_page_that_is_reloaded_again_and_again_does_not_take_swingmusics_threads(real):
    settle(real)
    for _ in range(10):
        Caller(real.nginx.port, "/events/stream", real.tokens["user6"]).close()
    assert active_listeners(real) <= 4
    settle(real)
