"""Hostile bytes at random, from a seed: HTTP through nginx, and FastCGI records past it. No worker dies, stops answering or keeps anything.

HOSTILE_INPUTS=5000000 sends so many records, HOSTILE_SEED takes another seed; what the workers held is printed (pytest -s).
"""

import concurrent.futures
import contextlib
import os
import random
import signal
import socket
from pathlib import Path

import pytest

from harness import fastcgi
from harness.fastcgi import FastCGIConnection, request
from harness.house import ADMIN, track
from harness.household import Household
from harness.http import encode, parse_head
from harness.process import descriptor_targets
from harness.swingmusic import claims, token
from harness.waiting import eventually

SEED = int(os.environ.get("HOSTILE_SEED", "24"))
INPUTS = int(os.environ.get("HOSTILE_INPUTS", "20000"))
HTTP_INPUTS = min(INPUTS // 10, 20_000)
CORPUS = Path(__file__).parents[1] / "fuzz/corpus/fastcgi"

#: Pieces that somebody on the way may read in another way than the next.
PIECES = [b"\r\n", b"\n", b"\r", b"\0", b"%00", b"%2e%2e/", b"/../", b"//", b"\\", b"%0d%0a", b"?", b"#", b";", b",", b":", b" ", b"\t", b"%", b"%ff", b"\xff",
          b"\xc3", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n", b"Expect: 100-continue\r\n",
          b"Cookie: access_token_cookie=\r\n", b"Cookie: ACCESS_TOKEN_COOKIE=x; access_token_cookie=y\r\n", b"Authorization: Bearer\r\n",
          b"Authorization: Bearer a.b.c\r\n", b"Host: x\r\n", b"X-Forwarded-For: ::1\r\n", b"X-Swingmusic-Username: admin\r\n", b"Range: bytes=0-\r\n",
          b"If-None-Match: *\r\n", b"Connection: X-Swingmusic-Username\r\n", b"HTTP/1.0", b"HTTP/9.9", b"a" * 3000, b"ids=" + b"0" * 22 + b",", b"&limit=-1"]


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("hostile", workers=2)
    house.known = house.fill()[0]
    return house


@pytest.fixture(scope="module")
def household():
    with Household("hostile-sessions", workers=2) as opened:
        yield opened


def mutated(seed, chance):
    """One to four changes: a piece put in, bytes changed, cut, doubled or taken away."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind < 2:
            data[at:at] = chance.choice(PIECES)
        elif kind == 2 and data:
            data[min(at, len(data) - 1)] = chance.randrange(256)
        elif kind == 3:
            data[at:at] = data[at:at + chance.randint(1, 40)]
        elif kind == 4:
            del data[at:at + chance.randint(1, 8)]
        else:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
    return bytes(data)


#: What a request is given that is not answered: the rest of a body that is longer than it was, or of a chunk.
REST = b"x" * (2 << 20)
#: The share of requests at which nginx may hang up without a word, as at half a request of HTTP/0.9.
SILENT = 0.1
#: Seconds within which everything else is answered. A caller is parked for 25 s at most.
PATIENCE = 40


class Hangs(AssertionError):
    """Nobody answers, and nobody hangs up."""


def exchange(port, data):
    """The status of what nginx answers, with the headers; 0 where it hangs up without a word."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        try:
            connection.sendall(data)
            try:
                head = read_head(connection, 0.5)
            except TimeoutError:
                # It waits for more, or for whom it asked.
                with contextlib.suppress(TimeoutError):
                    connection.sendall(REST)
                head = read_head(connection, PATIENCE)
        except ConnectionError:
            return 0, {}
        except TimeoutError:
            raise Hangs(data) from None
    try:
        return parse_head(head.partition(b"\r\n\r\n")[0])
    except (ValueError, IndexError):  # HTTP/0.9 has no head
        return 0, {}


def read_head(connection, within):
    """What comes up to the end of a head, or of the connection."""
    connection.settimeout(within)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            break
        head += piece
    return head


def assert_hostile_http_is_harmless(nginx, workers, seeds, known):
    first = workers()

    def attempt(number):
        chance = random.Random(f"{SEED}/{number}")
        data = mutated(chance.choice(seeds), chance)
        # A head always ends, so that nginx need not wait for it.
        data = data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) if b"\r\n\r\n" in data else data + b"\r\n\r\n"
        status, headers = exchange(nginx.port, data)
        assert status != 500, (SEED, number, data)
        assert status != 503 or "retry-after" in headers, (SEED, number, headers, data)
        if number % 200 == 0:
            assert known() == 200
        return status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        every = list(pool.map(attempt, range(HTTP_INPUTS)))
    assert known() == 200
    assert workers() == first, "no worker has died"
    # What is nobody's goes on to swingmusic, which is not always there (502); the program itself gives nginx no reason to complain.
    complaints = [line for line in Path(nginx.log).read_text(errors="replace").splitlines() if "[error]" in line and "fastcgi://" in line]
    assert not complaints, "\n".join(complaints[:5])
    statuses = {status: every.count(status) for status in sorted(set(every))}
    print(f"\n{HTTP_INPUTS} hostile requests, seed {SEED}: {statuses}")
    assert statuses.get(0, 0) < HTTP_INPUTS * SILENT, "nearly all are answered"
    assert {200, 400} <= set(statuses), "both what is still right and what is wrong are among them"


