"""The ways of trying docs/homes.md and docs/installing.md: proxies in front of our nginx, other homes' files, and what is installed."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from deployment.unit import Unit
from harness import http
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, Sandbox, free_port
from harness.waiting import eventually

from .bench import Bench, Failed, commands
from .servers import expect
from .ways import TRACK

NAME = "swingmusic-fcgi"


def _compose():
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]


def _usual(text):
    """A value of Compose's with the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


# swingmusic in Docker.

def runs_swingmusic(text, stack):
    """The words are those of our Compose file: image, user, home and folders of swingmusic."""
    service = _compose()["swingmusic"]
    wanted = ["docker", "run", "-d", "--name", "swingmusic", "--restart", service["restart"], "--user", _usual(service["user"]), "-e",
              f"HOME={service['environment']['HOME']}", "-p", "127.0.0.1:1970:1970", "-v", "/srv/swingmusic:/config", "-v", "/srv/music:/music:ro",
              _usual(service["image"])]
    expect(shlex.split(text), wanted, "the words")


def sets(**wanted):
    """Lines for the environment: the program knows each, and takes the values."""
    def way(text, stack):
        given = dict(line.split("=", 1) for line in text.split())
        expect(given, wanted, "settings")
        with Bench(**given, SWINGMUSIC_FCGI_DATA_DIR="/nowhere/data") as bench:
            done = subprocess.run(["swingmusic-fcgi", "check", "--json"], env=bench.environment, capture_output=True, text=True, timeout=30)
            for name in given:
                expect(f'"subject" : "{name}"' in done.stdout and "is no setting" in done.stdout, False, f"{name} is no setting")
    return way


def drops_in(text, stack):
    """A drop-in of the service: systemd takes it, and it is the user of the container."""
    given = Unit(text)
    expect(text.splitlines()[0], "[Service]", "the section")
    expect(given.pairs, [("User", "1000"), ("Group", "1000"), ("ReadWritePaths", "/srv/swingmusic")], "what is said")
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for path in (REPOSITORY / "scripts/systemd").iterdir():
            unit = path.read_text().replace("/usr/local/bin/swingmusic-fcgi", "/bin/true")
            (Path(folder) / path.name).write_text(unit)
        dropped = Path(folder) / f"{NAME}.service.d/override.conf"
        dropped.parent.mkdir()
        dropped.write_text(text)
        judged = subprocess.run(["systemd-analyze", "verify", f"{folder}/{NAME}.service"], capture_output=True, text=True, timeout=60)
        expect([line for line in judged.stderr.splitlines() if NAME in line], [], "what systemd says")


def on_the_host(folders=(), **asked):
    """Commands of the administrator's, with a folder for / and the stack's settings. `asked`: what systemd was asked."""
    def way(text, stack):
        bench = stack.bench()
        try:
            for folder in folders:
                (bench.root / folder).mkdir(parents=True)
            bench.run_all(text)
            expect([words[1:] for words in bench.calls() if words[0] == "systemctl"], asked.get("systemctl", []), "what systemd was asked")
        finally:
            bench.__exit__()
    return way


def joins_compose(text, stack):
    """The services are ours under other names, with the volumes of a file that has its own."""
    told, ours = yaml.safe_load(text), _compose()
    program, nginx = told["services"]["swingmusic-fcgi"], told["services"]["fcgi-nginx"]
    real = ours["swingmusic-fcgi"]
    expect((program["build"], program["user"], program["restart"]), ("./swingmusic-fcgi", _usual(real["user"]), real["restart"]), "the program")
    names = ["SWINGMUSIC_CONFIG_DIR", "SWINGMUSIC_FCGI_ADOPT_TOKENS"]
    wanted = {**{name: real["environment"][name] for name in names}, **{name: f"${{{name}}}" for name in ("SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET")}}
    expect(program["environment"], wanted, "settings")
    expect(program["volumes"], ["fcgi-data:/var/lib/swingmusic-fcgi", "fcgi-socket:/run/swingmusic-fcgi", "./swingmusic:/config"], "volumes")
    for name in ("image", "entrypoint", "restart", "tmpfs"):
        expect(nginx[name], ours["nginx"][name], name)
    expect(nginx["user"], _usual(ours["nginx"]["user"]), "nginx's user")
    expect(nginx["ports"], [_usual(each) for each in ours["nginx"]["ports"]], "ports")
    mounted = [each.replace("./nginx", "./swingmusic-fcgi/nginx").replace("socket:", "fcgi-socket:") for each in ours["nginx"]["volumes"]]
    expect(nginx["volumes"], mounted, "nginx's folders")
    expect((set(told), set(told["services"]), told["volumes"]), ({"services", "volumes"}, {"swingmusic-fcgi", "fcgi-nginx"},
                                                                {"fcgi-data": None, "fcgi-socket": None}), "nothing else")


# Proxies in front of our nginx.

