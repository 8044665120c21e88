"""What is looked at when the faults are over."""

import contextlib
import sqlite3
import threading
import time

from harness.http import Connection, at_once
from harness.process import send_signal
from harness.standin import spotify_id
from harness.waiting import TooLate, eventually


def check_at_rest(suite):
    """All that was acknowledged once more, by new connections and after a start."""
    for _ in range(2):
        with Connection(suite.home.port, timeout=30) as connection:
            for account in suite.accounts.all():
                suite.accounts.check(account, connection)
            for session in suite.sign_ins.of("good", "ended")[-150:]:
                suite.sign_ins.check(session, suite.chance, connection)
            for key in suite.keys.of("good", "ended"):
                if key.tokens and suite.records.known:
                    suite.keys.check(key, suite.records.some(suite.chance), suite.chance, connection)
            for name in list(suite.records.known)[-150:]:
                suite.records.ask(name, connection)
        suite.home.stop_program()
        suite.home.start_program()
    for line in suite.home.responder.log().splitlines():
        if "worker ended by signal" in line and not any(f"signal {number}" in line for number in (9, 15)):
            suite.judge.found("recovers", f"a worker died: {line}")


def check_lookups(suite):
    """Whatever was wrong before, what is not known is looked up."""
    with Connection(suite.home.port, timeout=60) as connection:
        try:
            eventually(lambda: suite.records.ask_new(connection, wait=10).status == 200, 90, every=0.5)
        except TooLate:
            suite.judge.found("recovers", "nothing is looked up any more")


def check_hour(suite):
    """So few calls are left in the hour that they run out, amid kills."""
    left = 5
    home = suite.home
    home.stop_program()
    home.lift_pauses()
    with contextlib.closing(sqlite3.connect(home.data / "limiter.db", timeout=10)) as file:
        [spent] = file.execute("SELECT count(*) FROM grants").fetchone()
    extra = home.sabotage.extra_calls if home.sabotage else 0
    home.start_program(SPOTIFY_CALLS_PER_HOUR=str(max(10, spent) + left + extra))
    left += max(10, spent) - spent
    before = suite.standin.last_number()
    paths = [f"/spotify/v1/tracks/{spotify_id(f'hour-{number}')}" for number in range(left + 12)]
    killer = threading.Timer(1.0, lambda: send_signal(suite.workers()[0], 9))
    killer.start()
    at_once(home.port, paths, headers={"Prefer": "wait=5", **home.ticket}, source="127.0.12.1")
    killer.join()
    time.sleep(1)
    made = len(suite.standin.calls(since=before))
    suite.calls.look()
    if made > left:
        suite.judge.found("hour", f"{made} calls where {left} were left in the hour")
    elif not made:
        suite.judge.found("recovers", f"none of the {left} calls that were left was made")
