"""The program as its callers see it: where it is, the token, a connection for each thread, and what is done while it is away."""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
import time
from typing import Dict, List, Optional, Set, Tuple
from weakref import WeakSet
from urllib.parse import urlsplit

from . import connection
from .connection import Answer, Away, Connection, FastCGIConnection, HTTPConnection, Late

log = logging.getLogger("swingmusic_fcgi")

SOCKET = "/run/swingmusic-fcgi/fcgi.sock"
HTTP = "http://127.0.0.1:8080"

#: Seconds between two tries while the program is away, and while it refuses the token. Ten wrong tokens in a minute lock an address out.
PAUSE, TOKEN_PAUSE = 1.0, 60.0

#: So many writes in a row that are late count as one that failed: a slow disk alone is no outage.
LATE_WRITES = 3

#: Names are looked up again after so many seconds, and when nobody answers at the address.
_NAMES_LAST = 60.0


class Secret:
    """A token from VARIABLE, or from the file that VARIABLE_FILE names; the first of the variables that is set."""

    def __init__(self, *variables: str) -> None:
        self._variables = variables

    def read(self) -> Optional[str]:
        for name in self._variables:
            value = (os.environ.get(name) or "").strip()
            if value:
                return value
            path = os.environ.get(name + "_FILE")
            if path:
                try:
                    with open(path, encoding="utf-8") as file:
                        return file.read().strip() or None
                except (OSError, ValueError):
                    return None
        return None


