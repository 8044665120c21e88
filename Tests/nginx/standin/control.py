"""The /control/ interface, by which a test steers the stand-in. spotify.py lists it."""
import data
import ids
import spoken

SETTINGS = {"mode": "development", "gone": set(), "playlist_limit": 100, "latency_ms": 0, "premium": True, "client_id": None, "client_secret": None,
            "expires_in": 3600, "user": None, "window": None, "redirects": [], "agrees": True, "rotates": False, "later": 0, "owner": "user7", "scopes": None,
            "kept": set(), "linked": False}


class Control:
    def __init__(self, standin):
        self.standin = standin

    def answer(self, method, name, query, given):
        """(status, object) for /control/name; `given` is the body, decoded."""
        verb = getattr(self, f"{method.lower()}_{name}", None)
        if verb is None:
            return 404, {"error": f"no {method} /control/{name}"}
        try:
            return 200, verb(query, given)
        except (KeyError, ValueError, TypeError) as wrong:
            return 400, {"error": f"{type(wrong).__name__}: {wrong}"}

    def get_calls(self, query, given):
        return {"calls": self.standin.calls.since(int(query.get("since", 0)), query.get("on", "api"))}

    def get_figures(self, query, given):
        calls = self.standin.calls.since(0, "all")
        return {"calls": sum(call["on"] == "api" for call in calls), "token_requests": sum(call["on"] == "token" for call in calls),
                "tokens_issued": self.standin.accounts.issued, "connections_open": len(self.standin.connections),
                "connections_accepted": self.standin.accepted, "revision": self.standin.world.revision,
                "mode": self.standin.settings["mode"]}

    def get_ids(self, query, given):
        kind, more_than, at_most = query.get("kind", "track"), int(query.get("more_than", -1)), int(query.get("at_most", 1000))
        size = {"artist": lambda p: len(data.discography(p.artist)), "album": lambda p: data.track_count(p.artist, p.album),
                "playlist": lambda p: data.playlist_count(p.artist), "show": lambda p: spoken.part_count("show", p.artist),
                "audiobook": lambda p: spoken.part_count("audiobook", p.artist)}.get(kind, lambda p: 0)
        found, at = [], int(query.get("start", 0))
        while len(found) < int(query.get("count", 10)):
            place = data.drawn(kind, "ids", query.get("seed", ""), at)
            at += 1
            if more_than < size(place) <= at_most and (kind != "playlist" or self.is_wanted(place.artist, query)):
                found.append(ids.canonical(place))
        return {"ids": found, "next_start": at}

    def is_wanted(self, playlist, query):
        """With or without an episode, as asked (without); and where the token is a user's, one whose items he may read."""
        user = query.get("reader", self.standin.settings["user"])
        has_episode = (data.episode_at(playlist) is not None) == (query.get("episode") == "1")
        return has_episode and (user is None or data.reads(user, playlist) != (query.get("closed") == "1"))

    def post_reset(self, query, given):
        standin = self.standin
        standin.failures.follow([])
        standin.settings.update(SETTINGS, gone=set(), kept=set(), **standin.started_with)
        standin.world.revision = 0
        standin.calls.forget()
        standin.window.forget()
        return {}

    def post_mode(self, query, given):
        if given["mode"] not in ("development", "extended"):
            raise ValueError("mode is development or extended")
        self.standin.settings["mode"] = given["mode"]
        return {"mode": given["mode"]}

    def post_fail(self, query, given):
        self.standin.failures.follow(given if isinstance(given, list) else given["rules"])
        return {}

    def post_revision(self, query, given):
        self.standin.world.revision = (given or {}).get("revision", self.standin.world.revision + 1)
        return {"revision": self.standin.world.revision}

    def post_gone(self, query, given):
        if given.get("gone", True):
            self.standin.settings["gone"] |= set(given["ids"])
        else:
            self.standin.settings["gone"] -= set(given["ids"])
        return {"gone": sorted(self.standin.settings["gone"])}

    def post_token(self, query, given):
        self.standin.settings.update({key: given[key] for key in ("expires_in", "client_id", "client_secret") if key in given})
        if given.get("revoke"):
            self.standin.accounts.revoke()
        return {}

    def post_account(self, query, given):
        unknown = set(given) - {"redirects", "agrees", "rotates", "later", "owner", "scopes", "kept", "linked", "withdraw", "revoke"}
        if unknown:
            raise ValueError(f"no such setting: {unknown}")
        if given.pop("withdraw", False):
            self.standin.accounts.withdraw()
        if given.pop("revoke", False):
            self.standin.accounts.revoke_accounts()
        if "kept" in given:
            given["kept"] = set(given["kept"])
        self.standin.settings.update(given)
        return {"consents": len(self.standin.accounts.consents)}

    def post_settings(self, query, given):
        unknown = set(given) - {"latency_ms", "playlist_limit", "premium", "user", "window"}
        if unknown:
            raise ValueError(f"no such setting: {unknown}")
        self.standin.settings.update(given)
        return {}

    def post_close_idle(self, query, given):
        return {"closed": self.standin.close_idle()}
