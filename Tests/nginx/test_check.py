"""`check`: a sound installation passes, whoever asks; each planted fault is named, with its remedy, or the line says that this user may not see it."""

import contextlib
import json
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess

import pytest

from harness.fastcgi import ask
from harness.oddstore import OddStore
from harness.redis import RedisServer
from harness.responder import CLIENT_SECRET, Responder, listening_socket, spotify_settings
from harness.sandbox import Sandbox, executable, free_port
from harness.standin import StandIn
from harness.swingmusic import Swingmusic

#: The service's user, nobody in particular, and nginx's: numbers that no user of this host has.
SERVICE, STRANGER, NGINX = 64010, 64011, 64012
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be several users")


def person(uid, *groups):
    """The words that make a command another user's."""
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--groups=" + ",".join(map(str, (uid, *groups))), "--"]


#: Who asks. The service's user is in nginx's group, as SWINGMUSIC_FCGI_SOCKET_GROUP wants it.
VIEWERS = {"root": [], "service": person(SERVICE, NGINX), "stranger": person(STRANGER)} if os.geteuid() == 0 else {"self": []}


@pytest.fixture(scope="module")
def template():
    """What `serve` has left of one run, as the service's user: folders to be copied for each fault, and a stand-in Spotify."""
    with Sandbox("check") as sandbox:
        standin = StandIn(sandbox).start()
        standin.control("token", {"client_secret": CLIENT_SECRET})
        swingmusic = Swingmusic(sandbox)
        it = Installation(sandbox, standin, swingmusic.folder)
        it.start()
        it.responder.stop()
        yield sandbox, standin, swingmusic.folder


class Installation:
    """A sound installation whose `serve` runs, or has run, as a user of its own where that can be; a fault changes one thing of it."""

    def __init__(self, sandbox, standin, swingmusic_folder):
        self.sandbox, self.standin, self.swingmusic = sandbox, standin, swingmusic_folder
        self.stack = contextlib.ExitStack()
        self.data = sandbox.directory("data")
        self.run = sandbox.directory("run")
        self.address = str(self.run / "fcgi.sock")
        settings = {**spotify_settings(standin), "SWINGMUSIC_CONFIG_DIR": str(swingmusic_folder)}
        if os.geteuid() == 0:
            settings["SWINGMUSIC_FCGI_SOCKET_GROUP"] = str(NGINX)
            for folder in (self.data, self.run, swingmusic_folder):
                give(folder, SERVICE)
        self.responder = Responder(sandbox, settings, workers=1, address=self.address)
        os.chmod(self.data, 0o750)

    @classmethod
    def copied(cls, template, sandbox):
        source, standin, swingmusic_folder = template
        shutil.copytree(source.path("data"), sandbox.folder / "data")
        shutil.copytree(swingmusic_folder, sandbox.folder / "swingmusic")
        return cls(sandbox, standin, sandbox.folder / "swingmusic")

    def start(self, **more):
        self.responder.start(command=[*(VIEWERS.get("service", [])), executable(), "serve"], **more)
        return self

    def check(self, viewer, *options, environment=None):
        """Exit status and findings."""
        words = [*VIEWERS[viewer], executable(), "check", "--json", *options]
        if os.geteuid() == 0:
            words += ["--nginx-user", str(NGINX)]
        given = self.responder.settings if environment is None else environment
        run = subprocess.run(words, env=self.sandbox.environment(**given), capture_output=True, text=True, timeout=30, cwd="/")
        assert run.stdout, run.stderr
        verdict = json.loads(run.stdout)
        assert verdict["sound"] == (run.returncode == 0), run
        assert CLIENT_SECRET not in run.stdout + run.stderr
        return run.returncode, verdict["findings"]


def give(folder, uid):
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, uid)


@pytest.fixture
def installation(template, sandbox):
    made = Installation.copied(template, sandbox)
    with made.stack:
        yield made


