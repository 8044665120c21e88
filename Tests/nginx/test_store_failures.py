"""DragonflyDB (here: redis-server) dies, freezes, forgets and comes back with old data, under load: nothing shows."""

import random
import shutil
import signal
import threading
import time

import pytest

from harness.house import ADMIN, cache_status
from harness.http import Connection
from harness.ledger import Ledger
from harness.oddstore import OddStore
from harness.process import send_signal
from harness.redis import RedisServer
from harness.responder import ADMIN_TOKEN
from harness.waiting import eventually

TIMEOUT = 0.25  # DRAGONFLYDB_TIMEOUT's default, in seconds
DONE = (200, 201, 204)


def back_within_three_seconds(ledger, returned):
    """The first answer from the store comes within 3 s of its return."""
    first = eventually(lambda: ledger.first_read_from("dragonfly", returned), 6, what="an answer from the store again")
    assert first - returned <= 3.0, f"the store was used again only after {first - returned:.1f} s"


def assert_nothing_showed(ledger, usual):
    assert ledger.troubles == [], f"{len(ledger.troubles)} reads returned what they may not: {ledger.troubles[:3]}"
    assert ledger.failures == [], f"{len(ledger.failures)} requests failed: {ledger.failures[:3]}"
    assert ledger.longest() <= usual + 2 * TIMEOUT, f"usual {usual:.3f} s, longest {ledger.longest():.3f} s"


def test_no_read_is_wrong_and_no_request_fails_whatever_the_store_does(new_house):
    house = new_house("steady", store=True)
    store = house.store
    with Ledger(house.port, ADMIN_TOKEN) as ledger:
        ledger.run(2)
        usual = max(ledger.longest(), 0.05)
        old = store.save("old")
        ledger.run(1)

        store.kill()
        ledger.run(1.5)
        store.start()
        back_within_three_seconds(ledger, time.monotonic())

        ledger.run(0.5)
        store.freeze()
        ledger.run(10)
        store.thaw()
        back_within_three_seconds(ledger, time.monotonic())

        ledger.run(0.5)
        store.kill()
        store.start(snapshot=old)
        back_within_three_seconds(ledger, time.monotonic())
        ledger.run(1)

        store.kill()
        ledger.run(1)
        store.start(snapshot=old)
        back_within_three_seconds(ledger, time.monotonic())
        ledger.run(1)
    ledger.check_everything()
    assert len(ledger.entries) > 2000
    assert_nothing_showed(ledger, usual)


def test_nothing_acknowledged_is_lost_when_workers_are_killed_meanwhile(new_house):
    house = new_house("kills", store=True)
    chance, ended = random.Random(7), threading.Event()

    def kill_workers():
        while not ended.wait(0.7):
            pids = house.responder.worker_pids()
            if len(pids) == 4:
                send_signal(chance.choice(pids), signal.SIGKILL)

    killer = threading.Thread(target=kill_workers)
    with Ledger(house.port, ADMIN_TOKEN) as ledger:
        ledger.run(1)
        old = house.store.save("old")
        killer.start()
        ledger.run(1)
        house.store.kill()
        ledger.run(1)
        house.store.start()
        ledger.run(1)
        house.store.freeze()
        ledger.run(2)
        house.store.thaw()
        ledger.run(1)
        house.store.kill()
        house.store.start(snapshot=old)
        ledger.run(2)
        ended.set()
        killer.join()
    eventually(lambda: len(house.responder.worker_pids()) == 4, 10, what="all workers are back")
    ledger.check_everything()
    house.responder.kill()
    house.responder.start()
    ledger.check_everything()
    assert ledger.troubles == [], ledger.troubles[:3]
    assert len(ledger.failures) <= len(ledger.entries) * 0.05, ledger.failures[:3]
    assert all(answer.status in (0, 502) for _, answer in ledger.failures), ledger.failures[:3]


