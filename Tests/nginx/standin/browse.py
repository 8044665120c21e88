"""What development mode has no more: markets, categories, new releases, users, recommendations, what tracks sound like."""
import re

import data
from answers import Refusal, market_of, page, whole_number
from ids import Place, number

PATHS = re.compile(r"/v1/(markets|browse|users|recommendations|audio-features|audio-analysis)\b")
CATEGORIES = ("toplists", "pop", "mood", "decades", "hiphop", "dinner", "party", "sleep", "workout", "jazz", "rock", "focus")
FEATURES = ("acousticness", "danceability", "energy", "instrumentalness", "liveness", "speechiness", "valence")


class Browse:
    def __init__(self, routes):
        self.routes, self.world = routes, routes.world

    def answer(self, path, query):
        if path == "/v1/markets":
            return {"markets": data.MARKETS}
        if path == "/v1/recommendations":
            return self.recommendations(query)
        if path == "/v1/recommendations/available-genre-seeds":
            return {"genres": data.GENRES}
        for pattern, answer in (
                (r"/v1/browse/([a-z-]+)", self.browsed), (r"/v1/browse/categories/([a-z]+)", self.category),
                (r"/v1/browse/categories/([a-z]+)/playlists", self.category_playlists), (r"/v1/users/([^/]+)", self.user),
                (r"/v1/users/([^/]+)/playlists", self.user_playlists), (r"/v1/audio-features/([^/]+)", self.features),
                (r"/v1/audio-analysis/([^/]+)", self.analysis)):
            if found := re.fullmatch(pattern, path):
                return answer(found[1], query)
        if path == "/v1/audio-features":
            wanted = self.routes.wanted_ids(query, 100)
            return {"audio_features": [self.features(text, query) for text in wanted]}
        raise Refusal(404, "Resource not found")

    def browsed(self, what, query):
        if what == "new-releases":
            def album(at):
                return self.world.album_link(*data.drawn("album", "new", at)[1:3])
            return {"albums": page("/browse/new-releases", query, 20, 50, 100, album)}
        if what == "categories":
            return {"categories": page("/browse/categories", query, 20, 50, len(CATEGORIES), lambda at: self.category(CATEGORIES[at], {}))}
        if what == "featured-playlists":
            return {"message": "Popular Playlists", "playlists": self.playlists("/browse/featured-playlists", "featured", query)}
        raise Refusal(404, "Resource not found")

    def category(self, name, query):
        if name not in CATEGORIES:
            raise Refusal(404, "Resource not found")
        icon = {"height": 274, "url": f"https://t.scdn.co/images/{number('category', name):016x}", "width": 274}
        return {"href": f"{data.API}/browse/categories/{name}", "icons": [icon], "id": name, "name": name.capitalize()}

    def category_playlists(self, name, query):
        self.category(name, query)
        return {"message": "Popular Playlists", "playlists": self.playlists(f"/browse/categories/{name}/playlists", name, query)}

    def playlists(self, path, seed, query):
        return page(path, query, 20, 50, 40, lambda at: self.routes.playlist_link(data.drawn("playlist", seed, at)))

    def user(self, name, query):
        return {**self.world.user(name), "followers": {"href": None, "total": number("followers", name) % 1000}, "images": []}

    def user_playlists(self, name, query):
        return self.playlists(f"/users/{name}/playlists", f"by {name}", query)

    def recommendations(self, query):
        seeds = [(kind, seed) for kind in ("artists", "tracks", "genres") for seed in query.get(f"seed_{kind}", "").split(",") if seed]
        if not 1 <= len(seeds) <= 5:
            raise Refusal(400, "Invalid number of seeds")
        for kind, seed in seeds:
            if kind != "genres":
                self.routes.place(kind[:-1], seed)
        limit, market = whole_number(query, "limit", 20, 1, 100), market_of(query)
        tracks = [self.world.track(data.drawn("track", "like", *seeds, at), market) for at in range(limit)]
        named = [{"afterFilteringSize": 250, "afterRelinkingSize": 250, "href": None, "id": seed, "initialPoolSize": 250,
                  "type": kind[:-1].upper()} for kind, seed in seeds]
        return {"tracks": tracks, "seeds": named}

    def features(self, text, query):
        place = self.routes.place("track", text)
        link = self.world.track_link(*place[1:])
        shares = {name: number(name, *place) % 1000 / 1000 for name in FEATURES}
        return {**shares, "analysis_url": f"{data.API}/audio-analysis/{text}", "duration_ms": link["duration_ms"], "id": text,
                "key": number("key", *place) % 12, "loudness": -5.25, "mode": 1, "tempo": 60.5 + number("tempo", *place) % 120,
                "time_signature": 4, "track_href": link["href"], "type": "audio_features", "uri": link["uri"]}

    def analysis(self, text, query):
        seconds = self.world.track_link(*self.routes.place("track", text)[1:])["duration_ms"] / 1000
        span = {"start": 0.0, "duration": seconds, "confidence": 1.0}
        sound = {"key": 5, "key_confidence": 0.5, "loudness": -5.25, "mode": 1, "mode_confidence": 0.5, "tempo": 120.5,
                 "tempo_confidence": 0.5, "time_signature": 4, "time_signature_confidence": 1.0}
        segment = {**span, "loudness_start": -60.0, "loudness_max": -5.0, "loudness_max_time": 0.1, "loudness_end": -10.0,
                   "pitches": [0.5] * 12, "timbre": [0.5] * 12}
        track = {"num_samples": int(seconds * 22050), "duration": seconds, "sample_md5": "", "offset_seconds": 0, "window_seconds": 0,
                 "analysis_sample_rate": 22050, "analysis_channels": 1, "end_of_fade_in": 0.0, "start_of_fade_out": seconds, **sound,
                 "codestring": "", "code_version": 3.15, "echoprintstring": "", "echoprint_version": 4.15, "synchstring": "",
                 "synch_version": 1.0, "rhythmstring": "", "rhythm_version": 1.0}
        meta = {"analyzer_version": "4.0.0", "platform": "Linux", "detailed_status": "OK", "status_code": 0, "timestamp": 1_600_000_000,
                "analysis_time": 6.9, "input_process": "libvorbisfile L+R 44100->22050"}
        return {"meta": meta, "track": track, "bars": [span], "beats": [span], "sections": [{**span, **sound}], "segments": [segment],
                "tatums": [span]}