def troubles(findings):
    return [finding for finding in findings if finding["grade"] in ("error", "warning")]


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_sound_installation_passes_beside_a_running_serve(installation, viewer):
    installation.start()
    calls = len(installation.standin.calls())
    status, findings = installation.check(viewer, "--online")
    assert (status, troubles(findings)) == (0, [])
    subjects = {finding["subject"]: finding["grade"] for finding in findings}
    assert {"health", "Spotify token"} <= subjects.keys()
    seen = {"cache.db", "limiter.db", "settings.json", "swingmusic.db", "health", "readiness"}
    if viewer == "stranger":
        assert subjects["SWINGMUSIC_FCGI_DATA_DIR"] == subjects["health"] == subjects["readiness"] == "unseen"
    else:
        assert {subjects[name] for name in seen} == {"ok"}
    assert len(installation.standin.calls()) == calls, "no call of the Web API"


@needs_root
@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_sound_installation_under_systemd_passes(installation, viewer):
    """The socket is root's and nginx's group's, in a folder of root's; the program's own user may not even open it."""
    os.chown(installation.run, 0, 0)
    listener = listening_socket(installation.address)
    os.chown(installation.address, 0, NGINX)
    os.chmod(installation.address, 0o660)
    words = [*person(SERVICE), executable(), "serve"]
    installation.responder.start(command=words, stdin=listener, SWINGMUSIC_FCGI_SOCKET_GROUP=None, SWINGMUSIC_FCGI_LISTEN=None)
    before = VIEWERS["service"]
    VIEWERS["service"] = person(SERVICE)
    try:
        status, findings = installation.check(viewer)
    finally:
        VIEWERS["service"] = before
    assert (status, troubles(findings)) == (0, [])
    # Where it listens is told by the running program, to whom the data folder is open.
    asked = next(finding for finding in findings if finding["subject"] == ("socket" if viewer == "stranger" else "health"))
    assert asked["grade"] == ("ok" if viewer == "root" else "unseen"), asked
    assert "nobody listens" not in json.dumps(findings)


@pytest.mark.parametrize("viewer", VIEWERS)
def test_before_the_first_start_nothing_is_wrong_but_that_nothing_runs(template, sandbox, viewer):
    installation = Installation(sandbox, template[1], template[2])
    status, findings = installation.check(viewer)
    assert status == 0 and [finding["remedy"] for finding in troubles(findings)] == ["start 'serve'"] * len(troubles(findings)), findings


def test_a_folder_that_the_first_start_makes_is_not_missed(installation):
    shutil.rmtree(installation.data)
    parent = installation.sandbox.directory("made")
    if os.geteuid() == 0:
        os.chown(parent, SERVICE, SERVICE)
    installation.responder.settings["SWINGMUSIC_FCGI_DATA_DIR"] = str(parent / "data")
    _, findings = installation.check(next(reversed(VIEWERS)) if os.geteuid() else "service")
    assert [f["grade"] for f in findings if f["subject"] == "SWINGMUSIC_FCGI_DATA_DIR"] == ["ok"], findings


def test_quiet_says_nothing_when_all_is_well_and_only_what_is_not(installation):
    installation.start()

    def said(**more):
        environment = installation.sandbox.environment(**{**installation.responder.settings, **more})
        options = ["--nginx-user", str(NGINX)] if os.geteuid() == 0 else []
        return subprocess.run([executable(), "check", "--quiet", *options], env=environment, capture_output=True, text=True, timeout=30)
    well = said()
    assert (well.returncode, well.stdout, well.stderr) == (0, "", "")
    ill = said(SPOTIFY_MARKET="Sweden")
    assert ill.returncode == 1 and ill.stdout.startswith("error    SPOTIFY_MARKET:") and "\nok " not in ill.stdout
    assert "\x1b" not in ill.stdout, "no colour but on a terminal"


def test_on_a_terminal_grades_have_colours_unless_that_is_not_wanted(installation):
    def said(**more):
        environment = installation.sandbox.environment(**installation.responder.settings, TERM="xterm", **more)
        line = f"{executable()} check"
        return subprocess.run(["script", "-qec", line, "/dev/null"], env=environment, capture_output=True, text=True, timeout=30).stdout
    assert "\x1b[32mok" in said()
    assert "\x1b[" not in said(NO_COLOR="1")


