"""`warm`: the progress in a terminal, stopping and resuming, and each thing fetched once."""

import collections
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import threading
import time

from harness.sandbox import executable
from harness.standin import missing_id, spotify_id

import pytest

QUICK = {"SPOTIFY_MIN_INTERVAL": "5ms"}


def run(house, *words, text="", status=0, timeout=60):
    done = subprocess.run([executable(), "warm", *map(str, words)], env=house.sandbox.environment(**house.responder.settings),
                          input=text.encode(), capture_output=True, timeout=timeout)
    assert done.returncode == status, done
    return done.stdout.decode(), done.stderr.decode()


def in_a_terminal(house, path, until, then, within=60):
    """Runs `warm` in a terminal; when `until(settled)` holds, sends the signal `then`. What it wrote, and its exit status."""
    master, slave = pty.openpty()
    process = subprocess.Popen([executable(), "warm", str(path)], env=house.sandbox.environment(**house.responder.settings),
                               stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen, end = "", time.monotonic() + within
    while time.monotonic() < end:
        ready = select.select([master], [], [], 0.2)[0]
        try:
            seen += os.read(master, 4096).decode(errors="replace") if ready else ""
        except OSError:
            break
        counts = [int(count) for count in re.findall(r"\] (\d+) of", seen)]
        if then and counts and until(counts[-1]):
            process.send_signal(then)
            then = None
    process.kill()
    os.close(master)
    return seen, process.wait(10)


def test_500_links_killed_half_way_and_run_again_are_each_fetched_once(new_house):
    house = new_house("warm", workers=2, SPOTIFY_MIN_INTERVAL="20ms")
    ids = [spotify_id(f"warm-{n}") for n in range(500)]
    path = house.sandbox.path("links.txt")
    path.write_text("".join(f"https://open.spotify.com/intl-de/track/{id}?si=x\n" for id in ids))
    seen, status = in_a_terminal(house, path, lambda settled: settled >= 200, signal.SIGKILL)
    assert status == -signal.SIGKILL, seen
    before = len(house.standin.calls("tracks"))
    assert 50 < before < 500

    seen, status = in_a_terminal(house, path, None, None)
    assert status == 0, seen
    assert re.search(r"\[#+\.+\] \d+ of 500, about \d+ (s|min) left", seen), seen
    assert "500 of 500" in seen and "there before, 0 failed" in seen, seen
    fetched = collections.Counter(call["path"].rpartition("/")[2] for call in house.standin.calls("tracks"))
    assert set(fetched) == set(ids)
    assert set(fetched.values()) == {1}, [id for id, times in fetched.items() if times > 1]


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("warming", workers=2, **QUICK)


def test_a_csv_with_a_column_of_uris_links_and_ids_is_understood(house):
    a, b, c, d = (spotify_id(f"column-{n}") for n in range(4))
    text = ('\ufeff"Track URI","Track Name"\r\n'
            f'spotify:track:{a},"One, ""two""\nthree"\r\n'
            f'https://open.spotify.com/track/{b},Four\r\n'
            f'Five;{c}\r\n\r\n# a comment\r\n'
            f'spotify:artist:{d}\tSix\r\nspotify:track:{a},again\r\n')
    out, said = run(house, "--json", text=text)
    assert json.loads(out) == {"asked": 4, "already": 0, "fetched": 4, "failed": 0, "left": 0, "secondsLeft": 0}
    assert "1 line names nothing" in said
    assert sorted(call["path"] for call in house.standin.calls()) == sorted(
        [f"/v1/tracks/{a}", f"/v1/tracks/{b}", f"/v1/tracks/{c}", f"/v1/artists/{d}"])
    assert "\r" not in said and "\x1b" not in said, "plain lines where there is no terminal"
    out, _ = run(house, text=text)
    assert out.startswith("0 fetched, 4 there before, 0 failed")
    assert len(house.standin.calls()) == 4


def test_what_spotify_does_not_know_is_named_and_makes_the_exit_status_1(house):
    gone = missing_id("nowhere")
    out, said = run(house, text=f"{gone}\n{spotify_id('somewhere')}\n", status=1)
    assert "1 fetched" in out and "1 failed" in out
    assert gone in said


def test_nothing_to_do_and_nothing_readable_are_told_apart(house):
    assert "no link" in run(house, text="hello\n", status=1)[1]
    assert "cannot be read" in run(house, "/nowhere/at/all", status=1)[1]
    run(house, "--kind", "song", status=64)


def test_a_limiter_that_is_locked_for_some_seconds_ends_no_warming(new_house):
    house = new_house("locked", workers=1, **QUICK)
    holder = sqlite3.connect(house.sandbox.path("data", "limiter.db"), timeout=10, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(4, holder.execute, ["ROLLBACK"])
    release.start()
    out, _ = run(house, text=spotify_id("locked"))
    assert out.startswith("1 fetched")
    release.join()
    holder.close()


def test_without_a_running_serve_the_lookups_wait_for_one(new_house):
    house = new_house("later", workers=1, **QUICK)
    house.responder.stop()
    out, said = run(house, "--no-wait", text=spotify_id("later"))
    assert "no 'serve' answers" in said and "1 still to come" in out
    house.responder.start()
    house.standin.await_call("tracks")
