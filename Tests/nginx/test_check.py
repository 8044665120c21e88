"""`check`: a sound installation passes; each planted fault is named, with its remedy."""

import json
import os
import socket
import sqlite3
import subprocess

import pytest

from harness.fastcgi import ask
from harness.oddstore import OddStore
from harness.redis import RedisServer
from harness.responder import CLIENT_SECRET, Responder, spotify_settings
from harness.sandbox import executable, free_port
from harness.standin import StandIn
from harness.swingmusic import Swingmusic


class Installation:
    """A sound installation whose `serve` runs, or has run; a fault changes one thing of it."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.standin = StandIn(sandbox).start()
        self.standin.control("token", {"client_secret": CLIENT_SECRET})
        self.swingmusic = Swingmusic(sandbox)
        self.responder = Responder(
            sandbox, {**spotify_settings(self.standin), "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder)}, workers=1)
        self.data = sandbox.path("data")
        os.chmod(self.data, 0o750)
        self.prefix = []

    def give_up_roots_rights(self):
        """root reads and writes whatever the mode says, unless it gives that up."""
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]

    def check(self, *options, **settings):
        """Exit status and findings by subject."""
        self.responder.settings.update(settings)
        run = subprocess.run(
            [*self.prefix, executable(), "check", "--json", *options], env=self.sandbox.environment(**self.responder.settings),
            capture_output=True, text=True, timeout=30)
        assert run.stdout, run.stderr
        verdict = json.loads(run.stdout)
        assert verdict["sound"] == (run.returncode == 0), run
        assert CLIENT_SECRET not in run.stdout + run.stderr
        return run.returncode, verdict["findings"]


@pytest.fixture
def installation(sandbox):
    return Installation(sandbox)


def test_a_sound_installation_passes_beside_a_running_serve_and_before_the_first_start(installation):
    status, findings = installation.check()
    assert status == 0, findings
    installation.responder.start()
    status, findings = installation.check("--online")
    assert status == 0, findings
    trouble = [finding for finding in findings if finding["grade"] != "ok"]
    assert [finding["subject"] for finding in trouble] in ([], ["SQLite"]), trouble
    assert {"health", "Spotify token", "cache.db", "limiter.db", "settings.json", "swingmusic.db"} <= {f["subject"] for f in findings}
    assert installation.standin.calls() == [], "no call of the Web API"


def test_health_alone_follows_the_program(installation):
    command = [executable(), "check", "--health"]

    def health():
        return subprocess.run(command, env=installation.sandbox.environment(**installation.responder.settings),
                              capture_output=True, text=True, timeout=10)
    stopped = health()
    assert stopped.returncode == 1 and "nobody listens" in stopped.stderr
    installation.responder.start()
    running = health()
    assert (running.returncode, running.stdout, running.stderr) == (0, "", "")


def test_swingmusics_folder_may_be_named_or_the_one_above_it_before_or_after_it_is_there(installation):
    own = installation.swingmusic.folder
    away = own.rename(own.with_name("away"))

    def folder():
        _, findings = installation.check(SWINGMUSIC_CONFIG_DIR=str(own.parent))
        return next(finding["detail"] for finding in findings if finding["subject"] == "SWINGMUSIC_CONFIG_DIR")
    assert f"no files in {own.parent} yet" in folder()
    installation.responder.start()

    def status():
        return ask(installation.responder.address, "/auth/users").status
    assert f"no files in {own.parent} yet" in installation.responder.log() and status() == 503
    away.rename(own)
    assert f"own folder is {own};" in folder()
    assert status() == 200
    assert f"have appeared in {own}" in installation.responder.log()
    installation.responder.restart()
    assert f"own folder is {own}" in installation.responder.log() and status() == 200
    installation.responder.restart(SWINGMUSIC_CONFIG_DIR=f"{own}/")
    assert f"{own} is swingmusic's own folder" in installation.responder.log() and status() == 200


def execute(path, sql):
    db = sqlite3.connect(path)
    db.execute(sql)
    db.commit()
    db.close()


def bad_setting(it):
    return {"SPOTIFY_MIN_INTERVAL": "2"}


def folder_is_a_file(it):
    it.sandbox.path("plain").write_text("")
    return {"SWINGMUSIC_FCGI_DATA_DIR": str(it.sandbox.path("plain"))}


def folder_is_open(it):
    os.chmod(it.data, 0o777)


def damaged_limiter(it):
    (it.data / "limiter.db").write_bytes(b"no database" * 1000)


def newer_cache(it):
    execute(it.data / "cache.db", "PRAGMA user_version = 99")


def store_is_down(it):
    return {"DRAGONFLYDB_HOST": "127.0.0.1", "DRAGONFLYDB_PORT": str(free_port())}


def store_wants_a_password(it):
    store = RedisServer(it.sandbox, password="open sesame").start()
    return {**store.settings(), "DRAGONFLYDB_PASSWORD": None}


def store_is_something_else(it):
    return OddStore(it.sandbox, "http").settings()


def folder_is_not_ours(it):
    it.give_up_roots_rights()
    it.data.chmod(0o500)


def newer_sessions(it):
    execute(it.data / "sessions.db", "PRAGMA user_version = 99")


def database_is_not_ours(it):
    it.give_up_roots_rights()
    (it.data / "sessions.db").chmod(0)


def settings_are_not_readable(it):
    it.give_up_roots_rights()
    (it.swingmusic.folder / "settings.json").chmod(0)


def swingmusics_folder_is_not_writable(it):
    it.give_up_roots_rights()
    it.swingmusic.folder.chmod(0o500)


def socket_is_a_file(it):
    it.sandbox.path("fcgi.file").write_text("")
    return {"SWINGMUSIC_FCGI_LISTEN": str(it.sandbox.path("fcgi.file"))}


def no_credentials(it):
    return {"SPOTIFY_CLIENT_ID": None, "SPOTIFY_CLIENT_SECRET": None}


def wrong_secret(it):
    return {"SPOTIFY_CLIENT_SECRET": "wrong"}


def no_server_id(it):
    (it.swingmusic.folder / "settings.json").write_text("{}")


def foreign_database(it):
    execute(it.swingmusic.folder / "swingmusic.db", "DROP TABLE user")


def swingmusic_elsewhere(it):
    return {"SWINGMUSIC_CONFIG_DIR": str(it.sandbox.path("nowhere"))}


def no_such_group(it):
    return {"SWINGMUSIC_FCGI_SOCKET_GROUP": "nobody-has-this-group"}


def no_socket_folder(it):
    return {"SWINGMUSIC_FCGI_LISTEN": str(it.sandbox.folder / "missing" / "fcgi.sock")}


def silent_socket(it):
    path = it.sandbox.socket_path("silent")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(8)
    it.listener = listener
    return {"SWINGMUSIC_FCGI_LISTEN": str(path)}


def misspelt(it):
    return {"SWINGMUSIC_FCGI_WORKER": "4"}


@pytest.mark.parametrize("plant, grade, subject, remedy", [
    (bad_setting, "error", "SPOTIFY_MIN_INTERVAL", "docs/settings.md"),
    (folder_is_a_file, "error", "SWINGMUSIC_FCGI_DATA_DIR", "folder on a local disk"),
    (folder_is_open, "warning", "SWINGMUSIC_FCGI_DATA_DIR", "chmod o="),
    (damaged_limiter, "error", "limiter.db", "move it away"),
    (newer_cache, "error", "cache.db", "install that version"),
    (store_is_down, "error", "DRAGONFLYDB_HOST", "start DragonflyDB"),
    (store_is_something_else, "error", "DRAGONFLYDB_HOST", "correct DRAGONFLYDB_HOST"),
    (folder_is_not_ours, "error", "SWINGMUSIC_FCGI_DATA_DIR", "chown it to the user of 'serve'"),
    (newer_sessions, "error", "sessions.db", "install that version"),
    (database_is_not_ours, "error", "sessions.db", "must belong to the user of 'serve'"),
    (settings_are_not_readable, "error", "settings.json", "as swingmusic's user"),
    (swingmusics_folder_is_not_writable, "warning", "SWINGMUSIC_CONFIG_DIR", "as swingmusic's user"),
    (socket_is_a_file, "error", "socket", "move it away"),
    (store_wants_a_password, "error", "DRAGONFLYDB_HOST", "DRAGONFLYDB_PASSWORD"),
    (no_credentials, "warning", "SPOTIFY_CLIENT_ID", "developer.spotify.com"),
    (wrong_secret, "error", "Spotify token", "SPOTIFY_CLIENT_SECRET"),
    (no_server_id, "error", "settings.json", "start swingmusic once"),
    (foreign_database, "error", "swingmusic.db", "swingmusic's database"),
    (swingmusic_elsewhere, "error", "SWINGMUSIC_CONFIG_DIR", "swingmusic.db and settings.json"),
    (no_such_group, "error", "SWINGMUSIC_FCGI_SOCKET_GROUP", "www-data"),
    (no_socket_folder, "error", "SWINGMUSIC_FCGI_LISTEN", "install -d"),
    (silent_socket, "error", "health", "restart it"),
    (misspelt, "warning", "SWINGMUSIC_FCGI_WORKER", "spelling"),
])
def test_a_planted_fault_is_found_and_its_remedy_named(installation, plant, grade, subject, remedy):
    installation.responder.start()
    installation.responder.stop()
    status, findings = installation.check("--online", **(plant(installation) or {}))
    found = [finding for finding in findings if finding["subject"] == subject and finding["grade"] == grade]
    assert found and remedy in found[0]["remedy"], findings
    assert (status == 1) == (grade == "error"), findings
