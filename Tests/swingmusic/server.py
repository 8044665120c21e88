"""The real swingmusic on a free port, with a folder, a web client and songs of its own."""

import os
import shutil
import struct
from pathlib import Path

from harness import http
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, free_port
from harness.waiting import eventually

MISSING = "swingmusic is not installed: scripts/test installs it from PyPI, which could not be reached, or SWINGMUSIC_PYTHON names another"

#: The tests' web client. swingmusic takes it for its own by its version; it replaces a client of another.
CLIENT = Path(__file__).resolve().parent / "client"
VERSION = "3.0.1"

MEGABYTE = 1 << 20


def python():
    """The Python that has swingmusic, or None."""
    path = Path(os.environ.get("SWINGMUSIC_PYTHON", REPOSITORY / ".build-swingmusic/bin/python"))
    return path if (path.parent.parent / "lib").is_dir() and any(path.parent.parent.glob("lib/*/site-packages/swingmusic")) else None


def write_song(path, megabytes):
    """Silence as WAV, in a file that takes no room on the disk; its last bytes are its name, since swingmusic tells songs apart by them."""
    size = megabytes * MEGABYTE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 44_100, 176_400, 4, 16)
    with open(path, "wb") as file:
        file.write(struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size))
        file.truncate(44 + size)
        file.seek(44 + size - 256)
        file.write(path.name.encode().ljust(256, b"."))


class SwingmusicServer:
    """`parent` is what swingmusic calls its config folder; swingmusic makes `folder` in it, and both where there is none yet.
    `songs`: megabytes of each."""

    def __init__(self, sandbox, songs=(80, 80, 25, 1)):
        self.sandbox = sandbox
        self.port = free_port()
        self.parent = sandbox.path("config")
        self.folder = self.parent / "swingmusic"
        self.client = sandbox.path("client")
        self.music = sandbox.directory("music")
        self.process = None
        shutil.copytree(CLIENT, self.client)
        (self.client / "version.txt").write_text(f"{VERSION}\n")
        (self.client / "favicon.ico").write_bytes(b"icon")
        for number, megabytes in enumerate(songs):
            write_song(self.music / f"song {number}.wav", megabytes)
        sandbox.owns(self)

    def start(self):
        command = [python(), "-m", "swingmusic", "--host", "127.0.0.1", "--port", self.port, "--config", self.parent, "--client", self.client]
        environment = self.sandbox.environment(HOME=str(self.sandbox.directory("home")), PYTHONUNBUFFERED="1")
        self.process = LoggedProcess(command, self.sandbox.path("swingmusic.log"), environment)
        eventually(lambda: self.ask("GET", "/").status == 200, 60, what="swingmusic serves its page")
        return self

    def ask(self, method, path, headers=None, body=b"", timeout=30):
        """A request past nginx."""
        return http.request(self.port, method, path, headers, body, timeout)

    def stop(self):
        if self.process:
            self.process.stop(10)
            self.process = None
