"""Compose, Dockerfile, nginx files, units and program agree; and what is changed in one place alone is found."""

import re
import shutil
import subprocess

import pytest

from deployment.findings import findings
from deployment.packages import library_of, linked
from harness.sandbox import REPOSITORY, executable

#: The packages' names are those of the system that the image is built on.
needs_bookworm = pytest.mark.skipif(
    not shutil.which("dpkg-query") or not library_of("libcurl4-openssl-dev"), reason="needs Debian's packages to build with")


@needs_bookworm
def test_the_deployments_files_agree():
    assert findings(REPOSITORY) == []


def test_the_executable_names_nothing_of_libfcgi():
    said = subprocess.run(["ldd", executable()], capture_output=True, text=True, check=True).stdout
    assert "libsqlite3" in said and "fcgi" not in said


def test_a_build_without_the_header_of_libfcgi_names_the_package_that_has_it(tmp_path):
    compiler = shutil.which("clang") or shutil.which("cc")
    shim = REPOSITORY / "Sources/CLibFCGI/shim.h"
    done = subprocess.run([compiler, "-nostdinc", "-I", tmp_path, "-fsyntax-only", "-x", "c", shim], capture_output=True, text=True)
    assert done.returncode != 0 and "fastcgi.h is missing" in done.stderr and "libfcgi-dev" in done.stderr
    (tmp_path / "fastcgi.h").touch()
    subprocess.run([compiler, "-nostdinc", "-I", tmp_path, "-fsyntax-only", "-x", "c", shim], check=True)


@needs_bookworm
def test_each_library_of_the_executable_is_of_a_package_of_the_run_stage():
    program = str(executable())
    assert len(linked(program)) > 4
    assert findings(REPOSITORY, program) == []


# What is changed in one place only.

def found_after(root, name, change):
    path = root / name
    text = path.read_text()
    changed = change(text)
    assert changed != text, f"{name} was not changed"
    path.write_text(changed)
    try:
        return findings(root)
    finally:
        path.write_text(text)


SETTINGS = "Sources/Gateway/Settings/Settings.swift"
UPSTREAM = "nginx/swingmusic-fcgi/upstream.conf"
IMAGE = "    image: ${SWINGMUSIC_IMAGE:-ghcr.io/swingmx/swingmusic:v3.0.0}"
USER = '    user: "${PUID:-1000}:${PGID:-1000}"\n'

