"""Compose's health checks say well when it is well, and not when it is not."""

import subprocess

import pytest

from deployment.repository import Repository
from harness.musicserver import MusicServer
from harness.sandbox import REPOSITORY, Sandbox, free_port


@pytest.fixture(scope="module")
def music():
    with Sandbox("health") as sandbox:
        yield MusicServer(sandbox)


def swingmusics_check(port):
    """The status of the command that Compose asks swingmusic with, at another port."""
    how, *command = Repository(REPOSITORY).service("swingmusic")["healthcheck"]["test"]
    assert how == "CMD"
    return subprocess.run([word.replace("/1970", f"/{port}") for word in command], capture_output=True, timeout=20).returncode


def test_swingmusic_is_well_when_its_page_comes(music):
    assert swingmusics_check(music.port) == 0
    assert (music.requests[-1]["method"], music.requests[-1]["path"]) == ("GET", "/")


def test_swingmusic_is_not_well_when_nobody_listens():
    assert swingmusics_check(free_port()) != 0


def test_swingmusic_is_not_well_when_it_answers_something_else(music):
    music.broken = True
    try:
        assert swingmusics_check(music.port) != 0
    finally:
        music.broken = False
