"""What takes how long, and what Prometheus, its alerts and a dashboard make of it: the files of scripts/monitoring are tried as they are."""

import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from harness import http
from harness.house import track
from harness.nginx import Nginx
from harness.process import LoggedProcess, send_signal
from harness.responder import ADMIN_TOKEN, Responder
from harness.sandbox import REPOSITORY, free_port
from harness.standin import spotify_id
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

MONITORING = REPOSITORY / "scripts/monitoring"
METRICS = "/swingmusic-fcgi/metrics"
JSON = {"Content-Type": "application/json"}


def metrics_of(text):
    """{name: {labels: value}} of a page of metrics, histograms by their samples' names."""
    parser = pytest.importorskip("prometheus_client.parser", reason="pip install -r Tests/nginx/requirements.txt")
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("swingmusic_fcgi_"), {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def metrics(house):
    return metrics_of(house.admin("GET", METRICS).body.decode())


def counted(house, name, **labels):
    """The sum of a metric's samples that have these labels."""
    return sum(value for have, value in metrics(house).get(name, {}).items() if labels.items() <= dict(have).items())


def promtool(*words, text=None):
    if not shutil.which("promtool"):
        pytest.skip("no promtool: apt-get install prometheus")
    return subprocess.run(["promtool", *map(str, words)], input=text, capture_output=True, text=True, timeout=60)


def test_durations_are_counted_by_family_and_outcome(new_house):
    house = new_house("durations", SWINGMUSIC_FCGI_MISS_WAIT="1s")
    [path] = house.fill()
    for _ in range(3):
        house.get(path)
    house.standin.fail({"behaviour": "hang", "path": "tracks"})
    assert house.get(track("slow")).status in (429, 504)
    house.get("/nothing")
    house.admin("GET", "/cache/temp/nothing")
    assert {outcome: counted(house, "request_duration_seconds_count", family="spotify", outcome=outcome)
            for outcome in ("hit", "fetched", "unanswered", "ok", "refused", "failed")} == {
                "hit": 3, "fetched": 1, "unanswered": 1, "ok": 0, "refused": 0, "failed": 0}
    assert counted(house, "request_duration_seconds_count", family="cache", outcome="refused") == 1
    assert 0.9 < counted(house, "request_duration_seconds_sum", family="spotify", outcome="unanswered") < 5
    assert counted(house, "request_duration_seconds_bucket", family="spotify", outcome="unanswered", le="0.5") == 0
    assert counted(house, "request_duration_seconds_bucket", family="spotify", outcome="hit", le="0.5") == 3
    assert 0 < counted(house, "request_duration_seconds_sum", family="spotify", outcome="hit") < 1
    assert counted(house, "wait_seconds_count", end="answered") == 2


def test_calls_are_counted_by_how_they_ended(new_house):
    house = new_house("calls")
    assert counted(house, "spotify_last_success_timestamp_seconds") == 0
    house.fill(2)
    answered_at = counted(house, "spotify_last_success_timestamp_seconds")
    assert answered_at > 1_700_000_000
    house.standin.control("gone", {"ids": [spotify_id("gone")]})
    house.get("/spotify/v1/tracks/" + spotify_id("gone"))
    house.standin.fail({"behaviour": "status", "status": 500, "path": spotify_id("broken")})
    house.get("/spotify/v1/tracks/" + spotify_id("broken"), {"Prefer": "wait=1"})
    ends = {dict(labels)["outcome"]: value for labels, value in metrics(house)["spotify_call_duration_seconds_count"].items()}
    assert (ends["answered"], ends["refused"], ends["timed_out"]) == (2, 1, 0) and ends["failed"] >= 1
    assert sum(ends.values()) == counted(house, "spotify_calls_total")
    assert counted(house, "spotify_last_success_timestamp_seconds") == answered_at


def test_a_caller_who_leaves_is_a_wait_and_no_answer(new_house):
    house = new_house("left")
    house.standin.fail({"behaviour": "hang", "path": "tracks"})
    with socket.create_connection(("127.0.0.1", house.port), 10) as connection:
        connection.sendall(f"GET {track('left')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: counted(house, "parked") >= 2, 10, what="it is parked, beside the look at the metrics")
    eventually(lambda: counted(house, "wait_seconds_count", end="left") == 1, 10, what="it is noticed that the caller left")
    assert counted(house, "request_duration_seconds_count", family="spotify") == 0


@pytest.fixture
def signed(sandbox):
    """Metrics of a program with sessions, and how to ask it."""
    swingmusic = Swingmusic(sandbox)
    responder = Responder(sandbox, {"SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder)}, workers=2).start()
    nginx = Nginx(sandbox, responder.address, sessions=True, swingmusic=swingmusic.port).start()

    class Asked:
        def ask(self, method, path, headers=None, body=b""):
            return http.request(nginx.port, method, path, headers, body)

        def admin(self, method, path):
            return self.ask(method, path, {"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return Asked()


def test_sign_ins_and_sessions_are_counted(signed):
    def login(password):
        return signed.ask("POST", "/auth/login", JSON, json.dumps({"username": "bob", "password": password}).encode())
    tokens = login("bobpw").json()
    assert login("bobpw").status == 200
    for _ in range(12):
        last = login("wrong")
    assert last.status == 429
    signed.ask("GET", "/auth/pair?code=nocode", {"Authorization": f"Bearer {tokens['accesstoken']}"})
    found = {(dict(labels)["way"], dict(labels)["result"]): value for labels, value in metrics(signed)["sign_ins_total"].items()}
    assert found["login", "ok"] == 2 and found["login", "wrong"] == 10 and found["login", "throttled"] == 2
    assert found["pair", "wrong"] == 1 and found["pair", "ok"] == 0
    assert counted(signed, "sessions") == 2 and counted(signed, "session_users") == 1
    signed.ask("GET", "/auth/logout", {"Authorization": f"Bearer {tokens['accesstoken']}"})
    assert counted(signed, "sessions") == 1


def test_workers_have_slots_which_their_successors_take(new_house):
    house = new_house("slots")

    def slots():
        return {dict(labels)["slot"] for labels in metrics(house)["worker_resident_bytes"]}
    assert slots() == {"0", "1", "2", "3"}
    before = house.responder.worker_pids()
    for pid in before[:2]:
        send_signal(pid, signal.SIGKILL)
    eventually(lambda: len(set(house.responder.worker_pids()) - set(before)) == 2, 10, what="two are replaced")
    eventually(lambda: slots() == {"0", "1", "2", "3"}, 10, what="the slots are taken again")


def test_the_breaker_of_each_worker_is_told(new_house):
    house = new_house("breaker", store=True, workers=2)
    assert {value for value in metrics(house)["store_breaker_open"].values()} == {0} and len(metrics(house)["store_breaker_open"]) == 2
    house.store.stop()
    house.fill(3)
    eventually(lambda: set(metrics(house)["store_breaker_open"].values()) == {1}, 20, what="both workers have given the store up")


def test_promtool_has_nothing_to_say_of_the_metrics(open_house):
    house = open_house("promtool", store=True)
    house.fill(2)
    done = promtool("check", "metrics", text=house.admin("GET", METRICS).body.decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_promtool_reads_rules_and_the_scrape_example(tmp_path):
    done = promtool("check", "rules", MONITORING / "alerts.yml")
    assert done.returncode == 0 and "SUCCESS: 13 rules" in done.stdout, done.stdout + done.stderr
    done = promtool("check", "config", monitoring(tmp_path, 80))
    assert done.returncode == 0, done.stdout + done.stderr


def monitoring(folder, port):
    """The scrape example beside the rules, with a token file of its own; only paths, the port and the interval are the test's."""
    text = (MONITORING / "prometheus.yml").read_text()
    token = folder / "swingmusic-fcgi.token"
    token.write_text(ADMIN_TOKEN)
    for usual, wanted in (("/etc/prometheus/swingmusic-fcgi.token", str(token)), ("127.0.0.1:80", f"127.0.0.1:{port}"),
                          ("scrape_interval: 15s", "scrape_interval: 1s")):
        assert usual in text
        text = text.replace(usual, wanted)
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(MONITORING / "alerts.yml", folder)
    return folder / "prometheus.yml"


class Prometheus:
    """A real one, on the example."""

    def __init__(self, sandbox, house):
        if not shutil.which("prometheus"):
            pytest.skip("no prometheus: apt-get install prometheus")
        self.port = free_port()
        config = monitoring(sandbox.directory("monitoring"), house.port)
        words = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={sandbox.directory('tsdb')}", f"--web.listen-address=127.0.0.1:{self.port}"]
        self.process = LoggedProcess(words, sandbox.path("prometheus.log"))
        sandbox.owns(self)
        eventually(lambda: self.value('up{job="swingmusic-fcgi"}') == 1, 60, every=0.5, what="Prometheus has the metrics")

    def query(self, expression):
        words = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{words}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {"status": "not yet"}

    def value(self, expression):
        found = self.query(expression).get("data", {}).get("result", [])
        return float(found[0]["value"][1]) if found else None

    def stop(self):
        if self.process.running:
            self.process.stop(20)


def dashboard_queries():
    board = json.loads((MONITORING / "grafana.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]


def alert_queries():
    text = (MONITORING / "alerts.yml").read_text()
    text = re.sub(r">-\n\s+(.+)\n\s+(and .+)", r"\1 \2", text)
    return re.findall(r"expr: (.+)", text)


def names_in(expression):
    return set(re.findall(r"swingmusic_fcgi_\w+", expression))


def test_every_query_names_what_the_program_exposes(open_house):
    house = open_house("promtool", store=True)
    house.fill(2)
    exposed = {f"swingmusic_fcgi_{name}" for name in metrics(house)} | {"swingmusic_fcgi_sessions", "swingmusic_fcgi_session_users"}
    queries = dashboard_queries() + alert_queries()
    assert len(dashboard_queries()) > 30 and len(alert_queries()) == 13
    for query in queries:
        assert names_in(query) <= exposed, query
        assert names_in(query) or query.startswith("up{"), query
    used = {re.sub("_(bucket|sum|count)$", "", name) for query in queries for name in names_in(query)}
    assert len(used) > 20


def test_a_real_prometheus_reads_it_by_the_example_and_carries_out_every_query(new_house):
    house = new_house("prometheus", store=True)
    paths = house.fill(5)
    prometheus = Prometheus(house.sandbox, house)
    for _ in range(4):
        house.at_once(paths)
    eventually(lambda: (prometheus.value("sum(rate(swingmusic_fcgi_answers_total[1m]))") or 0) > 0, 30, every=0.5, what="two looks")
    empty = []
    for query in dashboard_queries():
        answer = prometheus.query(query.replace("$__rate_interval", "1m"))
        assert answer["status"] == "success", (query, answer)
        if not answer["data"]["result"]:
            empty.append(query)
    # Without sessions there are none, and nothing is in trouble.
    assert {name for query in empty for name in names_in(query)} <= {
        "swingmusic_fcgi_sessions", "swingmusic_fcgi_session_users", "swingmusic_fcgi_trouble"}
    for query in alert_queries():
        answer = prometheus.query(query)
        assert answer["status"] == "success" and answer["data"]["result"] == [], (query, answer)


#: What makes each alert fire: its series, and how long it lasts (minutes).
FIRES = {
    "Down": 'up{job="swingmusic-fcgi"} 0x60',
    "NotReady": "swingmusic_fcgi_ready 0x60",
    "Trouble": 'swingmusic_fcgi_trouble{word="full-disk"} 1x60',
    "RefusedBySpotify": 'swingmusic_fcgi_trouble{word="refused-account"} 1x60',
    "NoAnswerFromSpotify": "swingmusic_fcgi_spotify_last_success_timestamp_seconds 0x120; swingmusic_fcgi_spotify_calls_total 0+1x120",
    "Cooldown": "swingmusic_fcgi_spotify_cooldown_seconds 7000x60",
    "HourSpent": "swingmusic_fcgi_spotify_calls_last_hour 1000x120; swingmusic_fcgi_spotify_calls_per_hour 1000x120",
    "Failing": 'swingmusic_fcgi_answers_total{class="5xx"} 0+10x120; swingmusic_fcgi_answers_total{class="2xx"} 0+90x120',
    "SlowHits": 'swingmusic_fcgi_request_duration_seconds_bucket{outcome="hit",le="0.1"} 0x120; '
                'swingmusic_fcgi_request_duration_seconds_bucket{outcome="hit",le="+Inf"} 0+50x120',
    "CallersLeave": 'swingmusic_fcgi_wait_seconds_count{end="left"} 0+5x120',
    "WorkersDie": 'swingmusic_fcgi_worker_uptime_seconds{slot="0"} 0 60 0 60 0 60 0 60 0 60 0 60 0 60 0 60 0 60 0 60 0 60 0 60x60',
    "StoreUnused": 'swingmusic_fcgi_store_breaker_open{slot="0"} 0x60; swingmusic_fcgi_store_breaker_open{slot="1"} 1x60',
    "Guessing": 'swingmusic_fcgi_sign_ins_total{way="login",result="wrong"} 0+20x120',
}


def quiet(series):
    """The same series of a day on which all is well: what grows stands still, what is bad is not."""
    name = series.split(" ")[0]
    good = {"up{job=\"swingmusic-fcgi\"}": 1, "swingmusic_fcgi_ready": 1, "swingmusic_fcgi_spotify_calls_per_hour": 1000}
    return f"{name} {good.get(name, 0)}x120"


@pytest.mark.parametrize("alert", FIRES)
def test_each_alert_fires_when_it_should_and_is_quiet_else(tmp_path, alert):
    name = f"SwingmusicFCGI{alert}"
    shutil.copy(MONITORING / "alerts.yml", tmp_path)
    [block] = re.findall(rf"alert: {name}\n(.*?)(?=\n\n|\Z)", (MONITORING / "alerts.yml").read_text(), re.S)
    severity = re.search(r"severity: (\w+)", block)[1]
    for is_firing in (True, False):
        # promtool compares labels and words whole; of these only that it fires is told: an empty expectation must fail where it does.
        series = FIRES[alert].split("; ")
        if not is_firing:
            series = [quiet(one) for one in series]
        lines = [f"      - series: {json.dumps(one.partition(' ')[0])}\n        values: {json.dumps(one.partition(' ')[2])}" for one in series]
        test = (f"rule_files: [alerts.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n" + "\n".join(lines)
                + f"\n    alert_rule_test:\n      - eval_time: 55m\n        alertname: {name}\n        exp_alerts: []\n")
        (tmp_path / "test.yml").write_text(test)
        done = promtool("test", "rules", tmp_path / "test.yml")
        assert (done.returncode != 0) == is_firing, f"{done.stdout}{done.stderr}"
        if is_firing:
            assert f'alertname="{name}"' in done.stdout + done.stderr and f'severity="{severity}"' in done.stdout + done.stderr
