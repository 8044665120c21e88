"""swingmusic's own folder with users who can sign in, and a token of one of them."""

import base64
import hashlib
import hmac
import json
import sqlite3
import time
import uuid

SERVER_ID = hashlib.sha256(b"the benchmark's server").hexdigest()
PASSWORD = "a password of the benchmark"


def make_folder(folder, users=50):
    """Makes swingmusic.db and settings.json in a folder; user n is called user-n, and user-0 is an admin."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"serverId": SERVER_ID, "legacy_serverId": "", "usersOnLogin": True}
    (folder / "settings.json").write_text(json.dumps(settings))
    hashed = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SERVER_ID.encode(), 100_000).hex()
    database = sqlite3.connect(folder / "swingmusic.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE user (id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL, "
                     "roles JSON NOT NULL, extra JSON, PRIMARY KEY (id))")
    database.execute("CREATE INDEX ix_user_username ON user (username)")
    database.executemany("INSERT INTO user VALUES (?, NULL, ?, ?, ?, NULL)",
                         [(n + 1, hashed, f"user-{n}", '["admin"]' if n == 0 else "[]") for n in range(users)])
    database.commit()
    database.close()
    return folder


def token(user=0):
    """An access token as swingmusic makes it: HS256 under the text of the server id, 30 days."""
    now = int(time.time())
    subject = {"id": user + 1, "image": None, "username": f"user-{user}", "roles": ["admin"] if user == 0 else [], "extra": None}
    claims = {"fresh": False, "iat": now, "jti": str(uuid.uuid4()), "type": "access", "sub": subject, "nbf": now, "exp": now + 2592000}
    signed = f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(claims)}"
    signature = hmac.new(SERVER_ID.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()
