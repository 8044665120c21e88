"""Rude peers straight on the FastCGI socket: their connection ends, nothing else does."""

import json
import os
import re
import shutil
import struct
import subprocess
import time

import pytest

from harness import fastcgi
from harness.fastcgi import FastCGIConnection, begin, pair, record, records, request
from harness.house import ADMIN
from harness.http import percentile
from harness.process import descriptor_targets
from harness.standin import spotify_id
from harness.waiting import eventually


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("door", workers=2)
    house.known = house.fill()[0]
    house.first_workers = house.responder.worker_pids()
    return house


@pytest.fixture(autouse=True)
def everybody_else_is_served(house):
    yield
    for _ in range(10):
        assert fastcgi.ask(house.responder.address, house.known).status == 200
    answer = house.get(house.known)
    assert answer.status == 200 and answer.seconds < 0.25
    assert house.responder.worker_pids() == house.first_workers, "no worker has died"


def connect(house, timeout=35.0):
    return FastCGIConnection(house.responder.address, timeout)


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 64, b"\xff" * 4096, os.urandom(65536),
    struct.pack(">BBHHBx", 2, 1, 1, 8, 0) + b"\0" * 8,  # version 2
    struct.pack(">BBHHBx", 1, 99, 1, 0, 0),  # a type that there is not
    record(fastcgi.PARAMS, b"before any begin"), record(fastcgi.STDIN, b""), record(fastcgi.END_REQUEST, b"\0" * 8),
], ids=["http", "zeros", "ones", "random", "version", "type", "params-first", "stdin-first", "end-first"])
def test_garbage_ends_its_connection_or_is_ignored(house, data):
    with connect(house, 1.0) as connection:
        try:
            connection.send(data)
            connection.ended()
        except ConnectionError:
            pass


def test_a_half_sent_record_holds_nobody_up_and_ends_in_time(house):
    whole = request(house.known)
    stuck = []
    for size in (1, 7, 8, 12, 16, 20, 40, len(whole) - 9, len(whole) - 1):
        connection = connect(house)
        connection.send(whole[:size])
        stuck.append(connection)
    for _ in range(50):
        assert fastcgi.ask(house.responder.address, house.known, timeout=1.0).status == 200
    for connection in stuck[:4]:
        assert connection.ended(), "a connection on which half a request arrived is closed after the receive timeout"
    for connection in stuck:
        connection.socket.close()


def test_two_hundred_silent_connections_hold_nobody_up(house):
    silent = [connect(house) for _ in range(200)]
    with house.connection() as kept:
        answers = [kept.get(house.known) for _ in range(300)]
    assert {answer.status for answer in answers} == {200}
    assert percentile([answer.seconds for answer in answers], 0.99) < 0.02
    for connection in silent:
        connection.socket.close()


def test_a_request_that_arrives_in_small_pieces_is_answered(house):
    data = request(house.known)
    with connect(house) as connection:
        for at in range(0, len(data), 7):
            connection.send(data[at:at + 7])
        assert connection.receive_answer().status == 200


@pytest.mark.parametrize("role", [fastcgi.AUTHORIZER, fastcgi.FILTER, 77])
def test_a_wrong_role_is_refused_and_the_connection_serves_on(house, role):
    with connect(house, 5.0) as connection:
        connection.send(begin(role, fastcgi.KEEP_CONN) + records(fastcgi.PARAMS, pair("DOCUMENT_URI", house.known)) + record(fastcgi.STDIN))
        assert connection.receive_record() == (fastcgi.END_REQUEST, 1, struct.pack(">IB3x", 0, fastcgi.UNKNOWN_ROLE))
        assert connection.ask(house.known).status == 200


def test_management_records_are_answered_before_the_request_that_follows(house):
    with connect(house, 5.0) as connection:
        question = pair("FCGI_MPXS_CONNS", "") + pair("FCGI_MAX_CONNS", "") + pair("FCGI_MAX_REQS", "")
        connection.send(record(fastcgi.GET_VALUES, question, request_id=0) + record(200, b"?", request_id=0) + request(house.known))
        kind, request_id, values = connection.receive_record()
        assert (kind, request_id) == (fastcgi.GET_VALUES_RESULT, 0)
        assert re.fullmatch(rb"\x0e.FCGI_MAX_CONNS([1-9]\d+)\x0d.FCGI_MAX_REQS([1-9]\d+)" + re.escape(pair("FCGI_MPXS_CONNS", "0")), values, re.S)
        assert connection.receive_record() == (fastcgi.UNKNOWN_TYPE, 0, bytes([200] + [0] * 7))
        assert connection.receive_answer().status == 200


