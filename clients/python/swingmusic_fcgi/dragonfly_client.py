"""The caches under the names of `swingmusic.db.dragonfly_client` in swingmusic's extended version, served by swingmusic-fcgi.

No method raises, and none takes longer than 250 ms; what did not work is False, None, 0, [] or {}. README.md has the differences.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar, Union, cast
from urllib.parse import quote, unquote

from . import connection
from .caches import CACHES, FOR_EVER, CacheClient
from .program import log, program
from .spotify import CachedSpotifyClient, get_cached_spotify_client

__all__ = [
    "CachedSpotifyClient", "DragonflyCache", "DragonflyDBClient", "get_cached_spotify_client", "get_dragonfly_client", "get_session_cache",
    "get_spotify_cache", "get_temp_cache", "get_user_cache", "init_dragonfly_if_available", "session_cache", "spotify_cache", "temp_cache",
    "user_cache",
]

_Call = TypeVar("_Call", bound=Callable[..., Any])


def _or(neutral: Callable[[], Any]) -> Callable[[_Call], _Call]:
    """What the method answers in place of whatever it raises."""
    def wrap(method: _Call) -> _Call:
        @functools.wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            except Exception as error:
                # The name of the error alone: its text may hold what was to be cached.
                log.debug("%s: %s", method.__name__, type(error).__name__)
                return neutral()
        return cast(_Call, call)
    return wrap


def _no() -> bool:
    return False


def _nothing() -> None:
    return None


# Which entry of which cache a key of the extended version's one store is: `spotify:track:1` is `track:1` in `spotify`, and so on for the four.
# Other prefixes are namespaces of `temp` that begin with `@`, `homepage:x` is `@homepage/x`, so that no two keys are the same entry.

_CLIENTS = {name: CacheClient(name) for name in CACHES}


def _place(key: str) -> Tuple[CacheClient, str]:
    head, colon, rest = key.partition(":")
    if colon and head in CACHES and rest and not (head == "temp" and rest.startswith("@")):
        return _CLIENTS[head], rest
    if colon:
        return _CLIENTS["temp"], f"@{quote(head, safe='') or '%'}/{rest}"
    return _CLIENTS["temp"], f"@/{key}"


def _key(cache: str, key: str) -> str:
    """The other way round."""
    if cache != "temp" or not key.startswith("@"):
        return f"{cache}:{key}"
    head, _, rest = key[1:].partition("/")
    return f"{unquote(head) if head != '%' else ''}:{rest}" if head else rest


def _encoded(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode()


def _decoded(value: bytes) -> Any:
    """A text that is JSON comes back as what it says, as it does there: "123" as 123."""
    text = value.decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def _whole(seconds: Union[int, float]) -> int:
    """Milliseconds, at least one."""
    milliseconds = round(seconds * 1000)
    if milliseconds <= 0:
        raise ValueError("a time that is over")
    return min(milliseconds, FOR_EVER)


def _lifetime(ttl: Optional[float], ex: Optional[float], px: Optional[float], ttl_hours: Optional[float]) -> int:
    """In milliseconds, of whichever is given; nothing and 0 are for ever."""
    if px:
        return _whole(px / 1000)
    seconds = ttl or ex or (ttl_hours or 0) * 3600
    return _whole(seconds) if seconds else FOR_EVER


def _text(key: Any) -> str:
    """What redis-py takes for a key."""
    if isinstance(key, bytes):
        return key.decode()
    if isinstance(key, bool) or not isinstance(key, (str, int, float)):
        raise TypeError("a key of another type")
    return str(key)


def _pattern(pattern: str) -> "re.Pattern[bytes]":
    """A glob of Redis's, over bytes: `*`, `?`, `[a-c]`, `[^a]`, and a backslash before what stands for itself."""
    glob, parts, at = pattern.encode(), [], 0
    while at < len(glob):
        letter = glob[at:at + 1]
        at += 1
        if letter == b"*":
            parts.append(b".*")
        elif letter == b"?":
            parts.append(b".")
        elif letter == b"[" and b"]" in glob[at + 1:]:
            end = glob.index(b"]", at + 1)
            parts.append(b"[" + glob[at:end].replace(b"\\", b"\\\\").replace(b"[", b"\\[") + b"]")
            at = end + 1
        else:
            if letter == b"\\" and at < len(glob):
                letter = glob[at:at + 1]
                at += 1
            parts.append(re.escape(letter))
    return re.compile(b"".join(parts), re.DOTALL)


