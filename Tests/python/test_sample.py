"""The usual sample, character by character, in the environment of the real swingmusic."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from caller import Caller, Environment
from conftest import CLIENT
from harness.sandbox import REPOSITORY

sys.path.append(str(REPOSITORY / "Tests/swingmusic"))

import server  # noqa: E402


def sample():
    """The first block of the client's README."""
    return re.search(r"(?m)^    .*\n(?:(?:    .*)?\n)*", (CLIENT / "README.md").read_text()).group().replace("\n    ", "\n").strip()


@pytest.fixture(scope="module")
def real(tmp_path_factory, wheel):
    """A copy of the environment that has swingmusic, with the package, switched on."""
    if server.python() is None:
        pytest.skip(server.MISSING)
    folder = tmp_path_factory.mktemp("real") / "venv"
    source = server.python().parent.parent
    # Links to the same files take no time and no room; pip writes new ones.
    if subprocess.run(["cp", "-al", source, folder], capture_output=True).returncode:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, symlinks=True)
    made = Environment(folder)
    # Of the copy: pip's own script names the environment that it was made for.
    made.having(wheel)
    done = subprocess.run([made.python, "-m", "swingmusic_fcgi", "enable"], capture_output=True, text=True)
    assert done.returncode == 0 and str(folder) in done.stdout, done
    yield made
    assert not list(Path(source).glob("lib/*/site-packages/swingmusic_fcgi*")), "the environment that was copied has been changed"


def count(house, name):
    services = house.admin("GET", "/dragonfly/services").json()["services"]
    return next(service["key_count"] for service in services if service["name"] == name)


@pytest.mark.parametrize("way", ["http", "unix"])
def test_the_usual_sample_runs_beside_the_real_swingmusic(house, real, way):
    text = sample()
    assert text.startswith("from swingmusic.db.dragonfly_client import get_spotify_cache") and "ttl_hours=12" in text
    house.admin("DELETE", "/cache/spotify/track:123")
    before = count(house, "spotify")
    caller = Caller(real, house, way)
    code = f"data = {{'name': 'Call Me Maybe', 'artists': ['Carly Rae Jepsen']}}\n{text}\nassert cached == data\n"
    code += "import json, swingmusic.db; print(json.dumps([cached, swingmusic.db.__file__]))"
    [cached, where] = caller.run_code(code)
    assert cached["name"] == "Call Me Maybe" and str(real.folder) in where
    assert count(house, "spotify") == max(before, 1)
    found = house.admin("GET", "/cache/spotify/track:123")
    assert found.json() == cached and 43190 <= int(re.search(r"ttl=(\d+)", found.cache_status)[1]) <= 43200


def test_all_four_caches_are_the_programs(house, real):
    code = """
        import json
        from swingmusic.db.dragonfly_client import get_spotify_cache, get_session_cache, get_user_cache, get_temp_cache
        print(json.dumps([each().set("four", each.__name__, ttl_hours=1) for each in (get_spotify_cache, get_session_cache, get_user_cache, get_temp_cache)]))
    """
    assert Caller(real, house, "unix").run_code(code) == [True] * 4
    for name in ("spotify", "session", "user", "temp"):
        assert house.admin("GET", f"/cache/{name}/four").body == f"get_{name}_cache".encode()


def test_swingmusic_itself_starts_as_before(real, sandbox, monkeypatch):
    monkeypatch.setattr(server, "python", lambda: real.python)
    started = server.SwingmusicServer(sandbox, songs=(1,)).start()
    try:
        assert started.ask("GET", "/auth/users").status == 200
        assert "swingmusic_fcgi" not in started.process.text() and "dragonfly" not in started.process.text().lower()
    finally:
        started.stop()
