"""An HTTP client without opinions: one blocking connection, or a thousand requests at once."""

import asyncio
import json
import socket
import time

from .waiting import readable


class Answer:
    """Status, headers (names in lower case), body and the seconds it took. Status 0: no whole answer came."""

    def __init__(self, status, headers, body, seconds, started, failure=None):
        self.status, self.headers, self.body = status, headers, body
        self.seconds, self.started, self.failure = seconds, started, failure

    def json(self):
        return json.loads(self.body)

    @property
    def cache_status(self):
        return self.headers.get("cache-status", "")

    def __repr__(self):
        return f"<{self.status or self.failure!r} in {self.seconds:.3f} s, {self.cache_status!r} {self.body[:120]!r}>"


def encode(method, path, headers, body, host):
    """A request's bytes, path as given: nothing is normalised on the way."""
    pairs = list(headers.items() if isinstance(headers, dict) else headers or [])
    named = any(name.lower() == "host" for name, _ in pairs)
    lines = [f"{method} {path} HTTP/1.1", *([] if named else [f"Host: {host}"])]
    lines += [f"{name}: {value}" for name, value in pairs]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def parse_head(head):
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return int(first.split()[1]), headers


def body_length(method, status, headers):
    """Bytes of the body (RFC 9112, section 6.3); None: to the end of the connection, -1: chunked."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return 0
    if "chunked" in headers.get("transfer-encoding", ""):
        return -1
    return int(headers["content-length"]) if "content-length" in headers else None


class Connection:
    """A kept connection that asks one thing after another, for exact latencies. `source`: the client's address, any of
    127.0.0.0/8; a Host among the headers takes the place of the usual one."""

    def __init__(self, port, timeout=60.0, source=None):
        self.port, self.timeout, self._socket, self._file = port, timeout, None, None
        self._source = (source, 0) if source else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._socket:
            self._file.close()
            self._socket.close()
            self._socket = None

    def request(self, method, path, headers=None, body=b""):
        # As any client does: what the server has closed since the last answer is not asked any more.
        if self._socket and readable(self._socket):
            self.close()
        started = time.monotonic()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self.port), self.timeout, self._source)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._file = self._socket.makefile("rb")
            self._socket.sendall(encode(method, path, headers, body, f"127.0.0.1:{self.port}"))
            status, got, content = self._read(method)
        except (OSError, ValueError, IndexError, EOFError) as error:
            self.close()
            return Answer(0, {}, b"", time.monotonic() - started, started, repr(error))
        if got.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, got, content, time.monotonic() - started, started)

    def get(self, path, headers=None):
        return self.request("GET", path, headers)

    def _read(self, method):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                raise EOFError("connection closed before an answer")
            head += line
        status, headers = parse_head(head[:-4])
        length = body_length(method, status, headers)
        if length == -1:
            return status, headers, self._chunks()
        if length is None:
            content = self._file.read()
            self.close()
            return status, headers, content
        content = self._file.read(length)
        if len(content) < length:
            raise EOFError("body cut short")
        return status, headers, content

    def _chunks(self):
        content = b""
        while size := int(self._file.readline().split(b";")[0], 16):
            content += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return content


def request(port, method, path, headers=None, body=b"", timeout=60.0):
    """One request over a connection of its own."""
    with Connection(port, timeout) as connection:
        return connection.request(method, path, headers, body)


async def _one(port, method, path, headers, body, timeout, source):
    started = time.monotonic()
    writer = None

    async def exchange():
        nonlocal writer
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, limit=1 << 22, local_addr=(source, 0) if source else None)
        head = [("Connection", "close"), *(headers.items() if isinstance(headers, dict) else headers or [])]
        writer.write(encode(method, path, head, body, f"127.0.0.1:{port}"))
        await writer.drain()
        status, got = parse_head((await reader.readuntil(b"\r\n\r\n"))[:-4])
        length = body_length(method, status, got)
        if length == -1:
            content = b""
            while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
                content += (await reader.readexactly(size + 2))[:-2]
        else:
            content = await (reader.read() if length is None else reader.readexactly(length))
        return status, got, content

    try:
        status, got, content = await asyncio.wait_for(exchange(), timeout)
        return Answer(status, got, content, time.monotonic() - started, started)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError, IndexError) as error:
        return Answer(0, {}, b"", time.monotonic() - started, started, repr(error))
    finally:
        if writer:
            writer.close()


def at_once(port, paths, method="GET", headers=None, body=b"", timeout=60.0, source=None, over=0.0):
    """All requests at the same moment (or spread evenly `over` some seconds), each over a connection of its own.
    Answers in the order of `paths`."""
    async def one(number, path):
        await asyncio.sleep(over * number / len(paths))
        return await _one(port, method, path, headers, body, timeout, source)

    async def everything():
        return await asyncio.gather(*(one(number, path) for number, path in enumerate(paths)))
    return asyncio.run(everything())


def percentile(values, share):
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
