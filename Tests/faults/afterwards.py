"""What is looked at when the faults are over."""

import random
import re
import threading
import time

from harness.http import Connection, at_once
from harness.standin import spotify_id
from harness.waiting import TooLate, eventually

from faults.hour import nearly_spent


def check_at_rest(suite):
    """All that was acknowledged once more, by new connections and after a start."""
    chance = random.Random(f"{suite.home.seed}/at rest")
    for _ in range(2):
        with Connection(suite.home.port, timeout=30) as connection:
            for account in suite.accounts.all():
                suite.accounts.check(account, connection)
            # Of a long run some of the old ones.
            old = suite.sign_ins.old
            for session in [*suite.sign_ins.of("good", "ended"), *chance.sample(old, min(len(old), 1000))]:
                suite.sign_ins.check(session, chance, connection)
            for key in suite.keys.of("good", "ended"):
                if key.tokens and suite.records.known:
                    suite.keys.check(key, suite.records.some(chance), chance, connection)
            for name in list(suite.records.known)[-150:]:
                suite.records.ask(name, connection)
        suite.home.stop_program()
        suite.home.start_program()


def check_lookups(suite):
    """Whatever was wrong before, what is not known is looked up."""
    name = suite.records.new()
    with Connection(suite.home.port, timeout=60) as connection:
        try:
            eventually(lambda: suite.records.ask_new(connection, name=name).status == 200, 90, every=0.5)
        except TooLate:
            suite.judge.found("recovers", f"nothing is looked up any more: {suite.records.ask_new(connection, 1, name)!r}")


def check_hour(suite):
    """So few calls are left in the hour that they run out, amid kills."""
    with nearly_spent(suite, left=5) as left:
        paths = [f"/spotify/v1/tracks/{spotify_id(f'hour-{number}')}" for number in range(left + 12)]
        before = suite.standin.last_number()
        killer = threading.Timer(1.0, lambda: suite.home.kill(suite.workers()[0]))
        killer.start()
        at_once(suite.home.port, paths, headers={"Prefer": "wait=5", **suite.home.ticket}, source="127.0.12.1")
        killer.join()
        time.sleep(1)
        suite.calls.look()
        if not suite.standin.calls(since=before):
            suite.judge.found("recovers", f"none of the {left} calls that were left was made")


#: What must be done in many cases, whatever was on: a share of what was asked for. What never is shows nothing.
MOSTLY = {"hit": 0.7, "write": 0.6, "delete": 0.6, "read": 0.7, "session": 0.6, "ended session": 0.6,
          **dict.fromkeys(("sign-in", "refresh", "pair", "end", "key", "key's token", "key revoked", "key used", "lookup"), 0.3)}


def check_done(suite):
    """What is asked for and always refused shows nothing, and what is never asked for neither."""
    for kind, share in MOSTLY.items():
        done, asked = suite.judge.done[kind], suite.judge.counts[kind]
        if not asked or done < share * asked:
            suite.judge.found("recovers", f"of {asked} × {kind} {done} were done, and {share:.0%} should be", kind)


_DEATH = re.compile(r"(?:worker ended (by signal \d+|with status \d+)|worker (takes too long) and is killed|(worker ended, nobody knows how)).*?worker=(\d+)")


def check_deaths(suite):
    """A worker that nobody killed did not die, and none had to be killed that nobody had stopped. Looks at what the log says since the last look."""
    home = suite.home
    with open(home.responder.log_path, encoding="utf-8", errors="replace") as file:
        file.seek(suite.log_seen)
        text = file.read()
        suite.log_seen = file.tell()
    for match in _DEATH.finditer(text):
        how, pid = match[1] or match[2] or match[3], int(match[4])
        # 15 is how they are told to end, which one that has just begun does at once.
        known = how == "by signal 15" or how == "by signal 9" and pid in home.killed | home.halted or how == "takes too long" and pid in home.halted
        # One that may open nothing cannot begin.
        if not known and not (how.startswith("with status") and pid in home.starved):
            # What Swift says of a trap is no line of a log.
            said = [line for line in text[:match.start()].splitlines() if line and not line.startswith("20")]
            suite.judge.found("recovers", f"a worker died: {match[0]}: {' / '.join(said[-12:])}", how)
