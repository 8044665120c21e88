"""`serve` itself: killed, ended, stopped, replaced, and a second one."""

import os
import shutil
import signal

from harness.responder import Responder
from harness.sandbox import executable

from . import fault

DOWN = "links slow hits reads writes sessions lookups cooldown"


@fault("serve: killed and started at once", DOWN, takes="serve", lasts=(0.1, 0.5))
def killed(run):
    run.home.responder.process.kill()
    run.home.start_program()
    yield


@fault("serve: everything killed and started", DOWN, takes="serve", lasts=(0.1, 0.5))
def all_killed(run):
    run.home.kill_program()
    run.home.start_program()
    yield


@fault("serve: ended and started", DOWN, takes="serve", lasts=(0.1, 0.5))
def ended(run):
    run.home.stop_program()
    run.home.start_program()
    yield


def reload(run):
    """SIGHUP. Whatever is on beside it, all workers have to be new ones when all is well again."""
    responder = run.home.responder
    process, before = responder.process, set(responder.worker_pids())
    process.signal(signal.SIGHUP)
    run.expect("a reload replaced the workers",
               lambda: responder.process is not process or len(set(responder.worker_pids()) - before) == responder.workers)


@fault("serve: reloaded", takes="serve", lasts=(0.5, 2))
def reloaded(run):
    reload(run)
    yield


@fault("serve: stopped", takes="serve", lasts=(0.5, 3))
def stopped(run):
    run.home.responder.process.signal(signal.SIGSTOP)
    yield
    run.home.responder.process.signal(signal.SIGCONT)


@fault("serve: two on one folder", takes="serve", lasts=(1, 3))
def two(run):
    """Of its own name and socket; whether it runs beside the first or is refused, nothing may show."""
    home = run.home
    address = str(home.sandbox.socket_path("second"))
    settings = {**home.responder.settings, "SWINGMUSIC_FCGI_LISTEN": address, "SWINGMUSIC_FCGI_WORKERS": "1"}
    second = Responder(home.sandbox, settings, 1, address=address, log="second", program=home.program)
    process = second.launch()
    yield
    process.stop()
    second.stop()
    home.sandbox._started.remove(second)


@fault("serve: executable replaced", takes="serve", lasts=(0.5, 2))
def replaced(run):
    other = run.home.program.with_name("other")
    shutil.copy(executable(), other)
    os.replace(other, run.home.program)
    reload(run)
    yield
