"""The units of scripts/systemd: sound by systemd's own judgement, closed enough, and what they start serves."""

import re
import shutil
import subprocess

import pytest

from harness import fastcgi
from harness.responder import Responder, listening_socket
from harness.sandbox import REPOSITORY, executable

UNITS = REPOSITORY / "scripts/systemd"


@pytest.fixture
def units(sandbox):
    """The units with the executable under test in the installed one's place."""
    folder = sandbox.directory("units")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/local/bin/swingmusic-fcgi", str(executable()))
        (folder / unit.name).write_text(text)
    return folder


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60)


def test_systemd_finds_nothing_wrong_with_the_units(units):
    judged = analyze("verify", units / "swingmusic-fcgi.service", units / "swingmusic-fcgi.socket",
                     units / "swingmusic-fcgi-backup.service", units / "swingmusic-fcgi-backup.timer")
    # systemd looks at the host's other units as well.
    assert judged.returncode == 0 and "swingmusic-fcgi" not in judged.stderr, judged


@pytest.mark.parametrize("unit", ["swingmusic-fcgi.service", "swingmusic-fcgi-backup.service"])
def test_the_service_is_closed_to_what_it_does_not_need(units, unit):
    judged = analyze("security", "--offline=true", units / unit)
    assert float(re.search(r"Overall exposure level.*: ([\d.]+)", judged.stdout)[1]) <= 1.5, judged.stdout


def value(unit, name):
    return re.search(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)[1]


def test_the_command_of_the_nightly_backup_makes_one(sandbox):
    words = value("swingmusic-fcgi-backup.service", "ExecStart").split()
    assert words[:4] == ["/usr/local/bin/swingmusic-fcgi", "backup", "--keep", "14"]
    responder = Responder(sandbox, {}, workers=1).start()
    folder = sandbox.path("backup")
    made = subprocess.run([executable(), *words[1:4], folder], env=sandbox.environment(**responder.settings), timeout=30)
    assert made.returncode == 0 and [len(list(each.iterdir())) for each in folder.iterdir()] == [2]


def test_the_command_of_the_service_serves_on_the_sockets_descriptor_and_check_finds_it_well(sandbox):
    assert value("swingmusic-fcgi.service", "StandardInput") == "socket"
    path = sandbox.socket_path("unit")
    words = value("swingmusic-fcgi.service", "ExecStart").split()
    assert words[0] == "/usr/local/bin/swingmusic-fcgi"
    responder = Responder(sandbox, {}, workers=1, address=str(path))
    responder.start(command=[executable(), *words[1:]], stdin=listening_socket(path), SWINGMUSIC_FCGI_LISTEN=None)
    assert fastcgi.ask(str(path), "/swingmusic-fcgi/readyz").status == 200
    health = subprocess.run([executable(), "check", "--health", "--socket", path],
                            env=sandbox.environment(**responder.settings), timeout=10)
    assert health.returncode == 0
