"""One house with the real swingmusic for all tests here; not run, and said so, where swingmusic could not be installed."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

from harness.fixtures import sandbox  # noqa: E402, F401
from harness.hooks import pytest_runtest_call, pytest_runtest_makereport  # noqa: E402, F401
from harness.sandbox import Sandbox, executable  # noqa: E402
from server import MISSING, python  # noqa: E402
from house import RealHouse  # noqa: E402


def pytest_collection_modifyitems(items):
    if python() is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def real():
    executable()
    with Sandbox("real") as sandbox:
        yield RealHouse(sandbox)


def pytest_addoption(parser):
    parser.addoption("--write-docs", action="store_true", help="write docs/open-routes.md as the tests find it")
