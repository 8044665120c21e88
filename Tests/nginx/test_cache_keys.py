"""Keys of the caches listed, numbers added to, ends moved, prefixes cleared; and the token that is for the caches alone."""

import json
import random
import sqlite3
import subprocess
import threading
import time
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest

from harness import fastcgi, http
from harness.house import ADMIN, assert_plain_error, cache_status
from harness.sandbox import executable
from harness.waiting import eventually

DONE = (200, 201, 204)
CACHE_TOKEN = "the-cache-token-of-the-tests-8f14e45fceea"


@pytest.fixture(scope="module")
def with_store(open_house):
    return open_house("cache-keys", workers=2, store=True, SWINGMUSIC_FCGI_CACHE_TOKEN=CACHE_TOKEN)


@pytest.fixture(scope="module")
def without_store(open_house):
    return open_house("cache-keys-sqlite", workers=2, SWINGMUSIC_FCGI_CACHE_TOKEN=CACHE_TOKEN)


@pytest.fixture(params=["dragonfly", "sqlite"])
def house(request):
    return request.getfixturevalue("with_store" if request.param == "dragonfly" else "without_store")


def page(house, path):
    answer = house.admin("GET", path)
    assert answer.status == 200 and answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store", answer
    found = answer.json()
    assert set(found) == {"keys", "next"}
    for key in found["keys"]:
        assert {"key", "expires"} <= set(key) <= {"key", "expires", "stale", "percent_encoded"}
    return found


def all_keys(house, path):
    """As bytes, and how many pages they took."""
    keys, pages = [], 0
    while path:
        found = page(house, path)
        keys += [unquote_to_bytes(key["key"]) if key.get("percent_encoded") else key["key"].encode() for key in found["keys"]]
        path, pages = found["next"], pages + 1
    return keys, pages


# Lists.

