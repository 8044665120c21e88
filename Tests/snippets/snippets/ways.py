"""The ways of trying a snippet. Each takes its text and the stack, and fails when the snippet does not do what the text around it says."""

import functools
import ipaddress
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

import pytest

from deployment import compose
from deployment.nginxfile import every, parse
from harness import fastcgi
from harness.keys import FORM, GRANT, basic
from harness.responder import ADMIN_TOKEN, CLIENT_SECRET
from harness.sandbox import REPOSITORY, Sandbox
from harness.standin import spotify_id
from harness.waiting import eventually
from harness.webservers import SERVERS

from .bench import Bench, Failed, commands
from .servers import SWINGMUSIC, Server, expect, own_files, put, reached

TRACK = f"/spotify/v1/tracks/{spotify_id('a snippet')}"
ARTIST = f"/api/catalog/artist/{spotify_id('a snippet')}"
#: Of the extended web client's routes below /api, those that are handed on; the program answers none of them 404.
EXTENDED = [*(f"/api/search/{name}" for name in ("global", "combined", "suggestions", f"artist/{spotify_id('a snippet')}", f"album/{spotify_id('an album')}")),
            *(f"/api/{name}" for name in ("spotify/metadata", "universal/metadata", "universal/validate-url"))]
PROGRAM = "swingmusic-fcgi"


# curl.

def curl(*expected):
    """A line for each of `expected`, which takes status, standard output and folder."""
    def way(text, stack):
        bench = stack.bench()
        try:
            lines = commands(text)
            expect(len(lines), len(expected), "commands")
            for line, wanted in zip(lines, expected):
                done = bench.run(line)
                wanted(done.stderr.split()[-1], done.stdout, bench.folder)
        finally:
            bench.__exit__()
    return way


def answer(status, **members):
    """The status, and JSON in which each of these members is of that type or value; `with_head`: -i shows the head first."""
    def wanted(said, output, _):
        expect(said, str(status), "status")
        _has(json.loads(output), members)
    return wanted


def head_and(status, **members):
    def wanted(said, output, _):
        expect(said, str(status), "status")
        head, _, body = output.replace("\r\n", "\n").partition("\n\n")
        expect(head.split()[:2], ["HTTP/1.1", str(status)], "the head that -i shows")
        if members:
            _has(json.loads(body), members)
    return wanted


def text_with(status, pattern):
    def wanted(said, output, _):
        expect(said, str(status), "status")
        expect(bool(re.search(pattern, output)), True, f"{pattern} in {output[:200]!r}")
    return wanted


def file_with(status, name, pattern):
    def wanted(said, output, folder):
        expect((said, output), (str(status), ""), "status and output")
        text_with(status, pattern)(said, (folder / name).read_text(), folder)
    return wanted


def _has(value, members):
    for path, wanted in members.items():
        found = value
        for name in path.split("__"):
            found = found[name]
        right = isinstance(found, wanted) if isinstance(wanted, type) else found == wanted
        expect(right, True, f"{path} is {found!r}, which should be {wanted!r}")


# Shell.

def installs(text, stack):
    """Build and install: what is installed needs no Swift. (test_build.py builds really.)"""
    with Bench() as bench:
        (bench.root / "usr/local/bin").mkdir(parents=True)
        bench.run_all(text)
        installed = bench.root / f"usr/local/bin/{PROGRAM}"
        expect((installed.read_text(), _mode(installed)), ("static", 0o755), "what was installed")


def copies_for_nginx(text, stack):
    with Bench() as bench:
        (bench.root / "etc/nginx").mkdir(parents=True)
        bench.run_all(text)
        copied = bench.root / "etc/nginx"
        ours = REPOSITORY / "nginx"
        expect(_tree(copied / PROGRAM), _tree(ours / PROGRAM), "the folder of include files")
        expect(_tree(copied / "site"), {"proxy.conf": (ours / "site/proxy.conf").read_bytes()}, "site/")


