"""scripts/run, as the README has it: it builds, starts, and answers what the README asks it; Ctrl-C ends all of it."""

import os
import re
import signal

import pytest

from harness.http import request
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, Sandbox, free_port
from harness.waiting import eventually
from snippets.bench import Bench, Failed
from snippets.claims import all_snippets


@pytest.fixture(scope="module")
def running():
    """The command on another port, and with nothing of this shell's settings."""
    command = next(each.text for each in all_snippets() if each.place == ("README.md", "Try it", 1))
    with Sandbox("run") as sandbox:
        port = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        # Tests that run in the background have SIGINT ignored, and a shell cannot trap what was ignored when it began.
        line = ["env", "--default-signal=INT", "setsid", "bash", "-c", f"exec {command}"]
        process = LoggedProcess(line, sandbox.path("run.log"), {**kept, "PORT": str(port)}, cwd=REPOSITORY)
        sandbox.owns(process)
        ready = eventually(lambda: not process.running or "== Ready" in process.text(), 400, every=0.2, what="it is ready")
        assert ready and process.running, process.tail()
        yield process, port


def test_it_answers_what_the_readme_asks(running):
    _, port = running
    text = next(each.text for each in all_snippets() if each.place == ("README.md", "Try it", 2))
    with Bench() as bench:
        bench.redirect(port8080=port)
        said = bench.run(text.strip())
        assert said.stderr.split()[-1] == "200", said
        first = re.search(r"(?mi)^cache-status: .*", said.stdout)[0]
        again = re.search(r"(?mi)^cache-status: .*", bench.run(text.strip()).stdout)[0]
        # A run before this one may have left the record in the database.
        assert ("stored" in first or "hit" in first) and "hit" in again


def test_it_says_that_spotify_is_a_stand_in(running):
    assert "STAND-IN for Spotify" in running[0].text()


@pytest.mark.parametrize("configuration, built", [("release", "static"), ("debug", "needs libswiftCore.so")])
def test_what_is_run_as_a_release_is_built_as_what_is_installed(configuration, built):
    with Bench(shims=("swift",), CONFIGURATION=configuration, PORT=str(free_port())) as bench:
        # The shim of swift builds, and knows no --show-bin-path: there it ends.
        with pytest.raises(Failed, match="--show-bin-path"):
            bench.run("scripts/run")
        assert (bench.folder / f".build/{configuration}/swingmusic-fcgi").read_text() == built


def test_ctrl_c_stops_everything(running):
    process, port = running
    process.signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert request(port, "GET", "/swingmusic-fcgi/healthz").status == 0
