"""Faults at random instants, alone and in pairs, for about a minute. FAULTS_SEED takes another seed.

FAULTS_LONG=1: the long form, twenty minutes before the real swingmusic where it is installed, each fault five times at least (pytest -s shows the table)."""

import os
import signal

from faults.suite import carry_out
from server import python

SEED = int(os.environ.get("FAULTS_SEED", "24"))
LONG = bool(os.environ.get("FAULTS_LONG"))
SECONDS = 1200.0 if LONG else 60.0


def test_whatever_fails_nothing_that_was_promised_is_broken():
    if LONG:
        signal.alarm(7200)
        judge, report = carry_out(SEED, seconds=SECONDS, times=5, real=python() is not None)
    else:
        judge, report = carry_out(SEED, seconds=SECONDS, at_most=SECONDS, short=True)
    print(report.text())
    assert not judge.findings, "\n".join(str(finding) for finding in judge.findings[:20])
    struck = sum(map(report.struck, report.rows))
    assert struck >= SECONDS / 8, f"{struck} faults in {SECONDS:.0f} s"
    if LONG:
        assert min(map(report.struck, report.rows)) >= 5
    missing = {"hit", "write", "delete", "read", "sign-in", "session", "ended session", "pair", "call"} - set(judge.counts)
    assert not missing, f"the workload did not {missing}"
