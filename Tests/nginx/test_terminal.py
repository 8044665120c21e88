"""The command line to a person at a terminal: help with examples, mistyped words, the queue, a watched status, Ctrl-C."""

import json
import re
import shlex
import signal
import subprocess

import pytest

from harness.process import LoggedProcess
from harness.responder import CLIENT_ID, CLIENT_SECRET, Responder
from harness.sandbox import Sandbox, executable
from harness.standin import spotify_id
from harness.waiting import eventually


def said(*words, **more):
    return subprocess.run([executable(), *words], capture_output=True, text=True, timeout=30, **more)


def commands():
    """Every command, as words."""
    tree = json.loads(said("--experimental-dump-help").stdout)["command"]

    def walk(command, words):
        yield words
        for each in command.get("subcommands", []):
            if each["commandName"] != "help":
                yield from walk(each, [*words, each["commandName"]])
    return list(walk(tree, []))


def examples(words):
    text = said(*words, "--help").stdout
    _, _, shown = text.partition("EXAMPLES\n")
    lines = re.split(r"\n\s*\n", shown)[0].splitlines()
    return [re.split(r" {3,}", line.strip())[0] for line in lines if line.strip()]


@pytest.fixture(scope="module")
def home():
    """A program without credentials' use: what is asked for waits."""
    with Sandbox("terminal") as sandbox:
        settings = {"SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET, "SPOTIFY_API_URL": "http://127.0.0.1:9",
                    "SPOTIFY_ACCOUNTS_URL": "http://127.0.0.1:9"}
        yield Responder(sandbox, settings, workers=1).start()


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_has_examples_that_the_program_takes(home, words):
    shown = examples(words)
    assert shown, words
    for line in shown:
        assert "swingmusic-fcgi" in line, "a line of the help that is too long goes on in the next"
        if "spawn-fcgi" in line or "systemctl" in line or line.endswith((" serve", " connect")) or line == "swingmusic-fcgi":
            continue
        command = line.partition(" < ")[0].rpartition("| ")[2].replace("sudo ", "").replace(" --watch", "")
        run = said(*shlex.split(command)[1:], env=home.sandbox.environment(**home.settings), input="")
        # 64 is a command line that is wrong; that there is no such user is another matter.
        assert run.returncode in (0, 1, 3), (line, run)


@pytest.mark.parametrize("words, meant", [(["statsu"], "status"), (["chek"], "check"), (["cache", "gett"], "get"), (["sessions", "lst"], "list"),
                                          (["qeue"], "queue"), (["sevre"], "serve")])
def test_a_mistyped_command_is_met_with_the_one_that_was_meant(words, meant):
    run = said(*words)
    assert run.returncode == 64 and f"there is no command '{words[-1]}'; did you mean '{meant}'?" in run.stderr, run


def test_a_word_that_is_near_none_is_not_guessed_at():
    run = said("frobnicate")
    assert run.returncode == 64 and "did you mean" not in run.stderr and "'swingmusic-fcgi --help' names all" in run.stderr


def test_the_queue_shows_what_waits_in_the_order_of_its_turn_and_not_what_was_typed(home):
    names = [spotify_id(f"queued-{number}") for number in range(3)]
    environment = home.sandbox.environment(**home.settings)
    queued = said("warm", "--no-wait", env=environment, input="\n".join(names))
    assert queued.returncode == 0 and "3 still to come" in queued.stdout, queued
    shown = json.loads(said("queue", "--json", env=environment).stdout)
    assert [each["lookup"] for each in shown["lookups"]] == [f"track/{name}" for name in names]
    assert {each["why"] for each in shown["lookups"]} == {"warm"} and shown["waiting"] == 3
    table = said("queue", "--limit", "2", env=environment).stdout
    assert "3 waiting, 0 under way, 0 given up" in table and "LOOKUP" in table and "... and 1 more" in table


