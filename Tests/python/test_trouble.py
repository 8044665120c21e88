"""What callers see of trouble: neutral values, soon, and recovery by itself."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from caller import CACHE_TOKEN, Caller, Talk
from harness.sandbox import fill_disk
from harness.waiting import eventually

#: Seconds that a call may take, beyond its own 250 ms what a busy machine needs to notice.
SOON = 0.3

NEUTRAL = {
    "m.get_temp_cache().get('known')": None, "m.get_temp_cache().set('new', 1)": False, "m.get_temp_cache().exists('known')": False,
    "m.get_temp_cache().delete('known')": False, "m.get_temp_cache().clear_all()": False, "m.get_temp_cache().expire('known', 60)": False,
    "m.get_temp_cache().ttl('known')": -1, "m.get_temp_cache().incr('n')": 0, "m.get_temp_cache().keys()": [],
    "m.get_spotify_cache().delete('known')": False, "m.get_dragonfly_client().is_available()": False, "m.get_dragonfly_client().info()": {},
    "m.init_dragonfly_if_available()": False, "m.get_dragonfly_client().keys('*')": [], "m.get_dragonfly_client().flushdb()": False,
}


def assert_neutral(talk):
    """One after the other, so that the first finds out, and the others are told at once."""
    for code, neutral in NEUTRAL.items():
        value, seconds = talk.ask(code)
        assert value == neutral, (code, value)
        assert seconds < SOON, (code, seconds)


def assert_well(talk, within=5.0):
    # What the program was still asked for when it was stopped may be done after the first of these.
    assert eventually(
        lambda: talk.value("m.get_temp_cache().set('known', 1, ttl_hours=1)") and talk.value("m.get_temp_cache().get('known')") == 1,
        within, every=0.1)


@contextlib.contextmanager
def speaking(said):
    """The port of a server that says the same to everybody, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(said)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@pytest.fixture
def talk(caller):
    with Talk(caller) as talk:
        assert_well(talk)
        yield talk


def test_stopped_and_restarted(house, talk):
    house.responder.stop()
    try:
        assert_neutral(talk)
        # Once it is known, nothing is waited for.
        assert max(talk.ask("m.get_temp_cache().get('known')")[1] for _ in range(50)) < 0.05
    finally:
        house.responder.start()
    assert_well(talk)


def test_a_restart_between_two_calls_is_not_seen(house, talk):
    for _ in range(2):
        house.responder.restart()
        assert talk.value("m.get_temp_cache().get('known')") == 1
        house.responder.restart()
        assert talk.value("m.get_temp_cache().set('known', 1)") is True


@pytest.mark.parametrize("first", ["m.get_temp_cache().get('known')", "m.get_temp_cache().set('known', 'x' * 1000000)"])
def test_frozen(house, talk, first):
    pids = house.responder.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        value, seconds = talk.ask(first)
        assert value in (None, False) and seconds < SOON
        # A write that is late is no outage yet; each of the next takes its 250 ms.
        for _ in range(3):
            assert talk.ask(first)[1] < SOON
        assert_neutral(talk)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert_well(talk)


def test_no_answer_of_before_is_taken_for_a_later_one(house, talk):
    """A call that gave up leaves an answer behind."""
    talk.value("[m.get_temp_cache().set(f'n{n}', n) for n in range(10)]")
    pids = house.responder.worker_pids()
    for _ in range(3):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        talk.value("m.get_temp_cache().get('n1')")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1.05)  # the breaker's pause
        assert eventually(lambda: talk.value("[m.get_temp_cache().get(f'n{n}') for n in range(10)]") == list(range(10)), 5, every=0.2)


def test_a_wrong_token_is_neutral_soon_and_locks_nobody_out(house, environment):
    for way in ("http", "unix"):
        with Talk(Caller(environment, house, way, token="wrong")) as talk:
            for _ in range(20):
                assert_neutral(talk)
    assert house.admin("GET", "/dragonfly/health").status == 200


def test_a_token_that_is_put_right_in_its_file_is_found(house, environment, sandbox):
    file = sandbox.path("token")
    file.write_text("wrong\n")
    with Talk(Caller(environment, house, "unix", token=None, SWINGMUSIC_FCGI_CACHE_TOKEN_FILE=file)) as talk:
        assert_neutral(talk)
        file.write_text(f"{CACHE_TOKEN}\n")
        assert_well(talk)


def test_without_a_token_all_is_neutral(house, environment):
    with Talk(Caller(environment, house, "http", token=None)) as talk:
        assert_neutral(talk)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/nowhere/fcgi.sock", "unix:relative", "https://127.0.0.1", "ftp://x", "http://", "x",
                                 "http://no-such-host.invalid", "http://127.0.0.1:99999", "http://[::1"])
def test_an_address_where_nobody_is(house, environment, url):
    with Talk(Caller(environment, house, "http", SWINGMUSIC_FCGI_URL=url)) as talk:
        assert_neutral(talk)


