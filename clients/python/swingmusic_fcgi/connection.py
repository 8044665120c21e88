"""One kept connection to the program, over nginx (HTTP/1.1) or its own Unix socket (FastCGI 1.0). Not for two threads at once."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, List, Optional, Tuple, Union

_PIECE = 1 << 18

#: How long one call may take, in seconds, connecting included.
LIMIT = 0.25


class Late(Exception):
    """No whole answer in time; what was asked for may have been done."""


class Away(Exception):
    """The program cannot be reached, or broke off. `unsent`: it certainly has not read the request whole."""

    def __init__(self, reason: str, unsent: bool = False) -> None:
        super().__init__(reason)
        self.unsent = unsent


class Answer:
    """`head` is the header lines as they came, each after CR LF."""

    __slots__ = ("status", "head", "body")

    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status, self.head, self.body = status, head, body

    def header(self, name: bytes) -> bytes:
        """The value of the header of that name (in lower case); empty without one."""
        return _header(self.head, name)


def _header(head: bytes, name: bytes) -> bytes:
    lower = head.lower()
    start = lower.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start:end if end >= 0 else len(head)].strip()


def _number(text: bytes) -> int:
    """Digits, as they stand in a status or a length."""
    if not text.isdigit():
        raise Away("an answer that is none")
    return int(text)


class _Connection:
    def __init__(self, family: int, address: Union[str, Tuple[Any, ...]], deadline: float) -> None:
        self.is_used = False
        self._is_limited = False
        try:
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise Away(type(error).__name__, unsent=True) from None
        try:
            self._allow(deadline)
            self.socket.connect(address)
            if family != socket.AF_UNIX:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except socket.timeout:
            self.close()
            raise Late("connecting") from None
        except OSError as error:
            self.close()
            raise Away(type(error).__name__, unsent=True) from None
        except BaseException:
            self.close()
            raise

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        # Where no socket could be had there is none.
        if hasattr(self, "socket"):
            self.socket.close()

    @property
    def is_open(self) -> bool:
        return self.socket.fileno() >= 0

    def is_ended(self) -> bool:
        """Whether the other side has closed it meanwhile, or sent what nobody asked for."""
        try:
            self._is_limited = False
            self.socket.settimeout(0)
            self.socket.recv(1, socket.MSG_PEEK)
            return True
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def _allow(self, deadline: float, is_first: bool = False) -> None:
        """Sets the time-out. One that is as good as the whole limit stays as it is: most calls end in a thousandth of it."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise Late("the time is up")
        if is_first and LIMIT - 0.01 <= left <= LIMIT:
            if self._is_limited:
                return
            self._is_limited, left = True, LIMIT
        else:
            self._is_limited = False
        self.socket.settimeout(left)

    def _send(self, data: bytes, deadline: float) -> None:
        self._allow(deadline, is_first=True)
        try:
            self.socket.sendall(data)
        except socket.timeout:
            raise Late("sending") from None
        except OSError as error:
            # A request that was not taken whole is not carried out.
            raise Away(type(error).__name__, unsent=True) from None

    def _receive(self, deadline: float, is_first: bool) -> bytes:
        self._allow(deadline, is_first)
        try:
            data = self.socket.recv(_PIECE)
        except socket.timeout:
            raise Late("waiting for the answer") from None
        except OSError as error:
            raise Away(type(error).__name__) from None
        if not data:
            raise Away("the connection was closed")
        return data