class Breaker:
    """While it is open one caller tries at a time, and the others are told at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below where both are looked at
        self._until = 0.0
        self._late = 0

    def admits(self) -> bool:
        if not self._until:
            return True
        now = time.monotonic()
        with self._lock:
            if now < self._until:
                return False
            self._until = now + PAUSE
            return True

    def open(self, pause: float) -> None:
        self._until = time.monotonic() + pause

    def note_late(self, is_write: bool) -> None:
        self._late += 1
        if not is_write or self._late >= LATE_WRITES:
            self.open(PAUSE)

    def close(self) -> None:
        if self._until or self._late:
            self._until, self._late = 0.0, 0


class Program:
    """One address of the program. Any thread may ask, also after a fork; nothing here ever raises but what ends a process."""

    def __init__(self, url: Optional[str], secret: Secret) -> None:
        self._secret = secret
        self._path: Optional[str] = None
        self._host, self._port, self._prefix = "", 80, b""
        self._names: Tuple[float, List[Tuple[int, Tuple[object, ...]]]] = (0.0, [])
        self._said: Set[str] = set()
        self._trouble: Set[str] = set()
        self._url = url
        self.is_usable = self._read(url or HTTP)
        if not self.is_usable:
            self.say("url", "SWINGMUSIC_FCGI_URL is neither http://HOST:PORT nor unix:/PATH: nothing is cached")
        self._token = secret.read()
        _programs.add(self)
        self._refused: Optional[str] = None
        self._looked_at = 0.0
        self.begin()

    def begin(self) -> None:
        """Anew, with connections of its own: at the start, and in a process that was forked."""
        self._own = threading.local()
        self._breaker = Breaker()

    @property
    def url(self) -> str:
        """Where it is now: the setting's, else the socket's as soon as there is one."""
        return self._url or (f"unix:{SOCKET}" if os.path.exists(SOCKET) else HTTP)

    def _read(self, url: str) -> bool:
        if url.startswith("unix:"):
            self._path = url[len("unix:"):].replace("//", "/", 1)
            return self._path.startswith("/")
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        self._prefix = parts.path.rstrip("/").encode()
        self._netloc = parts.netloc.rpartition("@")[2].encode()
        return parts.scheme == "http" and bool(self._host) and not parts.query

    def say(self, kind: str, text: str) -> None:
        """A warning, once of its kind. Never with a key, a value or a token in it."""
        if kind not in self._said:
            self._said.add(kind)
            log.warning("%s", text)

    def _say_trouble(self, kind: str, text: str) -> None:
        """A warning, once of its kind until all is well again."""
        if kind not in self._trouble:
            self._trouble.add(kind)
            log.warning("%s", text)

    def answers(self) -> bool:
        """Whether it is there, and takes the token."""
        answer = self.ask("GET", b"/cache/temp?prefix=%40ping&limit=1")
        return answer is not None and answer.status == 200

    def ask(self, method: str, target: bytes, body: Optional[bytes] = None, headers: Tuple[Tuple[bytes, bytes], ...] = (),
            token: Optional[str] = None, limit: Optional[float] = None, is_repeatable: bool = True) -> Optional[Answer]:
        """The program's answer, of any status; None while it is away, or does not answer in time. `is_repeatable`: that it is done twice
        does no harm. `token`: in place of the settings'."""
        if not self.is_usable or not (self._breaker.admits() or self._has_another_token()):
            return None
        deadline = time.monotonic() + (connection.LIMIT if limit is None else limit)
        bearer = token or self._current_token()
        if bearer:
            headers = ((b"Authorization", b"Bearer " + bearer.encode()), *headers)
        try:
            answer = self._exchange(method, self._prefix + target, body, list(headers), deadline, is_repeatable)
        except Late as error:
            self._breaker.note_late(is_write=method not in ("GET", "HEAD"))
            self._say_trouble("late", f"swingmusic-fcgi is late ({error})")
            return None
        except Away as error:
            self._breaker.open(PAUSE)
            self._say_trouble("away", f"swingmusic-fcgi cannot be reached ({error}): one try a second, nothing is cached meanwhile")
            return None
        return answer if not target.startswith(b"/cache/") or self._judge(answer, method) else None

    def _judge(self, answer: Answer, method: str) -> bool:
        """Whether it is an answer of the caches; elsewhere a status says something else."""
        # 403 is also the answer for the catalog's own entries, to who may use the rest.
        if answer.status in (401, 429) or answer.status == 403 and b"catalog" not in answer.body:
            self._refused = self._token or ""
            self._breaker.open(TOKEN_PAUSE)
            self._say_trouble("token", "swingmusic-fcgi refuses the token: set SWINGMUSIC_FCGI_CACHE_TOKEN or SWINGMUSIC_FCGI_CACHE_TOKEN_FILE")
        elif answer.status in (502, 504):
            # nginx is there, the program is not.
            self._breaker.open(PAUSE)
            self._say_trouble("away", "swingmusic-fcgi does not answer: one try a second, nothing is cached meanwhile")
        elif not _is_ours(answer, method):
            # A page of another server's is no value.
            self._breaker.open(PAUSE)
            self._say_trouble("other", "SWINGMUSIC_FCGI_URL leads to something else than swingmusic-fcgi's caches: nothing is cached")
            return False
        else:
            if answer.status >= 500 and method != "GET":
                self._say_trouble("error", f"swingmusic-fcgi answers {answer.status}: its log says why")
            elif self._trouble and answer.status < 400 and (method not in ("GET", "HEAD") or "error" not in self._trouble):
                # On a full disk reads go on, and say nothing of writes.
                self._trouble.clear()
            self._refused = None
            self._breaker.close()
        return True

    def _has_another_token(self) -> bool:
        """Whether there is another one than the one that was refused; looked for once a second."""
        now = time.monotonic()
        if self._refused is None or now < self._looked_at + PAUSE:
            return False
        self._looked_at = now
        self._token = self._secret.read()
        return (self._token or "") != self._refused

    def _current_token(self) -> Optional[str]:
        if self._token is None:
            self._token = self._secret.read()
        return self._token

    def _exchange(self, method: str, target: bytes, body: Optional[bytes], headers: List[Tuple[bytes, bytes]], deadline: float,
                  is_repeatable: bool) -> Answer:
        # While it is in use it is nobody's: an exception, or a signal's handler that asks as well, finds none.
        kept: Optional[Connection] = self._own.__dict__.pop("connection", None)
        if kept is not None and not is_repeatable and kept.is_ended():
            kept = None
        while True:
            own = kept or self._connect(deadline)
            try:
                answer = own.ask(method, target, headers, body, deadline)
            except Away as error:
                own.close()
                # The program may have been started anew since.
                if kept is None or not (is_repeatable or error.unsent):
                    raise
                kept = None
                continue
            except BaseException:
                # What is left of its answer would be taken for the next one's.
                own.close()
                raise
            if own.is_open:
                self._own.connection = own
            return answer

    def _connect(self, deadline: float) -> Connection:
        path = self._path
        if self._url is None and os.path.exists(SOCKET):
            # The program may have been started later than this.
            path = SOCKET
        if path is not None:
            return FastCGIConnection(path, deadline)
        trouble: Exception = Away("the host has no address", unsent=True)
        for family, address in self._addresses(deadline):
            try:
                return HTTPConnection(family, address, self._netloc, deadline)
            except Away as error:
                trouble = error
        self._names = (0.0, [])
        raise trouble

    def _addresses(self, deadline: float) -> List[Tuple[int, Tuple[object, ...]]]:
        """The resolver knows no deadline, so it is asked by a thread that nobody has to wait for."""
        known_at, found = self._names
        if found and time.monotonic() - known_at < _NAMES_LAST:
            return found
        results: "queue.Queue[List[Tuple[int, Tuple[object, ...]]]]" = queue.Queue()

        def resolve() -> None:
            try:
                entries = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                results.put([(entry[0], entry[4]) for entry in entries])
            except OSError:
                results.put([])

        threading.Thread(target=resolve, name="swingmusic-fcgi-resolver", daemon=True).start()
        try:
            found = results.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Late("looking the host's name up") from None
        self._names = (time.monotonic(), found)
        return found


def _is_ours(answer: Answer, method: str) -> bool:
    """Whether the program can have said so, of what another server might say as well."""
    if answer.status == 200:
        return answer.header(b"cache-status").startswith(b"swingmusic-fcgi") or answer.body.startswith((b'{"keys":', b'{"value":', b'{"cleared":'))
    if answer.status in (404, 405):
        return method == "HEAD" or answer.body.startswith(b'{"error":')
    return answer.status == 204 or answer.status >= 400


_programs: "WeakSet[Program]" = WeakSet()
_by_url: Dict[str, Program] = {}
_lock = threading.Lock()  # guards the program's making


def program() -> Program:
    """The program that the environment names; made at the first call."""
    url = os.environ.get("SWINGMUSIC_FCGI_URL") or ""
    known = _by_url.get(url)
    if known is None:
        with _lock:
            known = _by_url.get(url)
            if known is None:
                known = _by_url[url] = Program(url or None, Secret("SWINGMUSIC_FCGI_CACHE_TOKEN", "SWINGMUSIC_FCGI_ADMIN_TOKEN"))
    return known


def _begin_in_child() -> None:
    """A fork copies connections and locks as they stand, held ones too."""
    global _lock
    _lock = threading.Lock()
    for each in list(_programs):
        each.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
