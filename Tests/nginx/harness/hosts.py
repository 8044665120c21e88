"""Several hosts of one Spotify account: each with its own data folder, program and nginx, over one store and one stand-in Spotify.

With `networks` each host is in a network namespace of its own, at a bridge on which store and stand-in stand; else all are on the loopback
address. To make namespaces root is needed, and iproute2."""

import contextlib
import ctypes
import itertools
import os
import re
import subprocess
import threading

from . import http
from .house import ADMIN
from .nginx import Nginx
from .redis import RedisServer
from .responder import Responder, spotify_settings
from .sandbox import Sandbox
from .standin import StandIn, spotify_id
from .waiting import eventually

_CLONE_NEWNET = 0x40000000
_bridges = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A namespace with one end of a veth pair; the other is at the bridge. Enter it with `with`: a process that is started, and a thread
    that is begun meanwhile, is in it."""

    def __init__(self, name, bridge, address):
        self.name, self.device, self.address = name, f"v{name}"[:15], address
        self._entered = threading.local()
        _ip("netns", "add", name)
        try:
            self._connect(bridge)
        except BaseException:
            self.stop()
            raise

    def _connect(self, bridge):
        name, address = self.name, self.address
        _ip("link", "add", self.device, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", self.device, "master", bridge, "up")
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            _ip("-n", name, *words)

    def __enter__(self):
        self._entered.before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        self._enter(f"/run/netns/{self.name}")
        return self

    def __exit__(self, *_):
        self._enter(f"/proc/self/fd/{self._entered.before}")
        os.close(self._entered.before)

    @staticmethod
    def _enter(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {path}")
        finally:
            os.close(descriptor)

    def cut(self):
        """Nothing gets through any more, and nobody is told."""
        _ip("link", "set", self.device, "down")

    def shadow(self, address):
        """From now on an address of the bridge's is one of this host's own: what listens there is not seen any more."""
        _ip("-n", self.name, "addr", "add", f"{address}/32", "dev", "lo")

    def unshadow(self, address):
        _ip("-n", self.name, "addr", "del", f"{address}/32", "dev", "lo")

    def lose(self, address):
        """What is sent to an address gets nowhere, and nobody is told."""
        _ip("-n", self.name, "neigh", "replace", address, "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")

    def find(self, address):
        _ip("-n", self.name, "neigh", "del", address, "dev", "eth0")

    def mend(self):
        _ip("link", "set", self.device, "up")

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)


class Bridge:
    """A bridge with two addresses, one for the store and one for Spotify."""

    def __init__(self):
        # What is removed is gone a little later: no name twice.
        number = (os.getpid() * 16 + next(_bridges)) % 65536
        self.name, self.net = f"br{number}", f"10.{200 + number % 50}.{number // 50 % 250}"
        self.address, self.second_address = f"{self.net}.1", f"{self.net}.2"
        # An address of its own: else it has that of one of its ports, another one with each that is added.
        _ip("link", "add", self.name, "address", "02:00:00:00:00:02", "type", "bridge")
        for address in (self.address, self.second_address):
            _ip("addr", "add", f"{address}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")

    def network(self, number):
        return Network(f"{self.name}h{number}", self.name, f"{self.net}.{10 + number}")

    def stop(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", self.name)


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def refusal_of_networks():
    """Why there can be no namespaces here; None: there can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    probe = f"probe{os.getpid() % 65536}"
    try:
        _ip("netns", "add", probe)
        _ip("netns", "del", probe)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces cannot be made: {getattr(error, 'stderr', b'') or error}"
    return None


class Host:
    """One of them: a program with its nginx. `settings` are its own beside those of all."""

    def __init__(self, hosts, name, network, settings):
        self.name, self.network = name, network
        self.sandbox = Sandbox(f"{hosts.name}-{name}")
        self.sandbox.__enter__()
        self.responder = Responder(
            self.sandbox, {**hosts.settings, "SWINGMUSIC_FCGI_HOST_NAME": name, **settings}, hosts.workers)
        self.nginx = None

    def start(self):
        with self.inside():
            self.responder.start()
            if self.nginx is None:
                self.nginx = Nginx(self.sandbox, self.responder.address, edit=_be_patient).start()
        return self

    def inside(self):
        """The host's network, for what is done meanwhile."""
        return self.network or contextlib.nullcontext()

    def get(self, path, headers=None, timeout=60.0):
        with self.inside():
            return http.request(self.nginx.port, "GET", path, headers, timeout=timeout)

    def at_once(self, paths, **more):
        with self.inside():
            return http.at_once(self.nginx.port, paths, **more)

    def status(self):
        """status.json, as the administrator has it."""
        return self.get("/swingmusic-fcgi/status.json", ADMIN).json()

    def command(self, *words, **settings):
        """A command of the program's with this host's settings."""
        with self.inside():
            return subprocess.run(
                [self.responder.program, *words], env=self.sandbox.environment(**{**self.responder.settings, **settings}),
                capture_output=True, text=True, timeout=60)

    def stop(self):
        self.sandbox.__exit__(None, None, None)


