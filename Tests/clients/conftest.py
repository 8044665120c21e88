"""The libraries are in environments of their own; where they could not be installed their tests are not run, and are counted so."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

from harness.hooks import pytest_runtest_call, pytest_runtest_makereport  # noqa: E402, F401
from harness.sandbox import executable  # noqa: E402
from stage import LIBRARIES, PROGRAMS  # noqa: E402

MISSING = "the client libraries are not installed: see Tests/clients/README.md"


def pytest_collection_modifyitems(items):
    if not (LIBRARIES.exists() and PROGRAMS.exists()):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


def pytest_sessionstart(session):
    try:
        executable()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)