def test_keys_of_any_bytes_come_in_their_order_each_once(house):
    house.admin("DELETE", "/cache/temp")
    dice = random.Random(7)
    wanted = {bytes(dice.choice(b"ab/:%&=+#? \xff\x01\xc3\xa9") for _ in range(dice.randrange(1, 9))) for _ in range(300)}
    wanted = {key for key in wanted if house.admin("PUT", "/cache/temp/" + quote_from_bytes(key, safe=""), b"x").status in DONE}
    assert len(wanted) > 100
    for limit in (1, 7, 100, 1000):
        if limit == 1 and len(wanted) > 400:
            continue
        keys, pages = all_keys(house, f"/cache/temp?limit={limit}")
        assert keys == sorted(wanted) and pages == -(-len(wanted) // limit)
    for prefix in (b"a", b"a/", b"\xff", b"%", b"&", b"+", b"\xc3\xa9"):
        keys, _ = all_keys(house, f"/cache/temp?limit=50&prefix={quote_from_bytes(prefix, safe='')}")
        assert keys == sorted(key for key in wanted if key.startswith(prefix))
    start = sorted(wanted)[50]
    keys, _ = all_keys(house, f"/cache/temp?after={quote_from_bytes(start, safe='')}")
    assert keys == sorted(wanted)[51:]


def test_a_list_tells_when_entries_end(house):
    house.admin("DELETE", "/cache/temp")
    house.admin("PUT", "/cache/temp/hour?ttl=1h", b"x")
    house.admin("PUT", "/cache/temp/soon?ttl=1s", b"x")
    found = page(house, "/cache/temp")
    assert found["next"] is None and [key["key"] for key in found["keys"]] == ["hour", "soon"]
    assert abs(found["keys"][0]["expires"] - time.time() - 3600) <= 2
    assert eventually(lambda: [key["key"] for key in page(house, "/cache/temp")["keys"]] == ["hour"], 5)


def test_a_stale_record_is_told_from_a_fresh_one_by_a_header_alone(house):
    house.admin("DELETE", "/cache/spotify")
    assert house.admin("PUT", "/cache/spotify/list/a", b"x").status in DONE
    assert house.admin("PUT", "/cache/spotify/list/b", b"x").status in DONE
    assert house.admin("DELETE", "/cache/spotify/list/a").status in DONE
    for method in ("GET", "HEAD"):
        assert cache_status(house.admin(method, "/cache/spotify/list/a"))["ttl"] < 0
        assert cache_status(house.admin(method, "/cache/spotify/list/b"))["ttl"] >= 0
    [one, other] = page(house, "/cache/spotify?prefix=list/")["keys"]
    assert (one["key"], one["stale"]) == ("list/a", True) and other["key"] == "list/b" and "stale" not in other


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1.5", "prefix=%zz", "after=%", "limit=+5"])
def test_a_list_that_is_asked_for_badly_is_400(house, query):
    assert_plain_error(house.admin("GET", f"/cache/temp?{query}"), 400)


def test_head_of_a_list_sends_nothing(house):
    for answer in (house.admin("HEAD", "/cache/temp"), fastcgi.ask(house.responder.address, "/cache/temp", method="HEAD",
                                                                   parameters={"HTTP_AUTHORIZATION": ADMIN["Authorization"]})):
        assert answer.status == 200 and answer.body == b""


def test_other_methods_are_405_with_those_that_are(house):
    for method in ("POST", "PUT", "PATCH"):
        answer = house.admin(method, "/cache/temp", b"")
        assert answer.status == 405 and set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
    assert set(house.admin("PATCH", "/cache/temp/x", b"").headers["allow"].split(", ")) == {"GET", "HEAD", "PUT", "POST", "DELETE"}


# Numbers.

def test_a_number_is_added_to_and_keeps_its_end(house):
    house.admin("DELETE", "/cache/temp/n")
    first = house.admin("POST", "/cache/temp/n?incr=1&ttl=90s")
    assert (first.status, first.json()) == (200, {"value": 1})
    assert house.admin("POST", "/cache/temp/n?incr=41&ttl=9h").json() == {"value": 42}
    assert house.admin("POST", "/cache/temp/n?incr=-50").json() == {"value": -8}
    answer = house.admin("GET", "/cache/temp/n")
    assert answer.body == b"-8" and 85 <= cache_status(answer)["ttl"] <= 90
    house.admin("PUT", "/cache/temp/n", b"7")
    assert house.admin("POST", "/cache/temp/n?incr=0").json() == {"value": 7}


@pytest.mark.parametrize("value", [b"", b"x", b"1.5", b" 1", b"+1", b"01", b"9223372036854775807", b"\xff", b"1\n"])
def test_what_is_no_number_is_409_and_stays(house, value):
    house.admin("PUT", "/cache/temp/n", value)
    assert_plain_error(house.admin("POST", "/cache/temp/n?incr=1"), 409)
    assert house.admin("GET", "/cache/temp/n").body == value


@pytest.mark.parametrize("query", ["incr=", "incr=x", "incr=1.5", "incr=9223372036854775808", "incr=01", "incr=1&ttl=x", "ttl=", "ttl=-5s", "incr=1&by=2",
                                   "incr=1&incr=2", "incr=%zz", "incr=%201"])
def test_what_is_asked_for_badly_is_400_and_changes_nothing(house, query):
    house.admin("PUT", "/cache/temp/n", b"5")
    assert_plain_error(house.admin("POST", f"/cache/temp/n?{query}"), 400)
    assert house.admin("GET", "/cache/temp/n").body == b"5"


@pytest.mark.parametrize("name", ["temp", "user", "spotify"])
def test_many_who_add_at_once_lose_nothing(house, name):
    house.admin("DELETE", f"/cache/{name}/many")
    house.admin("PUT", f"/cache/{name}/many", b"0")
    sums, lock = [], threading.Lock()

    def add():
        with house.connection() as kept:
            for _ in range(25):
                answer = kept.request("POST", f"/cache/{name}/many?incr=1", ADMIN)
                with lock:
                    sums.append(answer.json()["value"])

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(sums) == list(range(1, 201))
    # No worker, no memory and no copy has an older one.
    assert {house.admin("GET", f"/cache/{name}/many").body for _ in range(12)} == {b"200"}


def test_no_worker_serves_the_number_of_before(house):
    for name in ("spotify", "session"):
        house.admin("PUT", f"/cache/{name}/seen", b"0")
        for number in range(1, 30):
            assert {house.admin("GET", f"/cache/{name}/seen").body for _ in range(4)} == {b"%d" % (number - 1)}
            assert house.admin("POST", f"/cache/{name}/seen?incr=1").json() == {"value": number}


# Ends.

def test_another_end_is_given_to_what_is_there(house):
    house.admin("PUT", "/cache/session/touched?ttl=60s", b"x")
    assert house.admin("POST", "/cache/session/touched?ttl=2h").status == 204
    assert {cache_status(house.admin("GET", "/cache/session/touched"))["ttl"] // 60 for _ in range(8)} <= {119, 120}
    assert house.admin("POST", "/cache/session/touched").status == 204
    assert 86390 <= cache_status(house.admin("GET", "/cache/session/touched"))["ttl"] <= 86400
    assert house.admin("POST", "/cache/session/touched?ttl=1s").status == 204
    eventually(lambda: house.admin("GET", "/cache/session/touched").status == 404, 5)
    assert_plain_error(house.admin("POST", "/cache/session/touched?ttl=1h"), 404)
    assert_plain_error(house.admin("POST", "/cache/session/absent?ttl=1h"), 404)


def test_the_catalogs_own_entries_are_not_changed(house):
    [path] = house.fill(name="changed")
    key = "/cache/spotify/catalog:track/" + path.rpartition("/")[2]
    assert house.admin("GET", key).status == 200
    for method, query in (("POST", "?incr=1"), ("POST", "?ttl=1h"), ("PUT", "")):
        assert_plain_error(house.admin(method, key + query), 403)


# Clearing.

def test_a_prefix_is_cleared_and_nothing_else(house):
    def put():
        house.admin("DELETE", "/cache/temp")
        for key in ("a/1", "a/2", "ab", "a:1", "b"):
            assert house.admin("PUT", f"/cache/temp/{key}", b"x").status in DONE

    for prefix, gone in (("a/", {b"a/1", b"a/2"}), ("a", {b"a/1", b"a/2", b"ab", b"a:1"}), ("a%3A", {b"a:1"}), ("zz", set()), ("b", {b"b"})):
        put()
        answer = house.admin("DELETE", f"/cache/temp?prefix={prefix}")
        assert (answer.status, answer.json()) == (200, {"cleared": len(gone)})
        for _ in range(3):
            assert set(all_keys(house, "/cache/temp")[0]) == {b"a/1", b"a/2", b"ab", b"a:1", b"b"} - gone
        for key in gone:
            assert {house.admin("GET", "/cache/temp/" + key.decode()).status for _ in range(4)} == {404}


@pytest.mark.parametrize("method, path", [
    ("DELETE", "/cache/temp?prefx=a/"), ("DELETE", "/cache/temp?prefix="), ("DELETE", "/cache/temp?prefix"), ("DELETE", "/cache/temp?prefix=a&x=1"),
    ("DELETE", f"/cache/temp?prefix={'a' * 513}"), ("DELETE", "/cache/temp?prefix=a&prefix=b"), ("DELETE", "/cache/temp?prefix=%zz"), ("DELETE", "/cache/temp/kept?prefix=a"),
    ("DELETE", "/cache/temp/kept?ttl=1s"), ("PUT", "/cache/temp/kept?tll=1s"), ("PUT", "/cache/temp/kept?ttl=1s&nx=1"),
    ("POST", "/cache/temp/kept?decr=1"), ("DELETE", "/cache/temp?before=2020"), ("DELETE", "/cache/temp?%70refx=a"), ("DELETE", "/cache/temp?=")])
def test_a_parameter_that_a_write_does_not_know_is_400_and_nothing_is_written(house, method, path):
    assert house.admin("PUT", "/cache/temp/kept", b"kept").status in DONE
    assert_plain_error(house.admin(method, path, b"other" if method == "PUT" else b""), 400)
    assert house.admin("GET", "/cache/temp/kept").body == b"kept"


# The token.

@pytest.mark.parametrize("path, method", [("/cache/temp/x", "GET"), ("/cache/temp/x", "PUT"), ("/cache/temp", "GET"), ("/cache/temp/n2?incr=1", "POST"),
                                          ("/cache/temp?prefix=none", "DELETE")])
def test_the_token_for_the_caches_opens_them(house, path, method):
    for token in (CACHE_TOKEN, ADMIN["Authorization"].split()[1]):
        assert house.request(method, path, {"Authorization": f"Bearer {token}"}, b"1" if method == "PUT" else b"").status in (200, 204, 404)


@pytest.mark.parametrize("method, path", [("GET", "/dragonfly/stats"), ("POST", "/dragonfly/clear-all"), ("GET", "/swingmusic-fcgi/status.json"),
                                          ("GET", "/swingmusic-fcgi/metrics"), ("GET", "/dragonfly/health")])
def test_it_opens_nothing_else_and_is_no_guess(house, method, path):
    for _ in range(12):
        answer = house.request(method, path, {"Authorization": f"Bearer {CACHE_TOKEN}"})
        assert_plain_error(answer, 403)
    assert house.admin("GET", "/dragonfly/health").status == 200


def test_a_wrong_one_is_401_and_waits_after_ten(new_house):
    house = new_house("cache-token", workers=1, SWINGMUSIC_FCGI_ADMIN_TOKEN=None, SWINGMUSIC_FCGI_CACHE_TOKEN=CACHE_TOKEN)
    assert house.request("GET", "/cache/temp", {"Authorization": f"Bearer {CACHE_TOKEN}"}).status == 200
    statuses = [house.request("GET", "/cache/temp", {"Authorization": f"Bearer wrong-{n}"}).status for n in range(25)]
    assert set(statuses) == {401, 429} and statuses[-1] in (401, 429)
    for headers in ({}, {"Authorization": "Bearer "}):
        assert_plain_error(house.request("GET", "/cache/temp", headers), 401, 429)


def test_the_token_is_read_from_a_file(new_house, sandbox):
    file = sandbox.path("token")
    file.write_text(f"{CACHE_TOKEN}\n")
    house = new_house("cache-token-file", workers=1, SWINGMUSIC_FCGI_CACHE_TOKEN_FILE=str(file))
    assert house.request("GET", "/cache/temp", {"Authorization": f"Bearer {CACHE_TOKEN}"}).status == 200


# The command line.

def command(house, *words, status=0):
    done = subprocess.run([executable(), "cache", *words], env=house.sandbox.environment(**house.responder.settings), capture_output=True, text=True, timeout=30)
    assert done.returncode == status, done
    return done.stdout


def test_the_command_line_lists_searches_and_adds(house):
    house.admin("DELETE", "/cache/temp")
    for key, value in (("shelf/one", b"Call Me Maybe"), ("shelf/two", "Für Elise".encode()), ("other", b"call")):
        house.admin("PUT", f"/cache/temp/{key}", value)
    lines = command(house, "list", "temp").splitlines()
    assert [line.split()[-1] for line in lines] == ["other", "shelf/one", "shelf/two"] and all("T" in line.split()[0] for line in lines)
    assert len(command(house, "list", "temp", "--prefix", "shelf/", "--limit", "1").splitlines()) == 1
    listed = json.loads(command(house, "list", "temp", "--after", "other", "--json"))
    assert [key["key"] for key in listed["keys"]] == ["shelf/one", "shelf/two"] and "expiresAt" in listed["keys"][0]
    assert [line.split()[-1] for line in command(house, "search", "temp", "CALL").splitlines()] == ["other", "shelf/one"]
    assert [line.split()[-1] for line in command(house, "search", "temp", "maybe", "shelf").splitlines()] == ["shelf/one"]
    assert [line.split()[-1] for line in command(house, "search", "temp", "FÜR").splitlines()] == ["shelf/two"]
    assert command(house, "search", "temp", "nothing-of-this", status=3) == ""
    assert command(house, "incr", "temp", "n") == "1\n"
    assert command(house, "incr", "temp", "n", "--by", "9") == "10\n"
    assert json.loads(command(house, "incr", "temp", "n", "--by=-3", "--json")) == {"value": 7}
    assert house.admin("GET", "/cache/temp/n").body == b"7"
    command(house, "incr", "temp", "other", status=1)
    assert house.admin("GET", "/cache/temp/other").body == b"call"


def test_the_command_line_finds_records_by_what_they_are_called(house):
    [path] = house.fill(name="searched")
    name = house.get(path).json()["name"]
    found = command(house, "search", "spotify", *name.lower().split(), "--prefix", "catalog:track/")
    assert path.rpartition("/")[2] in found


# A million.

def fill_million(house):
    """Rows as the program writes them; it is stopped meanwhile."""
    house.responder.stop()
    database = sqlite3.connect(house.sandbox.path("data/cache.db"))
    with database:
        end = int(time.time() * 1000) + 86_400_000
        rows = ((3, b"million/%07d" % n, n + 1, 1, end, b"x" * 40) for n in range(1_000_000))
        database.executemany("INSERT INTO entries (cache, key, version, stored_at, expires_at, value) VALUES (?, ?, ?, ?, ?, ?)", rows)
        database.execute("UPDATE totals SET rows = rows + 1000000, bytes = bytes + 55000000 WHERE cache = 3")
        database.execute("INSERT INTO namespaces VALUES (3, ?, 1000000, 55000000, 1)", (b"million",))
    database.close()
    house.responder.start()


def test_a_page_among_a_million_keys_takes_20_ms_and_hits_do_not_notice(new_house):
    house = new_house("million", workers=2)
    [path] = house.fill()
    fill_million(house)
    with house.connection() as kept, house.connection() as other:
        def seconds(path, connection=kept):
            answer = connection.request("GET", path, ADMIN)
            assert answer.status == 200
            return answer.seconds

        for path_of_page in ("/cache/temp?limit=100", "/cache/temp?limit=100&after=million/0500000", "/cache/temp?limit=100&prefix=million/09999",
                             "/cache/temp?limit=1000&after=million/0700000"):
            times = sorted(seconds(path_of_page) for _ in range(15))
            print(path_of_page, f"{times[len(times) // 2] * 1000:.1f} ms")
            assert times[len(times) // 2] < 0.02
        alone = sorted(seconds(path) for _ in range(300))
        stop = threading.Event()

        def list_all():
            with house.connection() as lister:
                following = "/cache/temp?limit=1000"
                while following and not stop.is_set():
                    following = lister.request("GET", following, ADMIN).json()["next"]

        lister = threading.Thread(target=list_all)
        lister.start()
        beside = sorted(seconds(path, other) for _ in range(300))
        stop.set()
        lister.join()
        print(f"hit alone {alone[150] * 1e6:.0f} us, p99 {alone[297] * 1e3:.1f} ms; beside {beside[150] * 1e6:.0f} us, p99 {beside[297] * 1e3:.1f} ms")
        assert beside[150] < alone[150] * 3 + 0.002


def test_a_million_keys_with_a_prefix_are_cleared_at_once(new_house):
    house = new_house("million-cleared", workers=2)
    fill_million(house)
    # The first is no namespace: what it covers is counted until the purge has removed it.
    for prefix, gone in (("million/01", {100_000}), ("million/", range(900_000, 1_000_001))):
        answer = house.admin("DELETE", f"/cache/temp?prefix={prefix}")
        assert answer.status == 200 and answer.json()["cleared"] in gone, answer
        assert answer.seconds < 2
        assert {house.admin("GET", "/cache/temp/million/0150000").status for _ in range(4)} == {404}
        assert house.admin("PUT", "/cache/temp/other", b"x").status in DONE
    assert page(house, "/cache/temp?limit=10&after=n")["keys"][0]["key"] == "other"
