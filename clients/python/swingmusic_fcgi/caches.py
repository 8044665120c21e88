"""The four caches by name and key, as bytes. Nothing here raises: what did not work is False, None or nothing."""

from __future__ import annotations

import json
import time
from typing import Iterator, NamedTuple, Optional
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlencode

from . import connection
from .connection import Answer
from .program import Program, program

CACHES = ("spotify", "session", "user", "temp")

#: How long "for ever" is, in milliseconds: 95 years. The caches know no entry without an end.
FOR_EVER = 3_000_000_000_000

#: Ends that are further away than this (seconds) are none.
_NEVER = 1_000_000_000

#: How keys of the catalog's own records begin.
_CATALOGS = b"catalog:"

_MOST_KEY, _MOST_VALUE = 512, 1 << 20


class Found(NamedTuple):
    value: bytes
    #: `spotify` keeps what is due, and says so.
    is_stale: bool


class Key(NamedTuple):
    key: bytes
    #: Seconds since 1970; None: never.
    expires: Optional[int]


def _duration(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def is_possible(key: bytes) -> bool:
    """Whether a key can be had over both ways: nginx refuses NUL, and dots that lead out of the cache."""
    if not key or len(key) > _MOST_KEY or b"\0" in key:
        return False
    depth = 0
    for part in key.split(b"/") if b".." in key else ():
        if part == b"..":
            depth -= 1
            if depth < 0:
                return False
        elif part not in (b"", b"."):
            depth += 1
    return True


class CacheClient:
    """One of the caches. `at`: which program; the environment's when left out."""

    def __init__(self, name: str, at: Optional[Program] = None) -> None:
        self.name, self._at = name, at
        self._path = f"/cache/{name}".encode()

    def _program(self) -> Program:
        return self._at or program()

    def _ask(self, method: str, key: bytes, query: str = "", body: Optional[bytes] = None, is_repeatable: bool = True,
             until: Optional[float] = None) -> Optional[Answer]:
        if not is_possible(key):
            self._program().say("key", "a key is empty, over 512 bytes, or has a NUL byte or dots that lead out of its cache: it is not cached")
            return None
        target = self._path + b"/" + quote_from_bytes(key, safe="").encode()
        limit = None if until is None else until - time.monotonic()
        return self._program().ask(method, target + b"?" + query.encode() if query else target, body, limit=limit, is_repeatable=is_repeatable)

    def get(self, key: bytes) -> Optional[Found]:
        answer = self._ask("GET", key)
        if answer is None or answer.status != 200:
            return None
        return Found(answer.body, b"ttl=-" in answer.header(b"cache-status"))

    def remaining(self, key: bytes, until: Optional[float] = None) -> Optional[int]:
        """Milliseconds that an entry lives yet, to the second; FOR_EVER; -1: there is none, or a stale one; None: not known."""
        answer = self._ask("HEAD", key, until=until)
        if answer is None or answer.status not in (200, 404):
            return None
        status = answer.header(b"cache-status")
        if answer.status == 404 or b"ttl=-" in status:
            return -1
        seconds = int(status.partition(b"ttl=")[2].partition(b";")[0] or b"0")
        return FOR_EVER if seconds > _NEVER else max(0, seconds) * 1000

    def put(self, key: bytes, value: bytes, milliseconds: int) -> bool:
        if len(value) > _MOST_VALUE:
            self._program().say("value", "a value was over 1 MiB: it is not cached")
            return False
        answer = self._ask("PUT", key, f"ttl={_duration(milliseconds)}", value)
        return answer is not None and answer.status == 204

    def delete(self, key: bytes) -> bool:
        """Whether there was one. A stale one of `spotify` is none, and stays stale."""
        until = time.monotonic() + connection.LIMIT
        if self.name == "spotify" and (self.remaining(key, until) or 0) < 0:
            return False
        answer = self._ask("DELETE", key, until=until)
        return answer is not None and answer.status == 204

    def touch(self, key: bytes, milliseconds: int) -> bool:
        """Gives an entry another end."""
        answer = self._ask("POST", key, f"ttl={_duration(milliseconds)}", b"")
        return answer is not None and answer.status == 204

    def increment(self, key: bytes, amount: int, milliseconds: int) -> Optional[int]:
        """The new number; `milliseconds` is for an entry that begins now. None: it is no number, or it is not known whether it was added."""
        answer = self._ask("POST", key, f"incr={amount}&ttl={_duration(milliseconds)}", b"", is_repeatable=False)
        if answer is None or answer.status != 200:
            return None
        value = json.loads(answer.body).get("value")
        return value if isinstance(value, int) else None

    def clear(self, prefix: bytes = b"", until: Optional[float] = None) -> Optional[int]:
        """How many entries went (or became due, in `spotify`)."""
        target = self._path + (b"?" + urlencode({"prefix": prefix}).encode() if prefix else b"")
        answer = self._program().ask("DELETE", target, limit=None if until is None else until - time.monotonic())
        if answer is None or answer.status != 200:
            return None
        return int(json.loads(answer.body).get("cleared", 0))

    def keys(self, prefix: bytes = b"", until: Optional[float] = None) -> Iterator[Key]:
        """The living keys in the order of their bytes, a thousand at a time; what was found when the time is up. Without those of the catalog's own
        records, which may be many."""
        if prefix.startswith(_CATALOGS):
            return
        end = time.monotonic() + connection.LIMIT if until is None else until
        target: Optional[bytes] = self._page(prefix)
        while target and time.monotonic() < end:
            answer = self._program().ask("GET", target, limit=end - time.monotonic())
            if answer is None or answer.status != 200:
                return
            page = json.loads(answer.body)
            key = b""
            for each in page["keys"]:
                key = unquote_to_bytes(each["key"]) if each.get("percent_encoded") else each["key"].encode()
                if not each.get("stale") and not key.startswith(_CATALOGS):
                    yield Key(key, each["expires"])
            target = page["next"].encode() if page["next"] else None
            if target and key.startswith(_CATALOGS):
                # Past all of them: what follows is no UTF-8, and theirs are.
                target = self._page(prefix, after=_CATALOGS + b"\xff")

    def _page(self, prefix: bytes, after: Optional[bytes] = None) -> bytes:
        query = {"prefix": prefix, "limit": b"1000", **({} if after is None else {"after": after})}
        return self._path + b"?" + urlencode(query).encode()
