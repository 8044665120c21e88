"""Ports and host names agree, and what is published is nginx alone."""

import re

from . import nginxfile

#: nginx itself, which takes songs from swingmusic in pieces.
SONGS = "http://swingmusic_songs"


def of_nginx(it):
    listens = [words[0] for words in nginxfile.public(it.nginx_in_compose)]
    published = [text.rpartition(":")[2] for text in it.service("nginx").get("ports", [])]
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)/", " ".join(it.service("nginx")["healthcheck"]["test"]))
    if not listens == published == asked:
        yield f"nginx listens on {listens}, {published} are published, its health check asks {asked}"
    for words in nginxfile.every(it.nginx_in_compose, "listen"):
        if words[0] not in listens and not words[0].startswith("127.0.0.1:"):
            yield f"songs are taken in pieces on {words[0]}, which others may reach"
    for name, service in it.compose["services"].items():
        if name != "nginx" and (service.get("ports") or service.get("network_mode") == "host"):
            yield f"{name} is published"


def of_the_example_server(it):
    """scripts/run puts its own port in the place of this one, and swingmusic's address in the place of that."""
    listen = nginxfile.public(it.nginx("site"))[0][0]
    script = it.text("scripts/run").replace("\\", "")
    if f"s|{listen}|" not in script or f"port=${{PORT:-{listen.rpartition(':')[2]}}}" not in script:
        yield f"scripts/run does not replace {listen}"
    passed = {words[0] for words in nginxfile.every(it.nginx("site"), "proxy_pass")} - {SONGS}
    own = {words[0] for words in nginxfile.every(it.nginx("site"), "listen")} - {listen}
    if any(f"s|{address}|" not in script for address in own):
        yield f"scripts/run does not replace {own}"
    if any(f"s|{address}|" not in script for address in passed):
        yield f"scripts/run does not replace {passed}"
    if f"s|unix:{it.program.text_default('listen')}|" not in script:
        yield "scripts/run does not replace the socket"
    if not it.example["HTTP_ADDRESS"][0] == listen:
        yield f".env.example publishes {it.example['HTTP_ADDRESS'][0]}, the example server listens on {listen}"


def of_swingmusic(it):
    host, _, port = dict(words for words in nginxfile.every(it.nginx_in_compose, "set"))["$swingmusic"].partition(":")
    usual = next(words[0] for words in nginxfile.every(it.nginx("site"), "proxy_pass") if words[0] != SONGS).rpartition(":")[2]
    asked = re.findall(r"/dev/tcp/127\.0\.0\.1/(\d+)", " ".join(it.service("swingmusic")["healthcheck"]["test"]))
    if not [port] == [usual] == asked:
        yield f"swingmusic is asked on {port}, on {usual} and by its health check on {asked}"
    if host not in it.compose["services"]:
        yield f"nginx asks for {host}, which is no service"
    for words in nginxfile.every(it.nginx_in_compose, "proxy_pass"):
        if words not in (["http://$swingmusic"], [SONGS]):
            yield f"nginx passes to {words[0]}"
    if nginxfile.every(it.nginx_in_compose, "resolver")[0][0] != "127.0.0.11":
        yield "Docker's resolver is 127.0.0.11"


def of_dragonfly(it):
    host = it.environment("swingmusic-fcgi").get("DRAGONFLYDB_HOST")
    service = it.compose["services"].get(host)
    if service is None:
        yield f"DRAGONFLYDB_HOST is {host}, which is no service"
        return
    flags = dict(word[2:].partition("=")[::2] for word in service["command"][1:])
    asked = it.environment("swingmusic-fcgi").get("DRAGONFLYDB_PORT", it.program.number_default("dragonflyPort"))
    if not flags.get("port") == str(asked) == str(it.environment(host).get("HEALTHCHECK_PORT")):
        yield f"dragonfly listens on {flags.get('port')}, is asked on {asked} and checked on {it.environment(host).get('HEALTHCHECK_PORT')}"
    network = set(service.get("networks", [])) & set(it.service("swingmusic-fcgi").get("networks", []))
    if not network or not all(it.compose["networks"].get(name, {}).get("internal") for name in service["networks"]):
        yield "dragonfly and swingmusic-fcgi share no network that is internal"
    if "default" not in it.service("swingmusic-fcgi").get("networks", ["default"]):
        yield "swingmusic-fcgi has no way out to Spotify"


CHECKS = [of_nginx, of_the_example_server, of_swingmusic, of_dragonfly]
