"""A dozen songs as a family has them: MP3 and FLAC, three albums, each song with its cover in it. Made by ffmpeg in some seconds."""

import shutil
import subprocess

MISSING = "ffmpeg is not installed: scripts/install-dependencies test installs it"

#: Seconds of a song. As MP3 it has 2.4 MB and as FLAC more: it comes in several pieces.
LENGTH = 60

#: Album and its artist; how its songs are kept, and the pattern of its cover.
ALBUMS = {
    "Morning": ("Ada Quill", "mp3", "testsrc2"),
    "Noon": ("Bo Larch", "flac", "mandelbrot"),
    "Night": ("Cy Thorne", "mp3", "smptehdbars"),
}


def ffmpeg(*words):
    subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *map(str, words)], check=True, timeout=60)


def is_possible():
    return shutil.which("ffmpeg") is not None


def make_songs(folder):
    """Title and (album, artist, file) of each song."""
    made = {}
    for number, (album, (artist, kind, pattern)) in enumerate(ALBUMS.items()):
        place = folder / artist / album
        place.mkdir(parents=True)
        cover = folder.parent / f"{album}.jpg"
        ffmpeg("-f", "lavfi", "-i", f"{pattern}=size=600x600", "-frames:v", 1, cover)
        for track in range(1, 5):
            title = f"{album} song {track}"
            file = place / f"{track:02} {title}.{kind}"
            tags = {"title": title, "artist": artist, "album_artist": artist, "album": album, "track": track, "date": 2001 + number}
            sound = f"sine=frequency={220 * (number + 1) + 40 * track}:duration={LENGTH}"
            ffmpeg("-f", "lavfi", "-i", sound, "-f", "lavfi", "-i", f"anoisesrc=amplitude=0.05:duration={LENGTH}", "-i", cover,
                   "-filter_complex", "[0][1]amix", "-map", "2:v", "-c:v", "copy", "-disposition:v", "attached_pic",
                   *(["-b:a", "320k", "-id3v2_version", 3] if kind == "mp3" else []),
                   *[word for name, value in tags.items() for word in ("-metadata", f"{name}={value}")], file)
            made[title] = (album, artist, file)
    return made