class HTTPConnection(_Connection):
    """`host` goes into Host."""

    def __init__(self, family: int, address: Union[str, Tuple[Any, ...]], host: bytes, deadline: float) -> None:
        super().__init__(family, address, deadline)
        self._host = host

    def ask(self, method: str, target: bytes, headers: List[Tuple[bytes, bytes]], body: Optional[bytes], deadline: float) -> Answer:
        lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + self._host]
        lines += [name + b": " + value for name, value in headers]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        self._send(b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""), deadline)
        return self._answer(method, deadline)

    def _answer(self, method: str, deadline: float) -> Answer:
        data = self._receive(deadline, True)
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                data += self._receive(deadline, False)
                continue
            status, head = _number(data[9:12]), data[:end]
            data = data[end + 4:]
            if status >= 200:
                break
        length = _header(head, b"content-length")
        if method == "HEAD" or status in (204, 304):
            body, rest = b"", data
        elif b"chunked" in _header(head, b"transfer-encoding").lower():
            body, rest = self._chunks(data, deadline)
        elif length:
            body, rest = self._exactly(data, _number(length), deadline)
        else:
            raise Away("an answer without a length")
        if rest or b"close" in _header(head, b"connection").lower():
            self.close()
        else:
            self.is_used = True
        return Answer(status, head, body)

    def _exactly(self, data: bytes, count: int, deadline: float) -> Tuple[bytes, bytes]:
        """So many bytes, and what came behind them."""
        pieces, have = [data], len(data)
        while have < count:
            pieces.append(self._receive(deadline, False))
            have += len(pieces[-1])
        data = b"".join(pieces)
        return data[:count], data[count:]

    def _chunks(self, data: bytes, deadline: float) -> Tuple[bytes, bytes]:
        body: List[bytes] = []
        while True:
            while b"\r\n" not in data:
                data += self._receive(deadline, False)
            line, _, data = data.partition(b"\r\n")
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError:
                raise Away("an answer that is none") from None
            piece, data = self._exactly(data, size + 2, deadline)
            if not size:
                return b"".join(body), data
            body.append(piece[:-2])


_KEPT = struct.pack(">BBHHBxHB5x", 1, 1, 1, 8, 0, 1, 1)  # FCGI_BEGIN_REQUEST: a responder, and the connection is kept
_RECORD = struct.Struct(">BBHHBx")
_PARAMS, _STDIN, _STDOUT, _END = 4, 5, 6, 3


def _pair(name: bytes, value: bytes) -> bytes:
    """A name-value pair (FastCGI 1.0, section 3.4); names here are short."""
    size = bytes((len(value),)) if len(value) < 128 else struct.pack(">I", len(value) | 0x80000000)
    return bytes((len(name),)) + size + name + value


def _stream(kind: int, content: bytes) -> bytes:
    parts = []
    for start in range(0, len(content), 65528):
        piece = content[start:start + 65528]
        parts += [_RECORD.pack(1, kind, 1, len(piece), 0), piece]
    parts.append(_RECORD.pack(1, kind, 1, 0, 0))
    return b"".join(parts)


_NO_BODY = _stream(_STDIN, b"")


class FastCGIConnection(_Connection):
    """To the program's Unix socket."""

    def __init__(self, path: str, deadline: float) -> None:
        super().__init__(socket.AF_UNIX, path, deadline)

    def ask(self, method: str, target: bytes, headers: List[Tuple[bytes, bytes]], body: Optional[bytes], deadline: float) -> Answer:
        path, _, query = target.partition(b"?")
        # The program takes keys from REQUEST_URI, and finds the route by the other.
        pairs = [_pair(b"REQUEST_METHOD", method.encode()), _pair(b"REQUEST_URI", target), _pair(b"DOCUMENT_URI", path),
                 _pair(b"QUERY_STRING", query)]
        for name, value in headers:
            pairs.append(_pair(b"HTTP_" + name.upper().replace(b"-", b"_"), value))
        if body is not None:
            pairs.append(_pair(b"CONTENT_LENGTH", b"%d" % len(body)))
        self._send(_KEPT + _stream(_PARAMS, b"".join(pairs)) + (_stream(_STDIN, body) if body else _NO_BODY), deadline)
        return self._answer(deadline)

    def _answer(self, deadline: float) -> Answer:
        pieces: List[bytes] = []
        data, at = self._receive(deadline, True), 0
        while True:
            if len(data) - at >= 8:
                _, kind, _, length, padding = _RECORD.unpack_from(data, at)
                end = at + 8 + length
                if len(data) >= end + padding:
                    if kind == _STDOUT:
                        pieces.append(data[at + 8:end])
                    at = end + padding
                    if kind == _END:
                        break
                    continue
            data, at = data[at:] + self._receive(deadline, False), 0
        if at != len(data):
            self.close()
        else:
            self.is_used = True
        if not pieces:
            raise Away("the request was refused")
        head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
        head = b"\r\n" + head
        return Answer(_number(_header(head, b"status")[:3] or b"200"), head, body)


Connection = Union[HTTPConnection, FastCGIConnection]
