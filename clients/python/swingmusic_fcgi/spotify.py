"""Spotify's metadata by way of the mirror: what is known comes at once and never runs out, what is not is looked up at the program's pace."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Dict, List, Optional
from urllib.parse import urlencode

from .program import Program, Secret, log, program

#: Seconds that a lookup may wait for its turn, and what its answer's way is given beyond that.
WAIT, _WAY = 4, 1.0

_ID = re.compile(r"[0-9A-Za-z]{22}\Z")


def _id(text: str) -> str:
    """An id out of itself, a URI or a link."""
    found: str = re.split(r"[:/]", text.partition("?")[0].rstrip("/"))[-1]
    if not _ID.match(found):
        raise ValueError("no Spotify id")
    return found


class CachedSpotifyClient:
    """Objects in the form of Spotify's Web API. No method raises: what is not to be had now is None. `token`: a session's, where the program
    wants one (SWINGMUSIC_FCGI_METADATA_AUTH); `wait`: seconds for what is not known yet. `cache_duration_hours` is the program's matter."""

    def __init__(self, cache_duration_hours: int = 12, token: Optional[str] = None, wait: float = WAIT) -> None:
        self.cache_duration_hours, self.wait = cache_duration_hours, wait
        self._token = token
        # Of its own, so that a lookup that is late does not make the caches be taken for absent.
        self._program = Program(os.environ.get("SWINGMUSIC_FCGI_URL") or None, Secret("SWINGMUSIC_FCGI_SESSION_TOKEN"))
        self._asked = 0

    def _get(self, path: str, **parameters: Any) -> Any:
        try:
            self._asked += 1
            target = f"/spotify/v1/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
            answer = self._program.ask("GET", target.encode(), headers=((b"Prefer", b"wait=%d" % max(0, round(self.wait))),), token=self._token,
                                       limit=self.wait + _WAY)
            if answer is None or answer.status != 200:
                return None
            return json.loads(answer.body)
        except Exception as error:
            log.debug("%s", type(error).__name__)
            return None

    def _object(self, kind: str, text: str) -> Optional[Dict[str, Any]]:
        try:
            found = self._get(f"{kind}/{_id(text)}")
        except (TypeError, ValueError, AttributeError):
            return None
        return found if isinstance(found, dict) else None

    def get_track(self, track_id: str) -> Optional[Dict[str, Any]]:
        return self._object("tracks", track_id)

    def get_album(self, album_id: str) -> Optional[Dict[str, Any]]:
        return self._object("albums", album_id)

    def get_artist(self, artist_id: str) -> Optional[Dict[str, Any]]:
        return self._object("artists", artist_id)

    def get_playlist(self, playlist_id: str) -> Optional[Dict[str, Any]]:
        return self._object("playlists", playlist_id)

    def search(self, query: str, search_type: str = "track", limit: int = 20) -> Dict[str, Any]:
        """A page of each kind that is asked for (`track`, `album`, ...; several by comma), and empty lists without one."""
        found = self._get("search", q=query, type=search_type, limit=limit)
        return found if isinstance(found, dict) else {"tracks": [], "albums": [], "artists": []}

    def get_cache_stats(self) -> Dict[str, Any]:
        return {"dragonfly_available": program().answers(), "request_count": self._asked,
                "cache_duration_hours": self.cache_duration_hours}

    def cleanup_cache(self) -> int:
        """Nothing is left for anybody to clean up."""
        return 0

    def preload_popular_data(self, track_ids: List[str]) -> Dict[str, bool]:
        """Which of the tracks are known now; the others are being looked up, within the limits of the program's queue. Fifty at a time."""
        known: Dict[str, bool] = {track: False for track in track_ids}
        ids = {}
        for track in track_ids:
            try:
                ids[_id(track)] = track
            except (TypeError, ValueError, AttributeError):
                continue
        wanted = list(ids)
        for start in range(0, len(wanted), 50):
            found = self._get("tracks", ids=",".join(wanted[start:start + 50]))
            for each in found.get("tracks", []) if isinstance(found, dict) else []:
                if each and each.get("id") in ids:
                    known[ids[each["id"]]] = True
        return known


_client: Optional[CachedSpotifyClient] = None


def get_cached_spotify_client(cache_duration_hours: int = 12) -> CachedSpotifyClient:
    global _client
    if _client is None:
        _client = CachedSpotifyClient(cache_duration_hours)
    return _client
