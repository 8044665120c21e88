"""The host's time: a wall clock that is set, and another boot."""

import time

from . import fault

HOUR, DAY = 3600, 86_400
#: Records fall due by the wall clock, and are fetched anew.
SET = "once hits lookups slow"


def clock(name, hands):
    @fault(f"clock: {name}", SET, takes="clock", lasts=(0.7, 1.5))
    def deed(run):
        for ahead in hands:
            run.accounts.note_clock()
            run.home.set_clock(ahead)
            time.sleep(0.4)
        yield
        run.home.set_clock(0)
        # What fell due by either clock is fetched once more, each thing once.
        time.sleep(0.4)
        run.calls.forget_fetched()


clock("an hour forward", [HOUR])
clock("an hour back", [-HOUR])
clock("a day forward", [DAY])
clock("a day back", [-DAY])
clock("set several times", [HOUR, -DAY, 2 * DAY, -HOUR])


@fault("reboot", "links slow hits reads writes sessions lookups", takes="serve clock", lasts=(0.1, 0.5))
def reboot(run):
    with run.home.away(gently=False):
        run.home.host.reboot()
        run.home.rebooted = time.monotonic()
    yield
