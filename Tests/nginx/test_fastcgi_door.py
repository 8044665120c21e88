"""Rude peers straight on the FastCGI socket: their connection ends, nothing else does."""

import os
import struct

import pytest

from harness import fastcgi
from harness.fastcgi import FastCGIConnection, begin, pair, record, records, request
from harness.http import percentile
from harness.process import descriptor_targets
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
def test_a_wrong_role_is_refused(house, role):
    with connect(house, 5.0) as connection:
        connection.send(request(house.known, role=role))
        answer = connection.receive_answer()
    assert answer is None or answer.protocol_status == fastcgi.UNKNOWN_ROLE or answer.status >= 400


def test_a_management_record_is_answered_or_ends_the_connection(house):
    with connect(house, 5.0) as connection:
        question = pair("FCGI_MPXS_CONNS", "") + pair("FCGI_MAX_CONNS", "")
        connection.send(record(fastcgi.GET_VALUES, question, request_id=0) + request(house.known))
        got = connection.receive_record()
    assert got is None or got[0] == fastcgi.GET_VALUES_RESULT


def test_an_abort_record_instead_of_the_rest_ends_the_request(house):
    with connect(house, 35.0) as connection:
        connection.send(begin() + record(fastcgi.ABORT_REQUEST))
        answer = connection.receive_answer()
    assert answer is None or answer.status >= 400 or answer.protocol_status != fastcgi.REQUEST_COMPLETE or not answer.body


def test_a_caller_that_leaves_without_reading_its_answer_harms_nobody(house):
    for _ in range(200):
        connection = connect(house)
        connection.send(request(house.known))
        connection.socket.close()


def test_a_caller_that_resets_the_connection_while_parked_is_forgotten(house):
    from harness.standin import spotify_id
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
