"""A stand-in for the extended version of swingmusic: what it has below /auth/ and /setup/ besides, as far as it matters to those before it."""

import json

from .swingmusic import Swingmusic, password_hash


class Extended(Swingmusic):
    """`passwords/change`, invitations and first steps change the database as theirs would. Nothing is checked here but an invitation."""

    INVITATION = "an-invitation-3f9c"

    def carry_out(self, method, path, body):
        name = path.partition("?")[0]
        if name.startswith("/auth/profile/"):
            return super().carry_out(method, path, body)
        if name == "/unwilling/":
            return 403, b'{"msg":"swingmusic\'s own"}'
        if (method, name) == ("POST", "/auth/bootstrap/owner"):
            return self._change(self._make, json.loads(body), ["admin"])
        if (method, name) == ("POST", "/auth/invite/accept"):
            form = json.loads(body)
            if form.get("code") != self.INVITATION:
                return 403, b'{"msg":"no such invitation"}'
            return self._change(self._make, form, [])
        if (method, name) == ("POST", "/auth/password/change"):
            return self._change(self._set_password, json.loads(body))
        return 200, path.encode()

    def _change(self, change, *more):
        connection = self.database()
        with connection:
            answer = change(connection, *more)
        connection.close()
        return 200, json.dumps(answer).encode()

    def _make(self, db, form, roles):
        self.insert(db, form["username"], form["password"], roles)
        return self.user(db, "username", form["username"])

    def _set_password(self, db, form):
        user = self.user_of(self.requests[-1])
        db.execute("UPDATE user SET password = ? WHERE id = ?", (password_hash(form["password"]), user))
        return {"msg": "Password changed"}
