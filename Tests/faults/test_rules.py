"""Each rule can be broken, and the suite then says so: what never fails shows nothing."""

import concurrent.futures
import time

import pytest

from faults import schedule
from faults.afterwards import MOSTLY, check_deaths, check_done
from faults.home import Home
from faults.judge import LONGEST_HIT, PROMPT, STUCK, Judge
from faults.records import UNTOLD, named_in, pause_of
from faults.report import Report
from faults.sabotage import BREAKS
from faults.suite import Suite, carry_out
from faults.table import Fault, load
from harness.http import Answer

TIME_LIMIT = 240

#: What else is broken then: who calls aside from the program does not keep to its pace.
ALONG_WITH = {"cooldown": ["pace"], "cooldown/server": ["pace"]}


@pytest.fixture(scope="module")
def runs():
    """Many at once, since each waits most of the time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        yield {broken: pool.submit(carry_out, 24, broken=broken) for broken in BREAKS}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_rule_is_found(runs, broken):
    judge, _ = runs[broken].result()
    rule, found = broken.partition("/")[0], {finding.rule for finding in judge.findings}
    assert rule in found, found
    assert BREAKS[broken] <= judge.places(rule), f"not found at {BREAKS[broken] - judge.places(rule)}"
    assert found <= {rule, *ALONG_WITH.get(broken, ())}, [str(finding) for finding in judge.findings][:10]


class Unwell:
    """A home in which nothing is well again."""

    def __init__(self):
        self.judge, self.port, self.seed = Judge(), 1, 24

    def __getattr__(self, name):
        return lambda *_: False


def test_what_does_not_recover_is_found(monkeypatch):
    monkeypatch.setattr("faults.suite.RECOVERY", 0.2)
    suite = Suite.__new__(Suite)
    suite.home = Unwell()
    suite.judge, suite._expected = suite.home.judge, [("a reload", lambda: False)]
    refused = Answer(503, {}, b"", 0.0, 0.0)
    suite.records = type("Records", (), {"some": lambda *_: None, "new": lambda _: "new", "ask_new": lambda *_: refused})()
    suite.sign_ins = type("SignIns", (), {"of": lambda *_: []})()
    suite._recover(looks_up=True)
    texts = [finding.text for finding in suite.judge.findings]
    assert [finding.rule for finding in suite.judge.findings] == ["recovers"] * 3, texts
    assert "not well" in texts[0] and "looked up" in texts[1] and "reload" in texts[2]


def test_what_is_excused_is_excused_for_its_time_alone():
    judge = Judge()
    with judge.excusing(["hits"]) as spell:
        time.sleep(0.01)
    during = (spell.begin + spell.end) / 2
    assert judge.excused("hits", during, during + 1) and judge.excused("hits", spell.begin - 5, during)
    assert not judge.excused("writes", during, during + 1)
    assert not judge.excused("hits", spell.end + 0.001, spell.end + 1) and not judge.excused("hits", spell.begin - 2, spell.begin - 1)


def answer(seconds, begin, status=200):
    return Answer(status, {}, b"", seconds, begin)


@pytest.mark.parametrize("excuse", ["slow", "links"])
def test_no_trouble_is_a_reason_to_wait_for_ever(excuse):
    judge, begin = Judge(), time.monotonic()
    judge.excuse(excuse, begin, begin + 2)
    judge.timely_hit("known", answer(LONGEST_HIT - 0.1, begin))
    judge.timely("a write", answer(STUCK + 1.9, begin, 0))
    assert not judge.findings
    judge.timely_hit("known", answer(LONGEST_HIT + 0.1, begin))
    judge.timely("a write", answer(STUCK + 2.1, begin, 0))
    # It has waited since before: what was on for 10 ms is nothing to that.
    judge.timely("a read", answer(30.0, begin - 27.99, 0))
    assert [finding.rule for finding in judge.findings] == ["in-time"] * 3


def test_what_the_machine_itself_is_late_by_is_not_counted():
    judge = Judge()
    judge.stood = lambda begin, end: min(1.0, end - begin)
    judge.timely_hit("known", answer(PROMPT + 0.9, 0.0))
    judge.timely("a write", answer(STUCK + 0.9, 0.0))
    assert not judge.findings
    judge.timely_hit("known", answer(PROMPT + 1.1, 0.0))
    judge.timely("a write", answer(STUCK + 1.1, 0.0))
    assert [finding.rule for finding in judge.findings] == ["in-time"] * 2


def test_troubles_at_one_time_hold_up_once():
    judge = Judge()
    for begin, end in [(100, 103), (101, 102), (102, 105), (200, 201)]:
        judge.excuse("slow", begin, end)
    judge.excuse("hits", 105, 150)
    assert judge.held_up(90, 150) == 5 and judge.held_up(104, 104.5) == 0.5 and judge.held_up(0, 1000) == 6


def test_what_is_never_done_is_found():
    suite = type("Suite", (), {"judge": Judge()})()
    for kind, share in MOSTLY.items():
        for number in range(10):
            suite.judge.count(kind, number < share * 10)
    check_done(suite)
    assert not suite.judge.findings
    for _ in range(90):
        suite.judge.count("pair", False)
    del suite.judge.counts["refresh"]
    check_done(suite)
    assert [finding.text.split(" were")[0] for finding in suite.judge.findings] == ["of 0 × refresh 3", "of 100 × pair 3"]


@pytest.fixture
def deaths(tmp_path):
    """How many workers are found that died, by lines of the program's log."""
    log = tmp_path / "log"

    def found(*lines):
        log.write_text("".join(f"2026-11-26T17:20:49.295Z error [1] {line}\n" for line in lines))
        responder = type("Responder", (), {"log_path": log})()
        home = type("Home", (), {"responder": responder, "killed": {7}, "halted": {8}, "starved": {6}})()
        suite = type("Suite", (), {"home": home, "judge": Judge(), "log_seen": 0})()
        check_deaths(suite)
        check_deaths(suite)
        return len(suite.judge.findings)
    return found