@pytest.mark.parametrize("trouble", ["frozen", "down", "crashed-after-both"])
def test_a_deleted_key_is_never_served_again(new_house, trouble):
    house = new_house("deleted", store=True)
    store = house.store
    paths = [f"/cache/{name}/deleted-{n}" for name in ("session", "user", "temp") for n in range(8)]
    for path in paths:
        assert house.admin("PUT", path, b"revoked later").status in DONE
        assert house.admin("GET", path).status == 200
    old = store.save("old")
    if trouble == "frozen":
        store.freeze()
    elif trouble == "down":
        store.kill()
    for path in paths:
        assert house.admin("DELETE", path).status in DONE

    seen, ended = [], threading.Event()

    def read():
        with Connection(house.port) as connection:
            while not ended.is_set():
                for path in paths:
                    answer = connection.get(path, ADMIN)
                    seen.append((answer.status, answer.cache_status))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    if trouble == "frozen":
        store.thaw()
        ended.wait(1.5)
    if trouble != "down":
        store.kill()
    store.start(snapshot=old)
    house.admin("PUT", "/cache/user/other", b"x")
    eventually(lambda: cache_status(house.admin("GET", "/cache/user/other"))["detail"] == "dragonfly", 5,
               what="the store is used again")
    ended.wait(1)
    ended.set()
    for reader in readers:
        reader.join(10)
    assert len(seen) > 100 and {status for status, _ in seen} == {404}, [one for one in seen if one[0] != 404][:3]


def use(house, count=60):
    """Reads and writes of all caches; everything must work whatever the store is. The slowest's seconds."""
    slowest = 0.0
    with house.connection() as kept:
        for number in range(count):
            path, value = f"/cache/{('session', 'user', 'temp')[number % 3]}/use-{number % 9}", b"value %d" % number
            for answer, expected in ((kept.request("PUT", path, ADMIN, value), None), (kept.get(path, ADMIN), value)):
                assert answer.status in DONE and (expected is None or answer.body == expected), answer
                slowest = max(slowest, answer.seconds)
        assert kept.request("DELETE", path, ADMIN).status in DONE
        assert kept.get(path, ADMIN).status == 404
    return slowest


def lines_about(house, *words):
    return [line for line in house.responder.log().splitlines() if any(word.lower() in line.lower() for word in words)]


def assert_said_once(house, *words):
    """The log says which trouble it is, and saying it does not grow with the requests."""
    eventually(lambda: lines_about(house, *words), 5, what=f"the log mentions {words}")
    about = lines_about(house, "dragonfly")
    use(house)
    use(house)
    more = lines_about(house, "dragonfly")
    assert len(more) <= len(about) + 1, more[-5:]
    assert len(more) <= 6, more


@pytest.mark.parametrize("manner, words", [
    ("silent", ("timed out", "timeout", "deadline", "not answer")),
    ("http", ("protocol", "something else", "foreign")),
    ("loading", ("loading",)),
    ("garbage", ("protocol", "something else", "foreign")),
    ("closing", ("closed", "reset", "end of file")),
])
def test_service_goes_on_from_sqlite_when_the_store_is(new_house, sandbox, manner, words):
    house = new_house(f"odd-{manner}", workers=1, store=OddStore(sandbox, manner))
    assert use(house) <= 2 * TIMEOUT + 0.25
    assert cache_status(house.admin("GET", "/cache/temp/use-2"))["detail"] == "sqlite"
    assert_said_once(house, *words)
    assert house.admin("GET", "/dragonfly/health").json()["connected"] is False


def test_service_goes_on_from_sqlite_when_nobody_listens(new_house):
    house = new_house("nobody", workers=1, store=True)
    house.store.kill()
    assert use(house) <= 2 * TIMEOUT + 0.25
    assert_said_once(house, "refused", "connect")


def test_service_goes_on_when_the_store_needs_a_password(new_house, sandbox):
    store = RedisServer(sandbox, password="right").start()
    house = new_house("needs-password", workers=1, DRAGONFLYDB_HOST="127.0.0.1", DRAGONFLYDB_PORT=str(store.port))
    use(house)
    assert_said_once(house, "password", "auth", "NOAUTH")


def test_service_goes_on_when_the_stores_password_is_another(new_house, sandbox):
    store = RedisServer(sandbox, password="right").start()
    house = new_house("wrong-password", workers=1, DRAGONFLYDB_HOST="127.0.0.1", DRAGONFLYDB_PORT=str(store.port),
                      DRAGONFLYDB_PASSWORD="wrong-5e1f")
    use(house)
    assert_said_once(house, "password", "auth", "WRONGPASS")
    assert "wrong-5e1f" not in house.responder.log()


