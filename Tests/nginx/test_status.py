"""Metrics that are right across workers and their deaths, and who may see them."""

import base64
import hashlib
import re
import signal
import threading

import pytest

from harness import json_text
from harness.flood import Flood
from harness.house import ADMIN, assert_plain_error
from harness.process import send_signal
from harness.waiting import eventually

PAGE = "/swingmusic-fcgi/"


def answered(house, family="spotify"):
    """The sum over all classes of status, as the Prometheus client reads it."""
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install -r Tests/nginx/requirements.txt")
    text = house.admin("GET", PAGE + "metrics").body.decode()
    [metric] = [m for m in parser.text_string_to_metric_families(text) if m.name == "swingmusic_fcgi_answers"]
    return int(sum(sample.value for sample in metric.samples if sample.labels["family"] == family))


def timed(house, family="spotify"):
    """How many answers the histograms of durations have."""
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install -r Tests/nginx/requirements.txt")
    text = house.admin("GET", PAGE + "metrics").body.decode()
    [metric] = [m for m in parser.text_string_to_metric_families(text) if m.name == "swingmusic_fcgi_request_duration_seconds"]
    counts = {name: sum(s.value for s in metric.samples if s.labels["family"] == family and s.name.endswith(name) and s.labels.get("le") in (None, "+Inf"))
              for name in ("_count", "_bucket")}
    assert counts["_count"] == counts["_bucket"]
    return int(counts["_count"])


def kill_two(house):
    before = house.responder.worker_pids()
    for pid in before[:2]:
        send_signal(pid, signal.SIGKILL)
    eventually(lambda: len(house.responder.worker_pids()) == 4 and not set(before[:2]) & set(house.responder.worker_pids()),
               10, what="the killed workers are replaced")


def test_ten_thousand_answers_are_counted_over_two_deaths_between_them(new_house):
    house = new_house("counted")
    paths = house.fill(20)
    start = answered(house)
    assert start == 20
    first = Flood(house.port, paths, 5000)
    kill_two(house)
    second = Flood(house.port, paths, 5000)
    assert (first.troubles, second.troubles) == ([], [])
    statuses = first.statuses + second.statuses
    assert sum(statuses.values()) == 10000
    # 502 is nginx's own: a kept connection that went with its worker.
    assert answered(house) - start == 10000 - statuses[502]
    assert timed(house) == answered(house), "the histograms sum to what was answered"


def test_under_load_a_death_costs_at_most_what_was_in_hand(new_house):
    house = new_house("counted-under-load")
    paths = house.fill(20)
    start = answered(house)
    floods = []
    thread = threading.Thread(target=lambda: floods.append(Flood(house.port, paths, 10000)))
    thread.start()
    eventually(lambda: answered(house) - start > 1000, 20, what="the load is under way")
    kill_two(house)
    thread.join(60)
    [flood] = floods
    assert flood.troubles == []
    got = 10000 - flood.statuses[502]
    # Counted and not sent: at most one for each of the four threads of the two.
    assert got <= answered(house) - start <= got + 8
    assert got <= timed(house) - start <= got + 8


def test_counts_outlive_the_program(new_house):
    house = new_house("counted-on")
    house.fill(3)
    house.responder.restart()
    assert answered(house) == 3


def test_the_metrics_are_what_prometheus_reads(open_house):
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install -r Tests/nginx/requirements.txt")
    house = open_house("status")
    [path] = house.fill()
    house.get(path)
    answer = house.admin("GET", PAGE + "metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    metrics = {metric.name: metric for metric in parser.text_string_to_metric_families(answer.body.decode())}
    assert all(name.startswith("swingmusic_fcgi_") and metric.documentation for name, metric in metrics.items())
    sources = {s.labels["source"]: s.value for s in metrics["swingmusic_fcgi_sources"].samples}
    assert sources["stored"] == 1 and sources["memory"] + sources["sqlite"] == 1
    assert metrics["swingmusic_fcgi_spotify_calls"].samples[0].value == 1
    turns = {(s.name.rpartition("_")[2], s.labels.get("le")): s.value for s in metrics["swingmusic_fcgi_spotify_turn_seconds"].samples}
    assert turns["count", None] == turns["bucket", "+Inf"] == 1 and 0 < turns["sum", None] < 1
    assert metrics["swingmusic_fcgi_workers"].samples[0].value == 4
    assert {s.labels["slot"] for s in metrics["swingmusic_fcgi_worker_uptime_seconds"].samples} == {"0", "1", "2", "3"}
    assert {s.labels["kind"]: s.value for s in metrics["swingmusic_fcgi_records"].samples}["track"] == 1


def test_status_json_says_what_the_page_says(open_house):
    house = open_house("status-json")
    [path] = house.fill()
    house.get(path)
    answer = house.admin("GET", PAGE + "status.json")
    seen = answer.json()
    assert answer.body == json_text.figures(seen)
    assert seen["readiness"] == {"status": "ok", "reasons": [], "warnings": [], "details": []}
    assert seen["answers"]["spotify"]["2xx"] == 2 and seen["sources"]["stored"] == 1
    assert seen["limiter"]["lastHour"] == {"calls": 1, "budget": 100000}
    assert set(seen["limiter"]["queue"]) == {"caller", "unattended", "renewal", "warming"}
    assert {worker["pid"] for worker in seen["workers"]} == set(house.responder.worker_pids())
    assert all(worker["residentBytes"] > 1 << 20 for worker in seen["workers"])
    assert [(kind["kind"], kind["entries"]) for kind in seen["records"] if kind["kind"] == "track"] == [("track", 1)]
    assert seen["ages"][0]["age"] == "fresh" and seen["ages"][0]["records"] >= 1
    assert len(seen["answersByMinute"]) == 60
    assert "cache.db" in {file["name"] for file in seen["files"]}


def test_the_page_loads_nothing_and_allows_nothing_and_is_the_same_for_everybody(open_house):
    house = open_house("status-page")
    page = house.admin("GET", PAGE + "status")
    assert page.body == house.get(PAGE + "status").body
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    text = page.body.decode()
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}[^>]*>(.*?)</{tag}>", text, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    # A namespace is a name, and nothing that is loaded.
    text = text.replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text and "https:" not in text and "style=" not in text


@pytest.mark.parametrize("name", ["metrics", "status.json", "history.json"])
def test_the_figures_are_for_the_administrator_alone(open_house, name):
    house = open_house("status-door")
    assert_plain_error(house.get(PAGE + name), 401)
    assert_plain_error(house.request("GET", PAGE + name, {"Authorization": "Bearer wrong"}), 401)
    assert_plain_error(house.request("POST", PAGE + name, ADMIN), 405)
    head = house.request("HEAD", PAGE + name, ADMIN)
    assert head.status == 200 and head.body == b"" and head.headers["cache-control"] == "no-store"


def test_readyz_says_why_not_all_is_served(open_house):
    house = open_house("status-no-credentials", SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    answer = house.get(PAGE + "readyz")
    assert answer.status == 200 and answer.json() == {"status": "degraded", "reasons": [], "warnings": ["no-credentials"]}
    assert answer.body == json_text.plain(answer.json())
    [detail] = house.admin("GET", PAGE + "readyz").json()["details"]
    assert "SPOTIFY_CLIENT_ID is not set" in detail["text"]