class Hosts:
    """A context manager. `count` hosts of `workers` each, called host1, host2 and so on; `settings` are all hosts' own."""

    def __init__(self, name="hosts", count=2, workers=2, networks=False, start=True, each=(), mode="development", store_under=(), **settings):
        self.name, self.workers, self._mode, self._store_under = name, workers, mode, store_under
        self._count, self._networks, self._start, self._each, self._settings = count, networks, start, each, settings

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            self._furnish()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *trouble):
        self._stack.close()

    def _furnish(self):
        self.bridge = Bridge() if self._networks else None
        if self.bridge:
            self._stack.callback(self.bridge.stop)
        self.sandbox = self._stack.enter_context(Sandbox(self.name))
        self.standin = StandIn(self.sandbox, *(["--address", "0.0.0.0"] if self.bridge else []), mode=self._mode).start()
        open_to_all = ["--bind", "0.0.0.0", "--protected-mode", "no"] if self.bridge else []
        self.store = RedisServer(self.sandbox, *open_to_all, under=self._store_under).start()
        address = self.bridge.address if self.bridge else "127.0.0.1"
        api = f"http://{self.bridge.second_address if self.bridge else address}:{self.standin.port}"
        self.settings = {
            **spotify_settings(self.standin), "SPOTIFY_API_URL": api, "SPOTIFY_ACCOUNTS_URL": api,
            "SWINGMUSIC_FCGI_SHARED_STORE": f"{address}:{self.store.port}", "SWINGMUSIC_FCGI_MIRROR_WAIT": "120s",
            "SWINGMUSIC_FCGI_MISS_WAIT": "120s", "SPOTIFY_MIN_INTERVAL": "200ms", "SPOTIFY_CALLS_PER_HOUR": "100000", **self._settings,
        }
        self.hosts = []
        for number in range(1, self._count + 1):
            network = self.bridge.network(number) if self.bridge else None
            if network:
                self._stack.callback(network.stop)
            host = Host(self, f"host{number}", network, dict(self._each[number - 1]) if number <= len(self._each) else {})
            self._stack.callback(host.stop)
            self.hosts.append(host)
            if self._start:
                host.start()
        if self._start and self._count > 1:
            self.await_company()

    def await_company(self, hosts=None):
        """Until each of them has seen all the others alive."""
        hosts = hosts or self.hosts
        for host in hosts:
            others = {other.name for other in hosts} - {host.name}
            try:
                eventually(lambda host=host, others=others: others <= alive(host), 20, what=f"{host.name} has seen {others}")
            except AssertionError as error:
                told = [other.status().get("hosts") for other in hosts for _ in range(2)]
                raise AssertionError(f"{error}; it says {told}") from None

    def __getitem__(self, place):
        return self.hosts[place]

    def callers(self):
        """The names of the hosts that had a turn, of those that the store keeps."""
        keys = self.store.command("KEYS", "*:turns")
        lines = [turn.split() for key in keys for turn in self.store.command("LRANGE", key, 0, -1)]
        return {line[3].decode().rsplit(".", 1)[0] for line in lines if len(line) == 4}

    def log_text(self):
        return "\n".join(host.sandbox.log_text() for host in self.hosts)

    def ask_all(self, paths, clients=1, timeout=150.0):
        """Asks every host for all paths at once, by several clients each; the answers of each host, in order."""
        answers = [[] for _ in self.hosts]

        def ask(place):
            answers[place].extend(self.hosts[place].at_once(paths, timeout=timeout))
        threads = [threading.Thread(target=ask, args=[place]) for place in range(len(self.hosts)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers


def _be_patient(configuration):
    """nginx waits longer than the program does."""
    for file in configuration.rglob("*.conf"):
        file.write_text(re.sub(r"fastcgi_read_timeout \w+;", "fastcgi_read_timeout 150s;", file.read_text()))


def alive(host):
    """The names of the other hosts that this one sees alive."""
    return {other["name"] for other in host.status().get("hosts", {}).get("others", []) if other["alive"]}


def tracks(name, count):
    """Paths of tracks that exist."""
    return [f"/spotify/v1/tracks/{spotify_id(f'{name}-{number}')}" for number in range(count)]