def test_all_wrong_settings_are_shown_at_once(installation):
    installation.responder.settings.update(SPOTIFY_MARKET="Sweden", SWINGMUSIC_FCGI_WORKERS="none", SPOTIFY_TIMEOUT="10")
    status, findings = installation.check(next(iter(VIEWERS)))
    wrong = {finding["subject"] for finding in findings if finding["grade"] == "error"}
    assert status == 1 and {"SPOTIFY_MARKET", "SWINGMUSIC_FCGI_WORKERS", "SPOTIFY_TIMEOUT"} <= wrong
    assert {"cache.db", "swingmusic.db"} <= {finding["subject"] for finding in findings}, "what can be looked at all the same is looked at"


def test_health_alone_follows_the_program(installation):
    def health(viewer=next(iter(VIEWERS))):
        return subprocess.run([*VIEWERS[viewer], executable(), "check", "--health"], timeout=10,
                              env=installation.sandbox.environment(**installation.responder.settings), capture_output=True, text=True)
    stopped = health()
    assert stopped.returncode == 1 and "nobody listens" in stopped.stderr
    installation.start()
    running = health()
    assert (running.returncode, running.stdout, running.stderr) == (0, "", "")
    if os.geteuid() == 0:
        barred = health("stranger")
        assert barred.returncode == 1 and "may not open" in barred.stderr and "nobody listens" not in barred.stderr


