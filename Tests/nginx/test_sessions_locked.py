"""Another process holds `sessions.db`, or swingmusic holds its own database: what is known is served as if nothing were, and what has to be
written or waited for waits beside it. One worker, so that all of it is one process's doing."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from harness import http
from harness.household import Household
from harness.responder import spotify_settings
from harness.standin import StandIn, spotify_id
from harness.swingmusic import claims, password_hash, token
from harness.waiting import eventually

#: How long a hit may take while others wait for the lock.
BRIEF = 0.02
HEALTH = "/swingmusic-fcgi/healthz"


@pytest.fixture
def own(sandbox):
    spotify = spotify_settings(StandIn(sandbox).start())
    with Household("sessions-locked", workers=1, SWINGMUSIC_FCGI_METADATA_AUTH="session", **spotify) as opened:
        opened.known = opened.log_in("bob")["accesstoken"]
        opened.hit = f"/spotify/v1/tracks/{spotify_id('locked')}"
        eventually(lambda: opened.ask("GET", opened.hit, bearer=opened.known).status == 200, 60, what="what is asked for is known")
        yield opened


def settle(own):
    """What is remembered of a token counts for as long as the file is not written; it is remembered from a second after that on."""
    time.sleep(2.2)
    for _ in range(5):
        assert own.ask("GET", own.hit, bearer=own.known).status == 200


def sessions(own):
    return own.sandbox.path("data") / "sessions.db"


@contextmanager
def held(path):
    """The database is another process's alone."""
    holder = sqlite3.connect(path, isolation_level=None, timeout=10)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def hits(own, end, bearer=None):
    """Hits of a known user, one after the other, until `end` says so."""
    answers = []
    with http.Connection(own.nginx.port) as connection:
        while not end():
            answers.append(connection.get(own.hit, {"Authorization": f"Bearer {bearer or own.known}"}))
            time.sleep(0.003)
    return answers


def after(seconds):
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def newcomers_while_held(own, pool):
    """24 tokens of swingmusic's are seen for the first time while the file is held for a second. The hits of a known user before; those
    meanwhile, and until all are let in; the answers to the new ones; when the lock ended."""
    settle(own)
    idle = hits(own, after(1.0))
    with held(sessions(own)):
        asked = [pool.submit(own.ask, "GET", path, bearer=token(claims(1 + number % 3)))
                 for number, path in enumerate(["/auth/verify", "/files/song.flac", own.hit, "/auth/user"] * 6)]
        known = hits(own, after(1.0))
    released = time.monotonic()
    known += hits(own, lambda: all(each.done() for each in asked))
    return idle, known, [each.result() for each in asked], released


def test_hits_of_a_known_user_do_not_wait_while_new_tokens_do(own):
    worst = []
    with ThreadPoolExecutor(24) as pool:
        for _ in range(3):
            idle, known, new, released = newcomers_while_held(own, pool)
            assert len(known) > 10 and {answer.status for answer in known} == {200}
            assert {answer.status for answer in new} <= {200, 204}, new
            assert max(answer.started + answer.seconds - released for answer in new) < 1.0
            # On a machine that others keep busy no hit is as fast, be anything held or not.
            worst.append((max(answer.seconds for answer in known), max(answer.seconds for answer in idle)))
            if worst[-1][0] <= max(BRIEF, worst[-1][1]):
                return
    raise AssertionError(f"the worst hits took, and when nothing was held: {worst} s")


def test_one_that_is_brought_by_many_is_let_in_once(own):
    settle(own)
    new = token(claims(3))
    with ThreadPoolExecutor(40) as pool, held(sessions(own)):
        asked = [pool.submit(own.ask, "GET", "/auth/verify", bearer=new) for _ in range(40)]
        time.sleep(0.5)
    assert {each.result().status for each in asked} == {204}
    with sqlite3.connect(sessions(own)) as db:
        assert db.execute("SELECT count(*) FROM session WHERE userID = 3").fetchone() == (1,)


def test_a_user_who_changed_is_not_let_in_before_that_is_settled(own):
    settle(own)
    carol = own.log_in("carol")["accesstoken"]
    assert own.ask("GET", own.hit, bearer=carol).status == 200
    settle(own)
    with ThreadPoolExecutor(8) as pool:
        with held(sessions(own)):
            own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 3", password_hash("other"))
            asked = [pool.submit(own.ask, "GET", path, bearer=carol) for path in (own.hit, "/auth/verify", "/auth/user", "/files/song.flac") * 2]
            known = hits(own, after(0.5))
            assert not any(each.done() for each in asked), "nobody can say yet that the session goes on, or that it ended"
        assert {each.result().status for each in asked} == {401}
    assert {answer.status for answer in known} == {200}