#: What a person would write in a slip, one of each kind: file, what stands there, what would.
SLIPS = {
    "a variable in Compose": ("docker-compose.yml", "SWINGMUSIC_CONFIG_DIR:", "SWINGMUSIC_CONFIG:"),
    "a variable in .env.example": (".env.example", "SPOTIFY_MARKET=", "SPOTIFY_COUNTRY="),
    "a variable in the unit": ("scripts/systemd/swingmusic-fcgi.service", "SWINGMUSIC_FCGI_DATA_DIR=", "SWINGMUSIC_FCGI_DATA="),
    "a variable in the Dockerfile": ("Dockerfile", "ENV SWIFT_BACKTRACE=enable=no", "ENV SWIFT_BACKTRACE=enable=no SWINGMUSIC_FCGI_PORT=1"),
    "a variable in the program": ("Sources/Gateway/Settings/SettingName.swift", '"DRAGONFLYDB_HOST"', '"DRAGONFLY_HOST"'),
    "a secret both as a file and as it is": ("docker-compose.yml", "SPOTIFY_MARKET:", "SPOTIFY_CLIENT_SECRET: x"),
    "a value that .env must set": (".env.example", "\nMUSIC_FOLDER=", "\n#MUSIC_FOLDER="),
    "the socket's path in nginx": (UPSTREAM, "/run/swingmusic-fcgi/fcgi.sock max_fails", "/run/fcgi.sock max_fails"),
    "the socket's path in the program": (SETTINGS, "/run/swingmusic-fcgi/fcgi.sock", "/run/swingmusic/fcgi.sock"),
    "the socket's volume": ("docker-compose.yml", "socket:/run/swingmusic-fcgi\n    # Through", "data:/run/swingmusic-fcgi\n    # Through"),
    "the data folder": ("Dockerfile", "VOLUME /var/lib/swingmusic-fcgi", "VOLUME /var/lib/swingmusic"),
    "where the executable goes": ("Dockerfile", 'ENTRYPOINT ["/usr/local/bin/', 'ENTRYPOINT ["/usr/bin/'),
    "a secret's name": ("docker-compose.yml", "/run/secrets/admin_token", "/run/secrets/admin"),
    "nginx's port": ("nginx/site-compose/server.conf", "listen 8080", "listen 80"),
    "the published port": ("docker-compose.yml", ':-127.0.0.1:8080}:8080"', ':-127.0.0.1:8080}:80"'),
    "swingmusic's port": ("nginx/site-compose/proxy.conf", "swingmusic:1970", "swingmusic:1971"),
    "swingmusic published": ("docker-compose.yml", IMAGE, f'    ports: ["1970:1970"]\n{IMAGE}'),
    "dragonfly's port": ("docker-compose.yml", "--port=6379", "--port=6380"),
    "dragonfly's name": ("docker-compose.yml", "DRAGONFLYDB_HOST: dragonfly", "DRAGONFLYDB_HOST: redis"),
    "dragonfly's memory": ("docker-compose.yml", "--maxmemory=256mb", "--maxmemory=128mb"),
    "dragonfly's snapshots": ("docker-compose.yml", '"--dbfilename="', '"--dbfilename=dump"'),
    "swingmusic's home": ("docker-compose.yml", "HOME: /music", "HOME: /tmp"),
    "swingmusic's version": ("docker-compose.yml", "swingmusic:v3.0.0}", "swingmusic:latest}"),
    "an image that .env cannot name": ("docker-compose.yml", IMAGE, "    image: ghcr.io/swingmx/swingmusic:v3.0.0"),
    "another version in .env.example": (".env.example", "dragonfly:v1.36.0", "dragonfly:v1.35.0"),
    "the music to write": ("docker-compose.yml", "in .env}:/music:ro", "in .env}:/music"),
    "backups that cannot be written": ("docker-compose.yml", ":/music/swingmusic.backup", ":/music/swingmusic.backup:ro"),
    "backups in the container": ("docker-compose.yml", "      - ${BACKUP_FOLDER:-backup}:/music/swingmusic.backup\n", ""),
    "no place for the backups in the music": ("docker-compose.yml", "/config/swingmusic /music/swingmusic.backup\n", "/config/swingmusic\n"),
    "all of the music given away": ("docker-compose.yml", " /backup /var/lib", " /backup /music /var/lib"),
    "all of the user's settings given away": ("docker-compose.yml", "} /config/swingmusic /backup", "} /config /backup"),
    "a folder that is not given to the user": ("docker-compose.yml", " /var/lib/swingmusic-fcgi /run/swingmusic-fcgi\n", " /run/swingmusic-fcgi\n"),
    "the user's folder for one service alone": ("docker-compose.yml", "${CONFIG_FOLDER:-config}:/config", "config:/config"),
    "swingmusic's user": ("docker-compose.yml", USER, '    user: "1001:1000"\n'),
    "a user that .env cannot name": ("docker-compose.yml", USER, '    user: "1000:1000"\n'),
    "nginx's group": ("docker-compose.yml", 'user: "101:${PGID:-1000}"', 'user: "101:101"'),
    "a group of nginx that .env cannot name": ("docker-compose.yml", 'user: "101:${PGID:-1000}"', 'user: "101:1000"'),
    "whom prepare gives the folders to": ("docker-compose.yml", "chown -R ${PUID:-1000}:${PGID:-1000}", "chown -R 1000:1000"),
    "a log without end": ("docker-compose.yml", "    read_only: true\n    logging: *logging\n", "    read_only: true\n"),
    "logs without end": ("docker-compose.yml", "    max-size: 10m\n", ""),
    "the least version of Compose": ("docs/operating.md", "Compose 2.3.0", "Compose 2.0.0"),
    "swingmusic's name for clients": ("docker-compose.yml", "SWINGMUSIC_DEVICE_NAME: ", "SWINGMUSIC_NAME: "),
    "the image's user": ("Dockerfile", "USER 1000:1000", "USER 1001:1000"),
    "the unit's user": ("scripts/systemd/swingmusic-fcgi.service", "User=swingmusic\n", "User=music\n"),
    "the unit's socket group": ("scripts/systemd/swingmusic-fcgi.socket", "SocketGroup=www-data", "SocketGroup=nginx"),
    "a package of the run stage": ("Dockerfile", " libhiredis0.14", ""),
    "a package too many": ("Dockerfile", "ca-certificates libcurl4 ", "ca-certificates curl libcurl4 "),
    "a package of the build stage": ("Dockerfile", " libsqlite3-dev", ""),
    "a package of scripts/install-dependencies": ("scripts/install-dependencies", " libhiredis-dev", ""),
    "another Debian": ("Dockerfile", "FROM debian:bookworm-slim", "FROM debian:trixie-slim"),
    "a worker's connections": ("nginx/nginx.conf", "worker_connections 4096", "worker_connections 1024"),
    "an address's connections": ("nginx/nginx.conf", "limit_conn swingmusic_address 1500", "limit_conn swingmusic_address 15"),
    "an address's connections to songs": ("nginx/swingmusic-fcgi/song.conf", "swingmusic_address 1500", "swingmusic_address 1000"),
    "a zone of another name": ("nginx/swingmusic-fcgi/song.conf", "limit_conn swingmusic_songs 32", "limit_conn swingmusic_song 32"),
    "songs for everybody": ("nginx/swingmusic-fcgi/songs.conf", "127.0.0.1:1971", "0.0.0.0:1971"),
    "another port for songs": ("nginx/swingmusic-fcgi/songs.conf", "listen 127.0.0.1:1971", "listen 127.0.0.1:1972"),
    "nginx's patience": ("nginx/swingmusic-fcgi/request.conf", "fastcgi_read_timeout 40s", "fastcgi_read_timeout 20s"),
    "the program's patience": (SETTINGS, "duration(.missWait, default: .seconds(25))", "duration(.missWait, default: .seconds(55))"),
    "a health check": ("Dockerfile", '"check", "--health"', '"check"'),
    "a restart": ("docker-compose.yml", "    restart: unless-stopped\n    logging: *logging\n\nnetworks", "    logging: *logging\n\nnetworks"),
    "a writable root": ("docker-compose.yml", "    read_only: true\n    tmpfs: [/tmp]\n", "    tmpfs: [/tmp]\n"),
    "a capability kept": ("docker-compose.yml", "    cap_drop: [ALL]\n", ""),
    "the backtracer": ("scripts/systemd/swingmusic-fcgi.service", "SWIFT_BACKTRACE=enable=no", "SWIFT_BACKTRACE=enable=yes"),
    "a file that is no YAML": ("docker-compose.yml", "services:", "services: ["),
}