def test_an_abort_ends_the_request_and_a_parked_one_is_forgotten(house):
    house.standin.fail({"path": "albums", "behaviour": "hang"})
    parked = request(f"/spotify/v1/albums/{spotify_id('aborted')}", keep=True)
    for before in (begin(flags=fastcgi.KEEP_CONN), parked):
        with connect(house, 5.0) as connection:
            connection.send(before)
            if before == parked:
                house.standin.await_call("albums")
            connection.send(record(fastcgi.ABORT_REQUEST))
            assert connection.receive_record() == (fastcgi.END_REQUEST, 1, struct.pack(">IB3x", 0, fastcgi.REQUEST_COMPLETE))
            assert connection.ask(house.known).status == 200
    house.standin.fail()


def test_an_abort_of_a_parked_request_may_come_in_pieces_and_behind_other_records(house):
    house.standin.fail({"path": "albums", "behaviour": "hang"})
    parked = request(f"/spotify/v1/albums/{spotify_id('aborted-in-pieces')}", keep=True)
    abort, mpxs = record(fastcgi.ABORT_REQUEST), pair("FCGI_MPXS_CONNS", "")
    question = record(fastcgi.GET_VALUES, mpxs, request_id=0)
    pieces = [(abort[:cut], abort[cut:]) for cut in (1, 4, 7)] + [
        (before, abort) for before in (record(fastcgi.STDIN, b"", 9), record(fastcgi.DATA, b""), question)]
    for first, second in pieces:
        with connect(house, 2.0) as connection:
            connection.send(parked)
            house.standin.await_call("albums")
            for piece in (first, second):
                connection.send(piece)
                time.sleep(0.02)
            assert connection.receive_record() == (fastcgi.END_REQUEST, 1, struct.pack(">IB3x", 0, fastcgi.REQUEST_COMPLETE)), (first, second)
            if first == question:
                assert connection.receive_record() == (fastcgi.GET_VALUES_RESULT, 0, pair("FCGI_MPXS_CONNS", "0"))
            assert connection.ask(house.known).status == 200
    house.standin.fail()


def test_a_second_request_on_a_connection_that_is_being_read_is_refused_and_one_behind_a_whole_one_is_answered(house):
    with connect(house, 5.0) as connection:
        whole = request(house.known, keep=True)
        first_two = 16 + 8 + int.from_bytes(whole[20:22], "big")  # the begin, and the parameters without their end
        connection.send(whole[:first_two] + begin(request_id=2) + record(fastcgi.STDIN, b"?", 2) + whole[first_two:] + whole + whole)
        assert connection.receive_record() == (fastcgi.END_REQUEST, 2, struct.pack(">IB3x", 0, fastcgi.CANT_MPX_CONN))
        assert [connection.receive_answer().status for _ in range(3)] == [200] * 3


