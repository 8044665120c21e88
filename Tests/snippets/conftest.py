"""The stack that the snippets speak to, started once, and the logs' last lines when a test fails."""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(TESTS / "deploy"), str(TESTS / "nginx")]

from harness.sandbox import last_lines  # noqa: E402
from snippets.stack import Stack  # noqa: E402


@pytest.fixture(scope="session")
def stack():
    with Stack() as started:
        yield started


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.extend(last_lines())