class _Front:
    """A plain nginx with lines put into it. A context manager."""

    def __init__(self, text, certificate=False):
        self._folder = tempfile.TemporaryDirectory(prefix="front-", dir="/tmp")
        self.folder, self.port = Path(self._folder.name), free_port()
        if certificate:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=music.example.org",
                            "-keyout", self.folder / "key.pem", "-out", self.folder / "chain.pem"], check=True, capture_output=True)
        temporary = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(f"events {{}}\nhttp {{ access_log off; {temporary}\n{text}\n}}\n".replace("@FOLDER@", str(self.folder)).replace(
            "@PORT@", str(self.port)))
        self._command = ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.folder / "nginx.conf", "-g",
                         f"pid {self.folder}/pid; daemon off;{' user root;' if os.geteuid() == 0 else ''}"]

    def __enter__(self):
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            self._folder.cleanup()
            raise Failed(done.stderr)
        self._process = LoggedProcess(self._command, self.folder / "said.log")
        eventually(lambda: subprocess.run(["curl", "-sk", "-m", "2", f"http://127.0.0.1:{self.port}/"], capture_output=True).returncode in (0, 52), 10,
                   what="it listens")
        return self

    def __exit__(self, *_):
        self._process.stop(5)
        self._folder.cleanup()


def put_in(text, there, instead):
    if there not in text:
        raise Failed(f"it does not say {there}")
    return text.replace(there, instead)


def asks(port, path, *options, scheme="http"):
    done = subprocess.run(["curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", *options, f"{scheme}://127.0.0.1:{port}{path}"],
                          capture_output=True, text=True)
    return done.stdout.strip()


def behind_caddy(text, stack):
    if not shutil.which("caddy"):
        pytest.skip("caddy is not installed; scripts/test --long installs it")
    port = free_port()
    site = put_in(put_in(text, "music.example.org {", f"http://127.0.0.1:{port} {{"), "127.0.0.1:8080", f"127.0.0.1:{stack.nginx.port}")
    with Sandbox("caddy") as sandbox:
        path = sandbox.path("Caddyfile")
        path.write_text("{\n admin off\n}\n" + site)
        environment = sandbox.environment(XDG_DATA_HOME=sandbox.folder)
        judged = subprocess.run(["caddy", "validate", "--adapter", "caddyfile", "--config", path], capture_output=True, text=True, env=environment)
        expect(judged.returncode, 0, judged.stderr)
        sandbox.owns(LoggedProcess(["caddy", "run", "--adapter", "caddyfile", "--config", path], sandbox.path("caddy.log"), environment))
        eventually(lambda: http.request(port, "GET", TRACK).status == 200, 10, what="Caddy hands it on")


def advanced_of_a_proxy_host(text, stack):
    """The lines of *Advanced* in a server as nginx Proxy Manager makes them: they stand in server {}."""
    inner = f"server {{ listen 127.0.0.1:@PORT@;\n{text}\nlocation / {{ proxy_pass http://127.0.0.1:{stack.nginx.port}; }} }}"
    with _Front(inner) as front:
        expect(asks(front.port, TRACK), "200", "a track")


def swags_file(text, stack):
    """SWAG's own files are a certificate, headers and a resolver."""
    for name, lines in (("ssl.conf", "ssl_certificate @FOLDER@/chain.pem; ssl_certificate_key @FOLDER@/key.pem;"),
                        ("proxy.conf", "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"), ("resolver.conf", "")):
        text = put_in(text, f"include /config/nginx/{name};", lines)
    text = put_in(put_in(text, "listen 443 ssl;", "listen 127.0.0.1:@PORT@ ssl;"), "server_name music.*;", "server_name music.*;")
    text = put_in(put_in(text, "upstream_app fcgi-nginx;", "upstream_app 127.0.0.1;"), "upstream_port 8080;", f"upstream_port {stack.nginx.port};")
    with _Front(text, certificate=True) as front:
        expect(asks(front.port, TRACK, "-H", "Host: music.example.org", scheme="https"), "200", "a track")


def traefiks_labels(text, stack):
    """No Traefik could be had: what they must say to mean our nginx."""
    router, service = "traefik.http.routers.swingmusic", "traefik.http.services.swingmusic.loadbalancer"
    port = re.search(r"listen (\d+)", (REPOSITORY / "nginx/site-compose/server.conf").read_text())[1]
    expect(yaml.safe_load(text), {"labels": ["traefik.enable=true", f"{router}.rule=Host(`music.example.org`)", f"{router}.entrypoints=websecure",
                                             f"{router}.tls.certresolver=letsencrypt", f"{service}.server.port={port}",
                                             f"{service}.responseforwarding.flushinterval=-1ms"]}, "labels")