def _setting(name: str, usual: int) -> int:
    """A number of the environment's. Kubernetes sets such names itself, to what is none."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else usual


class DragonflyDBClient:
    """Keys of the one store that the extended version has. `host`, `port` and `db` are kept and not used: where the program is says
    SWINGMUSIC_FCGI_URL. `client`, redis-py's own there, is None."""

    def __init__(self, host: Optional[str] = None, port: Optional[int] = None, db: Optional[int] = None) -> None:
        self.host = host or os.environ.get("DRAGONFLYDB_HOST", "localhost")
        self.port = int(port or _setting("DRAGONFLYDB_PORT", 6379))
        self.db = int(db or _setting("DRAGONFLYDB_DB", 0))
        self.client = None

    @property
    def available(self) -> bool:
        return self.is_available()

    @_or(_no)
    def is_available(self) -> bool:
        """Whether the program answers, and takes the token."""
        return program().answers()

    def ping(self) -> bool:
        return self.is_available()

    @_or(_no)
    def set(self, key: str, value: Any, ttl: Optional[float] = None, *, ex: Optional[float] = None, px: Optional[float] = None,
            ttl_hours: Optional[float] = None) -> bool:
        """A text as it is, anything else as JSON. Seconds; nothing and 0 are for ever. False also when it is late, though it may be kept."""
        cache, name = _place(_text(key))
        return cache.put(name.encode(), _encoded(value), _lifetime(ttl, ex, px, ttl_hours))

    @_or(_nothing)
    def get(self, key: str, stale: bool = False) -> Any:
        """`stale`: also what `spotify` keeps of what was deleted or is over."""
        cache, name = _place(_text(key))
        found = cache.get(name.encode())
        return None if found is None or found.is_stale and not stale else _decoded(found.value)

    @_or(_no)
    def delete(self, key: str) -> bool:
        cache, name = _place(_text(key))
        return cache.delete(name.encode())

    @_or(_no)
    def exists(self, key: str) -> bool:
        cache, name = _place(_text(key))
        remaining = cache.remaining(name.encode())
        return remaining is not None and remaining >= 0

    @_or(_no)
    def expire(self, key: str, ttl: float) -> bool:
        """Seconds; an end that is over already deletes."""
        cache, name = _place(_text(key))
        return cache.touch(name.encode(), _whole(ttl)) if ttl > 0 else cache.delete(name.encode())

    @_or(lambda: -1)
    def ttl(self, key: str) -> int:
        """Whole seconds; -1: for ever, -2: there is none. -1 also while the program is away."""
        cache, name = _place(_text(key))
        remaining = cache.remaining(name.encode())
        if remaining is None or remaining == FOR_EVER:
            return -1
        return remaining // 1000 if remaining >= 0 else -2

    @_or(list)
    def keys(self, pattern: str = "*") -> List[str]:
        """The keys that fit, as far as they are found within the time."""
        literal = re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]
        fits, found, until = _pattern(pattern), [], time.monotonic() + connection.LIMIT
        head, colon, _ = literal.partition(":")
        names = (head,) if colon and head in CACHES else ("temp",) if colon else CACHES
        for name in names:
            prefix = _place(literal)[1] if colon and len(literal) > len(head) + 1 else ""
            for each in _CLIENTS[name].keys(prefix.encode(), until):
                try:
                    key = _key(name, each.key.decode())
                except UnicodeDecodeError:
                    continue
                if fits.fullmatch(key.encode()):
                    found.append(key)
        return found

    @_or(int)
    def incr(self, key: str, amount: int = 1) -> int:
        """Over all threads and processes at once. 0: it is no number, or the program is away."""
        cache, name = _place(_text(key))
        return cache.increment(name.encode(), int(amount), FOR_EVER) or 0

    def lpush(self, key: str, *values: Any) -> int:
        return int(self._unknown("lpush") or 0)

    def rpop(self, key: str) -> Optional[str]:
        self._unknown("rpop")
        return None

    def lrange(self, key: str, start: int, end: int) -> List[str]:
        self._unknown("lrange")
        return []

    def llen(self, key: str) -> int:
        return int(self._unknown("llen") or 0)

    def lrem(self, key: str, count: int, value: str) -> int:
        return int(self._unknown("lrem") or 0)

    def ltrim(self, key: str, start: int, end: int) -> bool:
        return bool(self._unknown("ltrim"))

    @staticmethod
    def _unknown(what: str) -> None:
        program().say("lists", f"{what}: the caches have no lists; what is asked of one is nothing")

    @_or(_no)
    def flushdb(self) -> bool:
        """Empties `temp` and makes `spotify` due, as the dashboard does. `session` and `user` have what nobody could get again."""
        until = time.monotonic() + connection.LIMIT
        cleared = [_CLIENTS[name].clear(until=until) for name in ("temp", "spotify")]
        return None not in cleared

    @_or(dict)
    def info(self) -> Dict[str, Any]:
        """What the dashboard shows of the store, and 0 for what it does not. Empty with a token that is for the caches alone."""
        answer = program().ask("GET", b"/dragonfly/stats")
        if answer is None or answer.status != 200:
            return {}
        stats = json.loads(answer.body)
        return {"version": "swingmusic-fcgi", "used_memory": 0, "used_memory_human": stats["memory"]["used_memory_human"],
                "connected_clients": stats["clients"]["connected_clients"], "total_commands_processed": 0, "keyspace_hits": 0,
                "keyspace_misses": 0, "uptime_in_seconds": stats["server"]["uptime_in_seconds"]}

    def close(self) -> None:
        """Nothing to do: connections are kept for each thread, and end with it."""


