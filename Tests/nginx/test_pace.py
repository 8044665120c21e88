"""Spotify is called gently: the pace holds over workers, instances and restarts."""

import threading
import time

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.http import at_once
from harness.nginx import Nginx
from harness.pace import assert_pace, grants
from harness.responder import Responder, SpawnedWorkers, spotify_settings
from harness.standin import StandIn, spotify_id

def test_forty_unknown_ids_at_once_are_forty_calls_at_the_pace(new_house):
    house = new_house("forty", SPOTIFY_MIN_INTERVAL="200ms")
    started = time.monotonic()
    answers = house.at_once([track(f"forty-{n}") for n in range(40)])
    took = time.monotonic() - started
    assert [answer.status for answer in answers] == [200] * 40
    calls = house.standin.calls()
    assert sorted(call["path"] for call in calls) == sorted(f"/v1/tracks/{spotify_id(f'forty-{n}')}" for n in range(40))
    assert_pace(house.sandbox, house.standin, 0.2)
    # The next call counts from where the last one's bytes left, so each has its way to the disk on top.
    assert 39 * 0.2 <= took < 39 * 0.2 * 1.5 + 1, "forty calls take thirty-nine intervals and little more"


def test_the_default_pace_is_two_seconds(new_house):
    house = new_house("default-pace", SPOTIFY_MIN_INTERVAL=None, SPOTIFY_CALLS_PER_HOUR=None)
    answers = house.at_once([track(f"default-{n}") for n in range(3)])
    assert [answer.status for answer in answers] == [200] * 3
    assert_pace(house.sandbox, house.standin, 2.0)


def test_the_eleventh_call_of_an_hour_of_ten_waits_and_says_how_long(new_house):
    house = new_house("hour", SPOTIFY_CALLS_PER_HOUR="10", SPOTIFY_MIN_INTERVAL="100ms", SWINGMUSIC_FCGI_MISS_WAIT="5s")
    answers = [house.get(track(f"hour-{n}")) for n in range(11)]
    # A turn that a busy machine does not use at once is lost, and its slot is spent.
    known = sum(answer.status == 200 for answer in answers)
    assert 8 <= known <= 10
    eleventh = house.get(track("hour-11"))
    assert_spotify_error(eleventh, 429)
    assert eleventh.seconds < 1, "the wait is known beforehand: no reason to park"
    assert retry_after(eleventh) <= 60 and 3500 <= int(eleventh.headers["ratelimit-reset"]) <= 3605, "the hour, and the call itself"
    assert len(grants(house.sandbox)) == 10
    assert house.get(track("hour-0")).status == 200
    house.responder.restart()
    again = house.get(track("hour-12"))
    assert_spotify_error(again, 429)
    assert retry_after(again) <= 60 and 3500 <= int(again.headers["ratelimit-reset"]) <= 3605
    assert len(house.standin.calls()) == known
    assert len(grants(house.sandbox)) == 10


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_restarting_everything_does_not_reset_the_pace(new_house, ending):
    house = new_house("pace-restart", SPOTIFY_MIN_INTERVAL="3s")
    assert house.get(track("before")).status == 200
    getattr(house.responder, ending)()
    house.responder.start()
    assert house.get(track("after")).status == 200
    assert_pace(house.sandbox, house.standin, 3.0)


def test_a_wait_longer_than_the_callers_patience_is_answered_at_once(new_house):
    house = new_house("long-queue", SPOTIFY_MIN_INTERVAL="1s", SWINGMUSIC_FCGI_MISS_WAIT="3s")
    answers = house.at_once([track(f"long-{n}") for n in range(20)])
    refused = [answer for answer in answers if answer.status != 200]
    assert 2 <= len(answers) - len(refused) <= 5
    for answer in refused:
        assert_spotify_error(answer, 429)
        assert retry_after(answer) <= 25
    assert sum(answer.seconds < 1 for answer in refused) >= 12, "who cannot be served in time is told at once"
    assert max(answer.seconds for answer in answers) < 4


def test_two_instances_on_one_data_folder_keep_one_pace(new_house):
    house = new_house("two", workers=2, SPOTIFY_MIN_INTERVAL="200ms")
    second = Responder(house.sandbox, {**house.responder.settings, "SWINGMUSIC_FCGI_LISTEN": None}, 2, log="second")
    second.settings["SWINGMUSIC_FCGI_LISTEN"] = second.address
    second.start()
    door = Nginx(house.sandbox, second.address).start()
    paths = [track(f"two-{n}") for n in range(24)]
    answers = _from_both(house.port, door.port, paths)
    assert [answer.status for answer in answers] == [200] * 48
    assert len(house.standin.calls()) == 24, "one flight for both instances"
    assert_pace(house.sandbox, house.standin, 0.2)


def test_workers_under_spawn_fcgi_keep_one_pace(sandbox):
    standin = StandIn(sandbox, mode="development").start()
    workers = SpawnedWorkers(sandbox, {
        **spotify_settings(standin), "SWINGMUSIC_FCGI_MIRROR_WAIT": "25s", "SPOTIFY_MIN_INTERVAL": "200ms", "SPOTIFY_CALLS_PER_HOUR": "100000"}).start()
    door = Nginx(sandbox, workers.address).start()
    answers = at_once(door.port, [track(f"spawned-{n % 20}") for n in range(200)])
    assert [answer.status for answer in answers] == [200] * 200
    assert len(standin.calls()) == 20
    assert len(standin.calls(on="token")) == 1
    assert_pace(sandbox, standin, 0.2)


def test_a_pace_looser_than_the_projects_own_is_a_warning_in_the_log(new_house):
    house = new_house("loose", workers=1, SPOTIFY_MIN_INTERVAL="100ms", SPOTIFY_CALLS_PER_HOUR="5000")
    log = house.responder.log()
    assert "SPOTIFY_MIN_INTERVAL" in log and "SPOTIFY_CALLS_PER_HOUR" in log


def _from_both(one, other, paths):
    """All paths through both nginx at once."""
    answers = []
    threads = [threading.Thread(target=lambda port=port: answers.extend(at_once(port, paths))) for port in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
