#!/usr/bin/env python3
"""The fault suite as a program: a workload that knows what every answer may be, and faults at random instants, alone and in pairs.

    suite.py                                  each fault once
    suite.py --seconds 1200 --times 5 --real  the long form: the real swingmusic behind the guard, each fault five times at least
    suite.py --seed 7 --only store --only "cache.db: busy"    faults whose names begin so
    suite.py --short --seconds 75 --seed 3    the short form: an eighth of the faults, alone and in pairs
    suite.py --break pace                     breaks that rule on purpose, and has to end with status 1
    suite.py --list                           the faults, the rules, and the ways to break them

The same seed strikes in the same order, in the same pairs, with the same choices; a machine's own timing is not in its hand. It writes a table of what
it saw (--table FILE).
"""

import argparse
import contextlib
import itertools
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
from harness.http import Connection
from harness.standin import spotify_id
from harness.process import tcp_connections
from harness.waiting import TooLate, eventually

from faults.accounts import CACHES, Accounts
from faults.afterwards import check_at_rest, check_deaths, check_done, check_hour, check_lookups
from faults.home import INTERVAL, USERS, VICTIMS, Home
from faults.judge import RULES
from faults.keys import Keys
from faults.records import CallJudge, Records
from faults.report import Report
from faults.sabotage import BREAKS, Sabotage
from faults.schedule import PARTS, part_of, round_of
from faults.signins import SignIns
from faults.table import load

#: Seconds within which all is well again when a fault is over. A worker that dies young is waited for longer each time.
RECOVERY = 30.0
#: What is excused while what went wrong itself is made good.
MENDING = frozenset("links slow hits reads writes sessions cooldown".split())


class Suite:
    """`only`: beginnings of names. `seconds`: at least so long, and until each fault was on `times` times; with `at_most` not longer than that."""

    def __init__(self, home, only=()):
        self.home, self.judge, self.standin, self.store = home, home.judge, home.standin, home.store
        #: What the fault draws from whose turn it is: a stream of its own (schedule.py).
        self.chance = None
        self.accounts, self.records = Accounts(home), Records(home)
        self.keys, self.sign_ins = Keys(home, self.records), SignIns(home, [*USERS, *VICTIMS])
        self.calls = CallJudge(home, self.records, INTERVAL)
        self.victims, self.numbers, self.secret = VICTIMS, itertools.count(1), None
        self.powercut = powercut.shim(home.sandbox.folder)
        self.report = Report(home)
        chosen = [fault for name, fault in load().items() if not only or any(name.startswith(each) for each in only)]
        self.faults = [fault for fault in chosen if "disk" not in fault.needs or home.has_disk]
        self.report.faults, self.report.left_out = self.faults, [fault.name for fault in chosen if fault not in self.faults]
        self._stop, self._threads, self._expected = threading.Event(), [], []
        #: Up to where the program's log was looked at (check_deaths).
        self.log_seen = 0

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
        self._start(self.home.pulse.run, self._stop)
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
        """Their process ids, of one at least."""
        return eventually(self.home.responder.worker_pids, 30, what="there are workers")

    def urge(self, count=3):
        self.records.urge(count)

    def kill_the_caller(self, pause):
        """SIGKILL for the worker that makes a call, so many seconds after its bytes have come. Whether there was one."""
        since = self.standin.last_number()
        self.urge()
        with contextlib.suppress(TooLate):
            call = self.standin.await_call(since=since, within=4)
            ports = call["port"], self.standin.port
            victim = eventually(lambda: next((pid for pid in self.workers() if ports in tcp_connections(pid)), None), 1.0, every=0.002)
            time.sleep(pause)
            self.home.kill(victim)
            return True
        return False

    def shorten_pauses(self, **settings):
        """A start with which all pauses are over in a moment; that lookups go on then is looked at like all that has to be well again."""
        self.home.stop_program()
        self.home.shorten_pauses()
        self.calls.forget_cooldown()
        self.home.start_program(**settings)

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

    def strike(self, strike):
        """One fault, or a pair: on at once, for as long as the shorter of them may last."""
        faults = strike.faults
        self.judge.faults = tuple(fault.name for fault in faults)
        began = time.monotonic()
        excuses = frozenset().union(*(fault.excuses for fault in faults))
        with self.judge.excusing(excuses):
            try:
                self._do_harm(strike)
            except Exception as error:  # that it does not start, for one; the rest is to be seen all the same
                self.judge.found("recovers", f"{type(error).__name__}: {str(error)[:2000]}")
                # It is stopped for that.
                with self.judge.excusing(MENDING):
                    self._mend()
            over = time.monotonic()
            self._recover("lookups" in excuses)
        check_deaths(self)
        self.report.note(faults, began, over, time.monotonic())
        self.judge.faults = ()

    def _mend(self):
        try:
            self.home.mend()
        except Exception as error:
            self.judge.found("recovers", f"nor could it be mended: {type(error).__name__}: {str(error)[:2000]}")

    def _do_harm(self, strike):
        """Each makes good what it did, whatever went wrong with the other; raises the first thing that did."""
        timing, on, wrong = strike.timing, [], []

        def attempt(deed, chance):
            self.chance = chance
            try:
                deed()
            except Exception as error:
                wrong.append(error)
        for fault, chance in zip(strike.faults, strike.chances):
            context = fault.on(self)
            attempt(context.__enter__, chance)
            if wrong:
                break
            on.append((context, chance))
            time.sleep(timing.uniform(0, 0.3))
        else:
            time.sleep(timing.uniform(max(fault.lasts[0] for fault in strike.faults), max(fault.lasts[1] for fault in strike.faults)))
        for context, chance in reversed(on):
            attempt(lambda: context.__exit__(None, None, None), chance)
        if wrong:
            raise wrong[0]

    def _recover(self, looks_up=False):
        chance = random.Random(self.home.seed)
        with Connection(self.home.port, timeout=10, source="127.0.11.1") as connection:
            def is_well():
                known = self.records.some(chance)
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
            try:
                # One thing: each new one would make the queue longer, where it is answered at once that it has to wait.
                name = self.records.new() if looks_up else None
                if name:
                    eventually(lambda: self.records.ask_new(connection, 2, name).status == 200, RECOVERY, every=0.1)
            except TooLate:
                self.judge.found("recovers", f"nothing is looked up {RECOVERY:.0f} s after the fault")
        expected, self._expected = self._expected, []
        for what, condition in expected:
            try:
                eventually(condition, RECOVERY, every=0.05, what=what)
            except TooLate as error:
                self.judge.found("recovers", str(error))

    def run(self, seconds, times):
        """Rounds of all faults for so long; after that of those which did not meet anything so often yet."""
        began = time.monotonic()
        for number in range(3 * times + int(seconds / 60)):
            for strike in round_of(self.home.seed, number, self.faults):
                is_over = time.monotonic() - began >= seconds
                if not is_over or any(self.report.struck(fault.name) < times for fault in strike.faults):
                    self._strike_soon(strike)
            if time.monotonic() - began >= seconds and all(self.report.struck(fault.name) >= times for fault in self.faults):
                return

    def run_part(self, at_most):
        """The seed's part of the faults, and no more of it than there is time for."""
        began, strikes = time.monotonic(), part_of(self.home.seed, self.faults)
        self.report.part = f"part {self.home.seed % PARTS + 1} of {PARTS}, {len(strikes)} times alone or in pairs"
        for number, strike in enumerate(strikes):
            if time.monotonic() - began > at_most:
                self.report.part += f", of which there was time for {number}"
                return
            self._strike_soon(strike)

    def _strike_soon(self, strike):
        time.sleep(strike.timing.uniform(0, 0.4))
        self.strike(strike)


