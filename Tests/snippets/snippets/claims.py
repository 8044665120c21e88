"""Which way tries which snippet."""

import functools
from dataclasses import dataclass, field

from harness.sandbox import REPOSITORY

from . import homes, ways
from .markdown import is_picture, snippets

DOCUMENTS = [str(path.relative_to(REPOSITORY)) for folder in ("", "docs") for path in sorted((REPOSITORY / folder).glob("*.md"))]


@dataclass
class Claim:
    way: object
    #: Words that a reader puts in another's place, and why no test can miss them.
    free: dict = field(default_factory=dict)
    #: Why it is not run, where it is not.
    not_run: str = ""


#: (document, heading, how manieth block under it).
CLAIMS = {
    ("README.md", "Try it", 1): Claim(ways.runs_the_script),
    ("README.md", "Try it", 2): Claim(ways.curl(ways.head_and(200, id="11dFghVXANMlKmJXsNCbNl"))),
    ("README.md", "Try it", 3): Claim(ways.names_a_script, not_run="this test is part of what it runs"),
    ("README.md", "What it is good for", 1): Claim(
        ways.curl(
            ways.answer(200, tracks__limit=5, artists__limit=5, tracks__items=list),
            ways.answer(200, followers=int, albums=list),
            ways.answer(200, accesstoken=str),
            ways.answer(200, sessions=list),
            ways.head_and(204),
            ways.answer(200),
            ways.answer(200, version=str),
            ways.answer(200, openapi=str)),
        free={"carly": "what is searched for", "rae": "what is searched for"}),
    ("README.md", "With your own nginx", 1): Claim(ways.installs),
    ("README.md", "With your own nginx", 2): Claim(ways.copies_for_nginx),
    ("README.md", "With your own nginx", 3): Claim(ways.whole_server),
    ("README.md", "With your own nginx", 4): Claim(ways.makes_nginx_read_it),
    ("README.md", "With Docker", 1): Claim(ways.starts_compose),
    ("CONTRIBUTING.md", "Build and test", 1): Claim(ways.names_a_script, not_run="this test is part of what it runs"),
    ("CONTRIBUTING.md", "Build and test", 2): Claim(ways.builds_and_tests, not_run="this test is part of what it runs"),
    ("CONTRIBUTING.md", "Benchmark", 1): Claim(ways.names_a_script, not_run="it measures, and wants a machine of its own"),
    ("docs/failures.md", "swingmusic's web client by hand", 1): Claim(ways.brings_the_client),
    ("docs/homes.md", "swingmusic in Docker, nginx and this program on the host", 1): Claim(
        homes.runs_swingmusic, not_run="there is no engine: its words are held against docker-compose.yml"),
    ("docs/homes.md", "swingmusic in Docker, nginx and this program on the host", 2): Claim(homes.sets(SWINGMUSIC_CONFIG_DIR="/srv/swingmusic")),
    ("docs/homes.md", "swingmusic in Docker, nginx and this program on the host", 3): Claim(homes.drops_in),
    ("docs/homes.md", "swingmusic in Docker, nginx and this program on the host", 4): Claim(
        homes.on_the_host(["var/lib/swingmusic-fcgi"], systemctl=[["restart", "swingmusic-fcgi"]]),
        free={"1000": "the reader's user", "1000:1000": "the reader's user"}),
    ("docs/homes.md", "Adding this to a Compose file that is there", 1): Claim(homes.joins_compose, not_run="there is no engine"),
    ("docs/homes.md", "Another proxy in front", 1): Claim(ways.within_site_server, free={"127.0.0.1": "the reader's proxy"}),
    ("docs/homes.md", "Another proxy in front", 2): Claim(homes.sets(SWINGMUSIC_FCGI_PUBLIC_URL="https://music.example.org")),
    ("docs/homes.md", "Another proxy in front", 3): Claim(ways.each_runs, free={"127.0.0.1": "what browsers open", "8080": "what browsers open"}),
    ("docs/homes.md", "Caddy", 1): Claim(homes.behind_caddy),
    ("docs/homes.md", "nginx Proxy Manager", 1): Claim(homes.advanced_of_a_proxy_host),
    ("docs/homes.md", "SWAG", 1): Claim(homes.swags_file, free={"music.": "the reader's subdomain"}),
    ("docs/homes.md", "Traefik", 1): Claim(homes.traefiks_labels, not_run="no Traefik could be had"),
    ("docs/homes.md", "HTTPS in nginx itself", 1): Claim(homes.with_a_certificate),
    ("docs/homes.md", "HTTPS in nginx itself", 2): Claim(homes.sends_on_to_https),
    ("docs/homes.md", "Below a path of another site", 1): Claim(homes.below_a_path),
    ("docs/installing.md", "The package", 1): Claim(homes.apt("install", "./swingmusic-fcgi_*.deb"), not_run="Tests/deploy/test_package.py installs it"),
    ("docs/installing.md", "The package", 2): Claim(homes.sets(
        SPOTIFY_CLIENT_ID="0123456789abcdef0123456789abcdef", SPOTIFY_CLIENT_SECRET="fedcba98fedcba98fedcba98fedcba98")),
    ("docs/installing.md", "The package", 3): Claim(homes.on_the_host(systemctl=[["restart", "swingmusic-fcgi"]])),
    ("docs/installing.md", "The tarball", 1): Claim(homes.unpacks),
    ("docs/installing.md", "Moving to another host", 1): Claim(homes.moves),
    ("docs/installing.md", "Uninstalling", 1): Claim(homes.apt("purge", "swingmusic-fcgi"), not_run="Tests/deploy/test_package.py purges it"),
    ("docs/installing.md", "Removing a person", 1): Claim(homes.forgets, not_run="the stack's users are others' too"),
    ("docs/nginx.md", "An extended version of swingmusic", 1): Claim(ways.opens_first_steps),
    ("docs/nginx.md", "When a part is away", 1): Claim(ways.puts_swingmusic_back),
    ("docs/nginx.md", "How much one address may take", 1): Claim(ways.within_server),
    ("docs/nginx.md", "How much one address may take", 2): Claim(ways.within_site_server),
    ("docs/operating.md", "Under systemd", 1): Claim(ways.installs_units),
    ("docs/operating.md", "Under Docker", 1): Claim(ways.starts_compose),
    ("docs/operating.md", "Under Docker", 2): Claim(ways.takes_backups_out),
    ("docs/operating.md", "Under Docker", 3): Claim(ways.upgrades),
    ("docs/operating.md", "With a folder of swingmusic's that is there already", 1): Claim(
        ways.sets_env, free={"srv": "a folder of the reader's", "music": "a folder of the reader's"}),
    ("docs/operating.md", "The log", 1): Claim(ways.log_line),
    ("docs/operating.md", "Which settings a command takes", 1): Claim(ways.each_runs),
    ("docs/operating.md", "Is it well?", 1): Claim(ways.transcript),
    ("docs/operating.md", "Is it well?", 2): Claim(ways.curl(ways.answer(200, warnings=list), ways.answer(200, details=list))),
    ("docs/operating.md", "Is it well?", 3): Claim(ways.curl(ways.text_with(200, r"(?m)^# TYPE swingmusic_fcgi_\w+ counter$"))),
    ("docs/operating.md", "Is it well?", 4): Claim(ways.curl(ways.answer(200, version=str))),
    ("docs/operating.md", "What the routes are", 1): Claim(
        ways.curl(ways.file_with(200, "swingmusic-fcgi.json", r'^\{"openapi":"3\.1'))),
    ("docs/performance.md", "The command", 1): Claim(ways.names_a_script, not_run="it measures, and wants a machine of its own"),
    ("docs/webservers.md", "lighttpd", 1): Claim(ways.web_server("lighttpd")),
    ("docs/webservers.md", "Apache", 1): Claim(
        ways.web_server("Apache"), free={"localhost": "nobody is asked under that name", "16380": "Apache reads as far as there are digits"}),
    ("docs/webservers.md", "Caddy", 1): Claim(ways.web_server("Caddy")),
    ("docs/sessions.md", "Guarding what swingmusic serves", 1): Claim(ways.guarded_location),
    ("docs/sessions.md", "On several hosts", 1): Claim(homes.sets(
        SWINGMUSIC_FCGI_LISTEN="/run/swingmusic-fcgi/fcgi.sock,10.0.0.1:9000", SWINGMUSIC_FCGI_PEERS="10.0.0.2")),
    ("docs/sessions.md", "On several hosts", 2): Claim(homes.sets(SWINGMUSIC_FCGI_METADATA_AUTH="nginx")),
}


@functools.lru_cache(None)
def all_snippets():
    """Every block of code of the documents; drawings are not among them."""
    found = [each for name in DOCUMENTS for each in snippets(name, (REPOSITORY / name).read_text())]
    return [each for each in found if not is_picture(each.text)]