def makes_nginx_read_it(text, stack):
    """Over Debian's own configuration with ours in it."""
    with Bench() as bench:
        debians(bench.root / "etc/nginx", readmes_server(), without_location=True)
        (bench.root / "etc/nginx/site/proxy.conf").read_text()
        lines = bench.run_all(text)
        expect("test is successful" in lines[0].stderr, True, lines[0].stderr)
        expect(bench.calls(), [["systemctl", "reload", "nginx"]], "what systemd was asked")


def installs_units(text, stack):
    with Bench() as bench:
        for folder in ("usr/local/bin", "etc/systemd/system"):
            (bench.root / folder).mkdir(parents=True)
        built = bench.folder / f".build/release/{PROGRAM}"
        built.parent.mkdir(parents=True)
        built.write_text("static")
        bench.run_all(text)
        etc = bench.root / "etc"
        units = {f"{PROGRAM}.{kind}": (REPOSITORY / f"scripts/systemd/{PROGRAM}.{kind}").read_bytes() for kind in ("service", "socket")}
        expect(_tree(etc / "systemd/system"), units, "the units")
        expect({_mode(path) for path in (etc / "systemd/system").iterdir()}, {0o644}, "their mode")
        expect(_mode(bench.root / f"usr/local/bin/{PROGRAM}"), 0o755, "the executable's mode")
        expect(_mode(etc / PROGRAM), 0o750, "the settings' folder")
        asked = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", f"{PROGRAM}.socket", f"{PROGRAM}.service"]]
        expect(bench.calls(), asked, "what systemd was asked")
        service = (REPOSITORY / f"scripts/systemd/{PROGRAM}.service").read_text()
        expect(f"EnvironmentFile=-/etc/{PROGRAM}/environment" in service, True, "the service reads the settings from there")


def starts_compose(text, stack):
    """The person who reads it puts values into .env and the client secret into its file, as the comments say, before the last line."""
    with Bench() as bench:
        *before, last = commands(text)
        for line in before:
            bench.run(line)
        example = REPOSITORY / ".env.example"
        expect((bench.folder / ".env").read_bytes(), example.read_bytes(), ".env")
        expect(re.fullmatch(r"[0-9a-f]{64}\n", (bench.folder / "secrets/admin_token").read_text()) is not None, True, "the token")
        expect("your Spotify client secret into secrets/spotify_client_secret" in text, True, "says where the client secret goes")
        (bench.folder / "secrets/spotify_client_secret").write_text(CLIENT_SECRET)
        _fill_in(bench.folder / ".env")
        bench.run(last)
        expect(bench.calls(), [["docker", "compose", "up", "-d"]], "what Docker was asked")


def takes_backups_out(text, stack):
    with _running_compose() as bench:
        kept = bench.root / "containers/swingmusic/music/swingmusic.backup/backup.1795636800"
        kept.mkdir(parents=True)
        (kept / "data.json").write_text("{}")
        bench.run_all(text)
        expect(_tree(bench.folder / "swingmusic.backup"), {"backup.1795636800/data.json": b"{}"}, "the backups")


def upgrades(text, stack):
    with _running_compose() as bench:
        bench.run_all(text)
        expect(bench.calls(), [["docker", "compose", "build", "--pull"], ["docker", "compose", "up", "-d"]], "what Docker was asked")


def brings_the_client(text, stack):
    """swingmusic keeps a client only if its version.txt names exactly the version that runs."""
    with _running_compose() as bench:
        client = bench.folder / "made/client"
        client.mkdir(parents=True)
        (client / "index.html").write_text("the client")
        shutil.make_archive(bench.folder / "client", "zip", bench.folder / "made", "client")
        settings = bench.root / "containers/swingmusic/config/swingmusic"
        settings.mkdir(parents=True)
        bench.run_all(text)
        with open(bench.folder / "docker-compose.yml") as file:
            image = compose.read(file.read(), _values())["services"]["swingmusic"]["image"]
        expect(_tree(settings / "client"), {"index.html": b"the client", "version.txt": image.rpartition(":v")[2].encode()}, "the client")
        expect(bench.calls()[-1], ["docker", "compose", "up", "-d"], "what Docker was asked last")


