#!/usr/bin/env python3
"""What holds and what gives on this machine: ten thousand sessions, ten thousand callers parked at the socket, a thousand wrong passwords a second.

    SWINGMUSIC_FCGI_EXECUTABLE=.build/release/swingmusic-fcgi Tests/faults/measure_limits.py [sessions|parked|passwords ...]

A million records are measured by `scripts/benchmark --growth`. Prints tables for docs/reliability.md.
"""

import asyncio
import collections
import concurrent.futures
import os
import resource
import statistics
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import faults  # noqa: E402, F401  (its paths)

from harness import fastcgi  # noqa: E402
from harness.household import Household  # noqa: E402
from harness.house import House, track  # noqa: E402
from harness.http import Connection, at_once, percentile  # noqa: E402
from harness.process import cpu_seconds, descriptor_targets  # noqa: E402
from harness.swingmusic import claims, password_hash, token  # noqa: E402

MANY = 10_000


def memory(pids):
    """MiB of RssAnon of all of them."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon")]
    return sum(int(line.split()[1]) for line in lines) / 1024


def latencies(port, path, headers, count=2000):
    with Connection(port) as connection:
        answers = [connection.get(path, headers) for _ in range(count)]
    good = [answer.seconds * 1000 for answer in answers if answer.status in (200, 204)]
    return f"{statistics.median(good):.2f} / {percentile(good, 0.99):.2f}, {len(answers) - len(good)} refused"


def row(name, *values):
    print(f"| {name} | {' | '.join(str(value) for value in values)} |", flush=True)


def present(home, tokens):
    with Connection(home.nginx.port) as connection:
        return [connection.get("/auth/verify", {"Authorization": f"Bearer {each}"}).status for each in tokens]


def counted(statuses):
    return ", ".join(f"{count} × {status}" for status, count in statuses.items())


def sessions():
    """Tokens that swingmusic made, of fifty users, which become sessions when they are first seen."""
    with Household("limits", workers=2) as home:
        for number in range(50):
            home.swingmusic.execute("INSERT INTO user (id, password, username, roles) VALUES (?, ?, ?, '[]')", 100 + number, password_hash("x"), f"u{number}")
        workers = home.responder.worker_pids()
        before, issued = memory(workers), int(time.time()) - 100_000
        tokens = [token(claims(100 + number % 50, issued=issued + number)) for number in range(MANY)]
        one = home.log_in("bob")["accesstoken"]
        admin = home.log_in("admin")["accesstoken"]
        row("ten thousand sessions", "")
        row("`/auth/verify` with one, ms (median / p99)", latencies(home.nginx.port, "/auth/verify", {"Authorization": f"Bearer {one}"}))
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            statuses = collections.Counter(status for some in pool.map(lambda first: present(home, tokens[first::32]), range(32)) for status in some)
        row("first seen, by 32 clients at once", f"{MANY / (time.monotonic() - began):.0f} a second: {counted(statuses)}")
        row("`/auth/verify` with ten thousand, ms (median / p99)", latencies(home.nginx.port, "/auth/verify", {"Authorization": f"Bearer {one}"}))
        with Connection(home.nginx.port) as connection:
            again = [connection.get("/auth/verify", {"Authorization": f"Bearer {each}"}).seconds * 1000 for each in tokens]
        row("each of them once more, ms", f"{statistics.median(again):.2f} / {percentile(again, 0.99):.2f}")
        listed = home.ask("GET", "/auth/sessions?user=all", bearer=admin)
        row("the list of all, for an admin", f"{len(listed.json()['sessions'])} in {listed.seconds:.2f} s, {len(listed.body) >> 10} KiB")
        mine = home.ask("GET", "/auth/sessions", bearer=tokens[0])
        row("one user's list of 200", f"{mine.seconds * 1000:.0f} ms")
        ended = home.ask("DELETE", "/auth/sessions", bearer=tokens[0])
        row("ending 199", f"{ended.json()['ended']} in {ended.seconds * 1000:.0f} ms")
        row("memory of two workers, MiB", f"{before:.0f} before, {memory(workers):.0f} after")
        row("`sessions.db`", f"{os.stat(home.sandbox.path('data', 'sessions.db')).st_size >> 10} KiB")


async def _asked(address, request):
    """The status of an answer from the socket."""
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(request)
    await writer.drain()
    output = b""
    while True:
        kind, length, padding = struct.unpack(">xBxxHBx", await reader.readexactly(8))
        content = await reader.readexactly(length + padding)
        if kind == fastcgi.STDOUT:
            output += content[:length]
        elif kind == fastcgi.END_REQUEST:
            writer.close()
            return fastcgi.FastCGIAnswer(output, 0, 0).status


async def _all_parked(address, paths, wait, meanwhile):
    tasks = []
    for at in range(0, len(paths), 500):
        tasks += [asyncio.ensure_future(_asked(address, fastcgi.request(path, parameters={"HTTP_PREFER": f"wait={wait}"})))
                  for path in paths[at:at + 500]]
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    await asyncio.get_running_loop().run_in_executor(None, meanwhile)
    began = time.monotonic()
    return await asyncio.gather(*tasks, return_exceptions=True), began


def parked():
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(MANY + 1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    for what, paths in [("for one thing", [track("one")] * MANY), ("each for another", [track(f"each-{number}") for number in range(MANY)])]:
        with House("limits", workers=2, SPOTIFY_MIN_INTERVAL="2s") as house:
            known = house.fill(1)[0]
            house.standin.fail({"behaviour": "hang"})
            workers = house.responder.worker_pids()
            before = memory(workers)
            row(f"ten thousand callers parked {what}", "")
            row("a hit beside none, ms (median / p99)", latencies(house.port, known, {}))
            during = []

            def meanwhile():
                during.append((latencies(house.port, known, {}), memory(workers), max(len(descriptor_targets(pid)) for pid in workers)))
                house.standin.fail()
            statuses, began = asyncio.run(_all_parked(house.responder.address, paths, 25, meanwhile))
            ends = collections.Counter(each if isinstance(each, int) else type(each).__name__ for each in statuses)
            row("a hit beside them, ms", during[0][0])
            row("memory of two workers, MiB", f"{before:.0f} before, {during[0][1]:.0f} with them; {during[0][2]} descriptors in one worker at most")
            row("how they ended", f"{counted(ends)}, the last {time.monotonic() - began:.1f} s after Spotify answers again")


async def _guesses(address, seconds):
    """A thousand a second, each from an address of its own, however slowly they are answered."""
    tasks = []
    for number in range(1000 * seconds):
        source = f"10.{number // 62_500}.{number // 250 % 250}.{number % 250}"
        body = b'{"username":"bob","password":"wrong%d"}' % number
        tasks.append(asyncio.ensure_future(_asked(address, fastcgi.request("/auth/login", "POST", body=body, parameters={
            "CONTENT_TYPE": "application/json", "REMOTE_ADDR": source}))))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    return await asyncio.gather(*tasks, return_exceptions=True)


def passwords():
    """Wrong ones past nginx, from ten thousand addresses: ten a minute from each would be heard."""
    with Household("limits", workers=2) as home:
        bearer = {"Authorization": f"Bearer {home.log_in('bob')['accesstoken']}"}
        workers = home.responder.worker_pids()
        row("a thousand wrong passwords a second", "")
        row("`/auth/verify` before, ms (median / p99)", latencies(home.nginx.port, "/auth/verify", bearer))
        before, began = sum(cpu_seconds(pid) for pid in workers), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            guesses = pool.submit(lambda: asyncio.run(_guesses(home.responder.address, 10)))
            time.sleep(2)
            tries = pool.submit(at_once, home.nginx.port, ["/auth/login"] * 20, method="POST", headers={"Content-Type": "application/json"},
                                body=b'{"username":"carol","password":"carolpw"}', over=6)
            row("`/auth/verify` meanwhile, ms", latencies(home.nginx.port, "/auth/verify", bearer))
            ends = collections.Counter(each if isinstance(each, int) else type(each).__name__ for each in guesses.result())
            took = time.monotonic() - began
        row("guesses", f"{sum(ends.values()) / took:.0f} a second: {counted(ends)}")
        row("twenty right sign-ins meanwhile", counted(collections.Counter(answer.status for answer in tries.result())) +
            f", {max(answer.seconds for answer in tries.result()):.1f} s at most")
        row("cores used by the workers", f"{(sum(cpu_seconds(pid) for pid in workers) - before) / took:.1f}")


if __name__ == "__main__":
    print("| | |\n| --- | --- |")
    for name in sys.argv[1:] or ["sessions", "parked", "passwords"]:
        {"sessions": sessions, "parked": parked, "passwords": passwords}[name]()
