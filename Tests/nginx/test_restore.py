"""Backups, dated ones among them, and what `restore` makes of them."""

import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.household import Household
from harness.process import end_all, send_signal
from harness.sandbox import executable
from harness.standin import spotify_id
from harness.waiting import eventually


def command(house, *words):
    return subprocess.run([executable(), *words], capture_output=True, text=True, timeout=120,
                          env=house.sandbox.environment(**house.responder.settings))


def data(house, name=""):
    return str(house.sandbox.path("data", name)) if name else str(house.sandbox.path("data"))


def entries(path):
    """Every row of the four caches, as bytes and numbers."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as file:
        return {(cache, bytes(key)): (version, stored, expires, bytes(value)) for cache, key, version, stored, expires, value in
                file.execute("SELECT cache, key, version, stored_at, expires_at, value FROM entries")}


def test_a_backup_under_load_is_restored_record_by_record_after_a_power_cut(new_house):
    house = new_house("load", workers=2, SPOTIFY_MIN_INTERVAL="10ms", SPOTIFY_CALLS_PER_HOUR="100000")
    known = house.fill(12)
    for number in range(50):
        assert house.admin("PUT", f"/cache/user/k{number}", f"v{number}".encode()).status == 204
    stop, written = threading.Event(), []

    def write():
        number = 0
        while not stop.is_set():
            if house.admin("PUT", f"/cache/user/load{number}", b"x" * 500).status == 204:
                written.append(number)
            number += 1
    writer = threading.Thread(target=write)
    writer.start()
    eventually(lambda: len(written) > 20, 10, what="writes go on")
    backup = house.sandbox.path("backup")
    made = command(house, "backup", str(backup))
    assert made.returncode == 0, made.stderr
    before = len(written)
    eventually(lambda: len(written) > before + 20, 10, what="writes go on")
    stop.set()
    writer.join()
    house.responder.kill()
    # What a cut leaves: journals that belong to no backup.
    assert Path(data(house, "cache.db-wal")).exists()
    Path(data(house, "limiter.db-journal")).touch()
    want = entries(backup / "cache.db")
    done = command(house, "restore", "--json", str(backup))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "cache.db" in said["restored"] and "limiter.db" not in said["restored"]
    assert entries(data(house, "cache.db")) == want and len(want) >= 80
    aside = Path(said["setAside"])
    assert (aside / "cache.db").exists() and (aside / "cache.db-wal").exists()
    assert not Path(data(house, "cache.db-wal")).exists() or Path(data(house, "cache.db-wal")).stat().st_size == 0
    house.responder.start()
    assert {house.get(path).status for path in known} == {200}
    assert house.admin("GET", "/cache/user/k7").body == b"v7"
    assert house.admin("GET", f"/cache/user/load{written[-1]}").status == 404, "it came after the backup"
    for name, value in want.items():
        if name[0] == 2:
            assert entries(data(house, "cache.db"))[name] == value


@pytest.mark.parametrize("keeps", [False, True])
def test_an_ended_session_returns_only_where_that_was_asked_for(keeps):
    with Household("restore", workers=2) as household:
        def lets_in(token):
            return household.ask("GET", "/files/song.flac", bearer=token).status == 200
        carol, bob = (household.log_in(name)["accesstoken"] for name in ("carol", "bob"))
        backup = household.sandbox.path("backup")
        assert command(household, "backup", str(backup)).returncode == 0
        assert command(household, "sessions", "revoke", "--user", "carol").returncode == 0
        assert not lets_in(carol) and lets_in(bob)
        household.responder.stop()
        done = command(household, "restore", *(["--keep-sessions"] if keeps else []), str(backup))
        assert done.returncode == 0, done.stderr
        assert ("all users sign in again" in done.stdout) is not keeps
        household.responder.start()
        assert lets_in(carol) is keeps and lets_in(bob) is keeps
        # Tokens count in whole seconds, and those of this one are refused.
        time.sleep(1)
        assert lets_in(household.log_in("carol")["accesstoken"])


def test_it_wants_the_program_stopped(new_house):
    house = new_house("running", workers=1)
    house.fill()
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    [worker] = house.responder.worker_pids()
    refused = command(house, "restore", str(backup))
    assert refused.returncode == 1 and "is in use: stop 'serve'" in refused.stderr
    # A worker that is left over counts, too, frozen or not.
    send_signal(worker, signal.SIGSTOP)
    send_signal(house.responder.pid, signal.SIGKILL)
    house.responder.process.wait(10)
    assert "is in use" in command(house, "restore", str(backup)).stderr
    end_all([worker])
    assert command(house, "restore", str(backup)).returncode == 0


@pytest.mark.parametrize("fault", ["newer", "damaged", "journal", "nothing", "itself"])
def test_a_backup_that_is_not_good_is_refused_and_nothing_is_touched(new_house, fault):
    house = new_house("bad", workers=1)
    house.fill()
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    house.responder.stop()
    word = {"newer": "newer version", "damaged": "damaged", "journal": "not made by 'backup'", "nothing": "no databases",
            "itself": "data folder itself"}[fault]
    match fault:
        case "newer":
            with sqlite3.connect(backup / "sessions.db" if (backup / "sessions.db").exists() else backup / "cache.db") as file:
                file.execute("PRAGMA user_version = 99")
        case "damaged":
            content = bytearray((backup / "cache.db").read_bytes())
            content[len(content) // 2:] = os.urandom(len(content) - len(content) // 2)
            (backup / "cache.db").write_bytes(content)
        case "journal": (backup / "cache.db-wal").write_bytes(b"x" * 100)
        case "nothing":
            for file in backup.iterdir():
                file.unlink()
        case "itself": backup = Path(data(house))
    before = {file.name: file.read_bytes() for file in Path(data(house)).iterdir() if file.suffix == ".db"}
    refused = command(house, "restore", str(backup))
    assert refused.returncode == 1 and word in refused.stderr, refused.stderr
    assert {file.name: file.read_bytes() for file in Path(data(house)).iterdir() if file.suffix == ".db"} == before


def test_without_a_sound_limiter_an_hour_is_taken_to_be_spent_and_a_cooldown_holds(new_house):
    house = new_house("limiter", workers=1, SPOTIFY_MIN_INTERVAL="10ms", SPOTIFY_CALLS_PER_HOUR="1000")
    [known] = house.fill()
    backup = house.sandbox.path("backup")
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 7200, "times": 1})
    house.get(f"/spotify/v1/tracks/{spotify_id('cool')}", {"Prefer": "wait=1"})
    eventually(lambda: house.admin("GET", "/swingmusic-fcgi/status.json").json()["limiter"].get("cooldown"), 10, what="the cooldown")
    assert command(house, "backup", str(backup)).returncode == 0
    house.responder.stop()
    Path(data(house, "limiter.db")).write_bytes(b"garbage" * 1000)
    done = command(house, "restore", str(backup))
    assert done.returncode == 0 and "limiter.db: restored" in done.stdout
    house.responder.start()
    status = house.admin("GET", "/swingmusic-fcgi/status.json").json()["limiter"]
    assert status["cooldown"] and status["lastHour"]["calls"] >= status["lastHour"]["budget"]
    assert house.get(known).status == 200
    before = len(house.standin.calls())
    house.get(f"/spotify/v1/tracks/{spotify_id('new')}", {"Prefer": "wait=1"})
    time.sleep(1)
    assert len(house.standin.calls()) == before


def test_dated_backups_are_whole_and_so_many_are_kept(new_house):
    house = new_house("dated", workers=1)
    house.fill()
    folder = house.sandbox.path("backups")
    folder.mkdir()
    (folder / "mine").mkdir()
    for name in ("2020-01-01T000000Z", "2020-01-02T000000Z"):
        (folder / name).mkdir()
    assert command(house, "backup", "--keep", "2", str(folder)).returncode == 0
    names = sorted(entry.name for entry in folder.iterdir())
    assert len(names) == 3 and names[0] == "2020-01-02T000000Z" and names[2] == "mine"
    assert {"cache.db", "limiter.db"} <= {file.name for file in (folder / names[1]).iterdir()}
    house.responder.stop()
    named = command(house, "restore", str(folder))
    assert named.returncode == 1 and names[1] in named.stderr
    assert command(house, "restore", str(folder / names[1])).returncode == 0
    # A backup that fails leaves none that looks whole, and takes none away.
    Path(data(house, "cache.db")).write_bytes(b"garbage" * 5000)
    assert command(house, "backup", "--keep", "1", str(folder)).returncode == 1
    assert sorted(entry.name for entry in folder.iterdir()) == names
    assert command(house, "backup", "--keep", "0", str(folder)).returncode == 64


def test_records_are_pruned_by_hand_and_only_those_that_nobody_uses(new_house):
    house = new_house("prune", workers=2)
    old, used, young = house.fill(3)
    keys = [f"catalog:track/{path.rsplit('/', 1)[1]}" for path in (old, used, young)]
    year = int(time.time() * 1000) - 366 * 86_400_000
    with sqlite3.connect(data(house, "cache.db")) as file:
        numbers = dict(file.execute("SELECT CAST(key AS TEXT), id FROM entries"))
        file.execute("DELETE FROM uses")
        file.execute("UPDATE entries SET stored_at = ? WHERE id IN (?, ?)", (year, numbers[keys[0]], numbers[keys[1]]))
        file.execute("INSERT INTO uses (id, used_at, expires_at) VALUES (?, ?, 0)", (numbers[keys[1]], int(time.time() * 1000)))
    assert command(house, "cache", "prune", "--unused-for", "3d").returncode == 64
    done = command(house, "cache", "prune", "--unused-for", "365d", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"removed": 1}
    assert command(house, "cache", "get", "spotify", keys[0]).returncode == 3
    assert {command(house, "cache", "get", "spotify", key).returncode for key in keys[1:]} == {0}
    before = len(house.standin.calls())
    assert {house.get(path).status for path in (used, young)} == {200} and len(house.standin.calls()) == before