def sets_env(text, stack):
    """Lines for .env: Compose knows each, and every service follows."""
    with _running_compose() as bench:
        with open(bench.folder / ".env", "a") as file:
            file.write(text)
        bench.run("docker compose ps")
    lines = [line.partition(" #") for line in text.splitlines()]
    given = dict(line.strip().split("=", 1) for line, _, _ in lines)
    source = (REPOSITORY / "docker-compose.yml").read_text()
    expect(sorted(set(given) - {name for name, _, _ in compose.named(source)}), [], "variables that Compose does not know")
    expect(sorted(given), ["BACKUP_FOLDER", "CONFIG_FOLDER", "PGID", "PUID"], "variables")
    expect([bool(re.fullmatch(r"\d+", given[name])) for name in ("PUID", "PGID")], [True, True], "numbers")
    services = compose.read(source, {**_values(), **given})["services"]
    folder, backups = given["CONFIG_FOLDER"], given["BACKUP_FOLDER"]
    expect([name for name, service in services.items() if f"{folder}:/config" in service.get("volumes", [])],
           ["prepare", "swingmusic", "swingmusic-fcgi"], "who is given the folder")
    expect(f"{backups}:/music/swingmusic.backup" in services["swingmusic"]["volumes"], True, "where backups are kept")
    expect(f"-v {folder}:/config" in text, True, "the comment names the same folder")
    expect(Path(backups).name, "swingmusic.backup", "where swingmusic kept them")


def names_a_script(text, stack):
    """What cannot be run within a test: it is there, it may be run, and a shell can read it and the snippet."""
    subprocess.run(["bash", "-n", "-c", text], check=True, capture_output=True)
    for line in commands(text):
        script = REPOSITORY / line.split()[0]
        expect(script.is_file() and bool(script.stat().st_mode & stat.S_IXUSR), True, f"{line} is there and may be run")
        subprocess.run(["bash", "-n", script], check=True, capture_output=True)


def builds_and_tests(text, stack):
    """Commands and options are Swift's, and what is to be tested is there: a suite in Swift, a module in Python."""
    for line in commands(text):
        command, *rest = line.split()
        if command == "pytest":
            expect([(REPOSITORY / path).is_file() for path in rest], [True], f"{line} names a module")
            continue
        expect((command, rest[0] in ("build", "test")), ("swift", True), "a command of Swift's")
        options = _swift_options(rest[0])
        for option, value in zip(rest[1:], [*rest[2:], ""]):
            if option.startswith("--"):
                expect(option in options, True, f"swift {rest[0]} has {option}")
            else:
                expect((REPOSITORY / "Tests" / option).is_dir(), True, f"{option} is a suite")
            expect(option != "--filter" or bool(value) and not value.startswith("--"), True, "--filter names a suite")


