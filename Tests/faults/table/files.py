"""The three databases: held by others, lost, damaged, on a disk that is full or not to be written to, after a power cut, of another version."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import time

import powercut
from harness.sandbox import fill_disk

from . import fault

FILES = ("cache.db", "limiter.db", "sessions.db")
#: Who waits for `sessions.db` may be refused; `cache.db` refuses writes and goes on to be read.
EXCUSES = {"cache.db": "writes sessions lookups", "limiter.db": "lookups", "sessions.db": "sessions links lookups"}
DOWN = "links slow hits reads writes sessions lookups cooldown"
#: What is lost with a file. `limiter.db` takes the cooldown and the hour with it.
LOSS = {"cache.db": "once write-kept", "limiter.db": "pace cooldown hour", "sessions.db": "good-accepted"}


def busy(name):
    @fault(f"{name}: busy", EXCUSES[name] + " slow", takes=name, lasts=(1, 4))
    def deed(run):
        holder = sqlite3.connect(run.home.data / name, timeout=15, isolation_level=None)
        with contextlib.closing(holder):
            held = False
            with contextlib.suppress(sqlite3.Error):
                holder.execute("BEGIN EXCLUSIVE")
                held = True
            yield
            if held:
                holder.execute("ROLLBACK")


def lose(run, name):
    """What the suite knows of a file's content is no longer to be relied on."""
    if name == "cache.db":
        run.accounts.rewind(0)
        run.records.forget()
        run.calls.forget_fetched()
    elif name == "sessions.db":
        # Ended is ended whatever is lost; who was signed in has to sign in again.
        run.sign_ins.forget_good()
        run.keys.forget_good()
    else:
        run.calls.forget_cooldown()


def remove(path, chance):
    for each in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm"), path.with_name(path.name + "-journal")):
        each.unlink(missing_ok=True)


def is_sound(path):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as file:
            return file.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.Error:
        return False


def truncate(path, chance):
    os.truncate(path, int(chance.random() * path.stat().st_size))


def spoil(first):
    def deed(path, chance):
        half = path.stat().st_size // 2
        with open(path, "r+b") as file:
            file.seek(0 if first else half)
            file.write(chance.randbytes(half))
    return deed


def damaged(name, what, harm):
    @fault(f"{name}: {what}", f"{DOWN} {LOSS[name]}", takes=f"serve {' '.join(FILES)}", lasts=(0.5, 1.5))
    def deed(run):
        home, path = run.home, run.home.data / name
        home.stop_program()
        lose(run, name)
        spare = home.sandbox.path(f"{name}.spare")
        shutil.copy(path, spare)
        harm(path, run.chance)
        home.responder.launch()
        yield
        home.responder.stop(20)
        if not is_sound(path):
            # `cache.db` is set aside and begun anew; the others nobody replaces but the operator.
            if name == "cache.db":
                run.judge.found("recovers", f"a {name} that is damaged ({what}) was not set aside")
            remove(path, run.chance)
            shutil.copy(spare, path)
        # What is set aside stays, and would fill the disk in time; where there is too little room nothing is looked up.
        for aside in home.data.glob("*.damaged-*"):
            aside.unlink()
        home.start_program()


@fault("cache.db: removed under the running program", f"{DOWN} once write-kept", takes=f"serve {' '.join(FILES)}")
def removed_while_open(run):
    remove(run.home.data / "cache.db", run.chance)
    lose(run, "cache.db")
    yield
    run.home.stop_program()
    lose(run, "cache.db")
    run.home.start_program()


def read_only(name):
    @fault(f"{name}: read-only", f"{DOWN}", takes=f"serve {' '.join(FILES)}", lasts=(1, 2), needs="disk")
    def deed(run):
        path = run.home.data / name
        run.home.stop_program()
        subprocess.run(["mount", "--bind", path, path], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)
        run.home.responder.launch()
        yield
        run.home.responder.stop(20)
        subprocess.run(["umount", path], check=True)
        run.home.start_program()


@fault("disk: full", "writes sessions lookups slow", takes=f"serve {' '.join(FILES)}", lasts=(1, 3), needs="disk")
def full(run):
    ballast = fill_disk(run.home.data)
    yield
    ballast.unlink()


@fault("disk: full again at the restart", DOWN, takes=f"serve {' '.join(FILES)}", lasts=(1, 3), needs="disk")
def full_again(run):
    ballast = fill_disk(run.home.data)
    time.sleep(0.3)
    run.home.kill_program()
    run.home.responder.launch()
    yield
    ballast.unlink()
    run.home.responder.stop(20)
    run.home.start_program()


