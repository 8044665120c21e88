"""Fixtures of the integration tests, a time limit for each test, and the logs' last lines when one fails."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.house import House  # noqa: E402
from harness.hooks import pytest_runtest_call, pytest_runtest_makereport  # noqa: E402, F401
from harness.sandbox import Sandbox, executable  # noqa: E402


def _factory():
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **settings: stack.enter_context(House(*arguments, **settings))


@pytest.fixture(scope="module")
def open_house():
    """open_house(name, workers=4, store=None, SETTING=value, ...) for the tests of one module together."""
    yield from _factory()


@pytest.fixture
def new_house():
    """The same for one test alone."""
    yield from _factory()


@pytest.fixture
def sandbox(request):
    with Sandbox(request.node.name) as opened:
        yield opened


@pytest.fixture
def small_disk(sandbox):
    """A file system of four megabytes."""
    folder = sandbox.directory("small")
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], stderr=subprocess.DEVNULL).returncode == 0
    if not mounted:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def pytest_sessionstart(session):
    try:
        executable()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)