@functools.lru_cache(None)
def _swift_options(command):
    said = subprocess.run(["swift", command, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z-]+", said))


def runs_the_script(text, stack):
    """scripts/run itself is run by test_run.py."""
    names_a_script(text, stack)
    expect(commands(text), ["scripts/run"], "what test_run.py runs")


# What the program says.

def transcript(text, stack):
    """A command after $ and what it says, numbers aside; ... stands for any lines."""
    first, *shown = text.rstrip("\n").splitlines()
    bench = stack.bench()
    try:
        said = bench.run(first.removeprefix("$ ")).stdout.splitlines()
    finally:
        bench.__exit__()
    for line in shown:
        if line == "...":
            continue
        pattern = re.compile(r"\d[\d,]*".join(re.escape(part) for part in re.split(r"\d[\d,]*", line)))
        while said and not pattern.fullmatch(said[0].rstrip()):
            said.pop(0)
        expect(bool(said), True, f"{line!r} is said, after what is shown before it")


def each_runs(text, stack):
    """Commands that look at the installation: each ends well."""
    bench = stack.bench()
    try:
        bench.run_all(text)
    finally:
        bench.__exit__()


_LOGGED = re.compile(r"(\S+) (\w+) \[(\d+)\] (\w+) (\d{3}) (.*)")


def log_line(text, stack):
    """A line of the program's log has these parts in this order."""
    shown, real = (_LOGGED.fullmatch(line) for line in (text.strip(), stack.log_line()))
    expect(bool(shown) and bool(real), True, f"the form of {text!r}")
    for each in (shown, real):
        datetime.strptime(each[1], "%Y-%m-%dT%H:%M:%S.%fZ")
    expect((shown[2], shown[4], shown[5]), (real[2], real[4], real[5]), "level, what happened and status")
    pairs = [dict(pair.split("=", 1) for pair in each[6].split()) for each in (shown, real)]
    expect(list(pairs[0]), list(pairs[1]), "what belongs to it")
    given = pairs[0]
    ipaddress.ip_address(given["address"])
    expect((given["status"], given["milliseconds"].isdigit()), (shown[5], True), "status and time")
    table = (REPOSITORY / "docs/operating.md").read_text().partition("| `reason` | what |\n")[2].partition("\n\n")[0]
    expect(given["reason"] in re.findall("`([a-z-]+)`", table), True, f"a reason of the table: {given['reason']}")
    described = json.loads(stack.get("/swingmusic-fcgi/openapi.json").body)["paths"]
    beginning = given["path"].removesuffix("...")
    expect([bool(any(path.startswith(beginning) and given["method"].lower() in routes for path, routes in described.items())),
            bool(re.fullmatch(r"[0-9a-f]+(\.\.\.)?", given["request"]))], [True, True], "a route and a request's number")


# nginx.

def readmes_server():
    """README.md's http {}, for what other snippets say of it."""
    from .claims import all_snippets  # the claims name the ways
    return next(each.text for each in all_snippets() if each.document == "README.md" and each.text.startswith("http {"))


def whole_server(text, stack):
    """http {} as it stands there, with our files copied as the README says, before the stack; then the same in Debian's own files."""
    with tempfile.TemporaryDirectory(prefix="snippet-", dir="/tmp") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        own_files(folder)
        (folder / "nginx.conf").write_text("events {}\n" + text)
        server = Server(folder, stack)
        text = (folder / "nginx.conf").read_text()
        (folder / "nginx.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{server.port};"))
        with server.check():
            session = stack.session("anna")
            expect([server.get(path).status for path in ("/swingmusic-fcgi/healthz", TRACK, "/dragonfly/health", "/auth/verify")],
                   [200, 200, 401, 401], "metadata.conf, admin.conf and sessions.conf")
            expect([server.get("/auth/verify", session).status, server.get("/").status, server.get("/folder").status], [204, 200, 401],
                   "sessions.conf and swingmusic.conf")
            expect(reached(server, "/folder", session)[0], 200, "swingmusic, for who has a session")


def debians(folder, snippet, without_location):
    """Debian's own /etc/nginx with the files and lines of the README's snippet where the README says that they go."""
    shutil.copytree("/etc/nginx", folder, symlinks=True, dirs_exist_ok=True)
    own_files(folder)
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and b"/etc/nginx" in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(b"/etc/nginx", str(folder).encode()))
    for path in (folder / "sites-enabled").iterdir():
        path.unlink()
        path.symlink_to(folder / "sites-available" / path.name)
    http = next(each for each in parse(snippet) if each.name == "http")
    top = [each.words[0] for each in http.inner if each.name == "include"]
    inner = [words[0] for words in every(http.inner, "include") if words[0] not in top]
    (folder / "conf.d/swingmusic-fcgi.conf").write_text("".join(f"include {name};\n" for name in top))
    site = folder / "sites-available/default"
    text = re.sub(r"(?m)^\s*#.*\n", "", site.read_text())
    if without_location:
        text, count = re.subn(r"location / \{[^}]*\}", "", text)
        expect(count, 1, "Debian's server has a location /")
    text = text.replace("server_name _;", "server_name _;\n" + "".join(f"include {name};\n" for name in inner), 1)
    # Whoever may not listen on port 80 may still try the rest.
    site.write_text(re.sub(r"listen (\[::\]:)?80\b", r"listen \g<1>8080", text))
    return folder


