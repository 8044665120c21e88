"""A socket that somebody else opened: a socket unit of systemd, or spawn-fcgi."""

import os
import signal

import pytest

from harness import fastcgi
from harness.house import track
from harness.nginx import Nginx
from harness.process import LoggedProcess, is_alive
from harness.responder import Responder, SpawnedWorkers, answers, listening_socket, spotify_settings
from harness.sandbox import executable
from harness.standin import StandIn
from harness.waiting import eventually


@pytest.fixture
def standin(sandbox):
    return StandIn(sandbox, mode="development").start()


@pytest.fixture
def settings(standin):
    return {**spotify_settings(standin), "SPOTIFY_MIN_INTERVAL": "20ms", "SPOTIFY_CALLS_PER_HOUR": "100000"}


def test_serve_takes_the_listening_socket_on_descriptor_0(sandbox, standin, settings):
    path = sandbox.socket_path("unit")
    listener = listening_socket(path)
    responder = Responder(sandbox, settings, workers=2, address=str(path))
    nowhere = str(sandbox.path("nowhere", "fcgi.sock"))
    responder.start(stdin=listener, SWINGMUSIC_FCGI_LISTEN=nowhere)
    door = Nginx(sandbox, str(path)).start()
    assert door.get(track("inherited")).status == 200
    assert not os.path.exists(nowhere), "SWINGMUSIC_FCGI_LISTEN is ignored"

    assert responder.stop() == 0
    assert path.exists(), "the unit's socket file is the unit's"
    responder.start(stdin=listener)
    assert door.get(track("inherited")).status == 200
    assert len(standin.calls()) == 1


def test_callers_of_a_socket_unit_wait_in_the_backlog_while_serve_restarts(sandbox, standin, settings):
    path = sandbox.socket_path("unit")
    listener = listening_socket(path)
    with fastcgi.FastCGIConnection(str(path), 20) as early:
        early.send(fastcgi.request("/swingmusic-fcgi/healthz"))
        Responder(sandbox, settings, workers=2, address=str(path)).start(stdin=listener)
        assert early.receive_answer().status == 200


def test_one_worker_serves_on_descriptor_0(sandbox, standin, settings):
    path = sandbox.socket_path("unit")
    listener = listening_socket(path)
    environment = sandbox.environment(SWINGMUSIC_FCGI_DATA_DIR=sandbox.directory("data"), **settings)
    worker = sandbox.owns(LoggedProcess([executable(), "worker"], sandbox.path("worker.log"), environment, stdin=listener))
    eventually(lambda: answers(str(path)), 10, what="the worker answers")
    assert fastcgi.ask(str(path), track("worker"), timeout=30).status == 200
    worker.signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    assert path.exists()


def test_a_worker_without_a_listening_socket_says_so_and_ends(sandbox, settings):
    environment = sandbox.environment(SWINGMUSIC_FCGI_DATA_DIR=sandbox.directory("data"), **settings)
    worker = sandbox.owns(LoggedProcess([executable(), "worker"], sandbox.path("worker.log"), environment))
    assert worker.wait(10) not in (0, None)
    assert worker.text().strip()


def test_spawn_fcgi_starts_four_workers_that_live_on_when_it_ends(sandbox, standin, settings):
    spawned = SpawnedWorkers(sandbox, settings, workers=4).start()
    door = Nginx(sandbox, spawned.address).start()
    assert len(spawned.worker_pids()) == 4
    assert door.get(track("spawned")).status == 200
    assert door.get(track("spawned")).status == 200
    assert len(standin.calls()) == 1
    assert len(spawned.worker_pids()) == 4
    spawned.stop()
    assert not any(is_alive(pid) for pid in spawned.pids)


def test_serve_replaces_a_stale_socket_file_and_refuses_one_in_use(sandbox, standin, settings):
    first = Responder(sandbox, settings, workers=1, log="first").start()
    second = Responder(sandbox, settings, workers=1, address=first.address, log="second")
    process = second.launch()
    assert process.wait(10) not in (0, None)
    assert first.address in process.text()
    assert answers(first.address), "the first one serves on"
    first.kill()
    assert os.path.exists(first.address)
    first.start()


def test_the_socket_has_the_mode_that_was_asked_for(sandbox, standin, settings):
    responder = Responder(sandbox, settings, workers=1).start()
    assert os.stat(responder.address).st_mode & 0o777 == 0o660
    responder.stop()
    responder.start(SWINGMUSIC_FCGI_SOCKET_MODE="0606")
    assert os.stat(responder.address).st_mode & 0o777 == 0o606
