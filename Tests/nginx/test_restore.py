"""Backups, dated ones among them, and what `restore` makes of them."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness.household import Household
from harness.house import ADMIN
from harness.process import end_all, send_signal
from harness.sandbox import executable, fill_disk
from harness.standin import spotify_id
from harness.waiting import eventually


def command(house, *words, **more):
    return subprocess.run([executable(), *words], capture_output=True, text=True, timeout=120,
                          env=house.sandbox.environment(**{**house.responder.settings, **more}))


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


@pytest.mark.parametrize("folder", [{}, {"SWINGMUSIC_CONFIG_DIR": None}], ids=["environment", "bare"])
@pytest.mark.parametrize("keeps", [False, True])
def test_an_ended_session_returns_only_where_that_was_asked_for(keeps, folder):
    """Whether or not the command is told where swingmusic is."""
    with Household("restore", workers=2) as household:
        def lets_in(token):
            return household.ask("GET", "/files/song.flac", bearer=token).status == 200
        carol, bob = (household.log_in(name)["accesstoken"] for name in ("carol", "bob"))
        backup = household.sandbox.path("backup")
        assert command(household, "backup", str(backup)).returncode == 0
        assert command(household, "sessions", "revoke", "--user", "carol").returncode == 0
        assert not lets_in(carol) and lets_in(bob)
        household.responder.stop()
        done = command(household, "restore", *(["--keep-sessions"] if keeps else []), str(backup), **folder)
        assert done.returncode == 0, done.stderr
        assert ("all users sign in again" in done.stdout) is not keeps
        assert ("so does whoever was sent away" in done.stdout) is keeps
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


def everything(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in Path(folder).rglob("*") if file.is_file()}


@pytest.mark.parametrize("fault", ["newer", "damaged", "journal", "nothing", "itself", "empty", "foreign"])
def test_a_backup_that_is_not_good_is_refused_and_nothing_is_touched(new_house, fault):
    house = new_house("bad", workers=1)
    house.fill()
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    house.responder.stop()
    word = {"newer": "newer version", "damaged": "damaged", "journal": "not made by 'backup'", "nothing": "no databases",
            "itself": "data folder itself", "empty": "nothing in it", "foreign": "another program's"}[fault]
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
        case "empty": (backup / "cache.db").write_bytes(b"")
        case "foreign":
            (backup / "cache.db").unlink()
            with sqlite3.connect(backup / "cache.db") as file:
                file.execute("CREATE TABLE t (a)")
    before = everything(data(house))
    refused = command(house, "restore", str(backup))
    assert refused.returncode == 1 and word in refused.stderr, refused.stderr
    assert everything(data(house)) == before


def test_a_disk_without_room_for_the_copies_leaves_all_as_it_was(new_house, small_disk):
    house = new_house("full", workers=1, SWINGMUSIC_FCGI_DATA_DIR=str(small_disk))
    for number in range(30):
        assert house.admin("PUT", f"/cache/user/k{number}", os.urandom(12_000)).status == 204
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    house.responder.stop()
    ballast = fill_disk(small_disk)
    before = everything(small_disk)
    refused = command(house, "restore", str(backup))
    assert refused.returncode == 1 and "full" in refused.stderr
    assert everything(small_disk) == before
    ballast.unlink()


#: Ends the process at the DIE_AT-th name that is changed.
DIES = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int rename(const char *from, const char *to) {
    static int count;
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
    if (++count == atoi(getenv("DIE_AT"))) _exit(9);
    return real(from, to);
}
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_a_restore_that_is_interrupted_leaves_the_old_files_or_none_that_anybody_uses():
    with Household("interrupted", workers=1) as home:
        library, source = home.sandbox.path("dies.so"), home.sandbox.path("dies.c")
        source.write_text(DIES)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        carol = home.log_in("carol")["accesstoken"]
        backup, kept, folder = home.sandbox.path("backup"), home.sandbox.path("kept"), Path(data(home))
        assert home.ask("PUT", "/cache/user/k", headers=ADMIN, body=b"old").status == 204
        assert command(home, "backup", str(backup)).returncode == 0
        assert command(home, "sessions", "revoke", "--user", "carol").returncode == 0
        assert home.ask("PUT", "/cache/user/k", headers=ADMIN, body=b"new").status == 204
        home.responder.stop()
        shutil.copytree(folder, kept)
        refusals = 0
        for place in range(1, 30):
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
            done = command(home, "restore", str(backup), LD_PRELOAD=str(library), DIE_AT=str(place))
            if done.returncode == 0:
                break
            # As cheap as a start: whoever opens the caches waits for the same lock.
            told = command(home, "cache", "get", "user", "k")
            if told.returncode:
                assert "interrupted" in told.stderr and "restore" in told.stderr, told.stderr
                assert command(home, "backup", str(home.sandbox.path("half"))).returncode == 1
                assert "interrupted" in command(home, "check").stdout
                refusals += 1
                if refusals == 2:
                    home.responder.launch()
                    assert home.responder.process.wait(10) == 78 and "interrupted" in home.responder.log()
                assert command(home, "restore", str(backup)).returncode == 0
                told = command(home, "cache", "get", "user", "k")
                assert told.stdout == "old"
            else:
                assert told.stdout == "new"
            home.responder.start()
            assert home.ask("GET", "/files/song.flac", bearer=carol).status == 401, place
            assert home.ask("GET", "/cache/user/k", headers=ADMIN).body.decode() == told.stdout
            home.responder.stop()
            assert not (folder / "restore.draft").exists() or told.stdout == "new"
        else:
            raise AssertionError("it never ended")
        assert refusals > 5 and place > 8


def test_what_was_set_aside_once_is_not_thrown_away_by_the_next_restore(new_house):
    house = new_house("twice", workers=1)
    house.fill()
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    assert house.admin("PUT", "/cache/user/precious", b"v").status == 204
    house.responder.stop()
    time.sleep(1 - time.time() % 1)
    asides = {json.loads(command(house, "restore", "--json", str(backup)).stdout)["setAside"] for _ in range(4)}
    assert len(asides) == 4
    assert sum((2, b"precious") in entries(f"{aside}/cache.db") for aside in asides) == 1


def test_what_a_power_cut_left_half_done_in_the_limiter_does_not_cost_the_hour(new_house):
    house = new_house("hot", workers=1)
    house.fill()
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    house.responder.stop()
    # A transaction that is on the disk in part, with the journal that undoes it.
    script = """
