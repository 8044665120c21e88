"""The accounts service: an app's tokens, and an account's by the authorization-code flow with PKCE, as strict as the documentation.

Sources: Web API, "Client Credentials Flow", "Authorization Code with PKCE Flow", "Refreshing tokens", "Redirect URIs"; RFC 6749 and 7636.
"""
import base64
import binascii
import hashlib
import re
import secrets
import threading
import time
from urllib.parse import parse_qs, urlencode

#: Seconds for which a code can be redeemed.
CODE_LIFE = 600

#: Seconds from the consent for which a refresh token is good, whether it was exchanged meanwhile or not: six months.
CONSENT_LIFE = 183 * 86_400

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

#: Those that the program may ask for (Web API, "Scopes").
SCOPES = {"playlist-read-private", "playlist-read-collaborative"}


class Accounts:
    """`settings` holds `client_id` and `client_secret` (None: any but an empty one), `expires_in` (seconds), `redirects` (what the app's page
    names), `agrees` (whether the owner does), `scopes` (to what; None: to what is asked), `rotates` (whether a refresh brings another refresh token) and `later` (seconds that have passed)."""

    def __init__(self, settings):
        self.settings = settings
        self.lock = threading.Lock()
        self.tokens = {}  # token: (monotonic end, user, scopes)
        self.codes = {}  # code: what it was given for
        self.consents = {}  # refresh token: (user, when, scopes)
        self.issued = 0

    @property
    def now(self):
        return time.time() + self.settings["later"]

    # The owner's browser.

    def authorize(self, query):
        """(status, headers, text) of GET /authorize."""
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if self.settings["client_id"] not in (None, given.get("client_id")) or not given.get("client_id"):
            return 400, {}, "INVALID_CLIENT: Invalid client"
        redirect = given.get("redirect_uri", "")
        if "localhost" in redirect or redirect not in self.settings["redirects"]:
            return 400, {}, "INVALID_CLIENT: Invalid redirect URI"
        if given.get("response_type") != "code":
            return 400, {}, "response_type must be code"
        if given.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(given.get("code_challenge", "")):
            return 400, {}, "code_challenge_method must be S256, with a code_challenge of 43 characters"
        back = {"state": given["state"]} if "state" in given else {}
        if not set(given.get("scope", "").split()) <= SCOPES:
            return 302, {"Location": f"{redirect}?{urlencode({'error': 'invalid_scope', **back})}"}, ""
        if not self.settings["agrees"]:
            return 302, {"Location": f"{redirect}?{urlencode({'error': 'access_denied', **back})}"}, ""
        code = "AQ" + secrets.token_urlsafe(90)
        with self.lock:
            self.codes[code] = {"client_id": given["client_id"], "redirect_uri": redirect, "challenge": given["code_challenge"], "at": self.now,
                                "scope": given.get("scope", "") if self.settings["scopes"] is None else self.settings["scopes"]}
        return 302, {"Location": f"{redirect}?{urlencode({'code': code, **back})}"}, ""

    # Tokens.

    def grant(self, headers, body):
        """(status, answer) of POST /api/token."""
        if not headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return refuse(415, "unsupported_media_type", "Content-Type must be application/x-www-form-urlencoded")
        form = {name: values[0] if len(values) == 1 else "" for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        kind = form.get("grant_type")
        if kind == "client_credentials":
            return self.grant_app(headers, form)
        if kind not in ("authorization_code", "refresh_token"):
            return refuse(400, "unsupported_grant_type", "grant_type must be client_credentials, authorization_code or refresh_token")
        if not form.get("client_id") or self.settings["client_id"] not in (None, form["client_id"]):
            return refuse(400, "invalid_client", "Invalid client")
        return self.redeem(form) if kind == "authorization_code" else self.refresh(form)

    def grant_app(self, headers, form):
        # asyncspotify sends them in the form (RFC 6749, 2.3.1).
        client = basic(headers.get("Authorization", "")) or tuple(form.get(name, "") for name in ("client_id", "client_secret"))
        if not client[0]:
            return refuse(400, "invalid_client", "Invalid client")
        wanted = self.settings["client_id"], self.settings["client_secret"]
        if wanted[0] is not None and client[0] != wanted[0]:
            return refuse(400, "invalid_client", "Invalid client")
        if not client[1] or wanted[1] is not None and client[1] != wanted[1]:
            return refuse(400, "invalid_client", "Invalid client secret")
        return self.issue(None)

    def redeem(self, form):
        with self.lock:
            code = self.codes.pop(form.get("code"), None)  # once, whatever comes of it
        if code is None or self.now > code["at"] + CODE_LIFE or code["client_id"] != form["client_id"]:
            return refuse(400, "invalid_grant", "Invalid authorization code")
        if form.get("redirect_uri") != code["redirect_uri"]:
            return refuse(400, "invalid_grant", "Invalid redirect URI")
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not VERIFIER.fullmatch(verifier) or challenge != code["challenge"]:
            return refuse(400, "invalid_grant", "code_verifier was incorrect")
        return self.issue(self.settings["owner"], consent=self.now, scope=code["scope"])

    def refresh(self, form):
        token, rotates = form.get("refresh_token"), self.settings["rotates"]
        with self.lock:
            user, consent, scope = self.consents.get(token, (None, 0, ""))
            if rotates:
                self.consents.pop(token, None)
        if user is None:
            return refuse(400, "invalid_grant", "Invalid refresh token")
        if self.now > consent + CONSENT_LIFE:
            return refuse(400, "invalid_grant", "Refresh token expired")
        # A new one lasts no longer.
        return self.issue(user, consent=consent if rotates else None, scope=scope)

    def issue(self, user, consent=None, scope=""):
        token = "BQ" + secrets.token_urlsafe(60)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.settings["expires_in"]}
        with self.lock:
            self.issued += 1
            self.tokens[token] = time.monotonic() + self.settings["expires_in"], user, frozenset(scope.split())
            if user is not None:
                answer["scope"] = scope
            if consent is not None:
                answer["refresh_token"] = "AQ" + secrets.token_urlsafe(90)
                self.consents[answer["refresh_token"]] = user, consent, scope
        return 200, answer

    # The Web API.

    def complaint(self, authorization):
        """(status, message) about an Authorization header of the API, None when its token is good."""
        if not authorization:
            return 401, "No token provided"
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer" or not token:
            return 400, "Only valid bearer authentication supported"
        with self.lock:
            end, _, _ = self.tokens.get(token, (None, None, None))
        if end is None:
            return 401, "Invalid access token"
        return (401, "The access token expired") if end <= time.monotonic() else None

    def holder(self, authorization):
        """Whose account a good token is, None for an app's, and what it was consented to."""
        with self.lock:
            return self.tokens.get(authorization.partition(" ")[2], (None, None, frozenset()))[1:]

    def revoke(self):
        """Every token given out so far has expired."""
        with self.lock:
            self.tokens = {token: (0, *holder) for token, (_, *holder) in self.tokens.items()}

    def revoke_accounts(self):
        """Those that are an account's have."""
        with self.lock:
            self.tokens = {token: (end if user is None else 0, user, scopes) for token, (end, user, scopes) in self.tokens.items()}

    def withdraw(self):
        """The owner takes the consent back, at Spotify."""
        with self.lock:
            self.consents = {}
        self.revoke_accounts()


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