@needs_bookworm
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_one_place_is_found(copied, slip):
    name, there, instead = SLIPS[slip]
    assert found_after(copied, name, lambda text: text.replace(there, instead, 1))


# And every name, path, port, number of a user and package, wherever it stands, one at a time.

KINDS = {
    "variable": re.compile(r"\b(?:SWINGMUSIC|SPOTIFY|DRAGONFLYDB|DRAGONFLY|SWIFT|HTTP|MUSIC|CONFIG|BACKUP|HEALTHCHECK)_[A-Z_]*[A-Z]\b|\b(?:PUID|PGID)\b"),
    "path": re.compile(r"(?<![\w.}$*])\.?/(?:run|var/lib/swingmusic|etc/swingmusic|usr/local|config|music|backup|data|out|nginx|secrets)\b[\w./-]*"),
    "port": re.compile(r"\b(?:8080|1970|6379)\b"),
    "user": re.compile(r"\b1000\b"),
    "package": re.compile(r"\b(?:lib[a-z0-9]+(?:-[a-z0-9]+)*(?:\.\d+)?|ca-certificates|pkg-config)\b(?!/)"),
}
FILES = ["docker-compose.yml", "Dockerfile", ".env.example",
         "scripts/systemd/swingmusic-fcgi.service", "scripts/systemd/swingmusic-fcgi.socket", UPSTREAM,
         "nginx/site/server.conf", "nginx/site/proxy.conf", "nginx/site-compose/server.conf"]

#: Stands in one place only, so that nothing can disagree with it.
ALONE = {("scripts/systemd/swingmusic-fcgi.service", "/etc/swingmusic-fcgi/environment")}


def places(name):
    """Each place of a file that says something of these kinds: kind, text, from, to. Comments do not, but for .env.example's variables."""
    text = (REPOSITORY / name).read_text()
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            line = text[text.rfind("\n", 0, match.start()) + 1:match.start()].lstrip()
            if (not line.startswith("#") or (name == ".env.example" and line == "#")) and (name, match[0]) not in ALONE:
                yield kind, match[0], match.start(), match.end()


def other(kind, word):
    return {"port": "1234", "user": "1001"}.get(kind, f"{word}X" if kind == "variable" else f"{word}x")


@needs_bookworm
@pytest.mark.parametrize("name", FILES)
def test_no_single_name_path_port_user_or_package_can_be_changed_unnoticed(copied, name):
    unnoticed, count = [], 0
    for kind, word, start, end in places(name):
        count += 1
        if not found_after(copied, name, lambda text: text[:start] + other(kind, word) + text[end:]):
            line = (REPOSITORY / name).read_text()[:start].count("\n") + 1
            unnoticed.append(f"{name}:{line}: {kind} {word}")
    assert count and unnoticed == []
