"""The accounts service: client-credentials tokens, given out and checked."""
import base64
import binascii
import secrets
import threading
import time
from urllib.parse import parse_qs


class Accounts:
    """`settings` holds `client_id` and `client_secret` (None: any but an empty one) and `expires_in` (seconds)."""

    def __init__(self, settings):
        self.settings = settings
        self.lock = threading.Lock()
        self.tokens = {}  # token: monotonic end
        self.issued = 0

    def grant(self, headers, body):
        """(status, answer) of POST /api/token."""
        if not headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return refuse(415, "unsupported_media_type", "Content-Type must be application/x-www-form-urlencoded")
        form = parse_qs(body.decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return refuse(400, "unsupported_grant_type", "grant_type must be client_credentials")
        # asyncspotify sends them in the form (RFC 6749, 2.3.1).
        client = basic(headers.get("Authorization", "")) or tuple(form.get(name, [""])[0] for name in ("client_id", "client_secret"))
        if not client[0]:
            return refuse(400, "invalid_client", "Invalid client")
        wanted = self.settings["client_id"], self.settings["client_secret"]
        if wanted[0] is not None and client[0] != wanted[0]:
            return refuse(400, "invalid_client", "Invalid client")
        if not client[1] or wanted[1] is not None and client[1] != wanted[1]:
            return refuse(400, "invalid_client", "Invalid client secret")
        token = "BQ" + secrets.token_urlsafe(60)
        with self.lock:
            self.issued += 1
            self.tokens[token] = time.monotonic() + self.settings["expires_in"]
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.settings["expires_in"]}

    def complaint(self, authorization):
        """(status, message) about an Authorization header of the API, None when its token is good."""
        if not authorization:
            return 401, "No token provided"
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return 400, "Only valid bearer authentication supported"
        with self.lock:
            end = self.tokens.get(token)
        if end is None:
            return 401, "Invalid access token"
        return (401, "The access token expired") if end <= time.monotonic() else None

    def revoke(self):
        """Every token given out so far has expired."""
        with self.lock:
            self.tokens = dict.fromkeys(self.tokens, 0)


def basic(authorization):
    """(id, secret) of a Basic header, None when it is not one."""
    kind, _, coded = authorization.partition(" ")
    try:
        text = base64.b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, secret = text.partition(":")
    return (name, secret) if kind == "Basic" and colon else None


def refuse(status, code, text):
    return status, {"error": code, "error_description": text}