def within_server(text, stack):
    """In server {}, in the place of the same directives of nginx.conf."""
    if "# in server {}" not in text:
        raise Failed("it does not say where it goes")
    with _complete(stack) as server:
        conf = (server.folder / "nginx.conf").read_text()
        for name in ("limit_conn", "limit_conn_status"):
            conf = re.sub(rf"(?m)^\s*{name} .*\n", "", conf)
        conf = conf.replace("include site/server.conf;", "include site/server.conf;\n" + text, 1)
        (server.folder / "nginx.conf").write_text(conf)
        with server.check():
            expect(server.get(TRACK).status, 200, "a track")
    directives = parse(text)
    ours = parse((REPOSITORY / "nginx/nginx.conf").read_text())
    for name in ("limit_conn", "limit_conn_status"):
        expect([words in every(ours, name) for words in every(directives, name)], [True], f"one {name}, as in nginx.conf")


def puts_swingmusic_back(text, stack):
    """In the place of sessions.conf and swingmusic.conf, with swingmusic-fcgi out of reach."""
    with _complete(stack) as server:
        (server.folder / "site/swingmusic.conf").write_text(text)
        put(server.folder, "swingmusic-fcgi/upstream.conf", f"unix:{stack.responder.address}", f"unix:{server.folder}/nobody.sock")
        with server.check():
            expect(reached(server, "/folder")[0], 200, "swingmusic")
            expect(reached(server, "/auth/user")[0], 200, "swingmusic's own sessions")
            song = server.get("/file/abc/legacy?filepath=x", {"Range": "bytes=3000000-3000009"})
            expect((song.status, len(song.body)), (206, 10), "a piece of a song")


def within_site_server(text, stack):
    """Who asks is whom the proxy names, when it is that proxy that asks."""
    with _complete(stack) as server:
        proxy = re.search(r"set_real_ip_from ([\d.]+);", text)
        lines = text.replace(proxy[1], "127.0.0.1") if proxy else text
        with open(server.folder / "site/server.conf", "a") as file:
            file.write(lines)
        with server.check():
            server.get("/swingmusic-fcgi/whose", {"X-Forwarded-For": "203.0.113.9"})
            log = server.folder / "access.log"
            logged = eventually(lambda: [line.split()[0] for line in log.read_text().splitlines() if "/whose" in line], 5, what="it is in the log")
            expect(logged, ["203.0.113.9"], "the address in the log")


def guarded_location(text, stack):
    """A location of one's own behind the guard, in a server that has what the text names."""
    with _complete(stack) as server:
        put(server.folder, "site/server.conf", "# include swingmusic-fcgi/sessions.conf;", "include swingmusic-fcgi/sessions.conf;\n"
            + text.replace(SWINGMUSIC, f"http://127.0.0.1:{stack.music.port}"))
        # Without the location of the snippet, its path would not be swingmusic's.
        (server.folder / "site/swingmusic.conf").write_text("location / { return 404; }\n")
        with server.check():
            expect(reached(server, "/podcasts/song.flac"), (401, None), "a stranger")
            status, request = reached(server, "/podcasts/song.flac", stack.session("bob"))
            expect((status, request and request["headers"]["host"]), (200, f"127.0.0.1:{stack.music.port}"), "a user")
            expect(request["headers"].get("x-swingmusic-user-id"), "2", "who it is")


