"""However many ask, Spotify is asked once."""

import socket
import threading

import pytest

from harness.house import cache_status, track
from harness.http import encode
from harness.standin import missing_id, spotify_id


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("single-flight", SWINGMUSIC_FCGI_QUEUE_LIMIT="1000")
    house.fill(name="warm")
    return house


def test_a_thousand_requests_at_once_for_one_unknown_id_cause_exactly_one_call(house):
    path = track("wanted-by-all")
    house.standin.fail({"path": spotify_id("wanted-by-all"), "behaviour": "delay", "ms": 1500})
    answers = house.at_once([path] * 1000)
    assert [answer.status for answer in answers] == [200] * 1000
    assert len({answer.body for answer in answers}) == 1
    assert len(house.standin.calls(spotify_id("wanted-by-all"))) == 1
    house.standin.fail()

    misses = [cache_status(answer) for answer in answers if "hit" not in cache_status(answer)]
    assert misses and all(miss["fwd"] == "miss" and miss["stored"] for miss in misses)
    assert sum("collapsed" not in miss for miss in misses) == 1, "one request's call, the others joined it"


def test_a_thousand_requests_at_once_for_something_that_is_not_there_cause_one_call(house):
    name = missing_id("wanted-by-all")
    answers = house.at_once([f"/spotify/v1/artists/{name}"] * 1000)
    assert [answer.status for answer in answers] == [404] * 1000
    assert len(house.standin.calls(name)) == 1


def test_the_first_callers_leaving_fails_nobody_else(house):
    name = spotify_id("left-behind")
    house.standin.fail({"path": name, "behaviour": "delay", "ms": 800})
    leaver = socket.create_connection(("127.0.0.1", house.port))
    leaver.sendall(encode("GET", track("left-behind"), None, b"", "127.0.0.1"))
    house.standin.await_call(name)
    stayed = []
    thread = threading.Thread(target=lambda: stayed.extend(house.at_once([track("left-behind")] * 20)))
    thread.start()
    leaver.close()
    thread.join(30)
    assert [answer.status for answer in stayed] == [200] * 20
    assert len(house.standin.calls(name)) == 1
    house.standin.fail()


def test_a_lookup_whose_caller_left_is_finished_and_is_a_hit_next_time(house):
    name = spotify_id("finished-anyway")
    house.standin.fail({"path": name, "behaviour": "delay", "ms": 500})
    leaver = socket.create_connection(("127.0.0.1", house.port))
    leaver.sendall(encode("GET", track("finished-anyway"), None, b"", "127.0.0.1"))
    house.standin.await_call(name)
    leaver.close()
    assert house.get(track("finished-anyway")).status == 200
    assert len(house.standin.calls(name)) == 1
    house.standin.fail()


def test_twenty_ids_asked_fifty_times_each_cause_twenty_calls(house):
    since = house.standin.last_number()
    paths = [track(f"crowd-{n % 20}") for n in range(1000)]
    answers = house.at_once(paths)
    assert [answer.status for answer in answers] == [200] * 1000
    assert sorted(call["path"] for call in house.standin.calls(since=since)) == sorted(
        f"/v1/tracks/{spotify_id(f'crowd-{n}')}" for n in range(20))


def test_callers_who_arrive_while_the_answer_is_being_stored_cause_no_second_call(house):
    """Requests for one id come steadily before, during and after its answer's arrival, for many ids in turn."""
    since = house.standin.last_number()
    house.standin.control("settings", {"latency_ms": 30})
    for number in range(30):
        answers = house.at_once([track(f"steady-{number}")] * 60, over=0.15)
        assert {answer.status for answer in answers} == {200}
    house.standin.control("settings", {"latency_ms": 0})
    asked = [call["path"] for call in house.standin.calls(since=since)]
    assert sorted(asked) == sorted(set(asked)), "an id was asked for twice"
    assert len(asked) == 30
