#!/usr/bin/env python3
"""The fault suite as a program: a workload that knows what every answer may be, and faults at random instants, alone and in pairs.

    suite.py                                  each fault once
    suite.py --seconds 1200 --times 5 --real  the long form: the real swingmusic behind the guard, each fault five times at least
    suite.py --seed 7 --only store --only "cache.db: busy"    faults whose names begin so
    suite.py --break pace                     breaks that rule on purpose, and has to end with status 1
    suite.py --list                           the faults, and the rules

The same seed strikes in the same order with the same choices; a machine's own timing is not in its hand. It writes a table of what it saw (--table FILE).
"""

import argparse
import contextlib
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

if __package__ is None or __package__ == "":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "faults"
    import faults  # noqa: F401  (its paths)

import powercut
from harness.http import Connection, at_once
from harness.process import send_signal, tcp_connections
from harness.standin import spotify_id
from harness.waiting import TooLate, eventually

from faults.accounts import CACHES, Accounts
from faults.afterwards import check_at_rest, check_hour, check_lookups
from faults.home import INTERVAL, USERS, VICTIMS, Home
from faults.judge import RULES
from faults.keys import Keys
from faults.records import CallJudge, Records
from faults.report import Report
from faults.sabotage import Sabotage
from faults.signins import SignIns
from faults.table import load

#: Seconds within which all is well again when a fault is over. A worker that dies young is waited for longer each time.
RECOVERY = 30.0
#: What is excused while what went wrong itself is made good.
MENDING = frozenset("links slow hits reads writes sessions cooldown".split())