def test_service_goes_on_when_the_store_is_full(new_house, sandbox):
    store = RedisServer(sandbox, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction").start()
    house = new_house("full", workers=1, store=store)
    use(house)
    assert_said_once(house, "OOM", "memory", "full")
    assert house.admin("GET", "/dragonfly/health").json()["connected"] is True


def test_service_goes_on_when_the_store_is_read_only(new_house):
    house = new_house("replica", workers=1, store=True)
    house.store.command("REPLICAOF", "127.0.0.1", "1")
    use(house)
    assert_said_once(house, "READONLY", "read only", "read-only")


def test_an_evicting_store_is_no_loss(new_house, sandbox):
    store = RedisServer(sandbox, "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random").start()
    house = new_house("evicting", workers=2, store=store)
    values = {f"/cache/user/evicted-{n}": b"%d " % n * 20_000 for n in range(100)}
    for path, value in values.items():
        assert house.admin("PUT", path, value).status in DONE
    tiers = set()
    for path, value in values.items():
        answer = house.admin("GET", path)
        assert answer.body == value
        tiers.add(cache_status(answer)["detail"])
    assert "sqlite" in tiers


@pytest.mark.parametrize("spoil", [
    lambda store, key: store.pipeline([("DEL", key), ("LPUSH", key, "a list")]),
    lambda store, key: store.command("SET", key, "somebody else's value"),
    lambda store, key: store.command("SET", key, b""),
    lambda store, key: store.command("SETRANGE", key, 0, b"\xff" * 8),
    lambda store, key: store.command("APPEND", key, b"tail"),
    lambda store, key: store.command("SET", key, store.command("GET", key)[:5]),
], ids=["list", "foreign", "empty", "spoilt-head", "longer", "cut"])
@pytest.mark.parametrize("name", ["session", "temp"])
def test_a_wrong_typed_or_foreign_value_in_the_store_is_ignored(spoilt_house, spoil, name):
    house = spoilt_house
    path = f"/cache/{name}/spoilt"
    house.admin("PUT", path, b"the real value")
    [key] = house.store.keys_ending_in(f"{name}:spoilt") or house.store.keys_ending_in("spoilt")
    spoil(house.store, key)
    for _ in range(3):
        assert house.admin("GET", path).body == b"the real value"
    assert house.admin("DELETE", path).status in DONE
    assert house.admin("GET", path).status == 404


@pytest.fixture(scope="module")
def spoilt_house(open_house):
    return open_house("spoilt", workers=2, store=True)


def test_what_another_installation_left_in_the_store_is_not_ours(new_house):
    """Two programs with data folders of their own on one store: the copies of one are nothing to the other."""
    house = new_house("two-houses", workers=1, store=True)
    other = new_house("other-house", workers=1, store=house.store)
    for number in range(3):
        house.admin("PUT", "/cache/session/shared", b"mine %d" % number)
        other.admin("PUT", "/cache/session/shared", b"theirs %d" % number)
        assert house.admin("GET", "/cache/session/shared").body == b"mine %d" % number
        assert other.admin("GET", "/cache/session/shared").body == b"theirs %d" % number
    other.admin("DELETE", "/cache/session/shared")
    assert house.admin("GET", "/cache/session/shared").body == b"mine 2"


def test_a_data_folder_that_was_copied_does_not_take_the_others_copies_for_its_own(new_house):
    house = new_house("first-house", workers=1, store=True)
    house.admin("PUT", "/cache/spotify/shared", b"both")
    house.responder.stop()
    other = new_house("its-copy", workers=1, store=house.store, start=False)
    shutil.copytree(house.sandbox.path("data"), other.sandbox.path("data"), dirs_exist_ok=True)
    house.responder.start()
    other.responder.start()
    for number in range(4):
        house.admin("PUT", "/cache/spotify/shared", b"mine %d" % number)
        other.admin("PUT", "/cache/spotify/shared", b"theirs %d" % number)
        assert {house.admin("GET", "/cache/spotify/shared").body for _ in range(3)} == {b"mine %d" % number}
        assert {other.admin("GET", "/cache/spotify/shared").body for _ in range(3)} == {b"theirs %d" % number}


def test_a_store_that_appears_after_the_start_is_used_within_three_seconds(new_house):
    house = new_house("late", workers=1, store=True, start=False)
    house.store.kill()
    house.responder.start()
    house.admin("PUT", "/cache/temp/late", b"x")
    house.store.start()
    returned = time.monotonic()
    eventually(lambda: cache_status(house.admin("GET", "/cache/temp/late"))["detail"] == "dragonfly", 6, every=0.1)
    assert time.monotonic() - returned <= 3.2