def carry_out(seed, seconds=0.0, times=1, only=(), real=False, broken=None, short=False):
    """A whole run; its judge and its report. `short`: the seed's part, for `seconds` at most. `broken`: one of BREAKS; it ends as soon as that was found."""
    sabotage = Sabotage(broken) if broken else None
    with Home(seed, real=real, sabotage=sabotage) as home:
        suite = Suite(home, only)
        suite.begin()
        if sabotage:
            _await_finding(suite, sabotage)
            suite.end()
        else:
            if short:
                suite.run_part(seconds)
            else:
                suite.run(seconds, times)
            check_lookups(suite)
            suite.end()
            check_at_rest(suite)
            if not only:
                check_done(suite)
        if broken in (None, "hour"):
            check_hour(suite)
        if broken in (None, "recovers"):
            check_deaths(suite)
        suite.report.close(suite.accounts, suite.calls)
        return home.judge, suite.report


def _await_finding(suite, sabotage, within=25):
    """Until what is broken was found, everywhere where it is to be found."""
    began = time.monotonic()
    if sabotage.answer:
        suite.standin.fail(sabotage.answer)
    while sabotage.waits and time.monotonic() - began < within:
        places = suite.judge.places(sabotage.rule)
        if places and sabotage.places <= places:
            return
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="the seed's part of the faults, for --seconds at most")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--break", dest="broken", choices=BREAKS)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*load(), "", *(f"{rule}: {words}" for rule, words in RULES.items()), "", "--break " + ", ".join(BREAKS)]))
        return 0
    print(f"seed {options.seed}", flush=True)
    judge, report = carry_out(options.seed, options.seconds, options.times, options.only, options.real, options.broken, options.short)
    print(report.text())
    if options.table:
        options.table.write_text(report.text())
    print(", ".join(f"{rule} {count} times" for rule, count in judge.broken.items()) or "Every rule held.")
    return 1 if judge.findings else 0


if __name__ == "__main__":
    sys.exit(main())
