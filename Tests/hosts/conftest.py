"""The harness of Tests/nginx, and the networks of the hosts."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "nginx"))

from harness.hooks import pytest_runtest_call, pytest_runtest_makereport  # noqa: E402, F401
from harness.hosts import Hosts, refusal_of_networks  # noqa: E402


def pytest_report_header():
    refusal = refusal_of_networks()
    return f"hosts: all on the loopback address, since {refusal}" if refusal else "hosts: each in a network namespace of its own"


@pytest.fixture(scope="session")
def has_networks():
    return refusal_of_networks() is None


@pytest.fixture
def new_hosts(has_networks, request):
    """new_hosts(name, count=3, SETTING=value, ...): hosts in networks of their own, where that can be."""
    opened = []

    def make(name, count=3, **more):
        hosts = Hosts(name, count=count, networks=has_networks, **more)
        hosts.__enter__()
        opened.append(hosts)
        return hosts
    yield make
    for hosts in reversed(opened):
        hosts.__exit__(None, None, None)


#: What takes minutes is for `scripts/test --long`.
LONG = bool(os.environ.get("LONG_TESTS"))


def pytest_collection_modifyitems(items):
    for item in items:
        if "long" in item.keywords and not LONG:
            item.add_marker(pytest.mark.skip(reason="set LONG_TESTS=1: it takes minutes"))


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes")
