"""A start that has to wait for something that passes, and the files that it makes."""

import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from harness.house import track
from harness.process import children_of, is_alive, send_signal
from harness.responder import Responder
from harness.sandbox import executable
from harness.waiting import eventually

PAGES = ["cache.db.shared", "figures.shared", "guesses.shared", "history.shared", "admins.shared"]


def killed(house):
    """SIGKILL for `serve` alone; its workers, who are told by the kernel."""
    workers = house.responder.worker_pids()
    send_signal(house.responder.pid, signal.SIGKILL)
    house.responder.process.wait(10)
    return workers


def test_a_start_right_after_a_kill_waits_for_the_old_workers_and_takes_over(new_house):
    house = new_house("killed", workers=2, SPOTIFY_MIN_INTERVAL="100ms")
    [known] = house.fill()
    house.standin.fail({"path": "/v1/tracks", "behaviour": "delay", "ms": 3000, "times": 1})
    # A call that is under way keeps its worker for a while.
    waiting = threading.Thread(target=lambda: house.get(track("slow")))
    waiting.start()
    time.sleep(0.3)
    old = killed(house)
    house.responder.start()
    assert house.get(known).status == 200
    eventually(lambda: not any(is_alive(pid) for pid in old), 12, what="the old workers end")
    assert house.get(known).status == 200 and house.responder.process.running
    waiting.join(30)


def test_a_worker_that_is_frozen_is_ended_by_the_next_start(new_house):
    house = new_house("frozen", workers=2)
    [known] = house.fill()
    frozen = house.responder.worker_pids()[0]
    send_signal(frozen, signal.SIGSTOP)
    killed(house)
    begin = time.monotonic()
    house.responder.start()
    assert time.monotonic() - begin < 8
    assert not is_alive(frozen) and house.get(known).status == 200
    assert "waiting for the workers of a serve that was killed" in house.responder.log()


def test_a_container_that_runs_on_the_same_socket_is_left_alone(sandbox):
    """Its numbers of processes are others than here: the parent of its workers is not who they say it is."""
    begin = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*begin, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no right to make a namespace")
    first = Responder(sandbox, {}, workers=1, address=str(sandbox.socket_path()))
    first.launch(command=[*begin, executable(), "serve"])
    eventually(lambda: "worker serves" in first.log(), 10, what="it serves")
    [inner] = children_of(first.pid)
    [worker] = children_of(inner)
    second = Responder(sandbox, {}, workers=1, address=first.address, log="second")
    second.launch()
    assert second.process.wait(20) == 1 and "is in use by another process" in second.log()
    assert is_alive(worker) and children_of(inner) == [worker] and "killed" not in second.log()


def test_a_stranger_on_the_socket_is_refused_and_left_alone(sandbox):
    path = sandbox.socket_path()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        responder = Responder(sandbox, {}, workers=1, address=str(path))
        responder.launch()
        assert responder.process.wait(5) == 1 and "is in use by another process" in responder.log()
        assert path.exists()


def test_another_installation_that_runs_is_refused_and_left_alone(new_house):
    house = new_house("first", workers=1)
    second = Responder(house.sandbox, {}, workers=1, address=house.responder.address, log="second")
    before = house.responder.worker_pids()
    second.launch()
    assert second.process.wait(5) == 1 and "is in use by another process" in second.log()
    assert house.responder.worker_pids() == before and house.responder.process.running


@pytest.mark.parametrize("name", ["limiter.db", "cache.db"])
def test_a_database_that_another_process_holds_is_waited_for(new_house, name):
    house = new_house("held", workers=2)
    [known] = house.fill()
    house.responder.stop()
    file = sqlite3.connect(house.sandbox.path("data", name), isolation_level=None)
    # In WAL mode others may read beside an exclusive transaction; in the exclusive locking mode nobody may.
    file.execute("PRAGMA locking_mode = EXCLUSIVE")
    file.execute("BEGIN EXCLUSIVE")
    house.responder.launch()
    time.sleep(7)
    assert house.responder.process.running, house.responder.process.tail()
    file.execute("ROLLBACK")
    file.close()
    house.responder.await_ready(30)
    assert house.get(known).status == 200


def test_what_is_written_is_nobody_elses(new_house):
    previous = os.umask(0)
    try:
        house = new_house("mask", workers=1)
        house.fill()
        house.admin("PUT", "/cache/user/k", b"v")
        folder = Path(house.sandbox.path("data"))

        def open_to_others():
            return [file.name for file in folder.iterdir() if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o007]

        assert len(list(folder.iterdir())) >= 6 and open_to_others() == []
        house.responder.stop()
        # As an older version left them.
        (folder / "cache.db").chmod(0o644)
        (folder / "limiter.db").chmod(0o664)
        house.responder.start()
        assert open_to_others() == []
    finally:
        os.umask(previous)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("deed", ["cut", "cut short", "removed", "replaced"])
