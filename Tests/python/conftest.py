"""The client in environments of its own, and the program that it asks. Where PyPI cannot be reached nothing here runs, and says so."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

from harness.fixtures import sandbox, small_disk  # noqa: E402, F401
from harness.hooks import pytest_runtest_call, pytest_runtest_makereport  # noqa: E402, F401
from harness.house import House  # noqa: E402
from harness.sandbox import REPOSITORY, Sandbox, executable  # noqa: E402
from caller import CACHE_TOKEN, Caller, Environment  # noqa: E402

CLIENT = REPOSITORY / "clients/python"


def pytest_sessionstart(session):
    try:
        executable()
    except FileNotFoundError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Built as pip builds it from the folder; from a copy, since setuptools writes beside what it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(CLIENT, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    done = subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source], capture_output=True, text=True)
    if done.returncode and "setuptools" in done.stderr:
        pytest.skip("setuptools cannot be had from PyPI")
    assert done.returncode == 0, done.stderr
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def environment(tmp_path_factory, wheel):
    """A Python that has the wheel and nothing else."""
    return Environment.made(tmp_path_factory.mktemp("clean") / "venv").having(wheel)


@pytest.fixture(scope="session")
def tools(tmp_path_factory, wheel):
    """The same with redis-py and a type checker."""
    made = Environment.made(tmp_path_factory.mktemp("tools") / "venv").having(wheel)
    if made.pip("install", "-q", "-r", HERE / "requirements.txt").returncode:
        pytest.skip("redis-py and mypy cannot be had from PyPI")
    return made


@pytest.fixture(scope="module")
def open_house():
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **settings: stack.enter_context(House(*arguments, **{"SWINGMUSIC_FCGI_CACHE_TOKEN": CACHE_TOKEN, **settings}))


@pytest.fixture
def new_house():
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **settings: stack.enter_context(House(*arguments, **{"SWINGMUSIC_FCGI_CACHE_TOKEN": CACHE_TOKEN, **settings}))


@pytest.fixture(scope="module")
def house(open_house, request):
    return open_house(f"python-{request.module.__name__[5:]}", workers=2)


@pytest.fixture(params=["http", "unix"])
def caller(request, house, environment):
    return Caller(environment, house, request.param)
