"""An answer that was paid for is served and kept: in memory, for all workers and over restarts, while `cache.db` cannot take it. No call is made
while its answer could be kept nowhere."""

import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from harness.house import assert_spotify_error, retry_after, track
from harness.sandbox import fill_disk
from harness.standin import missing_id, spotify_id
from harness.waiting import eventually

WORKERS = 2


def data(house):
    return Path(house.responder.settings.get("SWINGMUSIC_FCGI_DATA_DIR") or house.sandbox.path("data"))


def spool(house):
    status = os.stat(data(house))
    return Path(f"/dev/shm/swingmusic-fcgi-{status.st_dev:x}-{status.st_ino:x}")


@contextlib.contextmanager
def held(house):
    """Another program has `cache.db` locked."""
    other = sqlite3.connect(data(house) / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def ask_all(house, paths):
    """Each path over connections of its own, often enough that every worker is asked."""
    return [answer for _ in range(3 * WORKERS) for answer in house.at_once(paths)]


def stored(house):
    with contextlib.closing(sqlite3.connect(f"file:{data(house)}/cache.db?mode=ro", uri=True)) as cache:
        return cache.execute("SELECT count(*) FROM entries WHERE CAST(key AS TEXT) LIKE 'catalog:%'").fetchone()[0]


def calls_by_path(house):
    paths = [call["path"] for call in house.standin.calls()]
    return {path: paths.count(path) for path in paths}


def test_five_unknown_records_cost_five_calls_while_the_database_is_locked(new_house):
    house = new_house("locked", WORKERS, SWINGMUSIC_FCGI_MISS_WAIT="25s")
    paths = [track(f"locked-{n}") for n in range(5)]
    gone = f"/spotify/v1/tracks/{missing_id('locked')}"
    search = "/spotify/v1/search?q=locked%20words&type=track&limit=10"
    with held(house):
        assert [answer.status for answer in house.at_once(paths)] == [200] * 5
        assert house.get(gone).status == 404 and house.get(search).status == 200
        began = time.monotonic()
        while time.monotonic() - began < 8:
            assert {answer.status for answer in ask_all(house, [*paths, search])} == {200}
            assert {answer.status for answer in ask_all(house, [gone])} == {404}
        assert set(calls_by_path(house).values()) == {1}, calls_by_path(house)
        assert len(house.standin.calls()) == 7 and stored(house) == 0
        assert oct(spool(house).stat().st_mode & 0o777) == "0o700"
        house.responder.kill()
    house.responder.start()
    assert {answer.status for answer in ask_all(house, [*paths, search])} == {200}
    eventually(lambda: not spool(house).exists(), 15, every=0.1, what="everything is moved to the database")
    assert stored(house) >= 7
    house.responder.restart()
    assert {answer.status for answer in ask_all(house, [*paths, search])} == {200} and house.get(gone).status == 404
    assert len(house.standin.calls()) == 7
    assert "kept in memory" in house.responder.log()


def test_a_lock_that_ends_is_noticed_by_running_workers(new_house):
    house = new_house("passing", WORKERS)
    with held(house):
        assert house.get(track("passing")).status == 200
        assert stored(house) == 0
    eventually(lambda: stored(house) == 1 and not spool(house).exists(), 30, every=0.2, what="it is stored")
    eventually(lambda: "in cache.db now" in house.responder.log(), 10, what="the log says so")
    assert {answer.status for answer in ask_all(house, [track("passing")])} == {200} and len(house.standin.calls()) == 1


def test_a_full_disk_costs_one_call_a_record(new_house, small_disk):
    house = new_house("full", WORKERS, SWINGMUSIC_FCGI_DATA_DIR=str(small_disk), SWINGMUSIC_FCGI_MISS_WAIT="2s",
                      SWINGMUSIC_FCGI_MIRROR_WAIT="2s")
    [known] = house.fill()
    ballast = fill_disk(small_disk)
    paths = [track(f"full-{n}") for n in range(5)]
    began = time.monotonic()
    answered = set()
    while time.monotonic() - began < 12:
        for path, answer in zip(paths, house.at_once(paths)):
            assert answer.status in (200, 429, 503), answer
            assert answer.status == 200 or path not in answered, "what was answered once is answered again"
            if answer.status == 200:
                answered.add(path)
        assert house.get(known).status == 200
    assert max(calls_by_path(house).values()) == 1, calls_by_path(house)
    ballast.unlink()
    for path in paths:
        eventually(lambda: house.get(path).status == 200, 40, every=0.3, what="it is answered when there is room")
    eventually(lambda: stored(house) >= 6 and not spool(house).exists(), 30, every=0.2, what="everything is stored")
    assert max(calls_by_path(house).values()) == 1, calls_by_path(house)


def test_no_call_is_made_while_its_answer_could_be_kept_nowhere(new_house):
    house = new_house("nowhere", WORKERS)
    [known] = house.fill()
    spool(house).write_bytes(b"")
    try:
        assert house.get(track("one")).status == 200, "the database can take it"
        before = len(house.standin.calls())
        with held(house):
            for answer in ask_all(house, [track("nowhere-1"), track("nowhere-2")]):
                said = assert_spotify_error(answer, 503)
                assert "cannot be written" in said and "memory" in said, said
                assert retry_after(answer) >= 1
            assert house.get(known).status == 200
            assert len(house.standin.calls()) == before
        for path in (track("nowhere-1"), track("nowhere-2")):
            eventually(lambda: house.get(path).status == 200, 10, every=0.2, what="it is asked for when it can be kept")
        assert len(house.standin.calls()) == before + 2
    finally:
        spool(house).unlink()


# What Spotify says of itself.

def test_retry_after_of_a_503_is_kept_to_by_all_workers(new_house):
    house = new_house("unavailable", WORKERS, SWINGMUSIC_FCGI_MISS_WAIT="25s")
    [known] = house.fill()
    before = house.standin.last_number()
    house.standin.fail({"behaviour": "status", "status": 503, "retry_after": 6})
    [first] = house.at_once([track("unavailable")], headers={"Prefer": "wait=0"})
    call = house.standin.await_call(since=before)
    began = time.monotonic()
    while time.monotonic() - began < 5:
        for answer in house.at_once([track(f"unavailable-{n}") for n in range(6)], headers={"Prefer": "wait=1"}):
            assert answer.status in (429, 502, 503), answer
            assert retry_after(answer) >= 1
        assert house.get(known).status == 200
    # Some may have been on their way when the first was answered.
    early = house.standin.calls(since=before)
    assert all(one["monotonic_ns"] - call["monotonic_ns"] < 0.5e9 for one in early) and len(early) <= 8, early
    house.standin.fail()
    for n in range(6):
        eventually(lambda: house.get(track(f"unavailable-{n}")).status == 200, 15, every=0.3, what="calls go on when it said")
    next_call = min(one["monotonic_ns"] for one in house.standin.calls(since=early[-1]["number"]))
    assert next_call - early[0]["monotonic_ns"] >= 5.9e9


def test_retry_after_of_the_accounts_service_is_kept_to(new_house):
    house = new_house("accounts", WORKERS, start=False)
    house.standin.fail({"on": "token", "behaviour": "status", "status": 503, "retry_after": 120, "body": ""})
    house.responder.start()
    answer = house.get(track("accounts"), {"Prefer": "wait=2"})
    assert answer.status in (429, 502, 503) and len(house.standin.calls(on="token")) == 1
    status = json.loads(house.admin("GET", "/swingmusic-fcgi/status.json").body)
    outage = status["limiter"]["tokenOutage"]
    assert "503" in outage["reason"]
    assert len(house.standin.calls()) == 0


@pytest.mark.parametrize("market", ["", "?market=SE"])
def test_an_answer_of_another_thing_is_not_kept_under_the_one_that_was_asked_for(new_house, market):
    house = new_house("another", WORKERS, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    other = house.get(track("other")).body.decode()
    house.standin.fail({"behaviour": "status", "status": 200, "body": other, "headers": {"Content-Type": "application/json"}})
    answer = house.get(track("asked") + market)
    assert answer.status != 200, answer
    house.standin.fail()
    eventually(lambda: house.get(track("asked") + market).status == 200, 30, every=0.3, what="the right one is fetched")
    assert house.get(track("asked") + market).json()["id"] == spotify_id("asked")


def test_top_tracks_of_another_artist_are_not_kept_under_the_one_that_was_asked_for(new_house):
    house = new_house("top", WORKERS, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    path, other = (f"/spotify/v1/artists/{spotify_id(name)}/top-tracks?market=SE" for name in ("asked", "other"))
    body = house.get(other).body.decode()
    house.standin.fail({"behaviour": "status", "status": 200, "body": body, "headers": {"Content-Type": "application/json"}})
    assert house.get(path).status != 200
    house.standin.fail()
    eventually(lambda: house.get(path).status == 200, 30, every=0.3, what="the right ones are fetched")
    assert house.get(path).json()["tracks"] != house.get(other).json()["tracks"]


def test_what_was_searched_for_does_not_come_back_into_the_log_with_spotifys_words(new_house):
    house = new_house("words", 1, SWINGMUSIC_FCGI_MIRROR_WAIT="5s", SWINGMUSIC_FCGI_LOG_LEVEL="debug")
    for status, more in ((500, {}), (503, {"retry_after": 1}), (400, {}), (403, {})):
        house.standin.fail({"behaviour": "status", "status": status, "message": f"No luck with zebrafish{status}", **more})
        house.get(f"/spotify/v1/search?q=zebrafish{status}&type=track", {"Prefer": "wait=3"})
    eventually(lambda: "a lookup failed" in house.responder.log(), 10, what="failures are logged")
    assert "zebrafish" not in house.responder.log()
