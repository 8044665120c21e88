"""Workers that are killed: another does the work, the pace holds, nothing spreads."""

import random
import signal
import threading
import time

from harness.house import track
from harness.http import Connection
from harness.pace import assert_pace
from harness.process import is_alive, send_signal
from harness.responder import Responder
from harness.standin import spotify_id
from harness.waiting import eventually


def test_a_lookup_whose_worker_is_killed_during_the_call_is_done_by_another(new_house):
    house = new_house("killed", SPOTIFY_MIN_INTERVAL="300ms", SPOTIFY_TIMEOUT="2s", SWINGMUSIC_FCGI_MISS_WAIT="20s")
    [known] = house.fill(name="killed-known")
    name = spotify_id("orphan")
    house.standin.fail({"path": name, "behaviour": "delay", "ms": 1500, "times": 1})
    callers = []
    thread = threading.Thread(target=lambda: callers.extend(house.at_once([track("orphan")] * 40)))
    thread.start()
    call = house.standin.await_call(name)
    victim = house.caller_of(call)
    with house.connection() as kept:
        before = kept.get(known).status
        send_signal(victim, signal.SIGKILL)
        hits = [kept.get(known) for _ in range(20)]
    thread.join(40)

    assert before == 200 and [hit.status for hit in hits].count(200) >= 19, "at most the victim's own connection fails"
    assert house.get(track("orphan")).status == 200
    assert len(house.standin.calls(name)) == 2, "the slot was spent, another worker spent one more"
    assert_pace(house.sandbox, house.standin, 0.3)
    assert {caller.status for caller in callers} <= {200, 502}
    assert sum(caller.status == 200 for caller in callers) > 0, "callers parked in other workers are answered"
    eventually(lambda: len(house.responder.worker_pids()) == 4, 5, what="the killed worker is replaced")


def test_the_whole_program_killed_during_a_call_does_the_lookup_after_its_start_at_the_pace(new_house):
    house = new_house("power-cut", SPOTIFY_MIN_INTERVAL="1s", SPOTIFY_TIMEOUT="1s")
    name = spotify_id("cut")
    house.standin.fail({"path": name, "behaviour": "delay", "ms": 900, "times": 1})
    thread = threading.Thread(target=house.get, args=(track("cut"),))
    thread.start()
    house.standin.await_call(name)
    house.responder.kill()
    thread.join(20)
    house.responder.start()
    assert house.get(track("cut")).status == 200
    assert len(house.standin.calls(name)) == 2
    assert_pace(house.sandbox, house.standin, 1.0)


def test_workers_killed_at_random_lose_no_lookup_and_never_break_the_pace(new_house):
    house = new_house("random-kills", SPOTIFY_MIN_INTERVAL="200ms", SPOTIFY_TIMEOUT="1s",
                      SWINGMUSIC_FCGI_MISS_WAIT="25s")
    house.standin.control("settings", {"latency_ms": 60})
    paths = [track(f"random-{n}") for n in range(30)]
    callers = []
    thread = threading.Thread(target=lambda: callers.extend(house.at_once(paths)))
    thread.start()
    chance = random.Random(4)
    for kills in range(1, 5):
        eventually(lambda: len(house.standin.calls()) >= 5 * kills, 20, what="calls go on")
        send_signal(chance.choice(house.responder.worker_pids()), signal.SIGKILL)
    thread.join(60)
    assert [house.get(path).status for path in paths] == [200] * 30
    assert_pace(house.sandbox, house.standin, 0.2)
    assert 30 <= len(house.standin.calls()) <= 34, "a crash costs a slot, never an extra call without one"


def test_hits_go_on_while_workers_are_killed(new_house):
    house = new_house("hits-go-on")
    [known] = house.fill(name="hits-go-on")
    answers, ended = [], threading.Event()

    def load():
        with Connection(house.port) as connection:
            while not ended.wait(0.002):
                answers.append(connection.get(known))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        seen = set(house.responder.worker_pids())
        send_signal(sorted(seen)[0], signal.SIGKILL)
        eventually(lambda: len(set(house.responder.worker_pids()) | seen) == 5
                   and len(house.responder.worker_pids()) == 4, 10, what="the killed worker is replaced")
    ended.set()
    for thread in threads:
        thread.join(10)
    failed = [answer for answer in answers if answer.status != 200]
    assert len(answers) > 200 and len(failed) <= 3 * 4, failed[:5]


def test_workers_end_when_serve_is_killed(new_house):
    house = new_house("orphans")
    workers = house.responder.worker_pids()
    house.responder.process.kill()
    eventually(lambda: not any(is_alive(pid) for pid in workers), 12, what="the workers have ended")


def test_a_worker_that_dies_young_again_and_again_is_restarted_with_a_growing_pause(new_house):
    house = new_house("young", workers=1)
    started = time.monotonic()
    generations = set(house.responder.worker_pids())
    while time.monotonic() - started < 5:
        for pid in house.responder.worker_pids():
            generations.add(pid)
            send_signal(pid, signal.SIGKILL)
        time.sleep(0.01)
    assert 3 <= len(generations) <= 20, "neither given up nor a busy loop"
    eventually(lambda: house.get("/swingmusic-fcgi/healthz").status == 200, 20, what="it serves again")


def test_a_worker_that_cannot_start_at_all_ends_serve_with_its_error(sandbox):
    not_a_folder = sandbox.path("not-a-folder")
    not_a_folder.write_text("in the way")
    responder = Responder(sandbox, {"SWINGMUSIC_FCGI_DATA_DIR": str(not_a_folder)})
    process = responder.launch()
    assert process.wait(15) not in (0, None)
    assert "not-a-folder" in process.text()