def test_a_worker_that_nobody_killed_is_found(deaths):
    assert [deaths(line) for line in ("worker ended by signal 9 worker=7", "worker takes too long and is killed worker=8", "worker ended worker=9",
                                      "worker ended with status 71 worker=6")] == [0] * 4
    assert [deaths(line) for line in ("worker ended by signal 9 worker=9", "worker ended by signal 11 worker=7", "worker ended with status 1 worker=7",
                                      "worker takes too long and is killed worker=7", "worker ended, nobody knows how worker=7",
                                      "worker ended by signal 4 worker=6")] == [1] * 6
    assert deaths("worker ended by signal 9 worker=7", "worker ended by signal 4 worker=7", "worker ended with status 1 worker=5") == 2


@pytest.mark.parametrize(("running", "status", "found"), [(True, 0, 0), (False, 1, 0), (True, 1, 1), (True, None, 1), (True, -9, 1)])
def test_a_serve_that_does_not_end_well_is_found(running, status, found):
    home = Home.__new__(Home)
    home.judge = Judge()
    home.responder = type("Responder", (), {"process": type("Process", (), {"running": running})(), "stop": lambda *_: status})()
    home.stop_program()
    assert len(home.judge.findings) == found


def test_a_fault_that_did_not_strike_is_lacking():
    faults = list(load().values())[:3]
    report = Report(Unwell())
    report.faults = faults
    for fault in faults[:2]:
        report.note([fault], 0.0, 0.0, 0.0)
    report.miss(faults[1].name)
    assert report.lacking(1) == [fault.name for fault in faults[1:]]


def call(status, query="", **headers):
    return {"status": status, "wall_ms": 1_700_000_000_000, "path": "/v1/tracks/one", "query": query, "headers": headers}


def test_what_an_answer_says_of_a_pause():
    assert pause_of(call(429, **{"Retry-After": "8"})) == pause_of(call(503, **{"retry-after": "8"})) == 8
    assert pause_of(call(429, **{"Retry-After": "Tue, 14 Nov 2023 22:13:24 GMT"})) == 4
    assert [pause_of(call(429, **headers)) for headers in ({}, {"Retry-After": "soon"}, {"Retry-After": "0"})] == [UNTOLD] * 3
    assert [pause_of(each) for each in (call(200), call(None), call(503), call(404, **{"Retry-After": "8"}))] == [None] * 4


def test_which_things_a_call_asks_for():
    assert named_in(call(200)) == ["one"] and named_in(call(200, "ids=two%2Cthree,four&market=SE")) == ["two", "three", "four"]


def test_a_fault_that_goes_wrong_keeps_no_other_from_making_good():
    done = []

    def deed(name, wrong=None):
        def harm(_):
            if wrong == "begin":
                raise ValueError(name)
            yield
            done.append(name)
            if wrong == "end":
                raise ValueError(name)
        return Fault(name, harm, frozenset(), frozenset(), (0, 0))
    suite = Suite.__new__(Suite)
    for faults, good in (([deed("a"), deed("b", "begin")], ["a"]), ([deed("a"), deed("b", "end")], ["b", "a"])):
        done.clear()
        with pytest.raises(ValueError, match="b"):
            suite._do_harm(schedule.Strike(24, "here", faults))
        assert done == good


# The seed.

def plan(strikes):
    """What is seen of strikes, with what each would draw."""
    return [(strike.name, strike.timing.random(), [chance.random() for chance in strike.chances]) for strike in strikes]


def test_a_seed_says_what_strikes_when_and_with_what():
    faults = list(load().values())
    for made in (lambda seed: schedule.round_of(seed, 0, faults), lambda seed: schedule.round_of(seed, 1, faults), lambda seed: schedule.part_of(seed, faults)):
        first, again = made(7), made(7)
        # What one draws is nothing to the next: how often it does is the machine's.
        for strike in again[::2]:
            for chance in strike.chances:
                chance.random()
        assert plan(first)[1::2] == plan(again)[1::2]
        assert plan(made(7)) != plan(made(8))


def test_short_runs_that_follow_one_another_have_all_faults_alone_and_in_pairs():
    faults = list(load().values())
    alone, paired = set(), set()
    for seed in range(1000, 1000 + schedule.PARTS):
        for strike in schedule.part_of(seed, faults):
            (paired if len(strike.faults) == 2 else alone).update(fault.name for fault in strike.faults)
    assert alone == {fault.name for fault in faults} and len(paired) > 0.7 * len(faults)


def test_what_takes_the_same_is_never_on_together():
    faults = list(load().values())
    strikes = [strike for seed in range(20) for strike in [*schedule.round_of(seed, 1, faults), *schedule.part_of(seed, faults)]]
    assert all(not first.takes & second.takes for first, second in (strike.faults for strike in strikes if len(strike.faults) == 2))
