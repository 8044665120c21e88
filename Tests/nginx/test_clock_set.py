"""Somebody sets the wall clock, of the program alone (`clockset`): what was issued in this boot of the host goes on by the time that passes."""

import base64
import json
import shutil
import time

import pytest

from clockset import Clock
from harness import http
from harness.household import Household
from harness.house import ADMIN
from harness.waiting import eventually

HOUR, DAY = 3600, 86_400

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")


def issued(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"]


class Home(Household):
    """Two workers whose wall clock is set by `clock`."""

    def __init__(self, name, **more):
        super().__init__(name, workers=2, **more)

    def __enter__(self):
        super().__enter__()
        self.clock = Clock(self.sandbox.folder)
        self.responder.stop()
        self.responder.start(**self.clock.settings)
        return self

    def statuses(self, token):
        """Of each worker several times, at our routes and at the guard."""
        routes = [self.ask("GET", "/auth/user", bearer=token).status for _ in range(8)]
        return set(routes), {self.ask("GET", "/files/song.flac", cookie=token).status for _ in range(8)}


@pytest.fixture(params=[False, True], ids=["sqlite", "store"])
def home(request):
    with Home("clock-set", store=request.param) as home:
        yield home


def test_sessions_go_on_when_the_clock_is_set_and_end_only_when_they_are_ended(home):
    bob, carol = home.log_in("bob")["accesstoken"], home.log_in("carol")["accesstoken"]
    assert home.ask("GET", "/auth/logout", bearer=carol).status == 200
    for ahead in (-HOUR, HOUR, -DAY, DAY, 40 * DAY, -40 * DAY, 0):
        home.clock.set(ahead)
        for _ in range(2):
            assert home.statuses(bob) == ({200}, {200}), ahead
            assert home.statuses(carol) == ({401}, {401}), ahead
            time.sleep(1.1)  # a round of maintenance
        late = home.log_in("bob")
        assert abs(issued(late["accesstoken"]) - time.time() - ahead) < 5
        assert home.statuses(late["accesstoken"]) == ({200}, {200})
    said = [line for line in home.responder.log().splitlines() if "the clock was set by" in line]
    assert len(said) == 7, said


def test_entries_come_back_when_the_clock_was_set_forward_and_back(home):
    for cache in ("session", "user", "temp"):
        assert home.ask("PUT", f"/cache/{cache}/k?ttl=10m", headers=ADMIN, body=b"v").status == 204
    for ahead in (DAY, 60 * DAY, 0, -DAY, 0):
        home.clock.set(ahead)
        for _ in range(2):
            for cache in ("session", "user", "temp"):
                assert {home.ask("GET", f"/cache/{cache}/k", headers=ADMIN).body for _ in range(6)} == {b"v"}, (ahead, cache)
            time.sleep(1.5)
    home.clock.set(HOUR)
    assert home.ask("PUT", "/cache/temp/short?ttl=2s", headers=ADMIN, body=b"v").status == 204
    home.clock.set(-HOUR)
    assert home.ask("GET", "/cache/temp/short", headers=ADMIN).status == 200
    eventually(lambda: home.ask("GET", "/cache/temp/short", headers=ADMIN).status == 404, 6, what="two seconds pass")


def test_writers_wait_for_each_other_by_the_time_that_passes(home):
    for ahead in (-DAY, DAY, 0):
        home.clock.set(ahead)
        answers = http.at_once(home.nginx.port, [f"/cache/temp/at-once-{n}" for n in range(60)], method="PUT", headers=ADMIN, body=b"v")
        assert {answer.status for answer in answers} == {204}, (ahead, [answer for answer in answers if answer.status != 204][:2])


def test_wrong_logins_are_counted_on_whatever_the_clock_says(home):
    for _ in range(10):
        assert home.ask("POST", "/auth/login", body={"username": "bob", "password": "wrong"}).status == 401
    for ahead in (-DAY, DAY, 0):
        home.clock.set(ahead)
        assert home.ask("POST", "/auth/login", body={"username": "bob", "password": "bobpw"}).status == 429
