"""Waiting for a condition with a deadline, never for a fixed time."""

import select
import time


class TooLate(AssertionError):
    """The condition did not become true in time."""


def eventually(condition, within=10.0, every=0.02, what=None):
    """Polls `condition` until it returns something true, and returns that. An exception counts as
    "not yet"; the last one is named when the deadline (seconds) passes."""
    deadline = time.monotonic() + within
    trouble = None
    while True:
        try:
            found = condition()
            if found:
                return found
        except Exception as error:
            trouble = error
        if time.monotonic() >= deadline:
            name = what or getattr(condition, "__name__", "the condition")
            raise TooLate(f"{name}: not within {within} s" + (f" (last: {trouble!r})" if trouble else ""))
        time.sleep(every)


def readable(source, within=0.0):
    """Whether there is something to read from a socket or descriptor, or its end, within so many seconds. Of any number: select(2) takes
    none above 1023."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(within * 1000))
