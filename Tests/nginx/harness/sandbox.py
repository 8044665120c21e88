"""A temporary folder with everything one test module starts in it, and the promise to stop it all."""

import contextlib
import os
import random
import shutil
import socket
import tempfile
from pathlib import Path

#: Sandboxes that are open now; the conftest.py show the tails of their logs when a test fails.
OPEN = []

REPOSITORY = Path(__file__).resolve().parents[3]


class Sandbox:
    """Use as a context manager. What `owns` was given is stopped in reverse order, also after a failure."""

    def __init__(self, name="sandbox", below="/tmp"):
        # Under /tmp whatever TMPDIR says: a Unix socket's path holds 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=f"smfcgi-{name[:20]}-", dir=below))
        # nginx's own workers may run as another user.
        self.folder.chmod(0o755)
        self._started = []
        self._sockets = 0

    def __enter__(self):
        OPEN.append(self)
        return self

    def __exit__(self, *_):
        OPEN.remove(self)
        trouble = []
        for thing in reversed(self._started):
            try:
                thing.stop()
            except Exception as error:  # the rest must be stopped all the same
                trouble.append(error)
        shutil.rmtree(self.folder, ignore_errors=True)
        if trouble:
            raise trouble[0]

    def owns(self, thing):
        """Registers something with a `stop` method, and returns it."""
        self._started.append(thing)
        return thing

    def path(self, *parts):
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def directory(self, *parts):
        path = self.folder.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def socket_path(self, name="fcgi"):
        """A new path for a Unix socket."""
        self._sockets += 1
        return self.path(f"{name}{self._sockets}.sock")

    def logs(self):
        """Every log file under the folder, by name."""
        return sorted(path for path in self.folder.rglob("*.log") if path.is_file())

    def log_text(self):
        """All logs in one string."""
        return "\n".join(path.read_text(errors="replace") for path in self.logs())

    def environment(self, **settings):
        """A clean environment with `settings`: nothing of the caller's own settings leaks in. None leaves one out. The last three are for a program
        that was built with a sanitizer (scripts/sanitize)."""
        names = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "LD_PRELOAD")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        preloaded = [each for each in (settings.get("LD_PRELOAD"), kept.get("LD_PRELOAD")) if each]
        kept.update({name: str(value) for name, value in settings.items() if value is not None})
        if preloaded:
            kept["LD_PRELOAD"] = " ".join(preloaded)
        return kept


def last_lines(count=30):
    """(title, text) of the end of every log of the sandboxes that are open."""
    for opened in OPEN:
        for log in opened.logs():
            lines = log.read_text(errors="replace").splitlines()[-count:]
            if lines:
                yield f"last lines of {log}", "\n".join(lines)


def fill_disk(folder):
    """Takes all the room of the file system that a folder is on. The file that has it; to unlink it makes room again."""
    ballast = Path(folder) / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


#: Ports that no connection of a client is given by itself: those come from net.ipv4.ip_local_port_range, which begins at 32768.
PORTS = range(10_000, 32_768)

_handed_out = set()


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now. No test process hands one out twice: who asks for two before it listens
    on the first would get the same."""
    while True:
        port = random.choice(PORTS)
        if port in _handed_out:
            continue
        _handed_out.add(port)
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do: what a connection of before left behind is in nobody's way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def executable():
    """The program under test: SWINGMUSIC_FCGI_EXECUTABLE, else this checkout's debug build."""
    path = Path(os.environ.get("SWINGMUSIC_FCGI_EXECUTABLE", REPOSITORY / ".build/debug/swingmusic-fcgi"))
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"no executable at {path}: run `swift build` or set SWINGMUSIC_FCGI_EXECUTABLE")
    return path
