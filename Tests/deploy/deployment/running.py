"""Health, order of starting, restarts, and rooms large enough for what the settings allow."""

import re

from . import nginxfile

#: Ends by itself.
ONCE = {"prepare"}
#: Its image brings one (its Dockerfile's HEALTHCHECK; HEALTHCHECK_PORT is for it).
CHECKED_BY_ITS_IMAGE = {"dragonfly"}
#: Not ours to say where it writes.
WRITABLE_ROOT = {"swingmusic"}


def of_health(it):
    for name, service in it.compose["services"].items():
        checked = "healthcheck" in service or name in CHECKED_BY_ITS_IMAGE or ("build" in service and it.run_stage.health_command())
        if name not in ONCE and not checked:
            yield f"{name} has no health check"
        for other, how in service.get("depends_on", {}).items():
            if other not in it.compose["services"]:
                yield f"{name} waits for {other}, which is no service"
            elif (how["condition"] == "service_completed_successfully") != (other in ONCE):
                yield f"{name} waits for {other} to be {how['condition']}"
    if it.service("nginx")["depends_on"].get("swingmusic-fcgi", {}).get("condition") != "service_healthy":
        yield "nginx does not wait until swingmusic-fcgi is well"
    for name in ("swingmusic", "swingmusic-fcgi"):
        if "prepare" not in it.service(name)["depends_on"]:
            yield f"{name} does not wait for its folders"


def of_logs(it):
    """An engine keeps a container's log for ever unless it is told otherwise."""
    for name, service in it.compose["services"].items():
        logging = service.get("logging", {})
        size, files = (logging.get("options", {}).get(option, "") for option in ("max-size", "max-file"))
        if logging.get("driver") != "json-file" or not re.fullmatch(r"\d+[km]", size) or not re.fullmatch(r"\d+", files):
            yield f"{name}: logs may fill the disk: {logging}"


def of_the_least_version(it):
    """`name` came with Compose 2.3.0 (compose-go 1.1.0), the newest of what the file uses."""
    named = {"docker-compose.yml": re.search(r"Needs Compose ([\d.]+)", it.text("docker-compose.yml")),
             "docs/operating.md": re.search(r"Compose ([\d.]+) or newer", it.text("docs/operating.md")),
             "README.md": re.search(r"Compose ([\d.]+) or newer", it.text("README.md"))}
    for place, found in named.items():
        if not found or found[1] != "2.3.0":
            yield f"{place} does not say that Compose 2.3.0 is needed"


def of_restarts(it):
    for name, service in it.compose["services"].items():
        if (service.get("restart") == "unless-stopped") == (name in ONCE):
            yield f"{name}: restart is {service.get('restart')}"
    patience = {"docker-compose.yml": it.service("swingmusic-fcgi")["stop_grace_period"],
                "the service unit": it.service_unit.value("TimeoutStopSec")}
    for place, text in patience.items():
        if nginxfile.seconds(text) <= 10:
            yield f"{place} does not give serve the 10 s that it may take to end"


def of_roots(it):
    for name, service in it.compose["services"].items():
        if bool(service.get("read_only")) == (name in WRITABLE_ROOT):
            yield f"{name}: read_only is {service.get('read_only')}"
        if name not in ONCE and (service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"]):
            yield f"{name} keeps capabilities or may gain some"


def of_connections(it):
    """A parked caller holds two of nginx's connections, and one worker may have to hold them all."""
    nginx = it.nginx_in_compose
    queue = it.program.number_default("queueLimit")
    connections = int(nginxfile.every(nginx, "worker_connections")[0][0])
    descriptors = int(nginxfile.every(nginx, "worker_rlimit_nofile")[0][0])
    a_client, *repeated = [int(words[1]) for words in nginxfile.every(nginx, "limit_conn") if words[0] == "swingmusic_address"]
    if connections < 2 * queue + 1000:
        yield f"worker_connections {connections} is too little for {queue} parked callers and others"
    if not queue < a_client < connections / 2:
        yield f"limit_conn {a_client} is not between the queue's {queue} and half of {connections}"
    if any(each != a_client for each in repeated):
        yield f"limit_conn of an address is {a_client} in nginx.conf and {repeated} in locations"
    if descriptors < 2 * connections or it.service("nginx")["ulimits"]["nofile"] < descriptors:
        yield f"worker_rlimit_nofile {descriptors} is too little for {connections} connections, or more than Compose allows"
    if it.service("swingmusic-fcgi")["ulimits"]["nofile"] < 4 * queue or int(it.service_unit.value("LimitNOFILE")) < 4 * queue:
        yield "swingmusic-fcgi may open too few descriptors for its parked callers"
    zones = {words[1].partition("=")[2].partition(":")[0] for words in nginxfile.every(nginx, "limit_conn_zone")}
    named = {words[0] for words in nginxfile.every(nginx, "limit_conn") + nginxfile.every(it.nginx("site"), "limit_conn")}
    if named != zones:
        yield f"limit_conn names {named ^ zones}, or does not"
    for text in [words[1] for words in nginxfile.public(nginx)] + [f"backlog={it.socket_unit.value('Backlog')}"]:
        if text != "backlog=4096":
            yield f"{text} of 4096"


def of_times(it):
    wait = it.program.seconds_default("missWait")
    for words in nginxfile.every(it.nginx_in_compose, "fastcgi_read_timeout"):
        if nginxfile.seconds(words[0]) < wait + 10:
            yield f"fastcgi_read_timeout {words[0]} ends before a caller has waited {wait} s and been answered"
    for name, service in it.compose["services"].items():
        health = service.get("healthcheck")
        if health and nginxfile.seconds(health["timeout"]) > nginxfile.seconds(health["interval"]):
            yield f"{name}'s health check may take longer than the time between two"


def of_dragonflys_memory(it):
    """It needs 256 MiB a thread to start, and refuses writes when it holds a quarter more than maxmemory."""
    service = it.service("dragonfly")
    flags = dict(word[2:].partition("=")[::2] for word in service["command"][1:])
    memory = re.fullmatch(r"(\d+)mb", flags.get("maxmemory", ""))
    if flags.get("proactor_threads") != "1" or not memory or int(memory[1]) < 256:
        yield f"dragonfly does not start with {flags.get('maxmemory')} and {flags.get('proactor_threads')} threads"
    elif int(service["mem_limit"].rstrip("m")) < 1.5 * int(memory[1]):
        yield "mem_limit ends dragonfly before it has used its maxmemory"
    if flags.get("dbfilename", "dump") != "" or flags.get("cache_mode") != "true" or "logtostderr" not in flags:
        yield "dragonfly saves snapshots, refuses writes when full, or logs to files"
    if service["ulimits"]["memlock"] != -1 or "/data" not in service["tmpfs"]:
        yield "dragonfly may not lock memory or has no folder to start in"


CHECKS = [of_health, of_logs, of_the_least_version, of_restarts, of_roots, of_connections, of_times, of_dragonflys_memory]
