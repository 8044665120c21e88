"""Workers that are killed, stopped, or may open no more files."""

import contextlib
import resource
import signal

from harness.process import descriptor_targets, send_signal
from harness.waiting import TooLate, eventually

from . import fault

#: A worker that is gone takes its connections with it.
GONE = "links slow lookups"


def met(run, name):
    """All workers, in an order of chance. Where there are none for a while, as where a file is of a newer version, the fault meets nothing."""
    with contextlib.suppress(TooLate):
        workers = eventually(run.home.responder.worker_pids, 3)
        return run.chance.sample(workers, len(workers))
    run.report.miss(name)
    return []


@fault("worker: killed", GONE)
def killed(run):
    for pid in met(run, "worker: killed")[:1]:
        run.home.kill(pid)
    yield


@fault("worker: stopped", "links slow hits reads writes sessions lookups cooldown", lasts=(0.5, 3))
def stopped(run):
    halted = met(run, "worker: stopped")[:1]
    for pid in halted:
        run.home.halt(pid)
    yield
    for pid in halted:
        send_signal(pid, signal.SIGCONT)


@fault("worker: all killed", GONE)
def all_killed(run):
    for pid in met(run, "worker: all killed"):
        run.home.kill(pid)
    yield


@fault("worker: killed between turn and answer", f"{GONE} cooldown", takes="spotify")
def killed_at_a_call(run):
    run.standin.fail({"behaviour": "delay", "ms": 700, "times": 1})
    if not run.kill_the_caller(pause=0):
        run.report.miss("worker: killed between turn and answer")
    yield
    run.standin.fail()


@fault("worker: killed between answer and store", f"{GONE} cooldown", takes="spotify")
def killed_after_an_answer(run):
    if not run.kill_the_caller(pause=run.chance.uniform(0, 0.01)):
        run.report.miss("worker: killed between answer and store")
    yield


@fault("worker: no descriptor left", "links slow hits reads writes sessions lookups", lasts=(0.5, 2))
def no_descriptors(run):
    pid = next(iter(met(run, "worker: no descriptor left")), None)
    try:
        if pid:
            run.home.starved.add(pid)
            usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(4, len(descriptor_targets(pid)) - 3), usual[1]))
    except OSError:  # it ended meanwhile
        pid = None
    yield
    if pid:
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        except OSError:  # it ended meanwhile
            pass
