"""swingmusic's redirects, and nginx's own, lead to where they should by every port and scheme."""

import socket
import ssl
import subprocess

import pytest

from harness import http
from harness.nginx import Nginx
from harness.sandbox import free_port
from house import credentials


def test_the_home_pages_redirect_leads_to_the_home_page(real):
    answer = real.get("/nothome?limit=9", real.tokens["user0"])
    assert (answer.status, answer.headers["location"]) == (308, "/nothome/?limit=9")
    assert real.get(answer.headers["location"], real.tokens["user0"]).status == 200


@pytest.mark.parametrize("host", ["music.example", "MUSIC.example:8080", "music.example:443", "[::1]:8080"])
def test_a_redirect_names_no_host_whatever_host_was_asked_for(real, host):
    answer = real.get("/nothome?limit=9", real.tokens["user0"], headers={"Host": host})
    assert answer.headers["location"] == "/nothome/?limit=9"


@pytest.mark.parametrize("path", ["/auth", "/spotify/v1", "/api/catalog", "/cache", "/dragonfly", "/swingmusic-fcgi"])
def test_nginxs_own_redirects_name_no_host_either(real, path):
    answer = real.get(path, real.tokens["admin"])
    assert (answer.status, answer.headers["location"]) == (301, f"{path}/")


def test_behind_tls_the_redirect_leads_to_the_home_page(real, sandbox):
    key, certificate = sandbox.path("key.pem"), sandbox.path("certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                    "-days", "2", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    Nginx(sandbox, real.responder.address, swingmusic=real.swingmusic.port, guarded=True, server=[
        f"listen 127.0.0.1:{port} ssl;", f"ssl_certificate {certificate};", f"ssl_certificate_key {key};"]).start()
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10)) as connection:
        connection.sendall(http.encode("GET", "/nothome?limit=9", credentials(real.tokens["user0"]), b"", f"localhost:{port}"))
        head = connection.recv(65_536)
    assert head.startswith(b"HTTP/1.1 308 ") and b"\r\nlocation: /nothome/?limit=9\r\n" in head.lower()