def with_a_certificate(text, stack):
    """The lines in a server that hands on to the stack."""
    text = put_in(text, "listen 443 ssl;", "listen 127.0.0.1:@PORT@ ssl;")
    text = put_in(text, "/etc/letsencrypt/live/music.example.org/fullchain.pem", "@FOLDER@/chain.pem")
    text = put_in(text, "/etc/letsencrypt/live/music.example.org/privkey.pem", "@FOLDER@/key.pem")
    expect("server_name music.example.org;" in text, True, "the name is the certificate's")
    with _Front(f"server {{\n{text}\nlocation / {{ proxy_pass http://127.0.0.1:{stack.nginx.port}; }} }}", certificate=True) as front:
        expect(asks(front.port, TRACK, scheme="https"), "200", "a track")
        expect(asks(front.port, TRACK, "--tls-max", "1.1", scheme="https")[:3], "000", "an old TLS")


def sends_on_to_https(text, stack):
    expect("server_name music.example.org;" in text, True, "the name")
    with _Front(put_in(text, "listen 80;", "listen 127.0.0.1:@PORT@;")) as front:
        expect(asks(front.port, "/a?b=c", "-H", "Host: music.example.org"), "301 https://music.example.org/a?b=c", "where it is sent")


def below_a_path(text, stack):
    text = put_in(text, "http://127.0.0.1:8080/", f"http://127.0.0.1:{stack.nginx.port}/")
    for header in ("Host $host;", "X-Forwarded-For $remote_addr;"):
        expect(f"proxy_set_header {header}" in text, True, header)
    with _Front(f"server {{ listen 127.0.0.1:@PORT@;\n{text}\n}}") as front:
        expect(asks(front.port, f"/music{TRACK}"), "200", "a track below the path")


# What a release is installed with. Tests/deploy/test_package.py installs it really.

def apt(*words):
    """A command of apt's for the package, by the name that scripts/release gives it."""
    def way(text, stack):
        expect(shlex.split(text), ["sudo", "apt-get", *words], "the command")
        expect('f"{NAME}_{release.version}_{release.architecture}.deb"' in (REPOSITORY / "scripts/release").read_text(), True, "the package's name")
    return way


def unpacks(text, stack):
    """The lines of the tarball, over one that has what scripts/release puts into it."""
    with Bench() as bench:
        top = bench.folder / "swingmusic-fcgi-0.1.0-linux-amd64"
        for name in ("bin/swingmusic-fcgi", "man/swingmusic-fcgi.8", "completions/swingmusic-fcgi"):
            path = top / name
            path.parent.mkdir(parents=True)
            path.write_text(name)
        shutil.copytree(REPOSITORY / "scripts/systemd", top / "systemd")
        shutil.copytree(REPOSITORY / "nginx", top / "nginx")
        subprocess.run(["tar", "-czf", f"{top.name}.tar.gz", top.name], cwd=bench.folder, check=True)
        shutil.rmtree(top)
        for folder in ("usr/local/bin", "etc/systemd/system", "etc/nginx", "usr/local/share/man/man8", "usr/share/bash-completion/completions"):
            (bench.root / folder).mkdir(parents=True)
        bench.run("\n".join(commands(text)))
        found = {str(path.relative_to(bench.root)) for path in bench.root.rglob("*") if path.is_file()}
        units = {f"etc/systemd/system/{path.name}" for path in (REPOSITORY / "scripts/systemd").iterdir()}
        includes = {f"etc/nginx/swingmusic-fcgi/{path.name}" for path in (REPOSITORY / "nginx/swingmusic-fcgi").iterdir()}
        wanted = {"usr/local/bin/swingmusic-fcgi", "usr/local/share/man/man8/swingmusic-fcgi.8",
                  "usr/share/bash-completion/completions/swingmusic-fcgi", *units, *includes}
        expect(found, wanted, "what is installed")
        expect([oct((bench.root / name).stat().st_mode & 0o777) for name in ("usr/local/bin/swingmusic-fcgi", "etc/swingmusic-fcgi",
                "usr/local/share/man/man8/swingmusic-fcgi.8", "etc/systemd/system/swingmusic-fcgi.service",
                "usr/share/bash-completion/completions/swingmusic-fcgi")], ["0o755", "0o750", "0o644", "0o644", "0o644"], "modes")


def moves(text, stack):
    """A backup of one, and its restore in another's place."""
    backup, restore = (shlex.split(line) for line in commands(text))
    expect((backup[:3], restore[:4], backup[-1] == restore[-1]), (["sudo", NAME, "backup"], ["sudo", NAME, "restore", "--keep-sessions"], True), "the commands")
    expect((len(backup), len(restore), backup[-1]), (4, 5, "/srv/swingmusic-fcgi-backup"), "one folder")
    bench = stack.bench()
    try:
        (bench.root / "srv").mkdir()
        bench.run(commands(text)[0])
        new = bench.folder / "data"
        new.mkdir()
        bench.environment["SWINGMUSIC_FCGI_DATA_DIR"] = str(new)
        bench.run(commands(text)[1])
        expect((new / "cache.db").is_file() and (new / "sessions.db").is_file(), True, "what was moved")
    finally:
        bench.__exit__()


def forgets(text, stack):
    expect(shlex.split(text), ["sudo", NAME, "sessions", "forget", "anna"], "the command")
    stack.get("/auth/user", stack.session("anna"))
