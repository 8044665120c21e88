"""tekore's own tests of the Web API, from its source distribution, unchanged: what passes before Spotify's stand-in in development mode passes
through the mirror. (spotipy's source distribution brings none.) Long: LONG_TESTS=1 makes it run."""

import os
import signal
import subprocess
import tarfile
import xml.etree.ElementTree as tree

import pytest

from stage import CALLS, LIBRARIES, Stage

TEKORE = "tekore==6.2.0"


def source(folder):
    """The source distribution's folder."""
    wanted = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, TEKORE]
    if subprocess.run([LIBRARIES, *wanted], capture_output=True).returncode != 0:
        pytest.skip("tekore's source distribution could not be had from PyPI")
    (archive,) = folder.glob("tekore-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder)
    return folder / archive.name.removesuffix(".tar.gz")


def outcomes(way, suite):
    """{test: passed, failed or skipped}; with an app's credentials and no user's, so that only what reads is run."""
    report = way.sandbox.path(f"tekore-{way.port}.xml")
    environment = {**way.environment("tekore-suite"), "PYTHONPATH": str(CALLS), "LOOPBACK_PORT": str(way.port), "SPOTIFY_CLIENT_ID": "client",
                   "SPOTIFY_CLIENT_SECRET": "secret", "SPOTIFY_REDIRECT_URI": "http://localhost"}
    subprocess.run([LIBRARIES, "-m", "pytest", "-p", "loopback", "-p", "no:cacheprovider", "-q", "-m", "api", "--junitxml", report, "tests/client"],
                   cwd=suite, env=environment, capture_output=True, timeout=300)
    return {f"{case.get('classname')}.{case.get('name')}": outcome(case) for case in tree.parse(report).iter("testcase")}


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


@pytest.mark.skipif(not os.environ.get("LONG_TESTS"), reason="takes minutes: LONG_TESTS=1")
def test_what_passes_in_development_mode_passes_through_the_mirror(tmp_path):
    signal.alarm(0)  # the time limit of short tests
    with Stage("tekore-suite", SPOTIFY_MIN_INTERVAL="5ms") as stage:
        suite = source(tmp_path)
        by_way = {way: outcomes(stage.ways[way], suite) for way in ("development", "mirror")}
    passed = {way: {test for test, result in found.items() if result == "passed"} for way, found in by_way.items()}
    print(f"{len(by_way['mirror'])} tests: {len(passed['development'])} pass in development mode, {len(passed['mirror'])} through the mirror")
    assert len(passed["development"]) > 20 and len(passed["mirror"]) > 50
    assert passed["development"] - passed["mirror"] == set()