class DragonflyCache:
    """Keys that begin with `prefix` and a colon, in that store."""

    def __init__(self, prefix: str = "swingmusic") -> None:
        self.client = get_dragonfly_client()
        self.prefix = prefix

    def _make_key(self, key: Any) -> str:
        return f"{self.prefix}:{key}"

    @_or(_no)
    def set(self, key: str, value: Any, ttl_hours: Optional[float] = 12, *, ttl: Optional[float] = None, ex: Optional[float] = None,
            px: Optional[float] = None) -> bool:
        hours = None if ttl or ex or px else ttl_hours
        return self.client.set(self._make_key(key), value, ttl, ex=ex, px=px, ttl_hours=hours)

    @_or(_nothing)
    def get(self, key: str, stale: bool = False) -> Any:
        return self.client.get(self._make_key(key), stale)

    @_or(_no)
    def delete(self, key: str) -> bool:
        return self.client.delete(self._make_key(key))

    @_or(_no)
    def exists(self, key: str) -> bool:
        return self.client.exists(self._make_key(key))

    @_or(_no)
    def expire(self, key: str, ttl: float) -> bool:
        return self.client.expire(self._make_key(key), ttl)

    @_or(lambda: -1)
    def ttl(self, key: str) -> int:
        return self.client.ttl(self._make_key(key))

    @_or(int)
    def incr(self, key: str, amount: int = 1) -> int:
        return self.client.incr(self._make_key(key), amount)

    @_or(list)
    def keys(self, pattern: str = "*") -> List[str]:
        """Without the prefix."""
        escaped = re.sub(r"([*?\[\]\\^])", r"\\\1", self._make_key(""))
        return [key[len(self._make_key("")):] for key in self.client.keys(escaped + pattern)]

    @_or(_no)
    def clear_all(self) -> bool:
        """All of the prefix. Of `session` and `user` also what the program itself keeps there: what the list of sessions shows, preferences."""
        if self.prefix in CACHES:
            return _CLIENTS[self.prefix].clear() is not None
        cache, name = _place(self._make_key(""))
        return cache.clear(name.encode()) is not None


_client: Optional[DragonflyDBClient] = None


def get_dragonfly_client() -> DragonflyDBClient:
    global _client
    if _client is None:
        _client = DragonflyDBClient()
    return _client


def init_dragonfly_if_available() -> bool:
    return get_dragonfly_client().is_available()


spotify_cache = DragonflyCache("spotify")
session_cache = DragonflyCache("session")
user_cache = DragonflyCache("user")
temp_cache = DragonflyCache("temp")


def get_spotify_cache() -> DragonflyCache:
    return spotify_cache


def get_session_cache() -> DragonflyCache:
    return session_cache


def get_user_cache() -> DragonflyCache:
    return user_cache


def get_temp_cache() -> DragonflyCache:
    return temp_cache