def test_a_search_in_the_queue_keeps_to_itself_what_was_typed(sandbox):
    from harness import fastcgi
    responder = Responder(sandbox, {"SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET, "SPOTIFY_API_URL": "http://127.0.0.1:9",
                                    "SPOTIFY_ACCOUNTS_URL": "http://127.0.0.1:9", "SWINGMUSIC_FCGI_MIRROR_WAIT": "10ms"}, workers=1).start()
    fastcgi.ask(responder.address, "/spotify/v1/search", query="q=secret%20crush&type=track")
    environment = sandbox.environment(**responder.settings)
    eventually(lambda: "search/" in said("queue", env=environment).stdout, 5, what="the search is queued")
    assert "crush" not in said("queue", env=environment).stdout + said("queue", "--json", env=environment).stdout


def test_status_is_shown_anew_until_ctrl_c_which_is_no_failure(home):
    watched = LoggedProcess([executable(), "status", "--watch"], home.sandbox.path("watch.log"), home.sandbox.environment(**home.settings))
    home.sandbox.owns(watched)
    eventually(lambda: watched.text().count("swingmusic-fcgi: ") >= 2, 10, what="it is shown twice")
    watched.signal(signal.SIGINT)
    assert watched.wait(5) == 0


def test_warm_that_is_stopped_says_what_stays_queued(home):
    names = home.sandbox.path("names.txt")
    names.write_text("\n".join(spotify_id(f"stopped-{number}") for number in range(5)))
    warming = LoggedProcess([executable(), "warm", names], home.sandbox.path("warm.log"), home.sandbox.environment(**home.settings))
    home.sandbox.owns(warming)
    eventually(lambda: "0 of 5" in warming.text(), 10, what="it waits")
    warming.signal(signal.SIGINT)
    assert warming.wait(5) == 130
    assert "stopped: 5 stay queued, and the running 'serve' fetches them" in warming.text()
    assert "0 fetched, 0 there before, 0 failed, 5 still to come" in warming.text()
    environment = home.sandbox.environment(**home.settings)
    assert spotify_id("stopped-4") in said("queue", "--limit", "100", env=environment).stdout


# Errors name the setting and the remedy.

@pytest.mark.parametrize("settings, status, words", [
    ({"SWINGMUSIC_FCGI_SOCKET_GROUP": "no-such-group"}, 1, ["SWINGMUSIC_FCGI_SOCKET_GROUP", "www-data"]),
    ({"SWINGMUSIC_FCGI_LISTEN": "/nowhere/fcgi.sock"}, 1, ["SWINGMUSIC_FCGI_LISTEN", "install -d"]),
    ({"SWINGMUSIC_FCGI_LISTEN": "/etc/passwd"}, 1, ["SWINGMUSIC_FCGI_LISTEN", "move it away"]),
    ({"SWINGMUSIC_FCGI_LISTEN": "no-such-host.invalid:9000"}, 1, ["SWINGMUSIC_FCGI_LISTEN", "an address of this host"]),
    ({"SWINGMUSIC_FCGI_DATA_DIR": "/proc/data"}, 1, ["SWINGMUSIC_FCGI_DATA_DIR", "install -d"]),
    ({"SPOTIFY_CLIENT_SECRET": None}, 78, ["SPOTIFY_CLIENT_SECRET", "set both"]),
])
def test_a_serve_that_cannot_start_names_the_setting_and_the_remedy(sandbox, settings, status, words):
    given = {"SPOTIFY_CLIENT_ID": CLIENT_ID, "SPOTIFY_CLIENT_SECRET": CLIENT_SECRET, **settings}
    responder = Responder(sandbox, given, workers=1)
    process = responder.launch()
    assert process.wait(20) == status
    assert all(word in process.text() for word in words), process.text()


@pytest.mark.parametrize("words", [["backup", "/proc/backup"], ["backup", "--keep", "2", "/proc/backup"], ["restore", "/nowhere"]])
def test_a_command_that_fails_says_it_in_words(home, words):
    run = said(*words, env=home.sandbox.environment(**home.settings))
    assert run.returncode == 1 and "NSCocoaErrorDomain" not in run.stderr and "Operation not permitted" not in run.stderr.splitlines(), run
    assert "/proc/backup" in run.stderr or "/nowhere" in run.stderr or "in use" in run.stderr