def test_pages_that_workers_share_may_be_cut_or_removed_under_them(new_house, page, deed):
    house = new_house("cut", workers=2)
    [known] = house.fill()
    workers = house.responder.worker_pids()
    file = Path(house.sandbox.path("data", page))
    length = file.stat().st_size
    match deed:
        case "cut": os.truncate(file, 0)
        case "cut short": os.truncate(file, 4096)
        case "removed": file.unlink()
        case _:
            (file.parent / "other").write_bytes(b"\1" * length)
            os.replace(file.parent / "other", file)
    for round in range(60):
        assert house.get(known).status == 200
        value = f"{round}".encode()
        assert house.admin("PUT", "/cache/temp/k", value).status == 204
        assert {house.admin("GET", "/cache/temp/k").body for _ in range(4)} == {value}
        time.sleep(0.03)
    assert house.responder.worker_pids() == workers, "nobody died of it"
    eventually(lambda: file.exists() and file.stat().st_size == length, 5, what="the page is made anew")
    assert page in house.responder.log()
    # All share it again: both workers are seen by whoever is asked.
    eventually(lambda: all(len(house.admin("GET", "/swingmusic-fcgi/status.json").json()["workers"]) == 2 for _ in range(6)), 5,
               what="both workers are seen")


def test_check_names_files_that_the_user_of_serve_cannot_write(new_house):
    if os.geteuid() != 0:
        pytest.skip("changes owners")
    house = new_house("owner", workers=1)
    house.fill()
    house.responder.stop()
    folder = house.sandbox.path("data")
    subprocess.run(["chown", "-R", "nobody", folder], check=True)

    def check(*before):
        return subprocess.run([*before, executable(), "check"], capture_output=True, text=True, timeout=60,
                              env=house.sandbox.environment(**house.responder.settings))
    assert "cannot be read and written" not in check().stdout
    os.chown(f"{folder}/cache.db", 0, 0)
    os.chmod(f"{folder}/cache.db", 0o640)
    told = check()
    assert told.returncode == 1 and f"{folder}/cache.db cannot be read and written by user nobody" in told.stdout
    assert "chown" in told.stdout
    os.chown(f"{folder}/cache.db", folder.stat().st_uid, 0)
    os.chmod(f"{folder}/cache.db", 0o440)
    assert "cache.db cannot be read and written" in check().stdout, "its own user cannot write it"
    os.chmod(f"{folder}/cache.db", 0o640)
    names = {"limiter.db.sending", "cache.db.shared", "figures.shared", "guesses.shared", "history.shared", "admins.shared", "program.lock"}
    assert names <= {file.name for file in folder.iterdir()}
    for name in sorted(names | {"sessions.begun", "hashing.lock"}):
        (folder / name).touch()
        os.chown(folder / name, 0, 0)
        os.chmod(folder / name, 0o600)
        assert f"{folder}/{name} cannot be read and written" in check().stdout
        os.chown(folder / name, folder.stat().st_uid, 0)
    assert "cannot be read and written" not in check().stdout


def test_where_nothing_can_be_looked_up_for_want_of_the_lock_readiness_says_so(new_house):
    house = new_house("lock", workers=1)
    [known] = house.fill()
    lock = house.sandbox.path("data", "limiter.db.sending")
    lock.unlink()
    lock.mkdir()
    assert house.get(known).status == 200 and house.get(track("unknown"), {"Prefer": "wait=1"}).status == 503
    eventually(lambda: "limiter-database" in house.get("/swingmusic-fcgi/readyz").json()["reasons"], 5, what="the word")
    lock.rmdir()
    eventually(lambda: house.get("/swingmusic-fcgi/readyz").json()["reasons"] == [], 5, what="it passes")
    eventually(lambda: house.get(track("unknown")).status == 200, 15, what="it is looked up")


def test_workers_follow_the_quota_of_the_control_group(sandbox):
    """Of whichever version the host has it."""
    legacy, unified = Path("/sys/fs/cgroup/cpu/swingmusic-fcgi-test"), Path("/sys/fs/cgroup/swingmusic-fcgi-test")
    group = legacy if legacy.parent.is_dir() else unified
    responder = Responder(sandbox, {}, workers=1)
    del responder.settings["SWINGMUSIC_FCGI_WORKERS"]
    try:
        group.mkdir(exist_ok=True)
        if group == legacy:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("90000")
        else:
            (group / "cpu.max").write_text("90000 100000")
    except OSError:
        pytest.skip("no right to make a control group")
    try:
        responder.launch(command=["sh", "-c", f"echo $$ > {group}/cgroup.procs && exec {executable()} serve"])
        eventually(lambda: re.search(r"workers=1\b", responder.log()), 10, what="it says how many")
        assert responder.stop() == 0
    finally:
        responder.stop()
        eventually(lambda: not (group / "cgroup.procs").read_text(), 5, what="the group is empty")
        group.rmdir()


def test_workers_follow_the_processors_that_the_process_may_use(sandbox):
    responder = Responder(sandbox, {}, workers=1)
    del responder.settings["SWINGMUSIC_FCGI_WORKERS"]
    responder.launch(command=["taskset", "-c", "0", executable(), "serve"])
    eventually(lambda: "workers=1" in responder.log() or '"workers":"1"' in responder.log(), 10, what="it says how many")
    time.sleep(1)
    assert len(responder.worker_pids()) == 1
    assert responder.stop() == 0