def opens_first_steps(text, stack):
    """In server {}, after the session routes: a stranger reaches what an extended version has for one."""
    with _complete(stack) as server:
        put(server.folder, "site/server.conf", "# include swingmusic-fcgi/sessions.conf;", "include swingmusic-fcgi/sessions.conf;\n" + text)
        with server.check():
            status, request = reached(server, "/auth/bootstrap/status", stack.session("bob"))
            expect((status, request and request["path"]), (200, "/auth/bootstrap/status"), "the status of the first steps")
            expect("authorization" in request["headers"] or "cookie" in request["headers"], False, "a token went along")
            expect(reached(server, "/setup/"), (401, None), "the first steps of one that has an admin")


def web_server(name):
    """Lines for another web server than nginx, before the stack: it takes them, and each family of routes is served as the text says."""
    def way(text, stack):
        kind = SERVERS[name]
        if not kind.is_installed():
            pytest.skip(f"{kind.program} is not installed; scripts/test --long installs it")
        os.chmod(stack.responder.address, 0o666)
        with Sandbox("webserver") as sandbox:
            server = kind(sandbox, text, stack.responder.address)
            expect(server.fault(), "", "what the server says against it")
            server.start()
            for path, member in ((TRACK, "id"), (ARTIST, "albums"), ("/swingmusic-fcgi/healthz", "status")):
                expect(member in server.get(path).json(), True, path)
            for path in EXTENDED:
                there, here = server.get(path), fastcgi.ask(stack.responder.address, path)
                expect((there.status, there.body[:40]), (here.status, here.body[:40]), path)
            given = server.request("POST", "/spotify/api/token", {"Content-Type": FORM, **basic("any", "thing")}, GRANT)
            expect("access_token" in given.json(), True, "a client's token")
            admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
            expect([server.get("/dragonfly/health", headers).status for headers in ({}, admin)], [401, 200], "what is the administrator's")
            expect(server.request("PUT", "/cache/temp/a%2Fb", admin, name.encode()).status, 204, "a key with a slash")
            expect(fastcgi.ask(stack.responder.address, "/cache/temp/x", parameters={
                "REQUEST_URI": "/cache/temp/a%2Fb", "HTTP_AUTHORIZATION": admin["Authorization"]}).body, name.encode(), "what it holds")
            expect(server.get(TRACK, {"X-Long": "x" * 8192}).status, 200, "a header of 8 KB")
    return way


class _complete:
    """nginx/ as it is, on a port of its own, before the stack."""

    def __init__(self, stack):
        self.stack = stack

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="snippet-", dir="/tmp")
        folder = Path(self._folder.name)
        folder.chmod(0o755)
        shutil.copytree(REPOSITORY / "nginx", folder, dirs_exist_ok=True)
        server = Server(folder, self.stack)
        put(folder, "site/server.conf", "127.0.0.1:8080", f"127.0.0.1:{server.port}")
        put(folder, "site/server.conf", "access_log access.log ", f"access_log {folder}/access.log ")
        put(folder, "nginx.conf", "pid nginx.pid;", "")
        text = (folder / "nginx.conf").read_text()
        (folder / "nginx.conf").write_text(re.sub(r"(?m)^\s+\w+_temp_path \w+;\n", "", text))
        return server

    def __exit__(self, *_):
        self._folder.cleanup()


# Helpers.

def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def _tree(folder):
    """Every file below a folder by its path in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _values():
    """What .env must set."""
    return {"SPOTIFY_CLIENT_ID": "0123456789abcdef", "MUSIC_FOLDER": "/srv/music"}


def _fill_in(path):
    text = path.read_text()
    for name, value in _values().items():
        text = text.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    path.write_text(text)


class _running_compose(Bench):
    """The folder as it is after the first start."""

    def __enter__(self):
        super().__enter__()
        shutil.copy(self.folder / ".env.example", self.folder / ".env")
        _fill_in(self.folder / ".env")
        (self.folder / "secrets").mkdir()
        for name in ("admin_token", "spotify_client_secret"):
            (self.folder / "secrets" / name).write_text(f"{CLIENT_SECRET}\n")
        return self