import os, sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("PRAGMA journal_mode = PERSIST")
file.execute("PRAGMA cache_size = 1")
file.execute("BEGIN IMMEDIATE")
for number in range(2000):
    file.execute("INSERT INTO facts VALUES (?, ?, NULL)", (str(number), "x" * 500))
os._exit(0)
"""
    before = Path(data(house, "limiter.db")).stat().st_size
    subprocess.run([sys.executable, "-c", script, data(house, "limiter.db")], check=True)
    assert Path(data(house, "limiter.db")).stat().st_size > before * 2
    done = command(house, "restore", str(backup))
    assert done.returncode == 0 and "limiter.db: is sound and left as it is" in done.stdout, done
    house.responder.start()
    assert house.get(f"/spotify/v1/tracks/{spotify_id('after')}").status == 200


def test_a_backup_that_the_folders_owner_cannot_read_is_said_to_be_one(new_house):
    if os.geteuid() != 0:
        pytest.skip("changes owners")
    house = new_house("owner", workers=1)
    house.fill()
    house.responder.stop()
    subprocess.run(["chown", "-R", "nobody", data(house)], check=True)
    # Whoever makes it as root has one that root alone may read.
    backup = house.sandbox.path("backup")
    assert command(house, "backup", str(backup)).returncode == 0
    refused = command(house, "restore", str(backup))
    assert refused.returncode == 1 and "cannot be read by user" in refused.stderr and "no databases" not in refused.stderr
    subprocess.run(["chown", "-R", "nobody", backup], check=True)
    assert command(house, "restore", str(backup)).returncode == 0
    assert {file.stat().st_uid for file in Path(data(house)).iterdir()} == {Path(data(house)).stat().st_uid}


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


def test_the_newest_backup_stays_where_the_clock_ran_ahead_once_and_interrupted_ones_go(new_house):
    house = new_house("ahead", workers=1)
    house.fill()
    folder = house.sandbox.path("backups")
    folder.mkdir()
    for name in ("2099-01-01T000000Z", "2099-01-02T000000Z", "2020-01-01T000000Z.new", "2020-01-02T000000Z.new"):
        (folder / name).mkdir()
    os.utime(folder / "2020-01-01T000000Z.new", (0, 0))
    assert command(house, "backup", "--keep", "2", str(folder)).returncode == 0
    names = sorted(entry.name for entry in folder.iterdir())
    assert len(names) == 3 and names[0] == "2020-01-02T000000Z.new" and names[2] == "2099-01-02T000000Z", names
    assert (folder / names[1] / "cache.db").exists()


def test_records_are_pruned_by_hand_and_only_those_that_nobody_uses(new_house):
    house = new_house("prune", workers=2)
    old, used, young = house.fill(3)
    keys = [f"catalog:track/{path.rsplit('/', 1)[1]}" for path in (old, used, young)]
    assert house.admin("PUT", "/cache/spotify/mine", b"own").status == 204
    # Else a worker might note a use of before in a moment.
    house.responder.stop()
    year = int(time.time() * 1000) - 366 * 86_400_000
    with sqlite3.connect(data(house, "cache.db")) as file:
        numbers = dict(file.execute("SELECT CAST(key AS TEXT), id FROM entries"))
        file.execute("DELETE FROM uses")
        file.execute("UPDATE entries SET stored_at = ? WHERE id IN (?, ?, ?)", (year, numbers[keys[0]], numbers[keys[1]], numbers["mine"]))
        file.execute("INSERT INTO uses (id, used_at, expires_at) VALUES (?, ?, 0)", (numbers[keys[1]], int(time.time() * 1000)))
    house.responder.start()
    assert command(house, "cache", "prune", "--unused-for", "3d").returncode == 64
    done = command(house, "cache", "prune", "--unused-for", "365d", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == {"removed": 1}
    assert command(house, "cache", "get", "spotify", keys[0]).returncode == 3
    assert {command(house, "cache", "get", "spotify", key).returncode for key in [*keys[1:], "mine"]} == {0}, "nobody can fetch the latter again"
    before = len(house.standin.calls())
    assert {house.get(path).status for path in (used, young)} == {200} and len(house.standin.calls()) == before
