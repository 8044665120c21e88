"""The Dockerfile's run stage, carried out in a Debian of its own, with what Compose starts in it. No engine is needed."""

import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from deployment import container
from deployment.packages import is_swifts
from deployment.repository import Repository
from harness import fastcgi
from harness.nginx import Nginx
from harness.process import LoggedProcess, children_of
from harness.redis import RedisServer
from harness.responder import CLIENT_ID, CLIENT_SECRET
from harness.sandbox import REPOSITORY, Sandbox, executable
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic, claims, token
from harness.waiting import eventually

pytestmark = pytest.mark.skipif(container.why_not() is not None, reason=str(container.why_not()))

#: A release build has Swift's libraries in it (--static-swift-stdlib); the tests' debug build wants them beside it.
SWIFT = "/opt/swift-of-the-tests"
ADMIN_TOKEN = "an-admin-token-of-the-deployment-tests"


class Deployment:
    """swingmusic-fcgi in its container: image, volumes, secrets, user, environment, all as Dockerfile and Compose say."""

    def __init__(self, sandbox, **variables):
        self.sandbox, self.files = sandbox, Repository(REPOSITORY, **variables)
        self.stage, self.service = self.files.run_stage, self.files.service("swingmusic-fcgi")
        self.box = container.Container(sandbox, self.stage, REPOSITORY / ".build/deploy-root").make()
        self.swift_libraries = self._install()
        self.swingmusic, self.standin, self.store = Swingmusic(sandbox), StandIn(sandbox).start(), RedisServer(sandbox).start()
        self._open()
        self.environment = self._environment()
        self.process = None

    def _install(self):
        target = self.stage.all("COPY")[0].split()[-1]
        self.box.copy(executable(), target)
        found = re.findall(r"=> (/\S+)", subprocess.run(["ldd", executable()], capture_output=True, text=True, check=True).stdout)
        libraries = [path for path in found if is_swifts(path)]
        for path in libraries:
            self.box.copy(path, f"{SWIFT}/{path.rpartition('/')[2]}")
        return libraries

    def _open(self):
        # An engine's resolver knows the services by their names.
        hosts = self.box.outside(f"{self.box.root}/etc/hosts")
        hosts.write_text(f"127.0.0.1 localhost {self.files.environment('swingmusic-fcgi')['DRAGONFLYDB_HOST']}\n")
        for name, value in {"SPOTIFY_CLIENT_SECRET": CLIENT_SECRET, "SWINGMUSIC_FCGI_ADMIN_TOKEN": ADMIN_TOKEN}.items():
            path = self.box.outside(f"{self.box.root}{self.files.environment('swingmusic-fcgi')[name + '_FILE']}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(value + "\n")
        # prepare's as well: what it sees at another path than the program is a volume of another name.
        volumes = dict.fromkeys([*self.files.mounts("swingmusic-fcgi"), *self.files.mounts("prepare")])
        self.box.open(volumes, self.service["tmpfs"])
        folder = self.files.environment("swingmusic-fcgi")["SWINGMUSIC_CONFIG_DIR"]
        shutil.copytree(self.swingmusic.folder, self.box.outside(f"{self.box.root}{folder}"))
        self.box.run("chroot", self.box.root, *self.files.service("prepare")["command"])

    def _environment(self):
        """Dockerfile's and Compose's, with what .env would set, and with stand-ins in Spotify's and DragonflyDB's place."""
        given = {**self.stage.environment(), **self.files.environment("swingmusic-fcgi"), "SPOTIFY_CLIENT_ID": CLIENT_ID}
        tests = {"SPOTIFY_API_URL": self.standin.url, "SPOTIFY_ACCOUNTS_URL": self.standin.url, "SPOTIFY_MIN_INTERVAL": "20ms",
                 "SWINGMUSIC_FCGI_WORKERS": "2", "DRAGONFLYDB_PORT": str(self.store.port),
                 "LD_LIBRARY_PATH": SWIFT if self.swift_libraries else None}
        usual = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        return {name: value for name, value in {**usual, **given, **tests}.items() if value is not None}

    @property
    def user(self):
        return self.service.get("user", self.stage.user())

    def start(self):
        words = self.box.as_user(self.user, self.stage.entrypoint(), self.environment)
        self.process = LoggedProcess(words, self.sandbox.path("responder.log"))
        self.sandbox.owns(self.process)
        eventually(lambda: not self.process.running or self.health() == 0, 60, every=0.2, what="the health check succeeds")
        assert self.process.running, self.process.tail()
        return self

    def health(self):
        """The status of the Dockerfile's HEALTHCHECK, run as an engine runs it."""
        words = self.box.as_user(self.user, self.stage.health_command(), self.environment)
        return subprocess.run(words, capture_output=True, timeout=20).returncode

    def inside(self, *command):
        """What a command says that runs in the container as the service's user."""
        return subprocess.run(self.box.as_user(self.user, command, self.environment), capture_output=True, text=True, timeout=20)


@pytest.fixture(scope="module")
def deployment():
    with Sandbox("deploy") as sandbox:
        yield Deployment(sandbox)


@pytest.fixture(scope="module")
def started(deployment):
    return deployment.start()


#: Another user and group than the image's, as .env may name them.
ANOTHER = {"PUID": "1234", "PGID": "5678"}


@pytest.fixture(scope="module")
def anothers():
    with Sandbox("anothers") as sandbox:
        yield Deployment(sandbox, **ANOTHER)


class NginxOfCompose(Nginx):
    """Compose's nginx with its own command line, as `user`; of the paths in it only those of the two folders are others."""

    def __init__(self, deployment, user):
        self.deployment, self.user = deployment, user
        socket = f"{deployment.box.volumes}/socket/{deployment.files.socket.rpartition('/')[2]}"
        super().__init__(deployment.sandbox, socket, swingmusic=deployment.swingmusic.port, compose=True)
        # An engine gives the user standard output, which is the log here.
        self.log.touch()
        for path in (self.folder, self.log):
            os.chown(path, int(user.partition(":")[0]), -1)

    def command(self, *more):
        words = list(self.deployment.files.service("nginx")["entrypoint"])
        words[words.index("-p") + 1] = self.folder
        words[words.index("-c") + 1] = self.configuration / "nginx.conf"
        user, _, group = self.user.partition(":")
        return [*self.deployment.box.within, "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *words, *more]


def test_every_library_of_the_executable_is_there(deployment):
    target = deployment.stage.entrypoint()[0]
    said = deployment.inside("ldd", target)
    assert said.returncode == 0 and "libcurl" in said.stdout and "not found" not in said.stdout, said


def test_the_image_has_not_more_than_it_needs(deployment):
    for tool in ("curl", "swift", "gcc", "python3", "nginx"):
        assert deployment.inside("sh", "-c", f"command -v {tool}").returncode != 0


def test_the_health_check_fails_before_the_program_has_started(deployment):
    if deployment.process is None:
        assert deployment.health() == 1


def test_the_program_starts_as_its_user_with_a_read_only_root_and_answers(started):
    status = Path(f"/proc/{started.process.pid}/status").read_text()
    uid, _, gid = started.user.partition(":")
    assert re.search(rf"^Uid:\t{uid}\t", status, re.MULTILINE) and re.search(rf"^Gid:\t{gid}\t", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE) and len(children_of(started.process.pid)) == 2
    assert "Read-only file system" in started.inside("touch", "/x").stderr
    assert "Read-only file system" in started.inside("touch", "/usr/local/bin/x").stderr
    socket = started.box.outside(f"{started.box.root}{started.files.socket}")
    assert fastcgi.ask(str(socket), "/swingmusic-fcgi/readyz").status == 200
    assert started.inside("ls", started.files.data_folder).stdout.split().count("cache.db") == 1


def test_check_finds_nothing_wrong_in_the_container(started):
    said = started.inside(started.stage.entrypoint()[0], "check")
    errors = [line for line in said.stdout.splitlines() if line.startswith("error")]
    assert said.returncode == 0 and errors == [], said.stdout


def owner(deployment, path):
    found = deployment.box.outside(f"{deployment.box.root}{path}").stat()
    return f"{found.st_uid}:{found.st_gid}"


def test_prepare_gives_away_what_is_written_to_and_nothing_else(started):
    for path in ("/config/swingmusic", "/config/swingmusic/swingmusic.db", "/backup", started.files.data_folder,
                 os.path.dirname(started.files.socket)):
        assert owner(started, path) == started.user, path
    for path in ("/config", "/music", "/music/swingmusic.backup"):
        assert owner(started, path) == "0:0", path


def test_the_program_and_nginx_work_as_another_user_too(anothers):
    assert anothers.user == "1234:5678"
    test_the_program_starts_as_its_user_with_a_read_only_root_and_answers(anothers.start())
    test_prepare_gives_away_what_is_written_to_and_nothing_else(anothers)
    test_nginx_as_compose_starts_it_reaches_the_program_through_the_socket(anothers)


def test_nginx_as_compose_starts_it_reaches_the_program_through_the_socket(started):
    nginx = NginxOfCompose(started, started.files.service("nginx")["user"]).start()
    try:
        track = f"/spotify/v1/tracks/{spotify_id('deployed')}"
        # Users of before stay signed in; from then on swingmusic is not where one signs in.
        before, since = ({"Authorization": "Bearer " + token(claims(2, issued=issued))} for issued in (int(time.time()) - 86_400, None))
        assert nginx.get(track, before).status == 200
        assert nginx.get(track, since).status == 401
        assert nginx.get(track).status == 401
        assert nginx.get("/folder").status == 401
        assert nginx.get("/swingmusic-fcgi/status.json", {"Authorization": f"Bearer {ADMIN_TOKEN}"}).status == 200
        asked = shlex.join(started.files.service("nginx")["healthcheck"]["test"][1:]).replace(":8080", f":{nginx.port}")
        assert subprocess.run(["sh", "-c", asked], timeout=20).returncode == 0
    finally:
        nginx.stop()


def test_an_nginx_that_is_not_in_the_group_does_not(started):
    nginx = NginxOfCompose(started, "101:101")
    nginx.process = LoggedProcess(nginx.command(), nginx.log)
    try:
        answer = eventually(lambda: nginx.get("/swingmusic-fcgi/healthz").status, 10, what="nginx answers")
        assert answer == 502
        assert "Permission denied" in nginx.log.read_text()
    finally:
        nginx.stop()


def test_it_ends_by_itself_in_the_time_that_compose_gives_it(deployment):
    if deployment.process is None:
        deployment.start()
    within = float(deployment.service["stop_grace_period"].rstrip("s"))
    assert deployment.process.stop(within) == 0
    assert deployment.health() == 1
