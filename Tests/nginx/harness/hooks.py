"""What pytest does around each test here and in Tests/swingmusic: a time limit, and the logs' last lines when one fails."""

import signal

import pytest

from .sandbox import last_lines

#: Seconds that one test may take, its fixtures' start not counted, where its module has no TIME_LIMIT of its own.
TIME_LIMIT = 120


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    limit = getattr(item.module, "TIME_LIMIT", TIME_LIMIT)

    def too_long(*_):
        raise TimeoutError(f"the test took more than {limit} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(limit)
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