def power_cut(mode):
    @fault(f"power cut: unsynced writes {mode}", f"{DOWN} once write-kept good-accepted", takes=f"serve {' '.join(FILES)} spotify", lasts=(0.1, 0.3))
    def deed(run):
        home = run.home
        home.stop_program()
        for path in home.data.glob("*.damaged*"):
            path.unlink()
        base = powercut.base_of(home.data)
        log = home.sandbox.path("deeds")
        log.unlink(missing_ok=True)
        usual = home.responder.settings["LD_PRELOAD"]
        home.start_program(LD_PRELOAD=f"{run.powercut} {usual}", POWERCUT_LOG=str(log), POWERCUT_FOLDER=str(home.data))
        time.sleep(run.chance.uniform(1, 3))
        home.kill_program()
        # Until then it may have acknowledged something.
        cut = time.monotonic()
        home.responder.settings.update(LD_PRELOAD=usual, POWERCUT_LOG=None, POWERCUT_FOLDER=None)
        rebuilt = home.sandbox.path("rebuilt")
        powercut.Record(log).rebuild(cut, rebuilt, {"dropped": "drop", "kept": "keep", "torn": "torn"}[mode], random.Random(run.chance.random()), base)
        for path in home.data.iterdir():
            path.unlink()
        for path in rebuilt.iterdir():
            shutil.copy(path, home.data / path.name)
        shutil.rmtree(rebuilt)
        # `user` is durable when it is acknowledged; of the others the last three seconds may be lost, and of records (docs/caching.md).
        run.accounts.rewind(cut - 3.2, ("session", "temp", "spotify"))
        run.records.forget()
        run.calls.forget_fetched()
        home.start_program()
        yield


def newer(name):
    @fault(f"{name}: of a newer version", DOWN, takes=f"serve {' '.join(FILES)}", lasts=(0.5, 1))
    def deed(run):
        home = run.home
        home.stop_program()
        with contextlib.closing(sqlite3.connect(home.data / name, timeout=10)) as file:
            [version] = file.execute("PRAGMA user_version").fetchone()
            file.execute(f"PRAGMA user_version = {version + 1000}")
        process = home.responder.launch()
        yield
        status = process.stop(20)
        home.responder.stop()
        if status != 78:
            run.judge.found("recovers", f"with a newer {name} the program ended with {status}")
        with contextlib.closing(sqlite3.connect(home.data / name, timeout=10)) as file:
            file.execute(f"PRAGMA user_version = {version}")
        home.start_program()


#: The version of each file's schema, and what takes its last step back.
LAST_STEP = {
    "cache.db": (3, "ALTER TABLE uses DROP COLUMN occasion_at; ALTER TABLE uses DROP COLUMN used_before"),
    "limiter.db": (5, "ALTER TABLE grants DROP COLUMN turn; DROP TABLE shared; DROP TABLE hosts"),
    "sessions.db": (5, "DROP TABLE clientToken; DROP TABLE clientKey"),
}


def older(name):
    """As the release before left it: the step is taken anew, and all else is kept."""
    version, undo = LAST_STEP[name]

    @fault(f"{name}: of an older version", DOWN, takes=f"serve {' '.join(FILES)}", lasts=(0.5, 1))
    def deed(run):
        home = run.home
        home.stop_program()
        if name == "sessions.db":
            run.keys.forget_good()
        with contextlib.closing(sqlite3.connect(home.data / name, timeout=10)) as file:
            found = file.execute("PRAGMA user_version").fetchone()
            assert found == (version,), f"{name} has schema {found}, and LAST_STEP speaks of {version}"
            file.executescript(f"BEGIN; {undo}; PRAGMA user_version = {version - 1}; COMMIT")
        home.start_program()
        yield
        with contextlib.closing(sqlite3.connect(home.data / name, timeout=10)) as file:
            found = file.execute("PRAGMA user_version").fetchone()
        if found != (version,):
            run.judge.found("recovers", f"{name} of schema {version - 1} was opened and is of {found}")


def backed_up(restores):
    @fault("backup under load, and restored" if restores else "backup under load", f"{DOWN} once write-kept good-accepted cooldown hour" if restores else "slow",
           takes=f"serve {' '.join(FILES)} spotify", lasts=(0.5, 1))
    def deed(run):
        home, folder = run.home, run.home.sandbox.path("backup")
        shutil.rmtree(folder, ignore_errors=True)
        began = time.monotonic()
        run.command("backup", str(folder))
        yield
        if restores:
            home.stop_program()
            run.command("restore", str(folder))
            # What was there before, which `restore` keeps.
            for kept in home.data.glob("before-restore-*"):
                shutil.rmtree(kept)
            run.accounts.rewind(began)
            run.sign_ins.forget_good()
            run.keys.forget_good()
            run.records.forget()
            run.calls.forget_fetched()
            home.shorten_pauses()
            run.calls.forget_cooldown()
            home.start_program()


for each in FILES:
    busy(each)
    damaged(each, "deleted", remove)
    damaged(each, "truncated", truncate)
    damaged(each, "garbage in its first half", spoil(True))
    damaged(each, "garbage in its second half", spoil(False))
    read_only(each)
    newer(each)
    older(each)
for each in ("dropped", "kept", "torn"):
    power_cut(each)
backed_up(False)
backed_up(True)
