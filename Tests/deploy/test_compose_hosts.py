"""docker-compose.hosts.yml beside docker-compose.yml: what hosts share is kept, closed to others, and set as the program reads it."""

import re
import subprocess

import pytest
import yaml

from deployment.compose import Missing, named, read
from harness.sandbox import REPOSITORY

TEXT = (REPOSITORY / "docker-compose.hosts.yml").read_text()
SETTINGS = (REPOSITORY / "Sources/Gateway/Settings/SettingName.swift").read_text()


@pytest.fixture
def file():
    return read(TEXT, {"HOST_NAME": "attic"})


def test_each_variable_of_the_program_is_one_of_its_settings(file):
    for name in file["services"]["swingmusic-fcgi"]["environment"]:
        assert f'"{name.removesuffix("_FILE")}"' in SETTINGS, name


def test_without_a_name_of_its_own_no_host_is_started():
    with pytest.raises(Missing, match="HOST_NAME"):
        read(TEXT, {})


def test_what_it_adds_to_is_there_and_what_it_names_is_its_own_or_the_other_files(file):
    other = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    assert set(file["services"]) - set(other["services"]) == {"shared-store"}
    for name, service in file["services"].items():
        for kind in ("networks", "secrets"):
            assert set(service.get(kind, [])) <= set(file[kind]) | set(other[kind]), (name, kind)


def test_the_store_evicts_nothing_keeps_what_it_has_and_wants_a_password(file):
    store = file["services"]["shared-store"]
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in store["command"])
    assert flags["cache_mode"] == "false" and flags["dbfilename"] and flags["snapshot_cron"]
    volume, folder = store["volumes"][0].split(":")
    assert flags["dir"] == folder and volume in file["volumes"]
    assert "/run/secrets/shared_store_password" in store["entrypoint"][2]
    assert int(re.match(r"\d+", flags["maxmemory"])[0]) >= 256 * int(flags["proactor_threads"]), "DragonflyDB does not start with less"


@pytest.mark.parametrize("secret, starts", [("s3cret\n", True), ("", False), (None, False)])
def test_it_starts_with_its_password_or_not_at_all_and_no_argument_has_it(file, tmp_path, secret, starts):
    """The entrypoint as a shell runs it, with a program in DragonflyDB's place that says what it was given."""
    program, place = tmp_path / "dragonfly", tmp_path / "password"
    # DragonflyDB ends where DFLY_PASSWORD is set, as it was called once (its src/server/dfly_main.cc).
    program.write_text('#!/bin/sh\n[ -z "${DFLY_PASSWORD+set}" ] || exit 1\necho "$DFLY_requirepass|$*"\n')
    program.chmod(0o755)
    if secret is not None:
        place.write_text(secret)
    shell, flag, script, name = file["services"]["shared-store"]["entrypoint"]
    script = script.replace("/run/secrets/shared_store_password", str(place)).replace("$$", "$")
    ran = subprocess.run([shell, flag, script, name, "--port=6379"], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == ((0, "s3cret|--port=6379\n") if starts else (78, "")), ran
    assert starts or "may not read it" in ran.stderr


@pytest.mark.parametrize("said, healthy", [("# Persistence\\r\\nloading:0\\r\\n", True), ("loading:1\\r\\n", False), ("NOAUTH Authentication required.", False)])
def test_it_is_well_when_it_says_so_to_who_gives_the_password(file, tmp_path, said, healthy):
    program, place = tmp_path / "redis-cli", tmp_path / "password"
    program.write_text(f'#!/bin/sh\n[ "$REDISCLI_AUTH $*" = "s3cret INFO persistence" ] && printf "{said}"\n')
    program.chmod(0o755)
    place.write_text("s3cret\n")
    kind, command = file["services"]["shared-store"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    command = command.replace("/run/secrets/shared_store_password", str(place)).replace("$$", "$")
    ran = subprocess.run(["/bin/sh", "-c", command], env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False)
    assert (ran.returncode == 0) == healthy


def test_it_is_published_on_one_address_and_not_on_all_unless_somebody_says_so(file):
    port, = file["services"]["shared-store"]["ports"]
    assert port == "127.0.0.1:6390:6379"
    published, = read(TEXT, {"HOST_NAME": "attic", "SHARED_STORE_ADDRESS": "10.8.0.1:6390"})["services"]["shared-store"]["ports"]
    assert published == "10.8.0.1:6390:6379"


def test_the_host_with_the_store_finds_it_by_its_name_and_the_others_where_they_are_told(file):
    def place(**variables):
        return read(TEXT, {"HOST_NAME": "attic", **variables})["services"]["swingmusic-fcgi"]["environment"]["SWINGMUSIC_FCGI_SHARED_STORE"]
    assert place() == "shared-store:6379" and place(SHARED_STORE="10.8.0.1:6390") == "10.8.0.1:6390"
    assert file["services"]["shared-store"]["profiles"] == ["store"]
    shared = set(file["services"]["shared-store"]["networks"]) & set(file["services"]["swingmusic-fcgi"]["networks"])
    assert shared


def test_each_variable_is_explained_at_the_top():
    head = TEXT.partition("\nservices:")[0]
    for name, _, _ in named(TEXT):
        assert name in head or name == "DRAGONFLY_IMAGE", name
