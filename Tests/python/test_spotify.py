"""The cached Spotify client, over the mirror."""

import json
from types import SimpleNamespace

import pytest

from caller import Caller
from harness.house import BRISK
from harness.household import Household
from harness.responder import spotify_settings
from harness.standin import spotify_id


@pytest.fixture(params=["http", "unix"])
def ask(request, house, environment):
    """What an expression with `client` is worth."""
    def ask(code, **variables):
        caller = Caller(environment, house, request.param, **variables)
        return caller.run_code(f"""
            import json
            from swingmusic_fcgi.dragonfly_client import get_cached_spotify_client, CachedSpotifyClient
            client = get_cached_spotify_client()
            print(json.dumps({code}))
        """)
    return ask


def without_host(found, house):
    """Over the socket there is no host for links to name; SWINGMUSIC_FCGI_PUBLIC_URL would be one."""
    return json.loads(json.dumps(found).replace(f"http://127.0.0.1:{house.port}", ""))


@pytest.mark.parametrize("method, kind", [("get_track", "track"), ("get_album", "album"), ("get_artist", "artist"), ("get_playlist", "playlist")])
def test_objects_are_the_web_apis(house, ask, method, kind):
    name = spotify_id(f"python {method}") if kind == "track" else house.standin.ids(kind, 1, seed=method)[0]
    wanted = house.get(f"/spotify/v1/{kind}s/{name}").json()
    assert wanted["id"] == name
    assert without_host(ask(f"client.{method}('{name}')"), house) == without_host(wanted, house)
    assert ask(f"[client.{method}('spotify:{kind}:{name}') == client.{method}('https://open.spotify.com/{kind}/{name}?si=x')]") == [True]


def test_where_metadata_is_for_users_a_sessions_token_opens_it(house, environment, tmp_path):
    with Household("python-session", workers=2, SWINGMUSIC_FCGI_METADATA_AUTH="session", **BRISK, **spotify_settings(house.standin)) as own:
        name = spotify_id("python session")
        given = tmp_path / "token"
        given.write_text(own.log_in("bob")["accesstoken"] + "\n")
        code = f"""
            import json
            from swingmusic_fcgi.dragonfly_client import get_cached_spotify_client
            print(json.dumps(get_cached_spotify_client().get_track("{name}")))
        """
        for way in ("http", "unix"):
            def caller(**more):
                return Caller(environment, SimpleNamespace(port=own.nginx.port, responder=own.responder), way, **more)
            assert caller().run_code(code) is None
            found = caller(SWINGMUSIC_FCGI_SESSION_TOKEN_FILE=given).run_code(code)
            assert found["id"] == name


def test_what_is_known_is_not_asked_for_again(house, ask):
    name = spotify_id("python once")
    ask(f"client.get_track('{name}')")
    calls = len(house.standin.calls())
    assert ask(f"client.get_track('{name}')")["id"] == name
    assert len(house.standin.calls()) == calls


def test_nothing_is_raised(ask):
    for code in ("client.get_track('no id')", "client.get_track(None)", "client.get_track(12)", "client.get_track('0' * 22)", "client.get_album('../x')"):
        assert ask(code) is None
    assert ask("client.search(None, None, 'x')") == {"tracks": [], "albums": [], "artists": []}
    assert ask("client.preload_popular_data(['no id', None])") == {"no id": False, "null": False}
    assert ask("[client.get_track('11dFghVXANMlKmJXsNCbNl'), client.get_cache_stats()['dragonfly_available']]",
               SWINGMUSIC_FCGI_URL="http://127.0.0.1:1") == [None, False]


def test_forked_processes_have_connections_of_their_own(house, environment):
    names = [spotify_id(f"forked {number}") for number in range(4)]
    house.at_once([f"/spotify/v1/tracks/{name}" for name in names])
    code = f"""
        import json, os
        from swingmusic_fcgi.dragonfly_client import get_cached_spotify_client
        client, names = get_cached_spotify_client(), {names}
        assert client.get_track(names[0])["id"] == names[0]
        children = []
        for name in names:
            pid = os.fork()
            if pid == 0:
                os._exit(0 if all((client.get_track(name) or {{}}).get("id") == name for _ in range(100)) else 1)
            children.append(pid)
        print(json.dumps([os.waitpid(pid, 0)[1] for pid in children]))
    """
    for way in ("http", "unix"):
        assert Caller(environment, house, way).run_code(code) == [0] * 4


def test_search_and_preload(ask):
    found = ask("client.search('carly rae', 'track,artist', 5)")
    assert len(found["tracks"]["items"]) == 5 and found["artists"]["items"]
    names = [spotify_id(f"preload {number}") for number in range(60)]
    known = ask(f"client.preload_popular_data({names})")
    assert list(known) == names and set(known.values()) <= {True, False}
    stats = ask("client.get_cache_stats()")
    assert stats["dragonfly_available"] is True and ask("client.cleanup_cache()") == 0
