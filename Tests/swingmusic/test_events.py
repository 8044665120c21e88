"""swingmusic's events: for users, as they come, and never more of them than swingmusic can bear."""

import pytest

from caller import Caller, active_listeners
from harness.waiting import eventually


def test_events_come_as_they_are_sent(real):
    listener = Caller(real.nginx.port, "/events/stream", real.tokens["user5"])
    assert listener.status == 200 and listener.headers["content-type"].startswith("text/event-stream")
    text = b""
    while b"heartbeat" not in text:
        text += listener.read(1)
    listener.close()


def test_one_token_has_one_stream(real):
    first = Caller(real.nginx.port, "/events/stream", real.tokens["user4"])
    second = Caller(real.nginx.port, "/events/stream", real.tokens["user4"])
    assert (first.status, second.status) == (200, 503)
    first.close()
    second.close()


@pytest.mark.parametrize("path", ["/events/stream", "/events/status", "/events/", "/docs", "/docs/openapi.json", "/events//stream", "/x/../events/stream",
                                  "/events/%73tream"])
def test_events_and_the_description_are_for_users(real, path):
    assert real.get(path).status == 401
    assert real.get(path, "rubbish").status == 401


def test_a_page_that_is_reloaded_again_and_again_does_not_take_swingmusics_threads(real):
    eventually(lambda: active_listeners(real) == 0, 30, what="swingmusic has noticed that the listeners before left")
    for _ in range(10):
        Caller(real.nginx.port, "/events/stream", real.tokens["user6"]).close()
    assert active_listeners(real) <= 4
    eventually(lambda: active_listeners(real) == 0, 30, what="swingmusic has noticed that the listeners left")
