"""The Debian package in Debians of its own: installed by apt, given two values, started as its unit says, upgraded under load, purged. Needs root, and a
release executable, which scripts/test --long builds: SWINGMUSIC_FCGI_RELEASE names it. Without, nothing here runs."""

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from deployment import container
from deployment.unit import Unit
from harness.sandbox import REPOSITORY, Sandbox
from harness.waiting import eventually

RELEASE = os.environ.get("SWINGMUSIC_FCGI_RELEASE")
pytestmark = pytest.mark.skipif(not RELEASE or container.why_not() is not None, reason=str(container.why_not() or "no release executable"))

#: Others than this one's where their mirrors are reached: suite, mirror, keyring.
SYSTEMS = {
    "bookworm": ("http://deb.debian.org/debian", None),
    "trixie": ("http://deb.debian.org/debian", "/usr/share/keyrings/debian-archive-keyring.gpg"),
    "noble": ("http://archive.ubuntu.com/ubuntu", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
}
NAME = "swingmusic-fcgi"
TRACK = "/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl"


class Machine:
    """A system in memory, in a mount namespace that ends with it, without a compiler."""

    def __init__(self, sandbox, suite):
        self.sandbox, self.suite = sandbox, suite
        self.folder = sandbox.directory("m")
        self.root = self.folder / "root"
        hold = f"mount -t tmpfs -o size=3g,mode=755 tmpfs {self.folder} && mkdir {self.root} && echo held && exec cat"
        self._holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", hold], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        assert self._holder.stdout.readline() == b"held\n"
        self.within = ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--"]
        self.processes = []
        sandbox.owns(self)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self._holder.stdin.close()
        self._holder.wait(10)

    def outside(self, path):
        return Path(f"/proc/{self._holder.pid}/root{self.root}{path}")

    def host(self, *words):
        done = subprocess.run([*self.within, *map(str, words)], capture_output=True, text=True, timeout=1500)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def run(self, line, status=0, user=None):
        """A shell line in it, as root or as somebody else."""
        person = ["setpriv", f"--reuid={user}", f"--regid={'nogroup' if user == 'nobody' else user}", "--init-groups", "--"] if user else []
        done = subprocess.run([*self.within, "chroot", str(self.root), *person, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                               "DEBIAN_FRONTEND=noninteractive", "sh", "-c", line], capture_output=True, text=True, timeout=900)
        assert done.returncode == status, f"{line}: {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def make(self):
        """From a tar of before, or anew."""
        kept = REPOSITORY / f".build/deploy-root/{self.suite}.base"
        mirror, keyring = SYSTEMS[self.suite]
        if kept.exists():
            self.host("tar", "-xpf", kept, "-C", self.root)
        else:
            key = [f"--keyring={keyring}"] if keyring else []
            extra = ["--components=main,universe"] if "ubuntu" in mirror else []
            self.host("debootstrap", "--variant=minbase", *key, *extra, self.suite, self.root, container.mirror(self.suite) if not keyring else mirror)
            # Packages start nothing here: there is no systemd.
            policy = self.outside("/usr/sbin/policy-rc.d")
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
            self.host("mount", "-t", "proc", "proc", self.root / "proc")
            self.run("apt-get update -q && apt-get install -q -y --no-install-recommends systemd nginx-light curl ca-certificates && apt-get clean")
            self.host("umount", self.root / "proc")
            kept.parent.mkdir(parents=True, exist_ok=True)
            making = kept.with_suffix(f".{os.getpid()}")
            self.host("tar", "-cpf", making, "--one-file-system", "-C", self.root, ".")
            making.rename(kept)
        self.host("mount", "-t", "proc", "proc", self.root / "proc")
        self.host("mount", "--rbind", "/dev", self.root / "dev")
        self.host("mount", "-t", "tmpfs", "tmpfs", self.root / "run")
        return self

    def files(self):
        """Every path but those of what is mounted, of apt's and dpkg's own state, and of logs."""
        text = self.run("find / -xdev -not -path '/proc*' -not -path '/sys*' -not -path '/dev*' -not -path '/tmp*'")
        other = re.compile(r"/var/(lib/(apt|dpkg|systemd)|cache|log)(/|$)|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$")
        return {line for line in text.splitlines() if not other.match(line)}


def packages(folder):
    """Two versions of one executable."""
    made = []
    for version in ("0.1.0~test1", "0.1.0~test2"):
        subprocess.run([REPOSITORY / "scripts/release", "--executable", RELEASE, "--version", version, "--quick", "--to", folder], check=True,
                       capture_output=True, timeout=600)
        [package] = folder.glob(f"*_{version}_*.deb")
        made.append(package)
    return made


@pytest.fixture(scope="module")
def built():
    with Sandbox("package") as sandbox:
        yield packages(sandbox.directory("dist"))


@pytest.fixture(scope="module", params=SYSTEMS)
def machine(request, built):
    suite = request.param
    mirror, keyring = SYSTEMS[suite]
    if keyring and not os.path.exists(keyring):
        pytest.skip(f"{suite}: {keyring} is not here, with which its packages are checked")
    if subprocess.run(["curl", "-sfI", "-m", "10", f"{mirror}/dists/{suite}/Release"], capture_output=True).returncode != 0:
        pytest.skip(f"{suite}: its mirror is not reached")
    with Sandbox(f"{suite}") as sandbox:
        machine = Machine(sandbox, suite).make()
        for number, package in enumerate(built, 1):
            shutil.copy(package, machine.outside(f"/tmp/{number}.deb"))
        yield machine


def test_lintian_finds_nothing_wrong_with_it(built):
    if not shutil.which("lintian"):
        pytest.skip("no lintian")
    for package in built:
        done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", package], capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


class Started:
    """The two units carried out by hand, as systemd would: the socket, and the service on it as its user with its settings."""

    def __init__(self, machine):
        self.machine = machine
        units = {kind: Unit(machine.outside(f"/lib/systemd/system/{NAME}.{kind}").read_text()) for kind in ("socket", "service")}
        socket, service = units["socket"], units["service"]
        values = {"path": socket.value("ListenStream"), "group": socket.value("SocketGroup"), "mode": socket.value("SocketMode"),
                  "words": shlex.split(service.value("ExecStart")), "user": service.value("User"),
                  "file": service.value("EnvironmentFile").lstrip("-"), "environment": service.environment()}
        launcher = machine.outside("/tmp/launch.py")
        launcher.write_text(LAUNCHER.replace("@VALUES@", repr(json.dumps(values))))
        self.log = open(machine.sandbox.path("serve.log"), "w")
        # The host's Python, with the machine as its root: the machine has none.
        script = f"exec(open({str(machine.root / 'tmp/launch.py')!r}).read())"
        self.process = subprocess.Popen([*machine.within, "python3", "-c", script, str(machine.root)], stdout=self.log, stderr=self.log)
        machine.processes.append(self.process)


LAUNCHER = r'''
import grp, json, os, pwd, shlex, socket, sys
os.chroot(sys.argv[1]); os.chdir("/")
given = json.loads(@VALUES@)
os.makedirs(os.path.dirname(given["path"]), 0o755, exist_ok=True)
listener = socket.socket(socket.AF_UNIX); listener.bind(given["path"])
os.chown(given["path"], 0, next(int(line.split(":")[2]) for line in open("/etc/group") if line.startswith(given["group"] + ":")))
os.chmod(given["path"], int(given["mode"], 8)); listener.listen(4096)
settings = dict(line.strip().split("=", 1) for line in open(given["file"]) if "=" in line and not line.startswith("#"))
user = next(line.split(":") for line in open("/etc/passwd") if line.startswith(given["user"] + ":"))
os.setgroups([]); os.setgid(int(user[3])); os.setuid(int(user[2]))
os.dup2(listener.fileno(), 0, inheritable=True)
os.execve(given["words"][0], given["words"], {"PATH": "/usr/bin:/bin", **given["environment"], **settings})
'''


@pytest.fixture(scope="module")
def steps(machine):
    """(command, seconds) of all that a person does from an empty system to the first answer."""
    done = []

    def step(line, carry_out=None):
        began = time.monotonic()
        (carry_out or machine.run)(line)
        done.append((line, time.monotonic() - began))
    machine.before = machine.files()
    assert machine.run("command -v cc gcc clang swift || true") == ""
    step("apt-get install -q -y /tmp/1.deb")
    values = "SPOTIFY_CLIENT_ID=0123456789abcdef\\nSPOTIFY_CLIENT_SECRET=fedcba98\\n"
    step(f"printf '{values}' >> /etc/{NAME}/environment")
    machine.run("mkdir -p /run/nginx-test && printf 'user www-data; events {} http { include swingmusic-fcgi/upstream.conf; include swingmusic-fcgi/credential.conf; "
                "include swingmusic-fcgi/limits.conf; server { listen 127.0.0.1:18080; include swingmusic-fcgi/metadata.conf; "
                "include swingmusic-fcgi/admin.conf; } }' > /etc/nginx/try.conf")

    def start(_):
        machine.started = Started(machine)
        words = [*machine.within, "chroot", str(machine.root), "nginx", "-c", "/etc/nginx/try.conf", "-g", "daemon off;"]
        machine.processes.append(subprocess.Popen(words))
        eventually(lambda: healthy(machine), 30, what="the first answer")
    step(f"systemctl restart {NAME}", start)
    return done


def healthy(machine):
    done = subprocess.run([*machine.within, "curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}",
                           "http://127.0.0.1:18080/swingmusic-fcgi/healthz"], capture_output=True, text=True)
    return done.stdout == "200"


def test_from_an_empty_system_to_the_first_answer(machine, steps):
    print(f"\n{machine.suite}: {len(steps)} commands, {sum(seconds for _, seconds in steps):.1f} s: "
          + "; ".join(f"{line.partition(' ')[0]} {seconds:.1f} s" for line, seconds in steps))
    assert healthy(machine) and len(steps) == 3
    assert machine.run("stat -c '%U:%G %a' /var/lib/swingmusic-fcgi /etc/swingmusic-fcgi/environment").split("\n")[:2] == [
        "swingmusic:swingmusic 750", "root:swingmusic 640"]


@pytest.mark.parametrize("user", [None, "swingmusic", "nobody"])
def test_check_finds_nothing_wrong_with_it_whoever_asks(machine, steps, user):
    told = json.loads(machine.run(f"{NAME} check --json", user=user))
    assert [finding for finding in told["findings"] if finding["grade"] in ("error", "warning")] == []


def test_it_brings_units_manual_pages_and_completions(machine, steps):
    listed = set(machine.run(f"dpkg -L {NAME}").splitlines())
    for path in ("/usr/share/man/man8/swingmusic-fcgi.8.gz", "/usr/share/man/man8/swingmusic-fcgi-check.8.gz",
                 "/usr/share/bash-completion/completions/swingmusic-fcgi", "/usr/share/zsh/vendor-completions/_swingmusic-fcgi",
                 "/usr/share/fish/vendor_completions.d/swingmusic-fcgi.fish", "/lib/systemd/system/swingmusic-fcgi.socket"):
        assert path in listed or machine.run(f"test -e {path}") == "", path
    for name in ("alerts.yml", "prometheus.yml", "grafana.json"):
        assert f"/usr/share/doc/swingmusic-fcgi/examples/monitoring/{name}" in listed, name
    assert machine.run(f"systemctl is-enabled {NAME}.socket {NAME}.service").split() == ["enabled", "enabled"]
    assert "libhiredis" not in machine.run(f"ldd /usr/bin/{NAME}") and "libsqlite" not in machine.run(f"ldd /usr/bin/{NAME}")


def test_an_upgrade_under_load_fails_no_request(machine, steps):
    """systemd is not there to be asked for the reload: SIGHUP, which the unit says it is, follows at once."""
    bad, count, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            asked = ["-o", "/dev/null", "http://127.0.0.1:18080/swingmusic-fcgi/healthz"] * 20
            done = subprocess.run(["curl", "-s", "-m", "5", "-w", "%{http_code} ", *asked], capture_output=True, text=True)
            codes = done.stdout.split()
            count[0] += len(codes)
            bad.extend(code for code in codes if code != "200")
    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        machine.run("apt-get install -q -y /tmp/2.deb")
        machine.started.process.send_signal(1)
        time.sleep(8)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"\n{machine.suite}: {count[0]} requests during the upgrade, {len(bad)} failed")
    assert bad == [] and count[0] > 100
    assert "0.1.0~test2" in machine.run(f"dpkg-query -W {NAME}") and "CLIENT_SECRET=fedcba98" in machine.run(f"cat /etc/{NAME}/environment")


def test_a_purge_leaves_nothing_but_what_the_page_says(machine, steps):
    machine.started.process.terminate()
    assert machine.started.process.wait(15) == 0
    machine.run(f"apt-get purge -q -y {NAME}; rm /etc/nginx/try.conf; rm -rf /run/nginx-test")
    left = machine.files() - machine.before
    # What apt brought along for it is apt's (autoremove).
    owned = {line for line in machine.run("cat /var/lib/dpkg/info/*.list").splitlines()}
    left = {path for path in left - owned if not re.match(r"/(run|usr/share/man|var/lib/nginx|etc/ssl)", path)}
    assert left == set()
    # The user stays, as docs/installing.md says.
    assert machine.run("id -un swingmusic").strip() == "swingmusic"
