"""Fixtures of the integration tests, a time limit for each test, and the logs' last lines when one fails."""

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.fixtures import sandbox, small_disk  # noqa: E402, F401
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


def pytest_sessionstart(session):
    try:
        executable()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)