def test_a_cookie_that_is_due_is_no_reason_to_wait(own):
    due = token(claims(3, issued=int(time.time()) - 25 * 86400))
    # The first answer that had to wait for the token anyway brings the new one; it is handed out for a minute.
    made = own.ask("GET", "/auth/verify", cookie=due)
    assert made.status == 204 and "access_token_cookie=" in made.headers["set-cookie"]
    second = token(claims(3, issued=int(time.time()) - 25 * 86400 - 5))
    assert own.ask("GET", own.hit, bearer=second).status == 200
    settle(own)
    assert own.ask("GET", own.hit, bearer=second).status == 200
    with held(sessions(own)):
        # Known, and now asked with the cookie: due, and not to be had.
        answers = [own.ask("GET", own.hit, cookie=second) for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert not any("set-cookie" in answer.headers for answer in answers)
        assert sorted(answer.seconds for answer in answers)[10] <= BRIEF
        # nginx's question has its cookie with the answer, but for a lock that lasts.
        verified = own.ask("GET", "/auth/verify", cookie=second)
        assert verified.status == 204 and "set-cookie" not in verified.headers and verified.seconds < 1
    eventually(lambda: "set-cookie" in own.ask("GET", own.hit, cookie=second).headers, 10, what="a later answer brings the cookie")
    assert "set-cookie" in own.ask("GET", "/auth/verify", cookie=second).headers


def write_sessions(own):
    """What was remembered of the file counts no more."""
    with sqlite3.connect(sessions(own)) as db:
        db.execute("UPDATE session SET beganAt = beganAt")
    return sessions(own)


def take_users_out_of_wal(own):
    """Readers of a WAL meet no writer; those of another journal do."""
    path = own.swingmusic.folder / "swingmusic.db"
    with own.swingmusic.database() as db:
        db.execute(f"VACUUM INTO '{path}.new'")
    path.with_suffix(".db.new").replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


@pytest.mark.parametrize("touch, statuses", [(write_sessions, {200}), (take_users_out_of_wal, {200, 503})])
def test_what_has_to_be_read_from_a_file_that_is_held_holds_nobody_else(own, touch, statuses):
    settle(own)
    path = touch(own)
    with ThreadPoolExecutor(40) as pool:
        with held(path):
            asked = [pool.submit(own.ask, "GET", own.hit, bearer=own.known) for _ in range(32)]
            lists = [pool.submit(own.ask, "GET", "/auth/users") for _ in range(4)]
            time.sleep(0.1)
            others = [own.ask("GET", HEALTH) for _ in range(20)]
            assert {answer.status for answer in others} == {200}
            assert sorted(answer.seconds for answer in others)[10] <= BRIEF
        # sessions.db is waited for, swingmusic's own file for a quarter of a second.
        assert {each.result().status for each in asked} <= statuses
        assert {each.result().status for each in lists} <= {200, 503}
    assert own.ask("GET", own.hit, bearer=own.known).status == 200


def test_signing_in_is_not_kept_waiting_by_new_tokens(own):
    with ThreadPoolExecutor(60) as pool:
        with held(sessions(own)):
            new = [pool.submit(own.ask, "GET", "/auth/verify", bearer=token(claims(1 + number % 3))) for number in range(50)]
            login = pool.submit(own.log_in, "bob")
            time.sleep(1.0)
        assert login.result()["accesstoken"]
        assert {each.result().status for each in new} == {204}


def test_a_lock_that_lasts_is_answered_503_and_at_a_guard_403(own):
    settle(own)
    with ThreadPoolExecutor(4) as pool:
        with held(sessions(own)):
            asked = {path: pool.submit(own.ask, "GET", path, bearer=token(claims(2))) for path in (own.hit, "/auth/verify", "/auth/user")}
            answers = {path: each.result() for path, each in asked.items()}
    for path, status in ((own.hit, 503), ("/auth/verify", 403), ("/auth/user", 503)):
        assert answers[path].status == status and 4 < answers[path].seconds < 8, answers[path]
        assert status == 403 or answers[path].headers["retry-after"] == "5"


def test_a_held_cache_keeps_nobody_from_being_known(own):
    """What is shown of sessions that end is removed from the caches by nobody who is waited for."""
    with own.swingmusic.database() as database:
        for user in range(10, 22):
            database.execute("INSERT INTO user VALUES (?, NULL, 'x', ?, '[]', NULL)", (user, f"user {user}"))
    changed = [token(claims(user)) for user in range(10, 22)]
    assert {own.ask("GET", "/auth/user", bearer=each).status for each in changed} == {200}
    with held(own.sandbox.path("data") / "cache.db"):
        own.swingmusic.execute("UPDATE user SET password = 'y' WHERE id >= 10")
        began = time.monotonic()
        with ThreadPoolExecutor(16) as threads:
            refused = [threads.submit(own.ask, "GET", "/auth/user", bearer=each) for each in changed]
            new = [threads.submit(own.ask, "GET", "/auth/verify", bearer=token(claims(3, issued=int(time.time()) - back))) for back in range(4)]
            assert {each.result().status for each in refused} == {401}
            assert {each.result().status for each in new} == {204}
        assert time.monotonic() - began < 1.4, "a wait for cache.db is 1.5 s"
