"""A copy of the deployment's files in which a test may change something, and the logs' last lines when one fails."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "nginx")]

from harness.sandbox import REPOSITORY, last_lines  # noqa: E402

#: All that the checks read.
READ = ["docker-compose.yml", "Dockerfile", ".dockerignore", ".env.example", ".gitignore", "README.md", "docs/operating.md", "Package.swift", "nginx", "scripts",
        "Sources/Gateway/Settings"]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of what the checks read; whoever changes it puts it right again."""
    root = tmp_path_factory.mktemp("copy")
    for name in READ:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, target)
        else:
            shutil.copy(REPOSITORY / name, target)
    return root


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.extend(last_lines())
