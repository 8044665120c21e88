"""`status` in a terminal and for scripts, beside a running `serve` and without one."""

import json
import subprocess

import pytest

from harness import json_text
from harness.house import ADMIN, track
from harness.sandbox import executable

#: What changes between two looks; the limiter's instants are reckoned from a clock that is read anew.
MOVING = {"now", "answers", "answersByMinute", "workers", "parked", "files", "limiter"}


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("status-command", workers=2)
    [path] = house.fill()
    house.get(path)
    return house


def status(house, *words, exits=0, **settings):
    environment = house.sandbox.environment(**{**house.responder.settings, **settings})
    run = subprocess.run([executable(), "status", *words], env=environment, capture_output=True, timeout=30, text=True)
    assert run.returncode == exits, run
    return run.stdout if exits == 0 or run.stdout else run.stderr


def test_it_needs_no_admin_token_and_tells_scripts_what_status_json_tells(house):
    text = status(house, "--json", SWINGMUSIC_FCGI_ADMIN_TOKEN=None)
    told = json.loads(text)
    assert text.encode() == json_text.printed(told)
    shown = house.request("GET", "/swingmusic-fcgi/status.json", ADMIN).json()
    assert told.keys() == shown.keys()
    assert {name: value for name, value in told.items() if name not in MOVING} == {
        name: value for name, value in shown.items() if name not in MOVING}
    assert told["limiter"].keys() == shown["limiter"].keys() and told["limiter"]["lastHour"] == shown["limiter"]["lastHour"]
    assert {worker["pid"] for worker in told["workers"]} == set(house.responder.worker_pids())
    assert told["answers"]["spotify"]["2xx"] == 2 and told["sources"]["stored"] == 1


def test_people_see_at_a_glance_how_it_goes(house):
    text = status(house)
    assert text.startswith("swingmusic-fcgi: ok\n")
    for line in ("Hits: 50 %, 0 of them stale", "Queue: 0 waiting, 0 under way", "Workers: 2"):
        assert line in text.splitlines(), text
    words = [line.split() for line in text.splitlines()]
    # A slot that could not be used at once is spent as well.
    [calls] = [line[4:] for line in words if line[:4] == ["in", "the", "last", "hour"]]
    assert int(calls[0]) >= 1 and calls[1:] == ["of", "100,000"]
    assert ["answered", "in", "all"] in [line[:3] for line in words]
    for pid in house.responder.worker_pids():
        assert f"process {pid} " in text


def test_looking_leaves_no_worker_and_no_answer_behind(house):
    before = json.loads(status(house, "--json"))
    after = json.loads(status(house, "--json"))
    assert before["answers"] == after["answers"] and len(after["workers"]) == 2


def test_a_cooldown_and_what_was_logged_of_it_are_shown(new_house):
    house = new_house("status-cooldown", workers=1)
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 600})
    assert house.get(track("refused")).status == 429
    lines = status(house).splitlines()
    [cooldown] = [line.split() for line in lines if line.split()[:2] == ["cooldown", "ends"]]
    assert cooldown[1:3] == ["ends", "in"] and "429:" in cooldown
    assert any(" warning " in line and "Spotify asks for a pause" in line for line in lines), "\n".join(lines)


def test_without_a_worker_it_says_so_and_exits_1(new_house):
    house = new_house("status-stopped", workers=1)
    house.fill()
    house.responder.stop()
    text = status(house, exits=1)
    assert text.splitlines()[0] == "swingmusic-fcgi: unavailable: no-workers"
    assert f"no worker runs on {house.sandbox.path('data')}" in text.splitlines()[1]
    told = json.loads(status(house, "--json", exits=1))
    assert told["workers"] == [] and told["readiness"]["reasons"] == ["no-workers"] and told["answers"]["spotify"]["2xx"] == 1


def test_a_folder_that_was_never_served_from_is_named_and_left_empty(house):
    empty = house.sandbox.directory("never-served")
    assert f"'serve' has never run on {empty}" in status(house, exits=1, SWINGMUSIC_FCGI_DATA_DIR=empty)
    assert list(empty.iterdir()) == []
    assert "there is no folder" in status(house, exits=1, SWINGMUSIC_FCGI_DATA_DIR=empty / "missing")
