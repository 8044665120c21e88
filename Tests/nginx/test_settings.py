"""Settings that do not parse end the start; `_FILE` variants are read."""

import json

import pytest

from harness.house import ADMIN, track
from harness.process import event_threads
from harness.responder import ADMIN_TOKEN, CLIENT_SECRET, Responder
from harness.waiting import eventually

BAD = {
    "SPOTIFY_MIN_INTERVAL": ["2", "soon", "-2s", "2 s"],
    "SPOTIFY_CALLS_PER_HOUR": ["many", "-1", "1.5"],
    "SPOTIFY_TIMEOUT": ["10"],
    "SPOTIFY_MARKET": ["Sweden", "s"],
    "SPOTIFY_CACHE_TTL": ["12"],
    "SPOTIFY_API_URL": ["not a url"],
    "SPOTIFY_FILL_REMOVED_FIELDS": ["maybe"],
    "SWINGMUSIC_FCGI_WORKERS": ["none", "-1", "0"],
    "SWINGMUSIC_FCGI_THREADS": ["0"],
    "SWINGMUSIC_FCGI_MISS_WAIT": ["forever"],
    "SWINGMUSIC_FCGI_QUEUE_LIMIT": ["x"],
    "SWINGMUSIC_FCGI_SOCKET_MODE": ["rw", "999"],
    "SWINGMUSIC_FCGI_LOG_LEVEL": ["loud"],
    "SWINGMUSIC_FCGI_LOG_FORMAT": ["xml"],
    "SWINGMUSIC_FCGI_METADATA_AUTH": ["maybe"],
    "SWINGMUSIC_FCGI_REGISTRATION": ["maybe"],
    "SWINGMUSIC_FCGI_ADOPT_TOKENS": ["always", "SAFE"],
    "SWINGMUSIC_FCGI_PUBLIC_URL": ["not a url"],
    "SWINGMUSIC_FCGI_CORS_ORIGINS": ["music.example", "https://a.example,*", "https://*.example"],
    "SWINGMUSIC_FCGI_LISTEN": ["nowhere", "127.0.0.1:port"],
    "DRAGONFLYDB_PORT": ["port", "70000"],
    "DRAGONFLYDB_DB": ["x"],
    "DRAGONFLYDB_TIMEOUT": ["250"],
}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD.items() for value in values])
def test_a_setting_that_does_not_parse_ends_the_start_with_one_line_that_names_it(sandbox, name, value):
    responder = Responder(sandbox, {"DRAGONFLYDB_HOST": "127.0.0.1", name: value}, workers=1)
    responder.settings[name] = value
    process = responder.launch()
    assert process.wait(10) == 78
    lines = [line for line in process.text().splitlines() if line.strip()]
    assert len(lines) == 1 and name in lines[0], lines


@pytest.mark.parametrize("name", ["SPOTIFY_CLIENT_SECRET_FILE", "SWINGMUSIC_FCGI_ADMIN_TOKEN_FILE", "DRAGONFLYDB_PASSWORD_FILE"])
def test_a_secret_file_that_cannot_be_read_ends_the_start_as_well(sandbox, name):
    responder = Responder(sandbox, {name: str(sandbox.path("is-not-there")), name.removesuffix("_FILE"): None,
                                    "SPOTIFY_CLIENT_ID": "x", "DRAGONFLYDB_HOST": "127.0.0.1",
                                    **({} if name.startswith("SPOTIFY") else {"SPOTIFY_CLIENT_SECRET": "y"})}, workers=1)
    process = responder.launch()
    assert process.wait(10) == 78
    lines = [line for line in process.text().splitlines() if line.strip()]
    assert len(lines) == 1 and name in lines[0], lines


def test_secrets_are_read_from_files(new_house):
    house = new_house("files", workers=1, start=False)
    house.standin.control("token", {"client_secret": CLIENT_SECRET})
    files = {"SPOTIFY_CLIENT_SECRET": CLIENT_SECRET, "SWINGMUSIC_FCGI_ADMIN_TOKEN": ADMIN_TOKEN}
    for name, secret in files.items():
        path = house.sandbox.path(f"secret-{name}")
        path.write_text(secret + "\n")
        house.responder.settings.update({name: None, f"{name}_FILE": str(path)})
    house.responder.start()
    assert house.get(track("files")).status == 200
    assert house.request("GET", "/cache/temp/x", ADMIN).status == 404


def test_a_json_log_is_one_object_a_line(new_house):
    house = new_house("json", workers=2, SWINGMUSIC_FCGI_LOG_FORMAT="json", SWINGMUSIC_FCGI_LOG_LEVEL="debug")
    house.fill()
    house.responder.stop()
    lines = house.responder.log().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)


def test_the_number_of_workers_and_threads_is_as_asked_for(new_house):
    house = new_house("threads", workers=3, SWINGMUSIC_FCGI_THREADS="2")
    assert len(house.responder.worker_pids()) == 3
    for pid in house.responder.worker_pids():
        eventually(lambda: event_threads(pid) == (1, 1, 0), 5, what="one event thread waits on epoll and one for its turn to")


def test_the_market_is_sent_with_every_call(new_house):
    house = new_house("market", workers=1, SPOTIFY_MARKET="SE")
    house.fill()
    assert [call["query"] for call in house.standin.calls("tracks")] == ["market=SE"]
