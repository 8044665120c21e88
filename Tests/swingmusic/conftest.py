"""One house with the real swingmusic for all tests here; not run, and said so, where swingmusic could not be installed."""

import signal
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

from harness.sandbox import Sandbox, executable, last_lines  # noqa: E402
from server import MISSING, python  # noqa: E402
from house import RealHouse  # noqa: E402

#: Seconds that one test may take, its fixtures' start not counted.
TIME_LIMIT = 120


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


@pytest.fixture
def sandbox(request):
    with Sandbox(request.node.name) as opened:
        yield opened


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    def too_long(*_):
        raise TimeoutError(f"the test took more than {TIME_LIMIT} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TIME_LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.extend(last_lines())
