"""Puts an answer on the wire, well or badly, as the behaviours of failures.py ask."""
import gzip
import json
import os
import select
import socket
import struct
import time
from http.client import responses

from answers import error


class Answer:
    def __init__(self, status, body, kind="application/json; charset=utf-8", headers=None):
        self.status, self.body, self.kind, self.headers = status, body, kind, headers or {}


def planned(rule, usual):
    """The answer that a rule makes; `usual` computes the one that would be given without it."""
    behaviour = rule.get("behaviour")
    if behaviour == "status":
        return status_answer(rule)
    if behaviour == "not_json":
        return Answer(200, b"<html><body>Sign in to the network</body></html>", "text/html")
    if behaviour == "empty":
        return Answer(200, b"")
    if behaviour == "huge":
        return Answer(200, b'{"name":"' + b"x" * rule.get("bytes", 9 << 20) + b'"}')
    if behaviour == "redirect":
        return Answer(302, b"", headers={"Location": rule["location"]})
    if behaviour in ("hang", "reset", "close", "garbage", "half_head"):
        return Answer(None, b"")
    answer = usual()
    if behaviour == "bad_json":
        answer.body = answer.body[:-20]
    if behaviour == "gzip_cut":
        answer.body, answer.headers = gzip.compress(answer.body)[:-12], {**answer.headers, "Content-Encoding": "gzip"}
    if behaviour == "content_type":
        answer.kind = rule.get("type", "text/plain")
    return answer


def status_answer(rule):
    status = rule.get("status", 500)
    more = {"reason": rule["reason"]} if "reason" in rule else {}
    message = rule.get("message", "Too many requests" if status == 429 else responses.get(status, "Error"))
    headers = dict(rule.get("headers", {}))
    if rule.get("retry_after") is not None:
        headers["Retry-After"] = str(rule["retry_after"])
    body = rule["body"].encode() if "body" in rule else json.dumps(error(status, message, **more)).encode()
    return Answer(status, body, headers=headers)


def send(handler, rule, answer, released):
    """Sends an answer; whether the connection may be kept."""
    behaviour = rule.get("behaviour")
    connection = handler.connection
    if behaviour == "hang":
        hang(connection, released)
        return False
    if behaviour == "reset":
        reset(connection)
        return False
    if behaviour == "close":
        return False
    if behaviour == "delay":
        time.sleep(rule.get("ms", 100) / 1000)
    whole = head(answer, chunked=behaviour in ("chunked", "chunked_cut"), extra=1000 if behaviour == "truncate" else 0)
    if behaviour == "half_head":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Ty")
        return False
    if behaviour == "garbage":
        connection.sendall(b"\x16\x03\x01 no HTTP here\r\n\r\n")
        return False
    if behaviour in ("chunked", "chunked_cut"):
        connection.sendall(whole + chunks(answer.body, behaviour == "chunked"))
        return behaviour == "chunked"
    if behaviour == "drip":
        drip(connection, whole + answer.body, rule.get("bytes", 64), rule.get("ms", 50) / 1000)
        return True
    # Who has the answer may ask to close idle connections at once, and this one is idle then.
    with handler.answering:
        handler.busy = False
        connection.sendall(whole + answer.body)
    if behaviour == "close_after":
        time.sleep(rule.get("ms", 0) / 1000)
    return behaviour not in ("truncate", "close_after")


def head(answer, chunked=False, extra=0):
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, 'Unknown')}", f"Content-Type: {answer.kind}"]
    lines += ["Transfer-Encoding: chunked"] if chunked else [f"Content-Length: {len(answer.body) + extra}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunks(body, finished):
    pieces = [body[at:at + 1000] for at in range(0, len(body), 1000)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return coded + b"0\r\n\r\n" if finished else coded[:-len(pieces[-1]) // 2]


def drip(connection, data, size, pause):
    for at in range(0, len(data), size):
        connection.sendall(data[at:at + size])
        time.sleep(pause)


def hang(connection, released):
    """Waits until the client leaves or the rules change."""
    # Not select(2), which takes no descriptor above 1023.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while not released.wait(0.05):
        if poll.poll(0):
            try:
                if not connection.recv(1024):
                    return
            except OSError:
                return


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
