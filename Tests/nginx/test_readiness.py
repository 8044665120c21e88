"""Each trouble of docs/operating.md is planted: readyz, status.json (which the page shows; test_status_page.py
looks at that), `status` and `check` say the same word, and that it is over."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from harness.house import House, track
from harness.nginx import Nginx
from harness.sandbox import REPOSITORY, executable, fill_disk
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

PAGE = "/swingmusic-fcgi/"


class Watched(House):
    """A house with sessions, and what all of its voices say."""

    def __init__(self, name, **more):
        super().__init__(name, workers=2, start=False, **more)

    def _furnish(self):
        super()._furnish()
        self.swingmusic = Swingmusic(self.sandbox)
        self.data = self.sandbox.path("data")
        self.responder.start(SWINGMUSIC_CONFIG_DIR=str(self.swingmusic.folder), SWINGMUSIC_FCGI_METADATA_AUTH="off")
        self.nginx = Nginx(self.sandbox, self.responder.address, sessions=True, swingmusic=self.swingmusic.port).start()

    def run(self, *words):
        environment = self.sandbox.environment(**self.responder.settings)
        return subprocess.run([executable(), *words], env=environment, capture_output=True, timeout=30, text=True)

    def voices(self):
        """What each of them says, as a headline: the status, and the words."""
        readyz = self.get(PAGE + "readyz")
        checked = json.loads(self.run("check", "--json").stdout)["findings"]
        finding = next(finding for finding in checked if finding["subject"] == "readiness")
        subjects = [finding["subject"] for finding in checked]
        told = self.run("status", "--json")
        said = {
            "readyz": headline(readyz.json()), "for admins": headline(self.admin("GET", PAGE + "readyz").json()),
            "status.json": headline(self.admin("GET", PAGE + "status.json").json()["readiness"]),
            "status --json": headline(json.loads(told.stdout)["readiness"]),
            "status": self.run("status").stdout.partition("\n")[0].removeprefix("swingmusic-fcgi: "),
            "check": finding["detail"], "check's findings": headline_of([word for word in words() if word in subjects]),
        }
        said["readyz's status"] = said["readyz"] if (readyz.status == 503) == said["readyz"].startswith("unavailable") else readyz.status
        said["status's exit"] = said["readyz"] if (told.returncode == 1) == said["readyz"].startswith("unavailable") else told.returncode
        return said

    def assert_said(self, wanted, within=10):
        """All of them say it, at the latest when the workers have had their second."""
        deadline = time.monotonic() + within
        while set((said := self.voices()).values()) != {wanted}:
            assert time.monotonic() < deadline, said
            time.sleep(0.2)

    def told_strangers(self):
        return self.get(PAGE + "readyz").body.decode()

    def told_admins(self):
        return {detail["word"]: detail for detail in self.admin("GET", PAGE + "readyz").json()["details"]}

    def log_in(self):
        return self.post("/auth/login", {"username": "bob", "password": "bobpw"}).status


def headline(readiness):
    found = readiness["reasons"] + readiness["warnings"]
    return readiness["status"] + (": " + ", ".join(found) if found else "")


def headline_of(found):
    grades = {word: grade for word, grade in table().items()}
    status = "ok" if not found else "unavailable" if any(grades[word] == "503" for word in found) else "degraded"
    return status + (": " + ", ".join(found) if found else "")


def table():
    """docs/operating.md: the word and the status, in order."""
    rows = re.findall(r"^\| `([a-z-]+)` \| (200|503) \|", (REPOSITORY / "docs/operating.md").read_text(), re.M)
    assert len(rows) >= 15
    return dict(rows)


def words():
    return list(table())


@pytest.fixture
def watched():
    with Watched("watched") as house:
        house.assert_said("ok")
        yield house


# What keeps hits or sign-ins from being served.

def test_swingmusics_database_goes_and_comes_back(watched):
    database = watched.swingmusic.folder / "swingmusic.db"
    database.rename(database.with_name("away"))
    watched.assert_said("unavailable: swingmusic-database")
    assert watched.log_in() == 503
    assert str(database) in watched.told_admins()["swingmusic-database"]["text"]
    assert watched.told_strangers() == '{"status":"unavailable","reasons":["swingmusic-database"],"warnings":[]}'
    database.with_name("away").rename(database)
    watched.assert_said("ok")
    assert watched.log_in() == 200


def test_swingmusics_database_is_something_else(watched):
    folder, away = watched.swingmusic.folder, watched.sandbox.directory("away")
    # With its log, or SQLite finds all of it there.
    for path in folder.glob("swingmusic.db*"):
        shutil.move(path, away)
    (folder / "swingmusic.db").write_bytes(b"no database" * 1000)
    watched.assert_said("unavailable: swingmusic-database")
    assert watched.log_in() == 503
    for path in away.iterdir():
        shutil.move(path, folder / path.name)
    watched.assert_said("ok")
    assert watched.log_in() == 200


def test_swingmusics_settings_are_not_there_yet(watched):
    settings = watched.swingmusic.folder / "settings.json"
    text = settings.read_text()
    settings.unlink()
    watched.assert_said("ok")  # the workers remember them
    watched.responder.restart()
    watched.assert_said("unavailable: swingmusic-settings")
    assert watched.log_in() == 503
    settings.write_text(text)
    watched.assert_said("ok")
    assert watched.log_in() == 200


@pytest.mark.parametrize("name, word", [("sessions.db", "session-database"), ("limiter.db", "limiter-database")])
def test_an_own_file_is_damaged_and_replaced(watched, name, word):
    path = watched.data / name
    assert watched.log_in() == 200
    path.rename(watched.data / "aside")
    path.write_bytes(b"no database" * 1000)
    watched.assert_said(f"unavailable: {word}")
    assert str(path) in watched.told_admins()[word]["text"] or name == "limiter.db"
    assert str(watched.sandbox.folder) not in watched.told_strangers()
    path.unlink()
    for leftover in (f"{name}-journal",):
        (watched.data / leftover).unlink(missing_ok=True)
    (watched.data / "aside").rename(path)
    watched.assert_said("ok")


def test_the_cache_was_written_by_a_newer_version(watched):
    watched.fill()
    names = [name for name in ("cache.db", "cache.db-wal", "cache.db-shm") if (watched.data / name).exists()]
    for name in names:
        (watched.data / name).rename(watched.data / f"aside-{name}")
    newer = sqlite3.connect(watched.data / "cache.db")
    newer.executescript("CREATE TABLE state (epoch); PRAGMA user_version = 99")
    newer.close()
    watched.assert_said("unavailable: cache-database")
    assert watched.get(track("known-0")).status >= 500
    (watched.data / "cache.db").unlink()
    for name in names:
        (watched.data / f"aside-{name}").rename(watched.data / name)
    watched.assert_said("ok")
    assert watched.get(track("known-0")).status == 200


def test_nothing_runs(watched):
    watched.responder.stop()
    told = watched.run("status", "--json")
    assert told.returncode == 1 and headline(json.loads(told.stdout)["readiness"]) == "unavailable: no-workers"
    checked = watched.run("check", "--json")
    assert checked.returncode == 0, "no error before a start"
    assert [f["detail"] for f in json.loads(checked.stdout)["findings"] if f["subject"] == "readiness"] == ["unavailable: no-workers"]
    watched.responder.start()
    watched.assert_said("ok")


# What only makes some of it wait: hits and sign-ins are served.

def assert_served(house, known):
    assert house.get(known).status == 200 and house.log_in() == 200
    assert house.get(PAGE + "readyz").status == 200


def test_a_cooldown_begins_and_ends(watched):
    [known] = watched.fill()
    watched.standin.fail({"behaviour": "status", "status": 429, "retry_after": 12, "times": 1})
    assert watched.get(track("refused"), {"Prefer": "wait=1"}).status == 429
    watched.assert_said("degraded: cooldown")
    assert_served(watched, known)
    assert watched.told_strangers() == '{"status":"degraded","reasons":[],"warnings":["cooldown"]}'
    watched.assert_said("ok", within=25)


def test_an_account_that_is_refused_is_told_until_a_call_is_answered(watched):
    known = watched.fill(2)
    watched.standin.fail({"behaviour": "status", "status": 403, "body": "Active premium subscription required for the owner of the app."})
    assert watched.get(track("lapsed"), {"Prefer": "wait=4"}).status == 503
    watched.assert_said("degraded: refused-account")
    assert_served(watched, known[0])
    assert "premium" in watched.told_admins()["refused-account"]["text"] and watched.run("check").returncode == 1
    watched.standin.fail()
    assert watched.get(track("lapsed"), {"Prefer": "wait=20"}).status == 200
    watched.assert_said("ok")


def test_the_hour_is_spent_and_ends():
    with Watched("spent", SPOTIFY_CALLS_PER_HOUR="2") as house:
        known = house.fill(2)
        house.assert_said("degraded: spent-hour")
        assert_served(house, known[0])
        assert house.get(track("one-more"), {"Prefer": "wait=1"}).status == 429
        # An hour on, as the limiter sees it.
        limiter = sqlite3.connect(house.data / "limiter.db", timeout=10)
        with limiter:
            limiter.execute("UPDATE grants SET instant = instant - 3700 * 1000000000")
        limiter.close()
        house.assert_said("ok")


def test_refused_credentials_are_known_between_attempts_and_corrected_ones_end_their_pause_at_once(watched):
    [known] = watched.fill()
    watched.standin.control("token", {"client_secret": "the new secret 5f1d", "revoke": True})
    assert watched.get(track("while-refused")).status == 503
    watched.assert_said("degraded: refused-credentials")
    assert_served(watched, known)
    limiter = sqlite3.connect(watched.data / "limiter.db", timeout=10)
    with limiter:
        # The pause of half a minute is over, and nobody has asked for anything since. Then one of an hour.
        until, = limiter.execute("SELECT until FROM pauses WHERE what = 'token'").fetchone()
        limiter.execute("UPDATE pauses SET until = until - 40 * 1000000000, recorded = recorded - 40 * 1000000000")
    watched.assert_said("degraded: refused-credentials")
    with limiter:
        limiter.execute("UPDATE pauses SET until = ?, repeats = 9", (until + 3600 * 1_000_000_000,))
    watched.responder.restart()
    watched.assert_said("degraded: refused-credentials")
    tokens = len(watched.standin.calls(on="token"))
    assert watched.get(track("still-refused")).status == 503
    assert len(watched.standin.calls(on="token")) == tokens, "the pause holds for the credentials that were refused"

    watched.responder.restart(SPOTIFY_CLIENT_SECRET="the new secret 5f1d")
    began = time.monotonic()
    watched.assert_said("ok")
    assert watched.get(track("corrected")).status == 200
    assert time.monotonic() - began < 15
    assert limiter.execute("SELECT count(*) FROM pauses").fetchone() == (0,)
    limiter.close()
    for path in watched.data.iterdir():
        content = path.read_bytes() if path.is_file() else b""
        assert b"the new secret" not in content and b"the-client-secret" not in content, path


def test_credentials_are_missing_and_given(watched):
    [known] = watched.fill()
    given = {name: watched.responder.settings[name] for name in ("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET")}
    watched.responder.restart(**dict.fromkeys(given))
    watched.assert_said("degraded: no-credentials")
    assert_served(watched, known)
    watched.responder.restart(**given)
    watched.assert_said("ok")


def test_no_token_is_to_be_had_and_then_one_is(watched):
    watched.standin.fail({"on": "token", "behaviour": "status", "status": 500})
    watched.get(track("no-token"), {"Prefer": "wait=2"})
    watched.assert_said("degraded: no-token")
    watched.standin.fail()
    limiter = sqlite3.connect(watched.data / "limiter.db", timeout=10)
    with limiter:
        limiter.execute("UPDATE pauses SET until = recorded")
    limiter.close()
    assert watched.get(track("a-token")).status == 200
    watched.assert_said("ok")


def test_spotify_goes_and_comes_back(watched):
    [known] = watched.fill()
    watched.standin.kill()
    watched.get(track("away"), {"Prefer": "wait=1"})
    limiter = sqlite3.connect(watched.data / "limiter.db", timeout=10)

    def long_enough():
        with limiter:
            return limiter.execute("UPDATE pauses SET until = until + 30 * 1000000000 WHERE what = 'upstream'").rowcount
    eventually(long_enough, 10, what="the pause has begun")
    watched.assert_said("degraded: spotify-unreachable")
    assert_served(watched, known)
    watched.standin.start()
    with limiter:
        limiter.execute("UPDATE pauses SET until = recorded")
    limiter.close()
    assert watched.get(track("back")).status == 200
    watched.assert_said("ok")


def test_the_disk_fills_up_and_gets_room():
    with Watched("full") as house:
        disk = house.sandbox.directory("disk")
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("no right to mount a small file system")
        try:
            house.data = disk
            house.responder.restart(SWINGMUSIC_FCGI_DATA_DIR=str(disk))
            [known] = house.fill()
            house.assert_said("ok")
            assert house.log_in() == 200
            ballast = fill_disk(disk)
            house.assert_said("degraded: full-disk")
            assert house.admin("PUT", "/cache/user/big", b"x" * 900_000).status == 503
            house.assert_said("degraded: full-disk")
            assert house.get(known).status == 200 and house.get(PAGE + "readyz").status == 200
            assert str(disk) in house.told_admins()["full-disk"]["text"] and str(disk) not in house.told_strangers()
            ballast.unlink()
            # Nobody writes anything meanwhile.
            house.assert_said("ok")
            assert house.log_in() == 200
        finally:
            house.responder.stop()
            subprocess.run(["umount", "-l", disk], check=True)


def test_the_store_goes_and_comes_back():
    with Watched("no-store", store=True) as house:
        house.assert_said("ok")
        [known] = house.fill()
        house.store.kill()
        house.assert_said("degraded: no-store", within=20)
        assert_served(house, known)
        house.store.start()
        house.assert_said("ok", within=20)


def test_several_troubles_are_all_named_and_the_worst_decides(watched):
    watched.standin.fail({"behaviour": "status", "status": 429, "retry_after": 600, "times": 1})
    watched.get(track("refused"))
    database = watched.swingmusic.folder / "swingmusic.db"
    database.rename(database.with_name("away"))
    watched.assert_said("unavailable: swingmusic-database, cooldown")
    database.with_name("away").rename(database)
    watched.assert_said("degraded: cooldown")


# How it answers.

def test_an_admins_session_is_told_as_much_as_the_token_and_a_users_is_not(watched):
    def ask(name):
        login = watched.post("/auth/login", {"username": name, "password": f"{name}pw"}).json()
        return watched.get(PAGE + "readyz", {"Cookie": f"access_token_cookie={login['accesstoken']}"}).json()
    assert ask("admin")["details"] == [] and "details" not in ask("bob")
    assert "details" not in watched.request("GET", PAGE + "readyz", {"Authorization": "Bearer rubbish"}).json()


def test_to_look_writes_nothing_and_is_quick(watched):
    watched.fill(3)
    time.sleep(2)

    def stamps():
        folders = (watched.data, watched.swingmusic.folder)
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for folder in folders for path in folder.iterdir()
                if path.suffix == ".db" or path.name.endswith(("-journal", "-wal"))}
    before = stamps()
    answers = [watched.get(PAGE + "readyz") for _ in range(50)] + [watched.admin("GET", PAGE + "readyz") for _ in range(50)]
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.seconds for answer in answers)[50] < 0.05
    assert stamps() == before


def test_no_number_of_strangers_makes_it_say_503_or_keeps_the_administrator_out(watched):
    answers = []
    strangers = threading.Thread(target=lambda: answers.extend(watched.at_once([PAGE + "readyz"] * 1000)))
    strangers.start()
    told = [watched.admin("GET", PAGE + path).status for path in ("readyz", "status.json", "metrics") * 3]
    strangers.join(60)
    assert set(told) == {200}
    assert len(answers) == 1000 and {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers} == {b'{"status":"ok","reasons":[],"warnings":[]}'}
    assert watched.request("HEAD", PAGE + "readyz").body == b""


def test_whoever_watches_a_file_that_hangs_keeps_no_user_waiting(watched):
    login = watched.post("/auth/login", {"username": "bob", "password": "bobpw"}).json()
    holder = sqlite3.connect(watched.data / "limiter.db", timeout=10, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    watchers = threading.Thread(target=lambda: watched.at_once([PAGE + "readyz"] * 20))
    watchers.start()
    time.sleep(0.5)
    answers = [watched.request("POST", "/auth/refresh", {"Authorization": f"Bearer {login['refreshtoken']}"}) for _ in range(5)]
    assert {answer.status for answer in answers} == {200} and max(answer.seconds for answer in answers) < 1
    assert watched.get(PAGE + "readyz").status == 503
    holder.execute("ROLLBACK")
    holder.close()
    watchers.join(60)
    watched.assert_said("ok")


def test_the_metrics_have_every_word(watched):
    text = watched.admin("GET", PAGE + "metrics").body.decode()
    assert re.findall(r'^swingmusic_fcgi_trouble\{word="([a-z-]+)"\} 0$', text, re.M) == words()


def test_healthz_is_no_business_of_these(watched):
    database = watched.swingmusic.folder / "swingmusic.db"
    database.rename(database.with_name("away"))
    answer = watched.get(PAGE + "healthz")
    assert answer.status == 200 and answer.json() == {"status": "ok"}
    database.with_name("away").rename(database)
