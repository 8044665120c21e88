"""The web client's form of Spotify's objects, as its contract has it, computed a second time."""


def catalog_item(value, album=None, numbered=False):
    """The CatalogItem of one of Spotify's objects. `album`: what a simplified track stands in."""
    kind = value["type"]
    of = value if kind != "track" else value.get("album") or album
    item = {
        "spotify_id": value["id"], "item_type": kind, "title": value["name"],
        "artist": ", ".join(artist["name"] for artist in value["artists"]) if value.get("artists") else None,
        "album": of["name"] if kind == "track" else None, "duration_ms": value.get("duration_ms"),
        "popularity": value.get("popularity"), "preview_url": value.get("preview_url"),
        "image_url": widest(of.get("images")), "release_date": of.get("release_date"), "explicit": value.get("explicit", False),
        "data": value, "navigation": navigation(value, of),
    }
    if numbered:
        item.update(track_number=value["track_number"], disc_number=value["disc_number"])
    return item


def widest(images):
    return max(images, key=lambda image: image["width"])["url"] if images else None


def navigation(value, album):
    kind, name = value["type"], value["id"]
    found = {"item_type": kind, "spotify_id": name, "spotify_url": f"https://open.spotify.com/{kind}/{name}",
             "target": target(f"global-{kind}", name)}
    if kind == "track":
        found["target"] = found["album_target"] = target("global-album", album["id"])
        found["artist_target"] = target("global-artist", value["artists"][0]["id"])
    return found


def target(route, name):
    return {"route": route, "params": {"id": name}}


SECTIONS = {"album": "albums", "single": "singles", "ep": "singles", "compilation": "compilations"}


def sections(albums):
    found = {"albums": [], "singles": [], "compilations": [], "other": []}
    for album in albums:
        found[SECTIONS.get(album["data"]["album_type"], "other")].append(album)
    return found
