"""The stand-in Spotify (Tests/nginx/standin/spotify.py lists its /control interface) as a process of a sandbox."""

import hashlib
import json
import re
import signal
import sys
import urllib.request

from .process import LoggedProcess
from .sandbox import REPOSITORY, free_port
from .waiting import eventually

SCRIPT = REPOSITORY / "Tests/nginx/standin/spotify.py"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def spotify_id(seed):
    """A well-formed id that is the same for the same seed; such an id exists in the stand-in's world."""
    number = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:18], "big")
    digits = ""
    while len(digits) < 21:
        number, digit = divmod(number, 62)
        digits += BASE62[digit]
    return "5" + digits


def missing_id(seed):
    """A well-formed id that Spotify does not know."""
    return "0000" + spotify_id(seed)[4:]


class StandIn:
    """Starts on a port that it keeps over `kill` and `start`, so that it can be away and come back. Its tokens are an app's, or `user`'s."""

    def __init__(self, sandbox, *options, mode="extended", user=None):
        self.sandbox, self.options, self.mode = sandbox, [*options, *(["--user", user] if user else [])], mode
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        sandbox.owns(self)

    def start(self):
        command = [sys.executable, SCRIPT, "--port", self.port, "--mode", self.mode, *self.options]
        self.process = LoggedProcess(command, self.sandbox.path("standin.log"))
        eventually(lambda: self.figures(), 10, what="the stand-in Spotify answers")
        return self

    def control(self, name, value=None, method="POST", query=""):
        """One control call; its answer."""
        data = None if method == "GET" else json.dumps(value if value is not None else {}).encode()
        call = urllib.request.Request(
            f"{self.url}/control/{name}{query}", data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(call, timeout=10) as answer:
            return json.load(answer)

    def fail(self, *rules):
        """Replaces the rules of misbehaviour (failures.py); none: everything is answered as usual."""
        self.control("fail", list(rules))

    def reset(self):
        self.control("reset")

    def figures(self):
        return self.control("figures", method="GET")

    def last_number(self):
        """The number of the latest call, for `calls(since=...)`."""
        return max((call["number"] for call in self.calls(on="all")), default=0)

    def calls(self, pattern="", since=0, on="api"):
        """The logged calls whose path?query fits `pattern`, in the order of their arrival."""
        found = self.control("calls", method="GET", query=f"?since={since}&on={on}")["calls"]
        return [call for call in found if re.search(pattern, f"{call['path']}?{call['query']}")]

    def await_call(self, pattern="", since=0, on="api", within=10.0):
        """The first call that fits, once it has arrived."""
        return eventually(lambda: self.calls(pattern, since, on), within, what=f"a call for {pattern}")[0]

    def ids(self, kind, count=1, more_than=-1, seed="", at_most=1000, episode=False, closed=False, reader=None):
        """Ids of the stand-in's world; `more_than` and `at_most` so many albums, tracks or items; playlists with an `episode` or without, and
        where the token is a user's, or a `reader` is named, such as he may read, or `closed` ones."""
        query = f"?kind={kind}&count={count}&more_than={more_than}&at_most={at_most}&seed={seed}&episode={int(episode)}&closed={int(closed)}"
        query += f"&reader={reader}" if reader else ""
        return self.control("ids", method="GET", query=query)["ids"]

    def freeze(self):
        """Connections are accepted by the kernel, and nobody answers."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def kill(self):
        """Nobody listens on the port any more."""
        self.process.kill()

    def stop(self):
        if self.process and self.process.running:
            self.process.kill()


def gaps(calls):
    """Seconds between one call's arrival and the next's."""
    instants = sorted(call["monotonic_ns"] for call in calls)
    return [(later - earlier) / 1e9 for earlier, later in zip(instants, instants[1:])]
