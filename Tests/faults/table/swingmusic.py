"""swingmusic's folder: a database that is busy, replaced or away, users who are changed past us, other settings."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from faults.home import USERS
from faults.signins import bearer

from . import fault

ASKED = "sessions lookups slow"


#: What a process does whose recovery of the WAL takes long, until its input ends or 4 s are over, whatever else the program does meanwhile: it holds the locks for that, and the index has no header (sqlite.org/
#: walformat.html, 2.3.2 and 3.1). A process apart: a lock of fcntl(2) goes when its process closes the file, as SQLite does here.
HOLD = """
import fcntl, os, select, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(file, fcntl.LOCK_EX, 3, 120)
os.pwrite(file, bytes(96), 0)
print("held", flush=True)
select.select([sys.stdin], [], [], 4)
"""


@fault("swingmusic: database busy", ASKED, takes="swingmusic", lasts=(1, 3))
def busy(run):
    """Also for who reads only, as a lock for writing is not."""
    path = run.home.folder / "swingmusic.db"
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as file:
        file.execute("SELECT count(*) FROM user").fetchone()
        holder = subprocess.Popen([sys.executable, "-c", HOLD, f"{path}-shm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        try:
            file.execute("SELECT count(*) FROM user").fetchone()
            run.report.miss("swingmusic: database busy")
        except sqlite3.OperationalError:  # as it should be
            pass
    yield
    holder.communicate()


@fault("swingmusic: database replaced by a backup", ASKED, takes="swingmusic", lasts=(0.7, 1.5))
def replaced(run):
    """Who came after the backup is nobody any more, signed in or not."""
    home, path, number = run.home, run.home.folder / "swingmusic.db", 1000 + next(run.numbers)
    backup, guest = path.with_name("backup.db"), f"guest-{number}"
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as file, contextlib.closing(sqlite3.connect(backup)) as copy:
        file.backup(copy)
    home.sql("INSERT INTO user (id, password, username, roles) SELECT ?, password, ?, roles FROM user WHERE username = ?", number, guest, USERS[0])
    token = home.sign_in(guest, home.password(USERS[0]))
    # The log belongs to the file of before.
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    os.replace(backup, path)
    yield
    if not token:
        run.report.miss("swingmusic: database replaced by a backup")
        return
    for door in home.doors[:3]:
        where, headers = door(token)
        answer = home.get(where, headers)
        if 0 < answer.status < 400:
            run.judge.found("ended-refused", f"{where} let somebody in who is not in the database: {answer!r}", where)


def was_noticed(run, sessions):
    """Whether the program refuses one of these sessions, which were good. What is done and undone while it is away, or cannot write it down,
    nobody can know of afterwards."""
    for session in sessions:
        answer = run.home.get("/auth/user", bearer(session.access[-1]), timeout=10)
        if answer.status == 401:
            return True
        if answer.status == 200:
            run.judge.found("ended-refused", f"a session of {session.user} goes on, whose account is another's: {answer!r}")
    return False


def changed(name, change, restore):
    """What is done to one user past us ends all sessions of it."""
    @fault(f"swingmusic: {name}", takes="swingmusic", lasts=(1, 2))
    def deed(run):
        with run.judge.excusing(["sessions"]):
            [victim] = run.victims
            [(number, password)] = run.home.sql("SELECT id, password FROM user WHERE username = ?", victim)
            good = [session for session in run.sign_ins.of("good") if session.user == victim]
            run.sign_ins.forget_good([victim])
            change(run.home, number, password)
            run.sign_ins.forget_good([victim])
            time.sleep(0.2)
            sessions = [session for session in run.sign_ins.of("unsure") if session.user == victim]
            yield
            if was_noticed(run, [session for session in good if session.state == "unsure"]):
                for session in sessions:
                    # None that began before may go on, now or when all is as it was.
                    session.state = "ended"
            restore(run.home, number, password, victim)


def rename(home, number, password):
    home.sql("UPDATE user SET username = 'renamed' WHERE id = ?", number)


def name_again(home, number, password, victim):
    time.sleep(0.3)
    home.sql("UPDATE user SET username = ? WHERE id = ?", victim, number)


def delete(home, number, password):
    home.sql("DELETE FROM user WHERE id = ?", number)


def insert(home, number, password, victim, name=None):
    time.sleep(0.3)
    with contextlib.suppress(sqlite3.IntegrityError):
        home.sql("INSERT INTO user (id, password, username, roles) VALUES (?, ?, ?, '[]')", number, password, name or victim)


def give_out_again(home, number, password):
    delete(home, number, password)
    time.sleep(0.3)
    insert(home, number, password, None, "somebody-else")


def take_back(home, number, password, victim):
    delete(home, number, password)
    insert(home, number, password, victim)


changed("user renamed", rename, name_again)
changed("user deleted", delete, insert)
changed("id given out again", give_out_again, take_back)


def settings(run, change):
    path = run.home.folder / "settings.json"
    usual = path.read_text()
    given = json.loads(usual)
    given.update(change)
    other = path.with_name("settings.other")
    other.write_text(json.dumps(given))
    os.replace(other, path)
    return lambda: path.write_text(usual)


@fault("swingmusic: settings changed", takes="swingmusic")
def settings_changed(run):
    undo = settings(run, {"usersOnLogin": False})
    yield
    undo()


@fault("swingmusic: salt changed", "sessions good-accepted", takes="swingmusic")
def salt_changed(run):
    undo = settings(run, {"serverId": "f" * 64})
    yield
    undo()


@fault("swingmusic: folder away", ASKED, takes="swingmusic", lasts=(0.5, 1.5))
def away(run):
    path, elsewhere = run.home.folder, run.home.folder.with_name("elsewhere")
    path.rename(elsewhere)
    yield
    if path.exists():  # made anew by somebody meanwhile
        shutil.rmtree(path)
    elsewhere.rename(path)
