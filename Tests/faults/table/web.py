"""nginx, and those who ask it."""

import signal
import socket
import threading

from harness.http import at_once
from harness.standin import spotify_id

from . import fault


@fault("nginx: reloaded", "links slow", takes="nginx", lasts=(0.3, 1))
def reloaded(run):
    run.home.nginx.process.signal(signal.SIGHUP)
    yield


@fault("nginx: restarted", "links slow hits reads writes sessions lookups", takes="nginx", lasts=(0.1, 0.5))
def restarted(run):
    run.home.nginx.stop()
    run.home.nginx.start()
    yield


@fault("nginx: slow clients and such that vanish", lasts=(1, 2))
def vanishing(run):
    sockets = []
    for number in range(60):
        connection = socket.create_connection(("127.0.0.1", run.home.port), 5, (f"127.0.8.{1 + number}", 0))
        known = run.records.some(run.chance) or spotify_id("x")
        head = f"GET /spotify/v1/tracks/{known} HTTP/1.1\r\nHost: x\r\nAuthorization: {run.home.ticket.get('Authorization', '')}\r\n".encode()
        if number % 3 == 0:  # half a head, and silence
            connection.sendall(head)
        elif number % 3 == 1:  # asks, and reads nothing
            connection.sendall(head + b"\r\n")
        else:  # a body that never comes whole
            connection.sendall(f"PUT /cache/temp/vanished HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{'x' * 100}".encode())
        sockets.append(connection)
    yield
    for number, connection in enumerate(sockets):
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


@fault("nginx: a thousand wait", "slow", takes="nginx", lasts=(1, 2))
def thousand(run):
    """For one thing that is not known; all at once."""
    paths = [f"/spotify/v1/tracks/{spotify_id(f'thousand-{next(run.numbers)}')}"] * 1000
    answers = []
    thread = threading.Thread(target=lambda: answers.extend(at_once(run.home.port, paths, headers={"Prefer": "wait=3", **run.home.ticket}, source="127.0.9.1")))
    thread.start()
    yield
    thread.join(60)
    strange = [answer for answer in answers if answer.status not in (200, 429, 503) and not run.judge.is_away(answer)
               and not (answer.status == 401 and run.judge.excused("sessions", answer.started))
               and not (answer.status in run.records.FAILED and run.judge.excused("lookups", answer.started))]
    if strange or len(answers) != 1000:
        run.judge.found("hit-answered", f"{len(strange)} of {len(answers)} of those who waited: {strange[:1]}")
