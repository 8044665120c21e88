"""Debian's redis-server in DragonflyDB's place, and a RESP2 client to look inside."""

import shutil
import signal
import socket

from .process import LoggedProcess
from .sandbox import free_port
from .waiting import eventually


class RedisError(Exception):
    """An error reply."""


class RedisServer:
    """Starts empty at once. `under`: the words of a command that runs another. Snapshots are files that `save` writes and `start(snapshot=...)` begins with."""

    def __init__(self, sandbox, *options, port=None, password=None, under=()):
        self.sandbox, self.options, self.password, self._under = sandbox, options, password, under
        self.port = port or free_port()
        self.folder = sandbox.directory(f"store-{self.port}")
        self.process = None
        sandbox.owns(self)

    def start(self, snapshot=None, options=None):
        dump = self.folder / "dump.rdb"
        dump.unlink(missing_ok=True)
        if snapshot:
            shutil.copy(snapshot, dump)
        command = [*self._under, "redis-server", "--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder, "--save", "",
                   "--appendonly", "no", "--dbfilename", "dump.rdb", "--daemonize", "no",
                   *(self.options if options is None else options)]
        if self.password:
            command += ["--requirepass", self.password]
        self.process = LoggedProcess(command, self.sandbox.path(f"store-{self.port}.log"))
        eventually(lambda: self.command("PING") == b"PONG", 10, what="redis-server answers PING")
        return self

    def settings(self):
        """The environment that points the program here."""
        named = {"DRAGONFLYDB_HOST": "127.0.0.1", "DRAGONFLYDB_PORT": str(self.port)}
        if self.password:
            named["DRAGONFLYDB_PASSWORD"] = self.password
        return named

    def kill(self):
        self.process.kill()

    def freeze(self):
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    def save(self, name="snapshot"):
        """A snapshot of now; returns its path."""
        self.command("SAVE")
        return shutil.copy(self.folder / "dump.rdb", self.folder / f"{name}.rdb")

    def stop(self):
        if self.process and self.process.running:
            self.process.kill()

    def command(self, *words, timeout=5.0):
        """One command over a connection of its own; its reply as int, bytes, None or a list."""
        return self.pipeline([words], timeout)[0]

    def pipeline(self, commands, timeout=5.0):
        """Several commands, one round trip. Raises the first error reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            file = connection.makefile("rb")
            if self.password:
                commands = [("AUTH", self.password), *commands]
            connection.sendall(b"".join(encode(words) for words in commands))
            replies = [read_reply(file) for _ in commands]
        return replies[1:] if self.password else replies

    def keys_ending_in(self, suffix):
        """Keys whose last bytes are `suffix`: that is how a cache entry is found (Interface)."""
        ending = suffix if isinstance(suffix, bytes) else suffix.encode()
        return [key for key in self.command("KEYS", "*") if key.endswith(ending)]


def encode(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def read_reply(file):
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError("the store closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        size = int(rest)
        return None if size < 0 else file.read(size + 2)[:-2]
    if kind == b"*":
        return [read_reply(file) for _ in range(int(rest))]
    raise ValueError(f"not RESP2: {line!r}")
