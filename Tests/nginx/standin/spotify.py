#!/usr/bin/env python3
"""A stand-in Spotify: accounts service and Web API in one, for tests and for a first look without credentials.

    spotify.py --port 0 --log calls.jsonl --mode development

prints `listening on http://127.0.0.1:PORT` when it is ready (--port 0 takes a free one). Use that address for both
SPOTIFY_API_URL and SPOTIFY_ACCOUNTS_URL. It needs Python 3.9 and nothing else.

Data. Every well-formed id of a track, album, artist, playlist, show, episode, audiobook or chapter exists and has the same content in every run; ids beginning
with 0000 are 404, playlists beginning with 0001 may not be read by the app (their items are missing), and an id that this
world gave to one kind is 404 for another. What one object names can be asked for and names it back: a track's album holds the
track, its artists' albums hold the album, and so on (ids.py, data.py). Links in answers begin with https://api.spotify.com/v1,
as Spotify's do. 11dFghVXANMlKmJXsNCbNl is the example track of Spotify's documentation. Searching for an artist's exact name
finds that artist and, among others', that artist's tracks.

Modes. `development` (default) and `extended`, which decide endpoints, fields, names and search limits (routes.py, data.shape).
Tokens are an app's, which is nobody: no country, so what is spoken exists for it only with `market`; and in development mode, where the
items of a playlist are for its owner and collaborators, it sees those of no playlist. With --user NAME (user0 to user999 own the
playlists) they are a user's that signed in, whose playlists alone /control/ids then lists (&closed=1: the others; &reader=NAME: another user's).
A user may also consent (/authorize, accounts.py): then there are tokens of both kinds.

Calls. Each is one JSON line in --log and an element of /control/calls, written when it arrives: `number`, `on` ("api" or "token"),
`monotonic_ns` and `wall_ms` of its arrival (arrival.py), `method`, `path`, `query` (raw), `status` (null: it will get no HTTP answer),
`behaviour` (null: usual), `headers` (beside the usual ones), `token`, `mode`, `port` (the client's), `connection` (numbered from 1), `user_agent`.

Control, all JSON (`--control '{"mode": {"mode": "extended"}, "fail": [...]}'` does the POSTs by name at the start):
  GET  /control/calls[?since=NUMBER][&on=api|token|all]    {"calls": [...]}
  GET  /control/figures       calls, token_requests, tokens_issued, connections_open, connections_accepted, revision, mode
  GET  /control/ids?kind=track|album|...[&count=10][&more_than=50][&at_most=100][&seed=x][&start=0]
                              ids of this world: albums with more than 50 tracks, artists with more than 50 albums, ...;
                              playlists without an episode among their items, with &episode=1 those with one
  POST /control/reset         rules, settings, revision and calls as at the start (tokens stay good; hanging calls end)
  POST /control/mode          {"mode": "extended"}
  POST /control/fail          [rule, ...]: replaces the rules; failures.py says what a rule is; [] for none
  POST /control/revision      {} (one more) or {"revision": n}: names of everything then end in "(revision n)"
  POST /control/gone          {"ids": [...]}: 404 from now on; {"ids": [...], "gone": false} takes it back
  POST /control/account       any of {"redirects": [what the app's page names], "agrees": false, "rotates": true (a refresh brings another refresh
                              token), "later": seconds that have passed for consents and codes, "owner": whose account, "scopes": what the owner
                              consents to, whatever is asked for, "kept": [playlists that are not public: for a token with their scope alone], "linked": true (those are read by who has
                              their link, with no scope), "withdraw": true, "revoke": true (access tokens of accounts have expired)}
  POST /control/token         any of {"expires_in": seconds, "client_id": "...", "client_secret": "...", "revoke": true}
                              (expires_in holds for tokens given out later; revoke: those given out so far have expired)
  POST /control/settings      any of {"latency_ms": pause before every answer, "playlist_limit": most items of a page, 100,
                              "premium": false: the owner's Premium has lapsed, and every call is refused in plain text,
                              "user": "user7": whose token it is, null for the app's own,
                              "window": {"calls": 50, "seconds": 30}: more than so many calls in any 30 s are answered 429, null: none are;
                              a simulation names each call's instant in its query, at=SECONDS}
  POST /control/close_idle    closes every kept connection that has no call on it: {"closed": n}
Control calls are neither logged nor subject to rules.

With --tls CERTIFICATE KEY it speaks https. With --until-stdin-closes it ends when its standard input does, and so with the
process that holds the other end of that pipe.
"""
import argparse
import io
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from accounts import Accounts
from answers import error
from arrival import Incoming, monotonic, note_arrivals
from calls import Calls
from control import SETTINGS, Control
from data import World
from failures import Failures
from routes import Routes
from sending import Answer, planned, send
from window import Window


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        if self.server.tls:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.incoming = None if self.server.tls else Incoming(self.connection)
        if self.incoming:
            self.rfile.close()
            self.rfile = io.BufferedReader(self.incoming)
        self.busy, self.answering = False, threading.Lock()
        self.number = self.server.opened(self)

    def finish(self):
        self.server.closed(self)
        try:
            super().finish()
        except OSError:
            pass

    def parse_request(self):
        wall_ns = self.incoming.wall_ns if self.incoming else time.time_ns()
        self.busy, self.arrived = True, (monotonic(wall_ns), wall_ns // 1_000_000)
        return super().parse_request()

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        query = dict(reversed(parse_qsl(target.query, keep_blank_values=True)))
        if target.path.startswith("/control/"):
            given = json.loads(body or b"{}")
            self.reply({}, json_answer(self.server.control.answer(self.command, target.path[9:], query, given)))
        elif target.path == "/authorize" and self.command == "GET":
            self.show(*self.server.accounts.authorize(target.query))
        else:
            self.call(target, query, body)
        self.busy = False

    def show(self, status, headers, text):
        """A page, or where it sends a browser on."""
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "text/plain", "Content-Length": len(text)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def call(self, target, query, body):
        standin, on = self.server, "token" if target.path == "/api/token" else "api"
        rule = standin.failures.choose(on, self.path) or (standin.window.refusal(query) if on == "api" else {})
        answer = planned(rule, lambda: json_answer(self.usual(on, target.path, query, body)))
        bearer = self.headers.get("Authorization", "") if on == "api" else ""
        standin.calls.note({
            "on": on, "monotonic_ns": self.arrived[0], "wall_ms": self.arrived[1], "method": self.command, "path": target.path,
            "query": target.query, "status": answer.status, "behaviour": rule.get("behaviour"), "headers": answer.headers,
            "token": bearer.partition(" ")[2],
            "mode": standin.settings["mode"], "port": self.client_address[1], "connection": self.number,
            "user_agent": self.headers.get("User-Agent")})
        if standin.settings["latency_ms"]:
            time.sleep(standin.settings["latency_ms"] / 1000)
        self.reply(rule, answer)

    def usual(self, on, path, query, body):
        standin = self.server
        if on == "token":
            return standin.accounts.grant(self.headers, body) if self.command == "POST" else (405, {"error": "method_not_allowed"})
        if not path.startswith("/v1/"):
            return 404, error(404, "Service not found")
        if complaint := standin.accounts.complaint(self.headers.get("Authorization")):
            return complaint[0], error(*complaint)
        if not standin.settings["premium"]:
            return 403, NO_PREMIUM
        if self.command != "GET":
            return 405, error(405, "Method Not Allowed")
        return standin.routes.answer(path, query, *standin.accounts.holder(self.headers["Authorization"]))

    def reply(self, rule, answer):
        try:
            keep = send(self, rule, answer, self.server.failures.released)
        except OSError:
            keep = False
        if not keep:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve

    def log_message(self, *ignored):
        pass


#: Word for word what Spotify says to every call of an app whose owner's subscription has ended; as text/plain.
NO_PREMIUM = ("Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few "
              "hours before requests are allowed again.")


def json_answer(answered):
    """The answer on the wire of (status, object); a text is sent as it is."""
    if isinstance(answered[1], str):
        return Answer(answered[0], answered[1].encode(), "text/plain; charset=utf-8")
    return Answer(answered[0], json.dumps(answered[1], ensure_ascii=False, separators=(",", ":")).encode())


class StandIn(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def __init__(self, options):
        super().__init__((options.address, options.port), Handler)
        note_arrivals(self.socket)
        self.tls = None
        if options.tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*options.tls)
        self.started_with = {"mode": options.mode, "user": options.user}
        self.settings = {**SETTINGS, "gone": set(), "kept": set(), **self.started_with}
        self.world, self.failures, self.calls, self.window = World(), Failures(), Calls(options.log), Window(self.settings)
        self.accounts, self.routes, self.control = Accounts(self.settings), Routes(self.world, self.settings), Control(self)
        self.lock, self.connections, self.accepted = threading.Lock(), set(), 0

    def opened(self, handler):
        with self.lock:
            self.connections.add(handler)
            self.accepted += 1
            return self.accepted

    def closed(self, handler):
        with self.lock:
            self.connections.discard(handler)

    def close_idle(self):
        with self.lock:
            idle = [handler for handler in self.connections if not handler.busy]
        for handler in idle:
            try:
                with handler.answering:
                    handler.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(idle)

    def handle_error(self, request, client_address):
        pass  # a client that left, or a failed handshake: tests do both on purpose


def end_with_input():
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--log", metavar="FILE")
    parser.add_argument("--mode", choices=["development", "extended"], default="development")
    parser.add_argument("--user", metavar="NAME")
    parser.add_argument("--control", metavar="JSON", type=json.loads, default={})
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    parser.add_argument("--until-stdin-closes", action="store_true")
    options = parser.parse_args()
    standin = StandIn(options)
    for name, given in options.control.items():
        status, said = standin.control.answer("POST", name, {}, given)
        if status != 200:
            parser.error(f"--control {name}: {said['error']}")
    if options.until_stdin_closes:
        threading.Thread(target=end_with_input, daemon=True).start()
    # One write, newline included: who waits for the line may close the pipe when it has it.
    sys.stdout.write(f"listening on http{'s' if options.tls else ''}://127.0.0.1:{standin.server_address[1]}\n")
    sys.stdout.flush()
    try:
        standin.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
