"""What a household asks for in some weeks: a model with a seed, whose numbers docs/household.md has with their sources."""

import bisect
import itertools
import random
import sys

from . import REPOSITORY

# The stand-in's world says what an album has, so that nobody needs to be asked.
sys.path.insert(0, str(REPOSITORY / "Tests/nginx/standin"))

import data  # noqa: E402
import ids  # noqa: E402
from ids import Place  # noqa: E402
from names import artist_name  # noqa: E402

DAY, HOUR, TRACK_SECONDS = 86_400, 3600, 180
FRIDAY = 4
#: Of what a page is made besides its own object and its artist's.
ON_A_PAGE = 10
SETTINGS = {"seed": 1, "weeks": 2, "listeners": 5, "albums": 1600, "tracks": 20_000, "plays": 57, "album_share": 0.22, "zipf": 0.8, "sessions": 4,
            "pages": 10, "artist_share": 0.3, "searches": 2, "found_share": 0.5, "releases": 10, "release_look": 0.4, "release_play": 0.5}


class Zipf:
    """Draws one of `things`, the r-th with a chance of r to the power of -exponent, in an order of its own."""

    def __init__(self, chance, things, exponent):
        self.chance, self.things = chance, chance.sample(things, len(things))
        self.sums = list(itertools.accumulate(rank ** -exponent for rank in range(1, len(things) + 1)))

    def draw(self):
        return self.things[bisect.bisect(self.sums, self.chance.random() * self.sums[-1])]


class Library:
    """Albums as (artist, number) with their tracks' count."""

    def __init__(self, chance, albums, tracks, box_sets=10):
        self.albums, self.boxes, taken = [], 0, 0
        while len(self.albums) < albums:
            artist = chance.getrandbits(ids.ARTIST_BITS)
            own = [n for n in range(data.album_count(artist)) if data.track_count(artist, n) >= 5][:4]
            for number in own[:albums - len(self.albums)]:
                count = data.track_count(artist, number)
                left = albums - len(self.albums) - 1
                # What brings the mean to where it shall be in the end.
                if count > 50 and (self.boxes >= box_sets or taken + count + 12 * left > tracks + 100):
                    continue
                if count <= 50 and left and not 5 <= (tracks - taken - count) / left <= 19.5:
                    continue
                self.boxes += count > 50
                taken += count
                self.albums.append((artist, number))
        self.artists = list(dict.fromkeys(artist for artist, _ in self.albums))
        self.tracks = [(artist, number, track) for artist, number in self.albums for track in range(data.track_count(artist, number))]

    def names(self):
        """The library as a list for `warm`: `album ID` and the like, each album before its tracks."""
        for artist in self.artists:
            yield f"artist/{identity('artist', artist)}"
        for artist, number in self.albums:
            yield f"album/{identity('album', artist, number)}"
            for track in range(data.track_count(artist, number)):
                yield f"track/{identity('track', artist, number, track)}"


def identity(kind, artist, album=0, track=0):
    return ids.canonical(Place(kind, artist, album, track))


class Household:
    """`requests`: (instant in seconds from a Monday's midnight, listener, path), in order."""

    def __init__(self, **settings):
        self.__dict__.update(SETTINGS | settings)
        self.chance = random.Random(self.seed)
        self.library = Library(self.chance, self.albums, self.tracks)
        self.requests = []
        self.words = 0
        for listener in range(self.listeners):
            self.live(listener, Zipf(self.chance, self.library.albums, self.zipf), Zipf(self.chance, self.library.tracks, self.zipf))
        self.release()
        self.requests.sort(key=lambda request: request[:2])
        self.seconds = self.weeks * 7 * DAY
        self.requests = [request for request in self.requests if request[0] < self.seconds]

    def ask(self, at, listener, path):
        self.requests.append((round(at, 3), listener, path))

    def live(self, listener, albums, tracks):
        for day in range(self.weeks * 7):
            for _ in range(self.sessions):
                self.listen(self.waking(day), listener, albums, tracks, self.plays / self.sessions)
            for _ in range(self.pages):
                self.browse(self.waking(day), listener, albums)
            for _ in range(self.searches):
                self.search(self.waking(day), listener)

    def waking(self, day):
        return day * DAY + self.chance.uniform(7 * HOUR, 22 * HOUR)

    def listen(self, at, listener, albums, tracks, plays):
        """Tracks one by one, and now and then an album to its end: so many that albums have their share of the plays."""
        length = len(self.library.tracks) / len(self.library.albums)
        begins = self.album_share / (self.album_share + (1 - self.album_share) * length)
        end = at + round(plays + self.chance.random() - 0.5) * TRACK_SECONDS
        while at < end:
            if self.chance.random() >= begins:
                self.play(at, listener, tracks.draw())
                at += TRACK_SECONDS
            else:
                at = self.play_album(at, listener, albums.draw(), end)

    def play(self, at, listener, track):
        self.ask(at, listener, f"/v1/tracks/{identity('track', *track)}")

    def play_album(self, at, listener, album, end=float("inf")):
        self.album_page(at, listener, album)
        for track in range(data.track_count(*album)):
            if at >= end:
                break
            self.play(at, listener, (*album, track))
            at += TRACK_SECONDS
        return at

    def album_page(self, at, listener, album):
        self.ask(at, listener, f"/v1/albums/{identity('album', *album)}")
        self.ask(at, listener, f"/v1/artists/{identity('artist', album[0])}")
        for track in range(min(ON_A_PAGE, data.track_count(*album))):
            self.play(at, listener, (*album, track))

    def artist_page(self, at, listener, artist):
        self.ask(at, listener, f"/v1/artists/{identity('artist', artist)}")
        self.ask(at, listener, f"/v1/artists/{identity('artist', artist)}/albums?limit=50")
        for number in range(min(ON_A_PAGE, data.album_count(artist))):
            self.ask(at, listener, f"/v1/albums/{identity('album', artist, number)}")

    def browse(self, at, listener, albums):
        album = albums.draw()
        if self.chance.random() < self.artist_share:
            self.artist_page(at, listener, album[0])
        else:
            self.album_page(at, listener, album)

    def search(self, at, listener):
        if self.chance.random() < 0.5:
            words = artist_name(self.chance.choice(self.library.artists))
        else:
            self.words += 1
            words = f"other words {self.words}"
        self.ask(at, listener, f"/v1/search?q={words.replace(' ', '+')}&type=track,album,artist&limit=10")
        if self.chance.random() < self.found_share:
            place = data.drawn("album", "found", self.seed, listener, at)
            self.album_page(at + 15, listener, place[1:3])

    def release(self):
        """Each Friday so many albums of known artists come out; who looks and who listens."""
        known = set(self.library.albums)
        coming = [(artist, number) for artist in self.library.artists for number in range(data.album_count(artist))
                  if (artist, number) not in known and 5 <= data.track_count(artist, number) <= 50]
        for week in range(self.weeks):
            for album in self.chance.sample(coming, self.releases):
                for listener in range(self.listeners):
                    if self.chance.random() < self.release_look:
                        at = self.waking(week * 7 + FRIDAY + self.chance.randrange(3))
                        self.ask(at, listener, f"/v1/artists/{identity('artist', album[0])}/albums?limit=50")
                        play = self.chance.random() < self.release_play
                        (self.play_album if play else self.album_page)(at + 15, listener, album)
