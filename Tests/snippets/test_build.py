"""The README's build, word for word, and what it makes in a Debian without Swift. Long: LONG_TESTS=1 makes it run."""

import os
import subprocess
from pathlib import Path

import pytest

from deployment import container
from deployment.packages import is_swifts
from deployment.repository import Repository
from harness import fastcgi
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, Sandbox, executable
from harness.waiting import eventually
from snippets import ways
from snippets.bench import Bench
from snippets.claims import CLAIMS, all_snippets

PROGRAM = "/usr/local/bin/swingmusic-fcgi"

pytestmark = pytest.mark.skipif(not os.environ.get("LONG_TESTS"), reason="an optimised build takes minutes: LONG_TESTS=1")


@pytest.fixture(scope="module")
def installed():
    """The lines that the README has for it, in this folder, with the real Swift. Some minutes the first time, seconds later."""
    text = next(each.text for each in all_snippets() if CLAIMS[each.place].way is ways.installs)
    with Bench(folder=REPOSITORY, shims=("sudo",)) as bench:
        # Swift's own settings and caches are the machine's.
        bench.environment["HOME"] = os.environ.get("HOME", str(bench.home))
        (bench.root / "usr/local/bin").mkdir(parents=True)
        for line in ways.commands(text):
            bench.run(line, timeout=1500)
        yield Path(f"{bench.root}{PROGRAM}")


@pytest.fixture(scope="module")
def debian():
    """What the Dockerfile's run stage is: the packages that the program wants, and no Swift."""
    if container.why_not():
        pytest.skip(container.why_not())
    with Sandbox("no-swift") as sandbox:
        yield container.Container(sandbox, Repository(REPOSITORY).run_stage, REPOSITORY / ".build/deploy-root").make()


def inside(debian, *command):
    return subprocess.run([*debian.within, "chroot", debian.root, *command], capture_output=True, text=True, timeout=30, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def test_what_the_readme_builds_names_no_library_of_swifts(installed):
    said = subprocess.run(["ldd", installed], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout
    libraries = [line.split()[0] for line in said.splitlines()]
    assert [line for line in said.splitlines() if is_swifts(line) or "not found" in line] == []
    assert not any(name.startswith(("libswift", "libFoundation", "lib_Foundation", "libdispatch", "libBlocksRuntime")) for name in libraries)


def test_it_starts_and_answers_in_a_root_without_swift(installed, debian):
    debian.copy(installed, PROGRAM)
    said = inside(debian, PROGRAM, "--version")
    assert (said.returncode, bool(said.stdout.strip())) == (0, True), said
    log = debian.outside(f"{debian.root}/log")
    settings = ["SWINGMUSIC_FCGI_LISTEN=/run/fcgi.sock", "SWINGMUSIC_FCGI_DATA_DIR=/var/lib/swingmusic-fcgi", "SWINGMUSIC_FCGI_WORKERS=1"]
    process = LoggedProcess([*debian.within, "chroot", debian.root, "env", "-i", *settings, PROGRAM, "serve"], log)
    try:
        socket = str(debian.outside(f"{debian.root}/run/fcgi.sock"))
        answer = eventually(lambda: fastcgi.ask(socket, "/swingmusic-fcgi/healthz"), 20, what="it answers")
        assert answer.status == 200 and process.running
    finally:
        process.stop()


def test_that_root_has_indeed_no_swift(debian):
    """A build that links with Swift's libraries, as the tests' debug build is, ends there with 127."""
    if not any(is_swifts(line) for line in subprocess.run(["ldd", executable()], capture_output=True, text=True).stdout.splitlines()):
        pytest.skip("the program under test is linked statically itself")
    debian.copy(executable(), "/usr/local/bin/linked-with-swift")
    said = inside(debian, "/usr/local/bin/linked-with-swift", "--version")
    assert said.returncode == 127 and "libswift" in said.stderr
