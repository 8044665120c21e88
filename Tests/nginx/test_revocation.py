"""What ends a session ends every token of it at every worker with the very next request, whatever becomes of the store, the
processes and the cache. Each of the four workers has a socket of its own, so that each is asked and not just some of them."""

import json
import time

import pytest

from harness.swingmusic import claims, password_hash, token
from harness.waiting import eventually
from harness.workers import Workers

USERS = ["admin", "leaves", "is-revoked", "new-password", "is-deleted", "stays"]


class Family:
    """All tokens of a user: those of a login here and what was refreshed, those of a device that was paired from there, and those of a login
    at swingmusic, with the cookie that was renewed and what was refreshed there."""

    def __init__(self, workers, name):
        self.workers, self.name, self.id = workers, name, USERS.index(name) + 1
        first = workers.log_in(name)
        refreshed = workers.tokens(1, "POST", "/auth/refresh", bearer=first["refreshtoken"])
        code = json.loads(workers.ask(2, "GET", "/auth/getpaircode", bearer=refreshed["accesstoken"]).body)["code"]
        paired = workers.tokens(3, "GET", "/auth/pair", query=f"code={code}")
        issued = int(time.time()) - 25 * 86400
        theirs, their_refresh = token(claims(self.id, issued=issued)), token(claims(self.id, "refresh", issued=issued))
        cookie = workers.ask(1, "GET", "/auth/user", cookie=theirs).headers["set-cookie"]
        renewed = cookie.removeprefix("access_token_cookie=").partition(";")[0]
        again = workers.tokens(2, "POST", "/auth/refresh", bearer=their_refresh)
        #: One token of each session, to end it by.
        self.keys = [refreshed["accesstoken"], paired["accesstoken"], renewed]
        self.access = [first["accesstoken"], refreshed["accesstoken"], paired["accesstoken"], theirs, renewed, again["accesstoken"]]
        self.refresh = [first["refreshtoken"], refreshed["refreshtoken"], paired["refreshtoken"], their_refresh, again["refreshtoken"]]
        # Every worker has seen each of them, and remembers what it may.
        assert self.good() == 4 * len(self.access)

    def good(self):
        return sum(self.workers.access_is_good(worker, access) for access in self.access for worker in range(4))

    def assert_ended(self):
        for worker in range(4):
            for access in self.access:
                assert not self.workers.access_is_good(worker, access), (self.name, worker, access)
            for refresh in self.refresh:
                assert not self.workers.refresh_is_good(worker, refresh), (self.name, worker, refresh)


def leave(workers, family):
    for key in family.keys:
        assert workers.ask(3, "GET", "/auth/logout", cookie=key).status == 200


def revoke(workers, family):
    admin = workers.log_in("admin")["accesstoken"]
    listed = json.loads(workers.ask(1, "GET", "/auth/sessions", bearer=admin, query=f"user={family.id}").body)["sessions"]
    assert len(listed) == len(family.keys)
    for session in listed:
        assert workers.ask(2, "DELETE", f"/auth/sessions/{session['id']}", bearer=admin).status == 200


def change_password(workers, family):
    workers.swingmusic.execute("UPDATE user SET password = ? WHERE id = ?", password_hash("another one"), family.id)


def delete(workers, family):
    workers.swingmusic.execute("DELETE FROM user WHERE id = ?", family.id)


EVENTS = {"leaves": leave, "is-revoked": revoke, "new-password": change_password, "is-deleted": delete}


def end_all(workers, families):
    for name, event in EVENTS.items():
        event(workers, families[name])


def assert_all_ended(families):
    for name in EVENTS:
        families[name].assert_ended()
    assert families["stays"].good() == 4 * len(families["stays"].access)


@pytest.fixture
def workers(sandbox):
    return Workers(sandbox, USERS)


@pytest.fixture
def families(workers):
    return {name: Family(workers, name) for name in USERS[1:]}


def test_with_the_store_up(workers, families):
    end_all(workers, families)
    assert_all_ended(families)


def test_with_the_store_frozen(workers, families):
    workers.store.freeze()
    end_all(workers, families)
    assert_all_ended(families)
    workers.store.thaw()
    eventually(lambda: all("DragonflyDB is used" in log.rpartition("is not used")[2] for log in workers.logs()), 20,
               what="every worker uses the store again")
    assert_all_ended(families)


def test_with_the_store_down(workers, families):
    workers.store.kill()
    end_all(workers, families)
    assert_all_ended(families)


def test_with_a_store_that_returned_with_an_old_snapshot(workers, families):
    snapshot = workers.store.save()
    end_all(workers, families)
    workers.store.kill()
    for worker in range(4):
        workers.ask(worker, "GET", "/auth/sessions", bearer=families["stays"].access[0])
    workers.store.start(snapshot=snapshot)
    eventually(lambda: all("DragonflyDB is used" in log.rpartition("is not used")[2] for log in workers.logs()), 20,
               what="every worker uses the store again")
    assert_all_ended(families)


def test_after_kill_9_of_everything(workers, families):
    end_all(workers, families)
    workers.kill()
    workers.store.kill()
    workers.store.start()
    workers.start()
    assert_all_ended(families)


def test_after_cache_db_was_deleted(workers, families):
    end_all(workers, families)
    workers.kill()
    for path in workers.sandbox.path("data").glob("cache.db*"):
        path.unlink()
    workers.start()
    assert_all_ended(families)


def test_after_cache_db_was_deleted_under_running_workers(workers, families):
    for path in workers.sandbox.path("data").glob("cache.db*"):
        path.unlink()
    end_all(workers, families)
    assert_all_ended(families)