def ask_by_cgi_fcgi(house, method, path, body=b"", **variables):
    """What libfcgi's own web server's end prints: the answer as a CGI program would have written it."""
    environment = {"PATH": os.environ["PATH"], "REQUEST_METHOD": method, "DOCUMENT_URI": path, "REQUEST_URI": path, "QUERY_STRING": "",
                   "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "CONTENT_LENGTH": str(len(body)) if body else "", **variables}
    done = subprocess.run(["cgi-fcgi", "-bind", "-connect", str(house.responder.address)], env=environment, input=body, capture_output=True,
                          timeout=10, check=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    assert done.stderr == b""
    return head.decode().split("\r\n"), content


@pytest.mark.skipif(shutil.which("cgi-fcgi") is None, reason="needs Debian's libfcgi-bin")
def test_cgi_fcgi_is_a_client(house):
    head, body = ask_by_cgi_fcgi(house, "GET", house.known)
    assert head[0] == "Status: 200 OK" and f"Content-Length: {len(body)}" in head and json.loads(body)["id"] == house.known.rpartition("/")[2]
    head, body = ask_by_cgi_fcgi(house, "HEAD", house.known)
    assert head[0] == "Status: 200 OK" and body == b""
    head, body = ask_by_cgi_fcgi(house, "GET", f"/spotify/v1/tracks/{spotify_id('asked by cgi-fcgi')}")
    assert head[0] == "Status: 200 OK" and json.loads(body)["id"] == spotify_id("asked by cgi-fcgi")
    value, token = os.urandom(100_000), {"HTTP_AUTHORIZATION": ADMIN["Authorization"]}
    assert ask_by_cgi_fcgi(house, "PUT", "/cache/temp/by-cgi-fcgi", value, CONTENT_TYPE="application/octet-stream", **token)[0][0] == (
        "Status: 204 No Content")
    assert ask_by_cgi_fcgi(house, "GET", "/cache/temp/by-cgi-fcgi", **token)[1] == value
    assert ask_by_cgi_fcgi(house, "GET", "/cache/temp/by-cgi-fcgi")[0][0] == "Status: 401 Unauthorized"


def test_a_caller_that_leaves_without_reading_its_answer_harms_nobody(house):
    for _ in range(200):
        connection = connect(house)
        connection.send(request(house.known))
        connection.socket.close()


def test_a_caller_that_resets_the_connection_while_parked_is_forgotten(house):
    house.standin.fail({"path": "albums", "behaviour": "hang"})
    before = {pid: len(descriptor_targets(pid)) for pid in house.responder.worker_pids()}
    leavers = [connect(house) for _ in range(50)]
    for connection in leavers:
        connection.send(request(f"/spotify/v1/albums/{spotify_id('left')}"))
    house.standin.await_call("albums")
    for connection in leavers:
        connection.socket.close()
    eventually(lambda: all(len(descriptor_targets(pid)) <= before[pid] + 6 for pid in before), 5,
               what="the leavers' descriptors are closed")
    house.standin.fail()


def test_parameters_over_the_bound_end_the_request(house):
    with connect(house, 10.0) as connection:
        try:
            connection.send(request(house.known, parameters={"HTTP_X": "x" * 1_000_000}))
            answer = connection.receive_answer()
        except ConnectionError:
            answer = None
    assert answer is None or answer.status in (400, 413, 431)


def test_parameters_of_sixteen_kilobytes_are_read(house):
    with connect(house) as connection:
        answer = connection.ask(house.known, parameters={"HTTP_COOKIE": "c=" + "x" * 16_000})
    assert answer.status == 200


def test_a_body_that_is_shorter_than_promised_holds_nobody_up(house):
    with connect(house) as connection:
        connection.send(begin() + records(fastcgi.PARAMS, b"".join(pair(*one) for one in (
            ("REQUEST_METHOD", "PUT"), ("DOCUMENT_URI", "/cache/temp/short"), ("CONTENT_LENGTH", "1000"))))
            + record(fastcgi.STDIN, b"ten bytes!"))
        for _ in range(20):
            assert fastcgi.ask(house.responder.address, house.known, timeout=1.0).status == 200


def test_hundreds_of_requests_over_one_kept_connection_are_answered_in_turn(house):
    with connect(house) as connection:
        for _ in range(300):
            assert connection.ask(house.known, keep=True).status == 200


def test_a_connection_without_the_keep_flag_is_closed_after_its_answer(house):
    with connect(house, 5.0) as connection:
        assert connection.ask(house.known).status == 200
        assert connection.ended()


def test_path_info_rules_over_document_uri_and_script_name(house):
    for parameters in ({"PATH_INFO": house.known, "DOCUMENT_URI": "/x", "SCRIPT_NAME": "/y"},
                       {"DOCUMENT_URI": house.known, "SCRIPT_NAME": "/y"}, {"SCRIPT_NAME": house.known}):
        pairs = b"".join(pair(*one) for one in {"REQUEST_METHOD": "GET", "QUERY_STRING": "", **parameters}.items())
        with connect(house) as connection:
            connection.send(begin() + records(fastcgi.PARAMS, pairs) + record(fastcgi.STDIN))
            assert connection.receive_answer().status == 200, parameters


def test_kept_connections_are_spread_over_the_workers(house):
    def sockets():
        return [sum(target.startswith("socket:") for target in descriptor_targets(pid)) for pid in house.first_workers]

    before, connections = sockets(), []
    try:
        for _ in range(40):
            connections.append(connect(house))
            assert connections[-1].ask(house.known, keep=True).status == 200
        shares = [after - was for after, was in zip(sockets(), before)]
        assert sum(shares) == 40 and min(shares) >= 12, shares
    finally:
        for one in connections:
            one.socket.close()
