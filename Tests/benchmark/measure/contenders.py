"""Who takes part: what answers, on which port, with which paths, and which processes it consists of."""

from dataclasses import dataclass, field

from harness.process import LoggedProcess
from harness.redis import RedisServer
from harness.responder import Responder, spotify_settings
from harness.sandbox import free_port
from harness.waiting import eventually
from harness import fastcgi, http

from .build import FOLDER, compiled
from .processor import family
from .records import KNOWN, path_of
from .swingmusic import token


@dataclass
class Contender:
    """`tier` is what Cache-Status must name; `pids()` the processes whose time a request costs, nginx's apart."""
    name: str
    label: str
    paths: object
    pids: object
    headers: list = field(default_factory=list)
    tier: str = None
    socket: str = None      # a responder's Unix socket
    keep: bool = True       # connections to it are kept

    @property
    def parameters(self):
        """The headers as FastCGI has them."""
        pairs = (header.partition(": ") for header in self.headers)
        return [f"HTTP_{name.upper().replace('-', '_')}={value}" for name, _, value in pairs]


class Floor:
    """A C responder, on a socket of the sandbox, that answers everything with one file; `more` are further words of its command line."""

    def __init__(self, sandbox, name, answer, processes, threads, source=None, more=()):
        self.socket = str(sandbox.socket_path(name))
        self.process = LoggedProcess([compiled(source or name), self.socket, answer, processes, threads, *more], sandbox.path(f"{name}.log"))
        sandbox.owns(self)
        eventually(lambda: fastcgi.ask(self.socket, "/"), 10, what=f"{name} answers")

    def pids(self):
        return family(self.process.pid)

    def stop(self):
        if self.process.running:
            self.process.stop(5)


class FlaskResponder:
    """flask_responder.py under gunicorn with a process a core, or under waitress with one process."""

    def __init__(self, sandbox, python, store, server="gunicorn", processes=2, threads=4):
        self.port = free_port()
        commands = {
            "gunicorn": ["-m", "gunicorn", "-b", f"127.0.0.1:{self.port}", "-w", processes, "--threads", threads, "-k", "gthread",
                         "--keep-alive", "300", "--log-level", "warning", "flask_responder:application"],
            "waitress": ["flask_responder.py", self.port, threads],
        }
        environment = sandbox.environment(BENCHMARK_REDIS_PORT=store.port, BENCHMARK_KEY_PREFIX="flask:", PYTHONDONTWRITEBYTECODE=1)
        self.process = LoggedProcess([python, *commands[server]], sandbox.path("flask.log"), environment, cwd=FOLDER / "floor")
        sandbox.owns(self)
        eventually(lambda: http.request(self.port, "GET", path_of(KNOWN), timeout=5).status == 200, 20, what="Flask answers")

    def pids(self):
        return family(self.process.pid)

    def stop(self):
        if self.process.running:
            self.process.stop(5)


def responder(sandbox, options, standin, folder, name, store=None, executable=None, **settings):
    """The program, or another executable of it, on a data folder, with the options' workers and threads."""
    all_settings = {
        **spotify_settings(standin), **(store_settings(store, options) if store else {}),
        "SWINGMUSIC_FCGI_DATA_DIR": str(folder), "SWINGMUSIC_FCGI_THREADS": str(options.responder_threads),
        "SWINGMUSIC_FCGI_METADATA_AUTH": "off", "SWINGMUSIC_FCGI_LOG_LEVEL": "warning", **settings}
    return Responder(sandbox, all_settings, options.workers, str(sandbox.socket_path(name)), name, executable or options.program)


def store_settings(store, options):
    return {"DRAGONFLYDB_HOST": f"unix:{store.folder}/store.sock"} if options.store == "unix" else store.settings()


def start_store(sandbox):
    """A redis-server in DragonflyDB's place, on TCP and on a Unix socket."""
    store = RedisServer(sandbox)
    return store.start(options=["--unixsocket", str(store.folder / "store.sock"), "--maxclients", "4096"])


def bearer():
    return [f"Authorization: Bearer {token()}"]