def test_hostile_http_for_records_and_caches(house):
    known = house.known
    seeds = [encode(method, path, headers, body, "music.example") for method, path, headers, body in [
        ("GET", known, {}, b""), ("GET", known + "?market=SE&fields=items(track(name))", {}, b""), ("HEAD", known, {"If-None-Match": '"x"'}, b""),
        ("GET", "/spotify/v1/search?q=a%20b&type=track,album&limit=5&offset=0", {}, b""), ("GET", "/spotify/v1/albums?ids=x,y", {}, b""),
        ("GET", "/spotify/v1/tracks/https://open.spotify.com/track/" + known[-22:] + "?si=x", {}, b""),
        ("POST", "/api/catalog/search", {"Content-Type": "application/json"}, b'{"query":"x","limit":3}'),
        ("GET", "/api/catalog/track/" + known[-22:], {}, b""), ("OPTIONS", known, {"Origin": "https://a", "Access-Control-Request-Method": "GET"}, b""),
        ("PUT", "/cache/temp/a%20b?ttl=5", ADMIN, b"value"), ("GET", "/cache/temp/a%20b", ADMIN, b""), ("DELETE", "/cache/temp/a", ADMIN, b""),
        ("GET", "/dragonfly/stats", ADMIN, b""), ("GET", "/swingmusic-fcgi/status.json", ADMIN, b""), ("GET", "/swingmusic-fcgi/metrics", ADMIN, b""),
    ]]
    assert_hostile_http_is_harmless(house.nginx, house.responder.worker_pids, seeds, lambda: house.get(known).status)


def test_hostile_http_for_sessions(household):
    good = token(claims(1))
    bearer = {"Authorization": f"Bearer {good}"}
    cookie = {"Cookie": f"a=b; access_token_cookie={good}; refresh_token_cookie={good}"}
    form = {"Content-Type": "application/json"}
    seeds = [encode(method, path, headers, body, "music.example") for method, path, headers, body in [
        ("POST", "/auth/login", form, b'{"username":"nobody","password":"x"}'), ("POST", "/auth/refresh", bearer, b""), ("GET", "/auth/user", cookie, b""),
        ("GET", "/auth/sessions", bearer, b""), ("GET", "/auth/pair?code=abcdef", {}, b""), ("GET", "/auth/users", {}, b""),
        ("PUT", "/auth/profile/update", {**form, **bearer}, b'{"id":1,"email":"a"}'), ("GET", "/files/song.flac", cookie, b""),
        ("DELETE", "/auth/sessions/x", bearer, b""), ("GET", "/auth/verify", bearer, b""),
    ]]
    assert_hostile_http_is_harmless(
        household.nginx, household.responder.worker_pids, seeds, lambda: household.ask("GET", "/auth/user", bearer=good).status)


# FastCGI records. nginx sends none of these; whoever reaches the socket may.

def sent(address, seed, count):
    """Sends so many connections' bytes; answers the number of bytes."""
    chance, total = random.Random(seed), 0
    seeds = [path.read_bytes()[1:] for path in sorted(CORPUS.iterdir())]
    seeds += [request(path, method, "a=b", body, keep) for path, method, body, keep in [
        ("/spotify/v1/tracks/x", "GET", b"", True), ("/auth/login", "POST", b"{}", True), ("/cache/temp/x", "PUT", b"v" * 200, False),
        ("/api/catalog/home", "GET", b"", False)]]
    for _ in range(count):
        data = mutated(chance.choice(seeds), chance)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(address))
            try:
                connection.send(data, socket.MSG_DONTWAIT)
            except (ConnectionError, BlockingIOError):
                pass
        total += len(data)
    return total


def held(pids):
    """KiB of RssAnon, and open descriptors, of each worker."""
    def anonymous(pid):
        line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1])
    return [(anonymous(pid), len(descriptor_targets(pid))) for pid in sorted(pids)]


def test_hostile_records_leave_nothing_behind(house):
    signal.alarm(120 + INPUTS // 500)  # five million take longer than other tests may
    address, workers = house.responder.address, house.responder.worker_pids()
    resting = held(workers)
    marks = []
    processes = os.cpu_count()
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        for tenth in range(10):
            seeds = [f"{SEED}/{tenth}/{number}" for number in range(processes)]
            list(pool.map(sent, [address] * processes, seeds, [INPUTS // 10 // processes] * processes))
            assert fastcgi.ask(address, house.known).status == 200
            marks.append(held(workers))
    # A request that was cut short may wait for its rest for 10 s.
    eventually(lambda: all(after[1] <= before[1] for before, after in zip(resting, held(workers))), 20, what="descriptors are as before")
    marks.append(held(workers))
    print(f"\n{INPUTS} connections, seed {SEED}: (KiB of RssAnon, descriptors) of each worker")
    for name, each in [("before", resting), *((f"after {tenth + 1}/10", mark) for tenth, mark in enumerate(marks[:-1])), ("at rest", marks[-1])]:
        print(f"  {name}: {each}")
    assert house.responder.worker_pids() == workers, "no worker has died"
    for number, pid in enumerate(sorted(workers)):
        assert marks[-1][number][0] - marks[1][number][0] < 4096, f"worker {pid} keeps memory: {marks}"


def test_a_parked_caller_is_answered_amid_hostile_records(house):
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        busy = pool.submit(sent, house.responder.address, f"{SEED}/parked", 500)
        with FastCGIConnection(house.responder.address) as connection:
            connection.send(request(track("hostile-parked")))
            assert connection.receive_answer().status in (200, 503)
        busy.result()


def test_who_never_answers_is_noticed(monkeypatch):
    monkeypatch.setitem(globals(), "PATIENCE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Hangs):
        exchange(silent.getsockname()[1], b"GET / HTTP/1.1\r\n\r\n")
