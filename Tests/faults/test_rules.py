"""Each rule can be broken, and the suite then says so: what never fails shows nothing."""

import concurrent.futures
import time

import pytest

from faults.judge import RULES, Judge
from faults.suite import Suite, carry_out

#: What is broken outside of the product (sabotage.py). That nothing recovers is shown below.
BREAKABLE = [rule for rule in RULES if rule != "recovers"]

#: What else is broken then: who calls aside from the program does not keep to its pace.
ALONG_WITH = {"cooldown": ["pace"]}


@pytest.fixture(scope="module")
def runs():
    """All at once, since each waits most of the time."""
    with concurrent.futures.ThreadPoolExecutor(len(BREAKABLE)) as pool:
        yield {rule: pool.submit(carry_out, 24, rule=rule) for rule in BREAKABLE}


@pytest.mark.parametrize("rule", BREAKABLE)
def test_a_broken_rule_is_found(runs, rule):
    judge, _ = runs[rule].result()
    found = {finding.rule for finding in judge.findings}
    assert rule in found, found
    assert found <= {rule, *ALONG_WITH.get(rule, ())}, [str(finding) for finding in judge.findings][:10]




class Unwell:
    """A home in which nothing is well again."""

    def __init__(self):
        self.judge, self.port = Judge(), 1

    def __getattr__(self, name):
        return lambda *_: False


def test_what_does_not_recover_is_found(monkeypatch):
    monkeypatch.setattr("faults.suite.RECOVERY", 0.2)
    suite = Suite.__new__(Suite)
    suite.home = Unwell()
    suite.judge, suite.chance = suite.home.judge, None
    suite.records = type("Records", (), {"some": lambda *_: None})()
    suite.sign_ins = type("SignIns", (), {"of": lambda *_: []})()
    suite._recover()
    assert [finding.rule for finding in suite.judge.findings] == ["recovers"]


def test_what_is_excused_is_excused_for_its_time_alone():
    judge = Judge()
    with judge.excusing(["hits"]) as spell:
        time.sleep(0.01)
    during = (spell.begin + spell.end) / 2
    assert judge.excused("hits", during, during + 1) and judge.excused("hits", spell.begin - 5, during)
    assert not judge.excused("writes", during, during + 1)
    assert not judge.excused("hits", spell.end + 0.001, spell.end + 1) and not judge.excused("hits", spell.begin - 2, spell.begin - 1)
