"""The logs' last lines when a test fails, and no test without the executable."""

import shutil
import signal

import pytest

from faults import home  # noqa: F401  (its paths)
from harness.hooks import pytest_runtest_makereport  # noqa: E402, F401
from harness.sandbox import executable

#: Seconds that one test may take.
TIME_LIMIT = 240


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


def pytest_sessionstart(session):
    try:
        executable()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)


def pytest_collection_modifyitems(items):
    if not shutil.which("cc"):
        for item in items:
            if item.path.parent.name == "faults":
                item.add_marker(pytest.mark.skip(reason="needs a C compiler"))