def test_swingmusics_folder_may_be_named_or_the_one_above_it_before_or_after_it_is_there(sandbox):
    swingmusic = Swingmusic(sandbox)
    responder = Responder(sandbox, {"SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder)}, workers=1)
    own = swingmusic.folder
    away = own.rename(own.with_name("away"))

    def folder():
        responder.settings["SWINGMUSIC_CONFIG_DIR"] = str(own.parent)
        run = subprocess.run([executable(), "check", "--json"], env=sandbox.environment(**responder.settings), capture_output=True, timeout=30)
        return next(finding["detail"] for finding in json.loads(run.stdout)["findings"] if finding["subject"] == "SWINGMUSIC_CONFIG_DIR")
    assert f"no files in {own.parent} yet" in folder()
    responder.start()

    def status():
        return ask(responder.address, "/auth/users").status
    assert f"no files in {own.parent} yet" in responder.log() and status() == 503
    away.rename(own)
    assert f"own folder is {own};" in folder()
    assert status() == 200
    assert f"have appeared in {own}" in responder.log()
    responder.restart()
    assert f"own folder is {own}" in responder.log() and status() == 200
    responder.restart(SWINGMUSIC_CONFIG_DIR=f"{own}/")
    assert f"{own} is swingmusic's own folder" in responder.log() and status() == 200


# Faults. Each changes one thing of a sound installation, and may answer settings.

def execute(path, sql):
    db = sqlite3.connect(path)
    db.execute(sql)
    db.commit()
    db.close()


def closed(path):
    """Root's alone."""
    os.chown(path, 0, 0)
    path.chmod(0o600)


def file_with(it, name, text, uid=SERVICE):
    path = it.sandbox.path(name)
    path.write_text(text)
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, uid, uid)
    return str(path)


def bad_setting(it):
    return {"SPOTIFY_MIN_INTERVAL": "2"}


def half_of_the_credentials(it):
    return {"SPOTIFY_CLIENT_ID": None}


def twice_a_secret(it):
    return {"SPOTIFY_CLIENT_SECRET_FILE": file_with(it, "secret", CLIENT_SECRET)}


def empty_secret(it):
    return {"SPOTIFY_CLIENT_SECRET": None, "SPOTIFY_CLIENT_SECRET_FILE": file_with(it, "secret", "\n")}


def secret_of_roots(it):
    return {"SPOTIFY_CLIENT_SECRET": None, "SPOTIFY_CLIENT_SECRET_FILE": file_with(it, "secret", CLIENT_SECRET, uid=0)}


def no_secret_file(it):
    return {"SWINGMUSIC_FCGI_ADMIN_TOKEN": None, "SWINGMUSIC_FCGI_ADMIN_TOKEN_FILE": str(it.sandbox.folder / "no-token")}


def sessions_without_swingmusic(it):
    return {"SWINGMUSIC_FCGI_METADATA_AUTH": "session", "SWINGMUSIC_CONFIG_DIR": None}


def open_beside_the_socket(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"{it.address},0.0.0.0:9000", "SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}


def peers_unsaid(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"{it.address},127.0.0.1:{free_port()}"}


def open_to_everybody(it):
    return {"SWINGMUSIC_FCGI_LISTEN": "0.0.0.0:9000"}


def peers_of_nothing(it):
    return {"SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}


def peers_on_the_internet(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"{it.address},127.0.0.1:{free_port()}", "SWINGMUSIC_FCGI_PEERS": "203.0.113.0/24"}


def nobody_at_the_second_address(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"{it.address},127.0.0.1:{free_port()}", "SWINGMUSIC_FCGI_PEERS": "127.0.0.1"}


def nginx_beside_sessions(it):
    return {"SWINGMUSIC_FCGI_METADATA_AUTH": "nginx"}


def nginx_without_a_socket(it):
    return {"SWINGMUSIC_FCGI_METADATA_AUTH": "nginx", "SWINGMUSIC_CONFIG_DIR": None, "SWINGMUSIC_FCGI_LISTEN": f"127.0.0.1:{free_port()}"}


def misspelt(it):
    return {"SWINGMUSIC_FCGI_WORKER": "4"}


def too_fast(it):
    return {"SPOTIFY_MIN_INTERVAL": "1s"}


def folder_is_a_file(it):
    it.sandbox.path("plain").write_text("")
    return {"SWINGMUSIC_FCGI_DATA_DIR": str(it.sandbox.path("plain"))}


def folder_is_open(it):
    os.chmod(it.data, 0o777)


def folder_is_read_only(it):
    it.data.chmod(0o550)


def damaged_limiter(it):
    (it.data / "limiter.db").write_bytes(b"no database" * 1000)


def damaged_sessions(it):
    (it.data / "sessions.db").write_bytes(b"no database" * 1000)


def newer_cache(it):
    execute(it.data / "cache.db", "PRAGMA user_version = 99")
    give(it.data, SERVICE if os.geteuid() == 0 else os.geteuid())


def newer_sessions(it):
    execute(it.data / "sessions.db", "PRAGMA user_version = 99")


def database_is_roots(it):
    closed(it.data / "sessions.db")


def counters_are_roots(it):
    closed(it.data / "figures.shared")


def store_is_down(it):
    return {"DRAGONFLYDB_HOST": "127.0.0.1", "DRAGONFLYDB_PORT": str(free_port())}


def store_wants_a_password(it):
    store = RedisServer(it.sandbox, password="open sesame").start()
    return {**store.settings(), "DRAGONFLYDB_PASSWORD": None}


def store_is_something_else(it):
    return OddStore(it.sandbox, "http").settings()


def no_credentials(it):
    return {"SPOTIFY_CLIENT_ID": None, "SPOTIFY_CLIENT_SECRET": None}


def wrong_secret(it):
    return {"SPOTIFY_CLIENT_SECRET": "wrong"}


def settings_are_roots(it):
    closed(it.swingmusic / "settings.json")


def swingmusics_folder_is_not_writable(it):
    it.swingmusic.chmod(0o555)


def no_server_id(it):
    (it.swingmusic / "settings.json").write_text("{}")


def foreign_database(it):
    execute(it.swingmusic / "swingmusic.db", "DROP TABLE user")


def no_users(it):
    (it.swingmusic / "swingmusic.db").unlink()


def swingmusic_elsewhere(it):
    return {"SWINGMUSIC_CONFIG_DIR": str(it.sandbox.path("nowhere"))}


def no_such_group(it):
    return {"SWINGMUSIC_FCGI_SOCKET_GROUP": "nobody-has-this-group"}


def socket_is_a_file(it):
    it.sandbox.path("fcgi.file").write_text("")
    return {"SWINGMUSIC_FCGI_LISTEN": str(it.sandbox.path("fcgi.file"))}


def no_socket_folder(it):
    return {"SWINGMUSIC_FCGI_LISTEN": str(it.sandbox.folder / "missing" / "fcgi.sock")}


def socket_folder_is_roots(it):
    os.chown(it.run, 0, 0)
    it.run.chmod(0o755)


def listens(it, mode, group):
    """A socket at the address on which nobody speaks."""
    it.stack.enter_context(contextlib.closing(listening_socket(it.address)))
    if os.geteuid() == 0:
        os.chown(it.address, SERVICE, group)
    os.chmod(it.address, mode)


def silent_socket(it):
    listens(it, 0o666, NGINX)


def socket_is_open_to_all(it):
    listening_socket(it.address).close()


def socket_of_another_group(it):
    listens(it, 0o660, SERVICE)


def socket_of_its_owner_alone(it):
    listens(it, 0o600, NGINX)


def nginx_may_not_enter(it):
    listens(it, 0o660, NGINX)
    it.run.chmod(0o700)


def stale_socket(it):
    listening_socket(it.address).close()
    os.chmod(it.address, 0o660)
    if os.geteuid() == 0:
        os.chown(it.address, SERVICE, NGINX)


def nobody_at_the_port(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"127.0.0.1:{free_port()}"}


def something_else_listens(it):
    return {"SWINGMUSIC_FCGI_LISTEN": f"127.0.0.1:{OddStore(it.sandbox, 'http').settings()['DRAGONFLYDB_PORT']}"}


def bad_line(it):
    return ["--env-file", file_with(it, "settings.env", "SPOTIFY_MARKET SE\n", STRANGER)]


#: Name, grade, subject, and words of the remedy; what only root can plant is not tried without.
FAULTS = [
    (bad_setting, "error", "SPOTIFY_MIN_INTERVAL", "docs/settings.md"),
    (half_of_the_credentials, "error", "SPOTIFY_CLIENT_ID", "docs/settings.md"),
    (twice_a_secret, "error", "SPOTIFY_CLIENT_SECRET_FILE", "docs/settings.md"),
    (empty_secret, "error", "SPOTIFY_CLIENT_SECRET_FILE", "docs/settings.md"),
    (secret_of_roots, "error", "SPOTIFY_CLIENT_SECRET_FILE", "LoadCredential="),
    (no_secret_file, "error", "SWINGMUSIC_FCGI_ADMIN_TOKEN_FILE", "docs/settings.md"),
    (bad_line, "error", "settings", "correct that line"),
    (sessions_without_swingmusic, "error", "SWINGMUSIC_FCGI_METADATA_AUTH", "set SWINGMUSIC_CONFIG_DIR"),
    (open_beside_the_socket, "error", "SWINGMUSIC_FCGI_LISTEN", "docs/settings.md"),
    (peers_unsaid, "error", "SWINGMUSIC_FCGI_PEERS", "docs/settings.md"),
    (open_to_everybody, "warning", "SWINGMUSIC_FCGI_PEERS", "10.0.0.2"),
    (peers_of_nothing, "warning", "SWINGMUSIC_FCGI_PEERS", "beside the socket"),
    (peers_on_the_internet, "warning", "SWINGMUSIC_FCGI_PEERS", "WireGuard"),
    (nobody_at_the_second_address, "warning", "peers", "start 'serve'"),
    (nginx_beside_sessions, "error", "SWINGMUSIC_FCGI_METADATA_AUTH", "docs/settings.md"),
    (nginx_without_a_socket, "error", "SWINGMUSIC_FCGI_METADATA_AUTH", "socket's path"),
    (misspelt, "warning", "SWINGMUSIC_FCGI_WORKER", "spelling"),
    (too_fast, "warning", "SPOTIFY_MIN_INTERVAL", "leave it at 2s"),
    (folder_is_a_file, "error", "SWINGMUSIC_FCGI_DATA_DIR", "folder on a local disk"),
    (folder_is_open, "warning", "SWINGMUSIC_FCGI_DATA_DIR", "chmod o="),
    (folder_is_read_only, "error", "SWINGMUSIC_FCGI_DATA_DIR", "chown"),
    (damaged_limiter, "error", "limiter.db", "move it away"),
    (damaged_sessions, "error", "sessions.db", "restore a backup"),
    (newer_cache, "error", "cache.db", "install that version"),
    (newer_sessions, "error", "sessions.db", "install that version"),
    (database_is_roots, "error", "sessions.db", "must belong to the user of 'serve'"),
    (counters_are_roots, "error", "readiness", "must belong to the user of 'serve'"),
    (store_is_down, "error", "DRAGONFLYDB_HOST", "start DragonflyDB"),
    (store_is_something_else, "error", "DRAGONFLYDB_HOST", "correct DRAGONFLYDB_HOST"),
    (store_wants_a_password, "error", "DRAGONFLYDB_HOST", "DRAGONFLYDB_PASSWORD"),
    (no_credentials, "warning", "SPOTIFY_CLIENT_ID", "developer.spotify.com"),
    (wrong_secret, "error", "Spotify token", "SPOTIFY_CLIENT_SECRET"),
    (settings_are_roots, "error", "settings.json", "as swingmusic's user"),
    (swingmusics_folder_is_not_writable, "warning", "SWINGMUSIC_CONFIG_DIR", "as swingmusic's user"),
    (no_server_id, "error", "settings.json", "start swingmusic once"),
    (foreign_database, "error", "swingmusic.db", "swingmusic's database"),
    (no_users, "error", "swingmusic.db", "start swingmusic once"),
    (swingmusic_elsewhere, "error", "SWINGMUSIC_CONFIG_DIR", "swingmusic.db and settings.json"),
    (no_such_group, "error", "SWINGMUSIC_FCGI_SOCKET_GROUP", "www-data"),
    (socket_is_a_file, "error", "socket", "move it away"),
    (no_socket_folder, "error", "SWINGMUSIC_FCGI_LISTEN", "install -d"),
    (socket_folder_is_roots, "error", "SWINGMUSIC_FCGI_LISTEN", "chown it to the user of 'serve'"),
    (silent_socket, "error", "health", "restart it"),
    (socket_is_open_to_all, "warning", "socket", "SOCKET_MODE=0660"),
    (socket_of_another_group, "error", "nginx", "SWINGMUSIC_FCGI_SOCKET_GROUP"),
    (socket_of_its_owner_alone, "error", "nginx", "SWINGMUSIC_FCGI_SOCKET_MODE=0660"),
    (nginx_may_not_enter, "error", "nginx", "chmod o+x"),
    (stale_socket, "warning", "health", "start 'serve'"),
    (nobody_at_the_port, "warning", "health", "start 'serve'"),
    (something_else_listens, "error", "health", "SWINGMUSIC_FCGI_LISTEN"),
]
ROOT_ALONE = {secret_of_roots, database_is_roots, counters_are_roots, settings_are_roots, socket_folder_is_roots,
              socket_of_another_group, socket_of_its_owner_alone, nginx_may_not_enter, folder_is_read_only, swingmusics_folder_is_not_writable}


@pytest.mark.parametrize("plant, grade, subject, remedy",
                         [fault for fault in FAULTS if os.geteuid() == 0 or fault[0] not in ROOT_ALONE], ids=lambda each: getattr(each, "__name__", ""))
def test_a_planted_fault_is_found_and_its_remedy_named_whoever_asks(installation, plant, grade, subject, remedy):
    planted = plant(installation) or {}
    options = planted if isinstance(planted, list) else []
    installation.responder.settings.update({} if options else planted)
    for viewer in VIEWERS:
        status, findings = installation.check(viewer, "--online", *options)
        about = [finding for finding in findings if finding["subject"] == subject]
        found = [finding for finding in about if finding["grade"] == grade]
        if found:
            assert remedy in found[0]["remedy"], (viewer, findings)
            assert (status == 1) == (grade == "error"), (viewer, findings)
            continue
        # What a stranger may not see is said to be unseen, and never well.
        assert viewer == "stranger", (viewer, findings)
        unseen = [finding for finding in findings if finding["grade"] == "unseen"]
        assert unseen and all("sudo swingmusic-fcgi check" in finding["remedy"] for finding in unseen), findings
        assert not [finding for finding in about if finding["grade"] == "ok"], (viewer, findings)


def test_there_are_thirty_faults_and_more():
    assert len({fault[0] for fault in FAULTS}) >= 30


def test_a_running_nginx_is_asked_for_by_its_workers(new_house):
    house = new_house("workers-of-nginx", workers=1)
    ran = subprocess.run([executable(), "check", "--json"], env=house.sandbox.environment(**house.responder.settings), capture_output=True, text=True,
                         timeout=60)
    [finding] = [each for each in json.loads(ran.stdout)["findings"] if each["subject"] == "nginx" and "user" in each["detail"]]
    assert finding["grade"] == "ok" and pwd.getpwuid(os.geteuid()).pw_name in finding["detail"], finding