def test_a_host_that_takes_connections_and_says_nothing(house, environment, sandbox):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Talk(Caller(environment, house, "http", SWINGMUSIC_FCGI_URL=url)) as talk:
            assert_neutral(talk)


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
                                  b"HTTP/1.1 xyz\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                                  b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"x" * 100_000])
def test_a_host_that_says_something_else(house, environment, said):
    with speaking(said) as port, Talk(Caller(environment, house, "http", SWINGMUSIC_FCGI_URL=f"http://127.0.0.1:{port}")) as talk:
        assert_neutral(talk)


def test_another_servers_page_is_no_value(house, environment):
    """A music server that answers every path with its page, as web clients of one page are served."""
    page = b"<!doctype html><title>music</title>"
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)
    for answer in (said, missing):
        with speaking(answer) as port, Talk(Caller(environment, house, "http", SWINGMUSIC_FCGI_URL=f"http://127.0.0.1:{port}")) as talk:
            assert_neutral(talk)


def test_all_of_a_call_that_asks_twice_takes_no_longer(house, talk):
    pids = house.responder.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        value, seconds = talk.ask("m.get_dragonfly_client().flushdb()")
        assert value is False and seconds < SOON
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert_well(talk)


def test_a_program_that_is_started_later_is_found_at_its_socket(house, environment):
    """Where no setting says where it is."""
    code = f"""
        import json, os, time
        from swingmusic_fcgi import program
        from swingmusic_fcgi import dragonfly_client as m
        program.SOCKET, program.HTTP = {str(house.sandbox.path("later.sock"))!r}, "http://127.0.0.1:1"
        before = [m.get_temp_cache().set("later", 1), program.program().url]
        os.symlink({str(house.responder.address)!r}, program.SOCKET)
        time.sleep(1.05)  # the breaker's pause
        print(json.dumps([*before, m.get_temp_cache().set("later", 1), m.get_temp_cache().get("later"), program.program().url == f"unix:{{program.SOCKET}}"]))
    """
    assert Caller(environment, house, "http", SWINGMUSIC_FCGI_URL=None).run_code(code) == [False, "http://127.0.0.1:1", True, 1, True]


@pytest.mark.parametrize("value", ["tcp://10.0.0.7:6379", "", "x"])
def test_settings_of_another_kind_do_no_harm(house, environment, value):
    """Kubernetes sets DRAGONFLYDB_PORT to an address where a service is called dragonflydb."""
    with Talk(Caller(environment, house, "http", DRAGONFLYDB_PORT=value, DRAGONFLYDB_DB=value)) as talk:
        assert talk.value("(m.get_dragonfly_client().port, m.get_dragonfly_client().db)") == (6379, 0)


def test_a_full_disk_takes_nothing_and_gives_what_it_has(new_house, environment, small_disk):
    house = new_house("python-full", workers=1, SWINGMUSIC_FCGI_DATA_DIR=str(small_disk))
    with Talk(Caller(environment, house, "unix")) as talk:
        assert_well(talk)
        ballast = fill_disk(small_disk)
        # What fits into a page that is there already may still be taken.
        assert eventually(lambda: talk.ask("m.get_temp_cache().set('much', 'x' * 500000)")[0] is False, 10)
        value, seconds = talk.ask("m.get_temp_cache().set('much', 'x' * 500000)")
        assert value is False and seconds < SOON
        assert talk.value("m.get_temp_cache().get('known')") == 1
        ballast.unlink()
        assert eventually(lambda: talk.value("m.get_temp_cache().set('much', 'x' * 500000)"), 10, every=0.2)


def test_it_says_why_once_and_never_what_was_cached(house, environment):
    code = """
        import json, logging, io
        stream = io.StringIO()
        logging.basicConfig(stream=stream, level=logging.DEBUG)
        from swingmusic_fcgi import dragonfly_client as m
        for _ in range(5):
            m.get_temp_cache().set("typed-by-a-user", "value-of-a-user")
            m.get_temp_cache().set("typed-by-a-user", "x" * (1 << 21))
            m.get_temp_cache().set("typed-by-a-user", {1})
            m.get_temp_cache().set("typed-by-a-user" * 99, 1)
            m.get_user_cache().get("typed-by-a-user")
            m.get_dragonfly_client().lpush("typed-by-a-user", "value-of-a-user")
        print(json.dumps(stream.getvalue()))
    """
    for way, url in (("http", "http://127.0.0.1:1"), ("unix", None)):
        caller = Caller(environment, house, way)
        said = (Caller(environment, house, way, SWINGMUSIC_FCGI_URL=url) if url else caller).run_code(code)
        assert said.count("cannot be reached") == (1 if url else 0)
        # What works in between is no reason to say it again.
        assert said.count("512 bytes") == said.count("no lists") == said.count("1 MiB") == 1
        assert "typed-by" not in said and "value-of" not in said and CACHE_TOKEN not in said