class Suite:
    """`only`: beginnings of names. `seconds`: at least so long, and until each fault was on `times` times; with `at_most` not longer than that."""

    def __init__(self, home, only=(), short=False):
        self.home, self.judge, self.standin, self.store = home, home.judge, home.standin, home.store
        self.chance = random.Random(home.seed)
        self.accounts, self.records = Accounts(home, self.chance), Records(home)
        self.keys, self.sign_ins = Keys(home, self.records), SignIns(home, [*USERS, *VICTIMS])
        self.calls = CallJudge(home, self.records, INTERVAL)
        self.victims, self.waited, self.secret, self._urged = VICTIMS, 0, None, 0
        self.powercut = powercut.shim(home.sandbox.folder)
        self.report = Report(home)
        self.faults = [fault for name, fault in load().items() if (not only or any(name.startswith(each) for each in only))
                       and not (short and fault.long) and ("disk" not in fault.needs or home.has_disk)]
        self._stop, self._threads, self._expected = threading.Event(), [], []

    # The workload.

    def begin(self):
        self.records.fill(12)
        seeds = random.Random(self.home.seed)
        starts = [(self.accounts.write, cache) for cache in CACHES] + [(self.accounts.write, "user")]
        starts += [(self.accounts.read,)] * 2 + [(self.records.hit,)] * 2 + [(self.sign_ins.look,)] * 2
        starts += [(self.keys.live,), (self.keys.look,)]
        starts += [(self.sign_ins.live, name) for name in [*USERS, *VICTIMS]]
        for deed, *words in starts:
            self._start(deed, *words, seeds.randrange(1 << 30), self._stop)
        self._start(self.records.look_up, seeds.randrange(1 << 30), self._stop, 1.0)
        self._start(self.records.revisions.run, self._stop)
        self._start(self.calls.run, self._stop)
        if self.home.sabotage:
            self.home.sabotage.run(self, self._stop)

    def _start(self, deed, *words):
        def guarded():
            try:
                deed(*words)
            except Exception as error:  # a workload that ended unseen would find nothing
                self.judge.found("recovers", f"{deed.__name__} ended: {error!r}")
                raise
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self._threads.append(thread)

    def end(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        self.calls.look()

    # What faults ask for.

    def workers(self):
        return eventually(self.home.responder.worker_pids, 30, what="there are workers")

    def urge(self):
        """Asks for some new things, so that there are calls; waits for none of them."""
        self._urged += 1
        paths = [f"/spotify/v1/tracks/{spotify_id(f'urged-{self.home.seed}-{self._urged}-{n}')}" for n in range(3)]
        threading.Thread(target=at_once, args=(self.home.port, paths), kwargs={"headers": {"Prefer": "wait=1", **self.home.ticket}, "source": "127.0.10.1"}, daemon=True).start()

    def kill_the_caller(self, pause):
        """SIGKILL for the worker that makes a call, so many seconds after its bytes have come. Whether there was one."""
        since = self.standin.last_number()
        self.urge()
        with contextlib.suppress(TooLate):
            call = self.standin.await_call(since=since, within=4)
            ports = call["port"], self.standin.port
            victim = eventually(lambda: next((pid for pid in self.workers() if ports in tcp_connections(pid)), None), 1.0, every=0.002)
            time.sleep(pause)
            send_signal(victim, 9)
            return True
        return False

    def lift_pauses(self):
        self.home.stop_program()
        self.home.lift_pauses()
        self.calls.forget_cooldown()
        self.home.start_program()

    def body_of_a_known_one(self):
        return self.home.get(f"/spotify/v1/tracks/{spotify_id('known-1')}", self.home.ticket).body.decode() or "{}"

    def command(self, *words):
        settings = {name: value for name, value in self.home.responder.settings.items() if name != "LD_PRELOAD"}
        done = subprocess.run([self.home.program, *words], capture_output=True, text=True, timeout=120, check=False,
                              env=self.home.sandbox.environment(**settings))
        if done.returncode != 0:
            self.judge.found("recovers", f"{words[0]} ended with {done.returncode}: {done.stderr[-300:]}")

    def expect(self, what, condition):
        """That it is so soon after all faults are over that are on now."""
        self._expected.append((what, condition))

    # The faults.

    def strike(self, *faults):
        """One fault, or a pair: on at once, for as long as the shorter of them may last."""
        self.judge.faults = tuple(fault.name for fault in faults)
        began = time.monotonic()
        with self.judge.excusing(frozenset().union(*(fault.excuses for fault in faults))):
            try:
                self._do_harm(faults)
            except Exception as error:  # that it does not start, for one; the rest is to be seen all the same
                self.judge.found("recovers", f"{type(error).__name__}: {str(error)[:2000]}")
                # It is stopped for that.
                with self.judge.excusing(MENDING):
                    self.home.mend()
            over = time.monotonic()
            self._recover()
        self.report.note(faults, began, over, time.monotonic())
        self.judge.faults = ()

    def _do_harm(self, faults):
        with contextlib.ExitStack() as stack:
            for fault in faults:
                stack.enter_context(fault.on(self))
                time.sleep(self.chance.uniform(0, 0.3))
            time.sleep(self.chance.uniform(max(fault.lasts[0] for fault in faults), max(fault.lasts[1] for fault in faults)))

    def _recover(self):
        with Connection(self.home.port, timeout=10, source="127.0.11.1") as connection:
            def is_well():
                known = self.records.some(self.chance)
                ticket = self.home.ticket
                status = connection.get(f"/spotify/v1/tracks/{known}" if known else "/auth/user", ticket).status
                if status == 401:
                    self.home.renew_ticket(ticket)
                if status != 200:
                    return False
                some = self.sign_ins.of("good")
                return self.home.write(connection) and (not some or self.home.opens(some[-1].access[-1], connection))
            try:
                eventually(is_well, RECOVERY, every=0.05)
            except TooLate:
                self.judge.found("recovers", f"not well {RECOVERY:.0f} s after the fault")
        expected, self._expected = self._expected, []
        for what, condition in expected:
            try:
                eventually(condition, RECOVERY, every=0.05, what=what)
            except TooLate as error:
                self.judge.found("recovers", str(error))

    def round(self, alone, faults):
        """Each once, in an order of the seed's: alone, or in pairs that do not take the same."""
        order = self.chance.sample(faults, len(faults))
        while order:
            first, second = order.pop(), None
            if not alone:
                second = next((fault for fault in order if not fault.takes & first.takes), None)
            if second:
                order.remove(second)
            yield (first, second) if second else (first,)

    def run(self, seconds, times, at_most=None):
        began, rounds = time.monotonic(), 0
        while True:
            lacking = [fault for fault in self.faults if self.report.struck(fault.name) < times]
            if not lacking and time.monotonic() - began >= seconds or rounds >= 3 * times and not at_most:
                return
            for faults in self.round(rounds % 2 == 0, lacking or self.faults):
                if at_most and time.monotonic() - began > at_most:
                    return
                time.sleep(self.chance.uniform(0, 0.4))
                self.strike(*faults)
            rounds += 1


def carry_out(seed, seconds=0.0, times=1, at_most=None, only=(), real=False, rule=None, short=False):
    """A whole run; its judge and its report. With a broken `rule` it ends as soon as that was found."""
    with Home(seed, real=real, sabotage=Sabotage(rule) if rule else None) as home:
        suite = Suite(home, only, short)
        suite.begin()
        if rule:
            _await_finding(suite, rule)
            suite.end()
        else:
            suite.run(seconds, times, at_most)
            check_lookups(suite)
            suite.end()
            check_at_rest(suite)
        if rule in (None, "hour"):
            check_hour(suite)
        suite.report.close(suite.accounts, suite.calls)
        return home.judge, suite.report


def _await_finding(suite, rule, within=20):
    began = time.monotonic()
    if rule == "cooldown":
        suite.home.cooldown = 8.0
        suite.standin.fail({"behaviour": "status", "status": 429, "retry_after": 8, "times": 1})
    while rule != "hour" and time.monotonic() - began < within and not any(finding.rule == rule for finding in suite.judge.findings):
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--at-most", type=float)
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--break", dest="rule", choices=RULES)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*load(), "", *(f"{rule}: {words}" for rule, words in RULES.items())]))
        return 0
    print(f"seed {options.seed}", flush=True)
    judge, report = carry_out(options.seed, options.seconds, options.times, options.at_most, options.only, options.real, options.rule)
    print(report.text())
    if options.table:
        options.table.write_text(report.text())
    print(", ".join(f"{rule} {count} times" for rule, count in judge.broken.items()) or "Every rule held.")
    return 1 if judge.findings else 0


if __name__ == "__main__":
    sys.exit(main())
