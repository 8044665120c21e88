"""The hour of calls, nearly spent."""

import contextlib
import sqlite3
import time

#: What is asked for alone: together lookups would do with one call.
_ALONE = [f"batches-closed/{kind}" for kind in ("track", "album", "artist")]


@contextlib.contextmanager
def nearly_spent(suite, left):
    """A program that is started with a budget of which so many calls are left; when it is over it is seen that there were no more. Yields their number."""
    home = suite.home
    usual = home.responder.settings["SPOTIFY_CALLS_PER_HOUR"]
    home.stop_program()
    with contextlib.closing(sqlite3.connect(home.data / "limiter.db", timeout=10)) as file, file:
        [spent] = file.execute("SELECT count(*) FROM grants").fetchone()
        file.executemany("INSERT OR REPLACE INTO facts (name, value) VALUES (?, '')", [[name] for name in _ALONE])
    extra = home.sabotage.extra_calls if home.sabotage else 0
    left += max(10, spent) - spent
    before = suite.standin.last_number()
    home.start_program(SPOTIFY_CALLS_PER_HOUR=str(spent + left + extra))
    yield left
    home.stop_program()
    # What had left by then.
    time.sleep(0.2)
    made = len(suite.standin.calls(since=before))
    if made > left:
        suite.judge.found("hour", f"{made} calls where {left} were left in the hour")
    with contextlib.closing(sqlite3.connect(home.data / "limiter.db", timeout=10)) as file, file:
        file.executemany("DELETE FROM facts WHERE name = ?", [[name] for name in _ALONE])
    home.start_program(SPOTIFY_CALLS_PER_HOUR=usual)
