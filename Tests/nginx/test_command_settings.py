"""Where the commands have their settings from: their own environment, --env-file, the running program, /etc/swingmusic-fcgi/environment."""

import json
import os
import stat
import subprocess

import pytest

from harness.responder import ADMIN_TOKEN, CLIENT_ID, CLIENT_SECRET, Responder
from harness.sandbox import Sandbox, executable
from harness.swingmusic import Swingmusic


class Home:
    """A running `serve` with sessions, of which commands are told no more than a test says."""

    def __init__(self, sandbox):
        self.sandbox, self.swingmusic = sandbox, Swingmusic(sandbox)
        self.responder = Responder(sandbox, {
            "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder), "SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET,
            "SPOTIFY_MARKET": "SE"}, workers=1)
        self.data = sandbox.path("data")
        self.told = self.data / "serve.json"

    def command(self, *words, before=(), **environment):
        environment = self.sandbox.environment(**{"SWINGMUSIC_FCGI_DATA_DIR": str(self.data), **environment})
        return subprocess.run([*before, executable(), *map(str, words)], env=environment, capture_output=True, text=True, timeout=30)

    def settings_line(self, *words, before=(), **environment):
        said = self.command("check", "--json", *words, before=before, **environment)
        return next(finding["detail"] for finding in json.loads(said.stdout)["findings"] if finding["subject"] == "settings")


@pytest.fixture(scope="module")
def home():
    with Sandbox("settings") as sandbox:
        home = Home(sandbox)
        home.responder.start()
        yield home


def test_a_command_takes_what_it_was_not_told_from_the_running_program_and_says_so(home):
    listed = home.command("sessions", "list", "--json")
    assert (listed.returncode, json.loads(listed.stdout), listed.stderr) == (0, [], ""), listed
    line = home.settings_line()
    assert f"from the running program (process {home.responder.pid})" in line and "SWINGMUSIC_CONFIG_DIR" in line
    health = home.command("check", "--health")
    assert (health.returncode, health.stderr) == (0, ""), health


def test_on_a_terminal_every_command_says_where_its_settings_are_from(home):
    environment = home.sandbox.environment(SWINGMUSIC_FCGI_DATA_DIR=str(home.data))
    said = subprocess.run(["script", "-qec", f"{executable()} queue", "/dev/null"], env=environment, capture_output=True, text=True, timeout=30)
    assert "settings from the running program" in said.stdout and "0 waiting" in said.stdout


def test_its_own_environment_goes_before_and_then_the_file(home, tmp_path):
    file = tmp_path / "settings.env"
    file.write_text(f'# ours\nSWINGMUSIC_CONFIG_DIR="{tmp_path}/with space"\nSPOTIFY_MARKET=DE\n')
    (tmp_path / "with space").mkdir()
    line = home.settings_line("--env-file", file, SPOTIFY_MARKET="NO")
    assert f"from {file}: SWINGMUSIC_CONFIG_DIR;" in line, "SPOTIFY_MARKET is the environment's"
    said = home.command("check", "--json", "--env-file", file)
    assert f"{tmp_path}/with space" in said.stdout
    own = home.command("check", "--json", SWINGMUSIC_CONFIG_DIR="/nowhere")
    assert "/nowhere is not a folder" in own.stdout


def test_an_env_file_that_is_not_there_or_not_of_its_form_is_named_with_its_line(home, tmp_path):
    missing = home.command("queue", "--env-file", tmp_path / "missing.env")
    assert missing.returncode == 78 and "missing.env cannot be read: No such file" in missing.stderr
    (tmp_path / "odd.env").write_text("A=1\n\nexport B=2\n")
    odd = home.command("queue", "--env-file", tmp_path / "odd.env")
    assert odd.returncode == 78 and "odd.env:3: is not NAME=value" in odd.stderr


def test_what_serve_leaves_for_commands_holds_no_secret_and_is_closed_to_others(home):
    text = home.told.read_text()
    assert stat.S_IMODE(home.told.stat().st_mode) == 0o640
    assert not [secret for secret in (CLIENT_SECRET, CLIENT_ID, ADMIN_TOKEN) if secret in text]
    told = json.loads(text)
    assert told["process"] == home.responder.pid and told["settings"]["SPOTIFY_MARKET"] == "SE"
    assert told["withheld"] == ["SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET", "SWINGMUSIC_FCGI_ADMIN_TOKEN"]
    # A secret that the running program has is not missing, though nobody is told it.
    assert '"no-credentials"' not in home.command("status", "--json").stdout
    assert home.command("warm", "--no-wait", "/dev/null").stderr.endswith("there is no link, URI or ID in what was read\n")


def test_what_a_serve_left_that_is_gone_is_not_believed(sandbox):
    home = Home(sandbox)
    home.responder.start()
    left = home.told.read_text()
    home.responder.stop()
    assert not home.told.exists()
    assert home.command("sessions", "list").returncode == 1
    # Killed: the file stays, the process does not.
    home.told.write_text(left)
    assert "SWINGMUSIC_CONFIG_DIR is not set" in home.command("sessions", "list").stderr
    # Another process has its number by now.
    home.told.write_text(json.dumps({**json.loads(left), "process": os.getpid()}))
    assert "SWINGMUSIC_CONFIG_DIR is not set" in home.command("sessions", "list").stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to put a file into an /etc of its own")
def test_without_a_running_program_the_systems_file_counts(sandbox, tmp_path):
    home = Home(sandbox)
    home.responder.start()
    home.responder.stop()
    mine = tmp_path / "environment"
    mine.write_text(f"SWINGMUSIC_FCGI_DATA_DIR={home.data}\nSWINGMUSIC_CONFIG_DIR={home.swingmusic.folder}\nSPOTIFY_MARKET='SE'\n")
    mine.chmod(0o640)
    script = ('mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work && mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work overlay /etc'
              f' && mkdir -p /etc/swingmusic-fcgi && cp -p {mine} /etc/swingmusic-fcgi/environment && exec "$@"')
    within = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    line = home.settings_line(before=within, SWINGMUSIC_FCGI_DATA_DIR=None)
    assert "from /etc/swingmusic-fcgi/environment: SWINGMUSIC_FCGI_DATA_DIR, " in line.replace("; ", ", ") or "DATA_DIR" in line, line
    listed = home.command("sessions", "list", before=within, SWINGMUSIC_FCGI_DATA_DIR=None)
    assert (listed.returncode, listed.stdout) == (0, "no open sessions\n"), listed
    # A stranger is told what may not be read, and what to do.
    stranger = [*within, "setpriv", "--reuid=64011", "--regid=64011", "--clear-groups"]
    barred = home.command("sessions", "list", before=stranger, SWINGMUSIC_FCGI_DATA_DIR=None)
    assert barred.returncode == 1 and "/etc/swingmusic-fcgi/environment may not be read by user 64011" in barred.stderr and "sudo" in barred.stderr
