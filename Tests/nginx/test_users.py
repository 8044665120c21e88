"""Users made, renamed and removed through nginx: a name is free as soon as it is nobody's, whatever became of the request that wanted it."""

import concurrent.futures
import json
import time

import pytest

from harness.household import Household
from harness.swingmusic import password_hash

CHANGE = "/auth/password/change"


@pytest.fixture
def own():
    with Household("users", guarded=[CHANGE]) as opened:
        opened.admin = opened.log_in("admin")["accesstoken"]
        yield opened


def make(own, name):
    return own.ask("POST", "/auth/profile/create", cookie=own.admin, body={"username": name, "password": "pw"})


def rename(own, number, name):
    return own.ask("PUT", "/auth/profile/update", cookie=own.admin, body={"id": number, "username": name})


def remove(own, name):
    return own.ask("DELETE", "/auth/profile/delete", cookie=own.admin, body={"username": name})


def guest(own):
    return own.ask("POST", "/auth/profile/guest/create", cookie=own.admin)


def within(seconds, ask, *more):
    """The answer, which must not be waited for."""
    answer = ask(*more)
    assert answer.seconds < seconds, answer
    return answer.status


def test_guest_access_goes_off_and_on_at_once(own):
    for _ in range(4):
        assert within(2, guest, own) == 200
        assert within(2, guest, own) == 400
        assert within(2, remove, own, "guest") == 200


def test_a_name_is_free_again_after_a_removal_and_after_a_rename(own):
    for _ in range(3):
        assert within(2, make, own, "dora") == 200
        assert within(2, remove, own, "dora") == 200
    for name in ("bobby", "robert", "bob"):
        assert within(2, rename, own, 2, name) == 200
    for name in ("bobby", "robert"):
        assert within(2, make, own, name) == 200
        assert within(2, remove, own, name) == 200


@pytest.mark.parametrize("attempt", [lambda own: make(own, "dora"), lambda own: rename(own, 2, "dora"), guest], ids=["create", "rename", "guest"])
def test_what_swingmusic_did_not_answer_can_be_tried_again_at_once(own, attempt):
    own.swingmusic.hangs_up = True
    failed = attempt(own)
    assert (failed.status, failed.json(), failed.headers["retry-after"]) == (502, {"msg": "swingmusic does not answer"}, "10")
    assert failed.headers["cache-control"] == "no-store" and failed.headers["content-type"] == "application/json"
    own.swingmusic.hangs_up = False
    assert within(2, attempt, own) == 200


def test_a_removal_that_swingmusic_did_not_answer_can_be_tried_again(own):
    own.swingmusic.hangs_up = True
    assert remove(own, "bob").status == 502
    own.swingmusic.hangs_up = False
    assert within(2, remove, own, "bob") == 200
    assert within(2, make, own, "bob") == 200


def test_what_swingmusic_refused_can_be_tried_again_and_is_not_called_taken(own):
    """Nobody tells of it, so the next waits out what a request may take."""
    own.swingmusic.fails_with = 500
    assert make(own, "dora").status == 500
    own.swingmusic.fails_with = None
    began = time.monotonic()
    assert make(own, "dora").status == 200
    assert time.monotonic() - began < 7


def test_of_many_who_want_a_name_at_once_one_gets_it(own):
    bodies = [("POST", "/auth/profile/create", {"username": "dora", "password": "pw"})] * 6 + [
        ("PUT", "/auth/profile/update", {"id": number, "username": "dora"}) for number in (2, 3)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: own.ask(each[0], each[1], cookie=own.admin, body=each[2]), bodies))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 7, answers
    assert {answer.json()["msg"] for answer in answers if answer.status == 400} == {"Username already exists"}
    with own.swingmusic.database() as db:
        assert db.execute("SELECT count(*) FROM user WHERE username = 'dora'").fetchone() == (1,)


def test_nobody_makes_it_look_as_if_swingmusic_had_not_answered(own):
    answer = own.ask("POST", "/auth/profile/create", cookie=own.admin, headers={"HANDED-ON-STATUS": "502", "Handed_On_Status": "502"},
                     body={"username": "dora", "password": "pw"})
    assert answer.status == 200


# A password that is changed behind the guard.

def change(own, access, path=CHANGE, method="POST", headers=None):
    answer = own.ask(method, path, cookie=access, headers=headers, body={"old_password": "bobpw", "new_password": "new one"})
    stored = f"pbkdf2$20000${password_hash('new one')}"  # whatever way of hashing it has
    own.swingmusic.execute("UPDATE user SET password = ? WHERE id = 2", stored)
    return answer


@pytest.mark.parametrize("guarded", [[CHANGE], []], ids=["a guarded location", "handed on by the program"])
def test_a_password_changed_behind_the_guard_leaves_this_session_and_ends_the_others(guarded):
    with Household("users-password", guarded=guarded) as own:
        mine, other = own.log_in("bob")["accesstoken"], own.family("bob")
        assert change(own, mine).status == 200
        assert json.loads(own.swingmusic.requests[-1]["body"])["new_password"] == "new one"
        own.assert_ended(other)
        assert own.everywhere(mine) == {200}


def test_what_is_handed_on_below_auth_and_not_answered_is_502_in_our_words():
    with Household("users-away") as own:
        bob = own.log_in("bob")["accesstoken"]
        own.swingmusic.hangs_up = True
        for method, path in (("POST", CHANGE), ("GET", "/auth/invites")):
            answer = own.ask(method, path, cookie=bob)
            assert (answer.status, answer.json()) == (502, {"msg": "swingmusic does not answer"}), answer


@pytest.mark.parametrize("more", [{"method": "GET"}, {"path": f"/guarded/..{CHANGE}"}, {"path": "/guarded/x"}, {"path": f"/guarded/x?{CHANGE}"}])
def test_what_is_no_change_of_a_password_keeps_no_session(own, more):
    mine = own.log_in("bob")["accesstoken"]
    change(own, mine, **more)
    assert own.everywhere(mine) == {401}


def test_a_page_of_another_site_changes_no_password(own):
    mine = own.log_in("bob")["accesstoken"]
    assert change(own, mine, headers={"Origin": "https://evil.example"}).status == 403
    assert own.everywhere(mine) == {401}


def test_a_name_that_goes_on_after_a_nul_is_nobodys_and_is_given_to_nobody(own):
    own.log_in("bob")
    for name, password, status in [("bob\0x", "bobpw", 404), ("bob\0", "bobpw", 404), ("bob", "bobpw\0x", 401)]:
        assert own.ask("POST", "/auth/login", body={"username": name, "password": password}).status == status
    for answer in (make(own, "new\0x"), rename(own, 2, "new\0x"), remove(own, "bob\0x")):
        assert answer.status == 422 and "NUL" in answer.body.decode()
    own.log_in("bob")
    for path in ("/auth/sessions/x%00y", "/auth/devices%00"):
        assert own.ask("DELETE", path, cookie=own.admin).status in (400, 401, 403, 404, 405)
