"""A raw FastCGI client: whole requests for convenience, single records for rudeness (FastCGI 1.0, section 3)."""

import re
import socket
import struct
from pathlib import Path

#: What fastcgi.h of libfcgi-dev calls each number.
_HEADER = {name: int(value) for name, value in re.findall(
    r"(?m)^#define FCGI_(\w+)\s+(\d+)\s*$", Path("/usr/include/fastcgi.h").read_text())}

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = (
    _HEADER[name] for name in ("BEGIN_REQUEST", "ABORT_REQUEST", "END_REQUEST", "PARAMS", "STDIN", "STDOUT", "STDERR", "DATA", "GET_VALUES",
                               "GET_VALUES_RESULT", "UNKNOWN_TYPE"))
RESPONDER, AUTHORIZER, FILTER, KEEP_CONN = (_HEADER[name] for name in ("RESPONDER", "AUTHORIZER", "FILTER", "KEEP_CONN"))
REQUEST_COMPLETE, CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE = (
    _HEADER[name] for name in ("REQUEST_COMPLETE", "CANT_MPX_CONN", "OVERLOADED", "UNKNOWN_ROLE"))


def record(kind, content=b"", request_id=1, padding=0):
    """One record; content of at most 65,535 bytes."""
    return struct.pack(">BBHHBx", _HEADER["VERSION_1"], kind, request_id, len(content), padding) + content + bytes(padding)


def records(kind, content, request_id=1):
    """A stream: as many records as needed, and the empty one that ends it."""
    parts = [record(kind, content[at:at + 65528], request_id) for at in range(0, len(content), 65528)]
    return b"".join(parts) + record(kind, b"", request_id)


def pair(name, value):
    """One name-value pair (section 3.4)."""
    name, value = (text if isinstance(text, bytes) else text.encode() for text in (name, value))
    sizes = b"".join(
        struct.pack(">B", len(text)) if len(text) < 128 else struct.pack(">I", len(text) | 0x80000000)
        for text in (name, value))
    return sizes + name + value


def begin(role=RESPONDER, flags=0, request_id=1):
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request_id)


def request(path, method="GET", query="", body=b"", keep=False, parameters=(), role=RESPONDER):
    """A whole request, with the parameters that the example configuration of nginx sends. A dictionary of `parameters` takes the place of those of
    the same name; pairs come besides."""
    named = {
        "REQUEST_METHOD": method, "DOCUMENT_URI": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)) if body else "", "REMOTE_ADDR": "127.0.0.1",
    }
    pairs = list({**named, **parameters}.items()) if isinstance(parameters, dict) else [*named.items(), *parameters]
    return (begin(role, KEEP_CONN if keep else 0) + records(PARAMS, b"".join(pair(*one) for one in pairs))
            + records(STDIN, body))


class FastCGIAnswer:
    """Status, headers (names in lower case; the last of a name wins) and body of a finished request."""

    def __init__(self, stdout, application_status, protocol_status):
        head, _, self.body = stdout.partition(b"\r\n\r\n")
        self.headers = {}
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(self.headers.get("status", "200").split()[0])
        self.application_status, self.protocol_status = application_status, protocol_status


class FastCGIConnection:
    """One connection to the responder. `address` is a path or (host, port)."""

    def __init__(self, address, timeout=10.0):
        tcp = isinstance(address, tuple)
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(address if tcp else str(address))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive_record(self):
        """(type, request id, content) of the next record, None at the end of the connection."""
        head = self._exactly(8)
        if head is None:
            return None
        _, kind, request_id, length, padding = struct.unpack(">BBHHBx", head)
        content = self._exactly(length + padding)
        return None if content is None else (kind, request_id, content[:length])

    def receive_answer(self):
        """The answer to the request that was sent; None when the connection ended before it was whole."""
        output = b""
        while True:
            got = self.receive_record()
            if got is None:
                return None
            kind, _, content = got
            if kind == STDOUT:
                output += content
            elif kind == END_REQUEST:
                return FastCGIAnswer(output, *struct.unpack(">IB3x", content))

    def ask(self, path, **more):
        self.send(request(path, **more))
        return self.receive_answer()

    def ended(self):
        """Waits (up to the timeout) for the other side to close. False when it sends or stays silent instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except socket.timeout:
            return False

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return data


def ask(address, path, timeout=10.0, **more):
    """One request over a connection of its own."""
    with FastCGIConnection(address, timeout) as connection:
        return connection.ask(path, **more)
