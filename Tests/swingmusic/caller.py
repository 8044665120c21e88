"""A caller who reads as slowly as a test likes."""

import json
import socket
import time

from harness import http
from harness.waiting import eventually
from house import credentials


class Caller:
    """A connection of its own that asks once and reads what it is told to."""

    def __init__(self, port, path, token=None, source="127.0.0.1", headers=None, window=65_536):
        self.socket = socket.socket()
        self.socket.bind((source, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(http.encode("GET", path, {**credentials(token), **(headers or {})}, b"", "music.example"))
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.socket.recv(1)
            assert more, head
            head += more
        self.status, self.headers = http.parse_head(head[:-4])

    def read(self, count):
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            assert more, f"it ended after {len(got)} of {count} bytes"
            got += more
        return got

    def close(self):
        self.socket.close()


def active_listeners(real):
    """How many streams of events swingmusic itself counts."""
    return json.loads(real.swingmusic.ask("GET", "/events/status").body)["active_listeners"]


def settle(real):
    """Until swingmusic has noticed that nobody listens, and nginx lets three streams be opened at once again."""
    eventually(lambda: active_listeners(real) == 0, 30, what="swingmusic has noticed that the listeners before left")
    time.sleep(15)
