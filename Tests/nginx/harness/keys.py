"""Client keys and the tokens that they are given."""

import base64

from .responder import ADMIN_TOKEN

FORM = "application/x-www-form-urlencoded"
GRANT = b"grant_type=client_credentials"


def made_key(household, name):
    """The id and secret of a key that the administrator makes."""
    answer = household.ask("POST", "/swingmusic-fcgi/keys", bearer=ADMIN_TOKEN, body={"name": name})
    assert answer.status == 201, answer
    return answer.json()["id"], answer.json()["secret"]


def basic(key, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()}


def asked(household, key, secret, body=GRANT, path="/spotify/api/token"):
    """The answer to a client that asks for a token."""
    return household.ask("POST", path, headers={"Content-Type": FORM, **basic(key, secret)}, body=body)


def token_of(household, key, secret):
    answer = asked(household, key, secret)
    assert answer.status == 200, answer
    return answer.json()["access_token"]
