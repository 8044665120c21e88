"""What may go wrong beside the hits. A trouble begins and ends around a measurement and can say how far it went."""

import json
import socket
import threading
import time

from harness import fastcgi, http
from harness.house import ADMIN
from harness.standin import spotify_id
from harness.waiting import eventually

from .load import http_load
from .records import path_of
from .swingmusic import PASSWORD

LARGE = "/cache/temp/benchmark/large"


class Trouble:
    """`place` is the Place (isolation.py) that is measured. `during` runs beside the measurement."""
    label = "nothing else"
    #: How much of the load that can be reached is measured beside it.
    share = 1 / 2

    def __init__(self, place):
        self.place = place

    def begin(self, number):
        """`number` is the round's."""

    def during(self):
        pass

    def end(self):
        """What it came to, in words; the place is as before when it returns."""
        return ""


class Parked(Trouble):
    label = "1000 callers parked on 5 ids"
    callers = 1000

    def begin(self, number):
        self.place.standin.fail({"behaviour": "hang"})
        paths = [path_of(spotify_id(f"parked {number} {n}")) for n in range(5)]
        self.sockets = [sent(self.place.port, "GET", paths[n % 5]) for n in range(self.callers)]
        self.number = number
        time.sleep(1)

    def end(self):
        waiting = sum(not readable(one) for one in self.sockets)
        for one in self.sockets:
            one.close()
        self.place.standin.reset()
        fresh = path_of(spotify_id(f"after parked {self.number}"))
        eventually(lambda: http.request(self.place.port, "GET", fresh).status == 200, 60, every=0.5, what="lookups work again")
        return f"{waiting} still waited at the end"


class Frozen(Trouble):
    label = "the store frozen since before"

    def begin(self, number):
        self.place.store.freeze()
        http_load(self.place.port, self.place.file, count=5000)  # so that every worker has met it

    def end(self):
        self.place.store.thaw()
        many = iter(self.place.paths)
        eventually(lambda: "detail=dragonfly" in http.request(self.place.port, "GET", next(many)).cache_status, 30, what="the store answers again")
        return ""


class Freezing(Frozen):
    label = "the store freezing half-way"

    def begin(self, number):
        pass

    def during(self):
        time.sleep(self.place.seconds / 2)
        self.place.store.freeze()


class Logins(Trouble):
    label = "50 logins at a time"
    share = 1 / 4  # hashing and those who ask for it take a processor

    def begin(self, number):
        self.stopping, self.statuses = threading.Event(), {}
        self.threads = [threading.Thread(target=self.sign_in, args=(n,), daemon=True) for n in range(50)]
        for thread in self.threads:
            thread.start()
        self.since = time.monotonic()

    def sign_in(self, n):
        body = json.dumps({"username": f"user-{n}", "password": PASSWORD}).encode()
        with http.Connection(self.place.port) as connection:
            while not self.stopping.is_set():
                status = connection.request("POST", "/auth/login", {"Content-Type": "application/json"}, body).status
                self.statuses[status] = self.statuses.get(status, 0) + 1

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        counted = ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        return f"logins: {counted} in {time.monotonic() - self.since:.1f} s"


class Purge(Trouble):
    """On a place of its own, stopped but for this, where every record is due: renewals run at 20 ms, and short-lived rows are written to be
    purged."""
    label = "purge and renewal"
    share = 1 / 4  # the stand-in and whoever writes the rows take a processor

    def begin(self, number):
        self.place.resume()
        self.stopping, self.written = threading.Event(), 0
        self.before = len(self.place.standin.calls())
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()
        time.sleep(2)

    def write(self):
        with http.Connection(self.place.port) as connection:
            while not self.stopping.is_set():
                answer = connection.request("PUT", f"/cache/temp/benchmark/{self.written}?ttl=1s", ADMIN, b"x" * 1000)
                self.written += answer.status in (200, 201, 204)
                time.sleep(0.002)

    def end(self):
        self.stopping.set()
        self.thread.join(60)
        self.place.pause()
        return f"{self.written} rows written to expire, {len(self.place.standin.calls()) - self.before} calls"


class SlowReaders(Trouble):
    label = "100 callers that do not read 1 MB answers"

    def begin(self, number):
        put_large(self.place.port)
        self.sockets = [sent(self.place.port, "GET", LARGE, ADMIN, 4096) for _ in range(100)]
        time.sleep(1)

    def end(self):
        for one in self.sockets:
            one.close()
        return ""


class StalledPeers(Trouble):
    label = "2 FastCGI peers that do not read 1 MB answers"

    def begin(self, number):
        put_large(self.place.port)
        self.connections = [fastcgi.FastCGIConnection(self.place.address) for _ in range(2)]
        for one in self.connections:
            one.send(fastcgi.request(LARGE, keep=True, parameters={"HTTP_AUTHORIZATION": ADMIN["Authorization"]}))
        time.sleep(0.5)

    def end(self):
        for one in self.connections:
            one.socket.close()
        return ""


def sent(port, method, path, headers=None, receive_buffer=None):
    """A connection on which a request was sent and from which nothing is read."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.connect(("127.0.0.1", port))
    connection.sendall(http.encode(method, path, headers or {}, b"", "127.0.0.1"))
    return connection


def readable(connection):
    try:
        connection.setblocking(False)
        connection.recv(1, socket.MSG_PEEK)
        return True
    except BlockingIOError:
        return False


def put_large(port):
    answer = http.request(port, "PUT", LARGE, ADMIN, b"x" * 1_000_000)
    if answer.status not in (200, 201, 204):
        raise RuntimeError(f"PUT {LARGE}: {answer}")
