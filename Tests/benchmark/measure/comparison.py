"""The comparison: every contender behind the same nginx, one after the other, round after round."""

import json
import urllib.request

from harness.sandbox import Sandbox
from harness.standin import StandIn

from . import records
from .build import say
from .contenders import Contender, FlaskResponder, Floor, bearer, responder, start_store
from .front import Front
from .load import fcgi_load, http_load, paths_file, wrk
from .processor import family, total_cpu
from .swingmusic import make_folder
from .table import median, show


class Comparison:
    """Sets everything up in a sandbox; `contenders` in the order in which a round asks them."""

    def __init__(self, sandbox, options):
        self.sandbox, self.options, self.contenders, self.programs = sandbox, options, [], {}
        self.standin = StandIn(sandbox).start()
        self.front = Front(sandbox)
        self.one = paths_file(sandbox, "one", [records.path_of(records.KNOWN)])
        self.store = start_store(sandbox)
        head, body = self._program(options.program, self.store) if options.program else invented_answer(self.standin)
        if options.before:
            self._program(options.before, start_store(sandbox), "before")
        self._floors(head, body)
        if options.flask_python:
            self._flask(body)
        self.contenders = in_order(self.contenders, options.only)
        self.front.start()

    def _program(self, executable, store, of=None):
        """An executable twice on one data folder: with the store, and on SQLite alone. `of`: when it is not the one that is measured."""
        options, sandbox = self.options, self.sandbox
        suffix, words = (f"-{of}", f", {of}") if of else ("", "")
        folder = sandbox.directory(f"data{suffix}")
        known = records.fetch_known(sandbox, executable, self.standin, folder)
        say(f"filling the data folder with {options.ids:,} records")
        records.fill(folder, options.ids)
        many = paths_file(sandbox, f"many{suffix}", records.copies(options.ids, options.ids))
        verify = paths_file(sandbox, f"verify{suffix}", ["/auth/verify"])
        swingmusic = make_folder(sandbox.path(f"config{suffix}", "swingmusic"))
        with_store = responder(sandbox, options, self.standin, folder, f"tiered{suffix}", store, executable,
                               SWINGMUSIC_CONFIG_DIR=str(swingmusic)).start()
        alone = responder(sandbox, options, self.standin, folder, f"alone{suffix}", executable=executable).start()
        self.programs.update({program: program.worker_pids() for program in (with_store, alone)})
        for contender, program in [
                (Contender(f"memory{suffix}", f"hit from memory{words}", self.one, None, tier="memory"), with_store),
                (Contender(f"dragonfly{suffix}", f"hit from the store ({options.store}){words}", many, None, tier="dragonfly"), with_store),
                (Contender(f"sqlite{suffix}", f"hit from SQLite{words}", many, None, tier="sqlite"), alone),
                (Contender(f"verify{suffix}", f"/auth/verify{words}", verify, None, headers=bearer()), with_store)]:
            contender.pids, contender.socket = (lambda program=program: family(program.pid)), program.address
            self._add_fastcgi(contender)
        return [(name, value) for name, value in known.headers.items()], known.body

    def _floors(self, head, body):
        canonical = {"content-type": "Content-Type", "etag": "ETag", "cache-control": "Cache-Control", "cache-status": "Cache-Status",
                     "content-length": "Content-Length"}
        head = [(canonical[name.lower()], value) for name, value in head if name.lower() in canonical]
        if not any(name == "Content-Length" for name, _ in head):
            head.append(("Content-Length", str(len(body))))
        answer = self.sandbox.path("answer")
        answer.write_bytes("".join(f"{name}: {value}\r\n" for name, value in head).encode() + b"\r\n" + body)
        self.body_bytes = len(body)
        self.front.add_file("static", head, body)
        self.contenders.append(Contender("static", "nginx, a file", self.one, list))
        for name, label, keep in [("plain", "C, a connection a request", False), ("epoll", "C, epoll, kept connections", True)]:
            floor = Floor(self.sandbox, name, answer, self.options.workers, self.options.responder_threads)
            self._add_fastcgi(Contender(name, label, self.one, floor.pids, socket=floor.socket, keep=keep))
        self._floor_with_store(answer, body)

    def _floor_with_store(self, answer, body):
        """What a thread that waits for the store makes of the same event loop."""
        self.store.command("SET", "floor", body)
        address = f"unix:{self.store.folder}/store.sock" if self.options.store == "unix" else f"127.0.0.1:{self.store.port}"
        floor = Floor(self.sandbox, "waiting", answer, self.options.workers, self.options.responder_threads, source="epoll", more=(address, "floor"))
        self._add_fastcgi(Contender("waiting", f"C, epoll, and a GET ({self.options.store})", self.one, floor.pids, socket=floor.socket))

    def _flask(self, body):
        self.store.command("SET", f"flask:{records.KNOWN}", body)
        server = self.options.flask
        flask = FlaskResponder(self.sandbox, self.options.flask_python, self.store, server, self.options.workers, self.options.responder_threads)
        self.front.add_http("flask", flask.port)
        self.contenders.append(Contender("flask", f"Flask and redis-py ({server})", self.one, flask.pids))

    def _add_fastcgi(self, contender):
        self.front.add_fastcgi(contender.name, contender.socket, contender.keep)
        self.contenders.append(contender)

    def warm(self):
        """Every record into the store, every connection open; then which tier answers each contender, in shares.

        Who does not answer as it should is named and takes no part."""
        shares, self.left_out = {}, {}
        for contender in list(self.contenders):
            port = self.front.ports[contender.name]
            if contender.tier == "dragonfly":
                http_load(port, contender.paths, count=self.options.ids)
            wrk(port, contender.paths, 1, self.options.connections, self.options.threads, contender.headers)
            try:
                shares[contender.name] = self.tiers(contender)
            except RuntimeError as trouble:
                say(f"left out: {trouble}")
                self.left_out[contender.name] = str(trouble)
                self.contenders.remove(contender)
        return shares

    def tiers(self, contender):
        """The share of answers by tier under the same load, for a second, and whether all were good."""
        got = http_load(self.front.ports[contender.name], contender.paths, 1, self.options.connections, headers=contender.headers,
                        first=self.options.ids // 3)
        bad = got["broken"] + got["answered"] - got["statuses"]["2xx"]
        if bad:
            raise RuntimeError(f"{contender.label}: {bad} of {got['answered']} answers were not 2xx: {got['statuses']}")
        return {tier: count / got["answered"] for tier, count in got["tiers"].items() if count}

    def ended_workers(self):
        """How many of the program's workers ended by themselves since the start, which none should."""
        return sum(len(set(workers) - set(program.worker_pids())) for program, workers in self.programs.items())

    def once(self, contender):
        """One contender in one round. Processor time in microseconds a request, of the responder, of nginx and of the store."""
        parts = {"responder": contender.pids(), "nginx": family(self.front.process.pid), "store": [self.store.process.pid]}
        before = {part: total_cpu(pids) for part, pids in parts.items()}
        got = wrk(self.front.ports[contender.name], contender.paths, self.options.seconds, self.options.connections, self.options.threads,
                  contender.headers)
        got["processor"] = {part: (total_cpu(pids) - before[part]) / max(1, got["answered"]) * 1e6 for part, pids in parts.items()}
        if got["failed"] or got["bad_status"]:
            say(f"{contender.label}: {got['failed']} failed, {got['bad_status']} bad answers")
        return got

    def direct(self, contender):
        """Without nginx: one connection, and as many as behind nginx."""
        before = total_cpu(contender.pids())
        full = fcgi_load(contender.socket, contender.paths, self.options.seconds, self.options.connections, contender.keep, contender.parameters)
        full["processor"] = (total_cpu(contender.pids()) - before) / max(1, full["answered"]) * 1e6
        single = fcgi_load(contender.socket, contender.paths, self.options.seconds / 2, 1, contender.keep, contender.parameters)
        return {"full": full, "single": single}


def in_order(contenders, only):
    order = ["static", "plain", "epoll", "waiting", "memory", "dragonfly", "sqlite", "verify", "flask"]
    wanted = [one for one in contenders if not only or kind(one) in only]
    return sorted(wanted, key=lambda contender: order.index(kind(contender)))


def kind(contender):
    """Its name, whichever executable it is of."""
    return contender.name.partition("-")[0]


def invented_answer(standin):
    """Without the program: the stand-in's track under the header lines that a hit has."""
    call = urllib.request.Request(f"{standin.url}/api/token", b"grant_type=client_credentials",
                                  {"Authorization": "Basic YTpi", "Content-Type": "application/x-www-form-urlencoded"})
    token = json.load(urllib.request.urlopen(call))["access_token"]
    call = urllib.request.Request(f"{standin.url}/v1/tracks/{records.KNOWN}", headers={"Authorization": f"Bearer {token}"})
    body = urllib.request.urlopen(call).read()
    return [("Content-Type", "application/json; charset=utf-8"), ("ETag", '"5eb63bbbe01eeed093cb22bb8f5acdc3"'),
            ("Cache-Control", "private, max-age=60"), ("Cache-Status", "swingmusic-fcgi; hit; ttl=41020; detail=memory")], body


def run(options):
    """The rounds, and the same without nginx. Returns what went into the tables."""
    with Sandbox("benchmark") as sandbox:
        comparison = Comparison(sandbox, options)
        shares = comparison.warm()
        rounds = {contender.name: [] for contender in comparison.contenders}
        straight = {contender.name: [] for contender in comparison.contenders if contender.socket}
        for number in range(options.rounds):
            for contender in comparison.contenders:
                say(f"round {number + 1} of {options.rounds}: {contender.label}")
                rounds[contender.name].append(comparison.once(contender))
                if contender.socket and options.direct:
                    straight[contender.name].append(comparison.direct(contender))
        if ended := comparison.ended_workers():
            say(f"{ended} of the program's workers ended in the meantime:\n" + "\n".join(program.log()[-3000:] for program in comparison.programs))
        after = {contender.name: comparison.tiers(contender) for contender in comparison.contenders if contender.tier} if not ended else {}
        print_rounds(comparison, rounds, shares)
        if options.direct:
            print_straight(comparison, straight)
        return {"body_bytes": comparison.body_bytes, "rounds": rounds, "straight": straight, "tiers": shares, "tiers_after": after,
                "left_out": comparison.left_out, "ended_workers": ended}


def print_rounds(comparison, rounds, shares):
    rates = {name: median([one["per_second"] for one in got]) for name, got in rounds.items()}
    rows = []
    for contender in comparison.contenders:
        got = rounds[contender.name]
        tier = shares[contender.name].get(contender.tier) if contender.tier else None
        rows.append([contender.label, rates[contender.name], *(ratio(rates, contender.name, to) for to in ("plain", "epoll", "flask")),
                     *(median([one["latency"][key] for one in got]) for key in ("p50", "p99")),
                     *(median([one["processor"][part] for one in got]) for part in ("responder", "nginx", "store")),
                     "" if tier is None else f"{tier:.1%}"])
    options = comparison.options
    show(f"Behind nginx: medians of {options.rounds} rounds, {comparison.body_bytes:,} bytes of body",
         ["answered by", "requests/s", "to plain C", "to epoll C", "to Flask", "p50 µs", "p99 µs", "µs responder", "µs nginx", "µs store", "from its tier"],
         rows, f"wrk -t{options.threads} -c{options.connections} -d{options.seconds}s, rounds interleaved; {options.workers} processes of "
               f"{options.responder_threads} threads each. µs responder, nginx, store: processor time a request."
               + (f" {ended} WORKERS ENDED MEANWHILE." if (ended := comparison.ended_workers()) else "")
               + "".join(f" Left out: {trouble}." for trouble in comparison.left_out.values()))


def print_straight(comparison, straight):
    labels = {contender.name: contender.label for contender in comparison.contenders}
    rows = [[labels[name], median([one["full"]["per_second"] for one in got]), median([one["full"]["processor"] for one in got]),
             *(median([one["single"]["latency"][key] for one in got]) for key in ("p50", "p99"))]
            for name, got in straight.items() if got]
    show("Without nginx: straight to the responder's socket", ["answered by", "requests/s", "µs responder", "one caller p50 µs", "p99 µs"], rows,
         f"fcgi_load, {comparison.options.connections} connections at once; then one connection alone, a round trip each.")


def ratio(rates, name, to):
    return rates[name] / rates[to] if to in rates and name != to else None
