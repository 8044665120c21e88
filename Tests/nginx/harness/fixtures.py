"""Fixtures of several folders of tests: a conftest.py imports those that its tests ask for."""

import os
import subprocess

import pytest

from .sandbox import Sandbox


@pytest.fixture
def sandbox(request):
    with Sandbox(request.node.name) as opened:
        yield opened


@pytest.fixture
def small_disk(sandbox):
    """A file system of six megabytes."""
    folder = sandbox.directory("small")
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], stderr=subprocess.DEVNULL).returncode == 0
    if not mounted:
        pytest.skip("no right to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
