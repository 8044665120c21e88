"""The package: built, installed, typed, switched on and off."""

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from caller import Environment
from conftest import CLIENT

MODULE = "swingmusic.db.dragonfly_client"
SOURCES = sorted((CLIENT / "swingmusic_fcgi").glob("*.py"))


def test_the_wheel_holds_the_package_and_needs_nothing(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(archive.read(name).decode() for name in names if name.endswith("METADATA"))
    assert {path.name for path in SOURCES} | {"py.typed"} == {Path(name).name for name in names if name.startswith("swingmusic_fcgi/")}
    assert "Requires-Dist" not in metadata and "Requires-Python: >=3.9" in metadata


def test_it_is_python_of_3_9_and_asks_for_the_standard_library_alone():
    for path in SOURCES:
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Match,)):
                raise AssertionError(f"{path.name}:{node.lineno}")
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in names if not getattr(node, "level", 0) else []:
                assert name.partition(".")[0] in sys.stdlib_module_names, (path.name, name)
        annotations = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
        assert annotations or path.name == "__init__.py", path.name


def test_a_type_checker_finds_nothing(tools):
    done = subprocess.run([tools.python, "-m", "mypy", "--strict", CLIENT / "swingmusic_fcgi"], capture_output=True, text=True, cwd=tools.folder)
    assert done.returncode == 0, done.stdout


def test_callers_get_its_types(tools, tmp_path):
    """And a type checker that finds nothing can find something."""
    for text, is_right in (("done: bool = get_spotify_cache().set('track:123', {}, ttl_hours=12)", True),
                           ("done: str = get_spotify_cache().set('track:123', {}, ttl_hours=12)", False)):
        (tmp_path / "uses.py").write_text(f"from swingmusic_fcgi.dragonfly_client import get_spotify_cache\n{text}\n")
        done = subprocess.run([tools.python, "-m", "mypy", "--strict", "uses.py"], capture_output=True, text=True, cwd=tmp_path)
        assert (done.returncode == 0) == is_right, done.stdout


# Switched on and off.

@pytest.fixture
def fresh(tmp_path, wheel):
    """An environment with the package and, in its site-packages, a swingmusic that is nearly empty. Without pip, which takes seconds each time:
    the wheel is unpacked, as pip does it."""
    made = Environment.made(tmp_path / "venv", "--without-pip")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(made.packages)
    (made.packages / "swingmusic/db").mkdir(parents=True)
    (made.packages / "swingmusic/db/__init__.py").write_text("LOADED = True\n")
    return made


def run(environment, *words):
    return subprocess.run([environment.python, *words], capture_output=True, text=True)


def switch(environment, *words):
    done = run(environment, "-m", "swingmusic_fcgi", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(environment):
    """The name of the module that an import finds, or what it raises."""
    done = run(environment, "-c", f"import {MODULE} as m; print(m.__name__)")
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_import_is_answered_from_enable_to_disable(fresh):
    before = sorted(fresh.packages.rglob("*"))
    assert "No module named" in imported(fresh)
    assert "swingmusic_fcgi.pth" in switch(fresh, "enable")
    assert imported(fresh) == "swingmusic_fcgi.dragonfly_client"
    switch(fresh, "enable")
    assert imported(fresh) == "swingmusic_fcgi.dragonfly_client"
    assert "swingmusic_fcgi.pth" in switch(fresh, "disable")
    assert "No module named" in imported(fresh)
    assert "not switched on" in switch(fresh, "disable")
    assert [path for path in sorted(fresh.packages.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts]


def test_nothing_is_loaded_before_it_is_asked_for(fresh):
    switch(fresh, "enable")
    loaded = "[n for n in __import__('sys').modules if n.startswith(('swingmusic', 'socket', 'json', 'urllib', 'logging'))]"
    assert run(fresh, "-c", f"print({loaded})").stdout.strip() == "[]"
    assert run(fresh, "-c", f"import swingmusic.db; print({loaded})").stdout.strip() == "['swingmusic', 'swingmusic.db']"


def test_it_is_one_module_under_both_names(fresh):
    switch(fresh, "enable")
    code = (f"import {MODULE} as a, swingmusic_fcgi.dragonfly_client as b, swingmusic.db, importlib, pickle; assert a is b is swingmusic.db.dragonfly_client;"
            f"assert a.__spec__.name == b.__name__; assert importlib.reload(a) is a; assert pickle.loads(pickle.dumps(a.DragonflyCache)) is a.DragonflyCache")
    done = run(fresh, "-c", code)
    assert done.returncode == 0, done.stderr


def test_a_module_that_exists_wins_unless_it_is_to_be_replaced(fresh):
    own = fresh.packages / "swingmusic/db/dragonfly_client.py"
    own.write_text("")
    switch(fresh, "enable")
    assert imported(fresh) == MODULE
    switch(fresh, "enable", "--replace")
    assert imported(fresh) == "swingmusic_fcgi.dragonfly_client"
    switch(fresh, "enable")
    assert imported(fresh) == MODULE
    assert own.read_text() == ""


def test_python_starts_as_before_when_the_package_was_taken_away(fresh):
    switch(fresh, "enable")
    shutil.rmtree(fresh.packages / "swingmusic_fcgi")
    done = run(fresh, "-c", "import swingmusic.db; print(swingmusic.db.LOADED)")
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert "No module named" in imported(fresh)


def test_where_it_cannot_write_it_says_so(fresh):
    if subprocess.run(["id", "-u"], capture_output=True, text=True).stdout.strip() == "0":
        (fresh.packages / "swingmusic_fcgi.pth").mkdir()
        (fresh.packages / "swingmusic_fcgi.pth/keeps-it").touch()
    else:
        fresh.packages.chmod(0o555)
    done = run(fresh, "-m", "swingmusic_fcgi", "enable")
    assert done.returncode == 1 and "swingmusic_fcgi.pth" in done.stderr and "Traceback" not in done.stderr
