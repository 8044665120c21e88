"""The table of calls: each method with each kind of value and key answers as the extended version's module does, or is listed as different."""

import json
from pathlib import Path

import pytest

import differences
from caller import Caller
from harness.responder import ADMIN_TOKEN

HERE = Path(__file__).resolve().parent
RECORDED = json.loads((HERE / "recorded.json").read_text())


@pytest.fixture(scope="module")
def found(house, environment):
    """What the client says to every call, by way."""
    answers = {}
    for way in ("http", "unix"):
        for name in ("spotify", "session", "user", "temp"):
            assert house.admin("DELETE", f"/cache/{name}").status == 200
        answers[way] = json.loads(Caller(environment, house, way, token=ADMIN_TOKEN).run(HERE / "calls.py", "swingmusic_fcgi.dragonfly_client"))
    return answers


def is_same(one, other):
    """Seconds of a time to live may be one less."""
    return len(one) == len(other) and all(a == b or type(a) is type(b) is int and a in (60, 59) and b in (60, 59) for a, b in zip(one, other))


@pytest.mark.parametrize("way", ["http", "unix"])
def test_every_call_is_made(found, way):
    assert set(found[way]) == set(RECORDED)


@pytest.mark.parametrize("way", ["http", "unix"])
@pytest.mark.parametrize("story", sorted(RECORDED))
def test_a_call_is_answered_as_it_is_there_or_as_it_is_listed(found, story, way):
    if differences.reason(story):
        assert found[way][story] == differences.ours(story)
        assert not is_same(found[way][story], RECORDED[story]), "this is no difference"
    else:
        assert is_same(found[way][story], RECORDED[story]), (found[way][story], RECORDED[story])


def test_nothing_is_listed_that_is_not_asked():
    for pattern, _ in differences.LISTED:
        assert any(differences.re.fullmatch(pattern, story) for story in RECORDED), pattern


def test_readme_names_every_difference():
    text = " ".join((HERE.parent.parent / "clients/python/README.md").read_text().split())
    for words in ("512 bytes", "1 MiB", "catalog:", "NUL", "no lists", "Dots", "ttl_hours=0.5", "ex="):
        assert words in text, words
