"""`warm`: the progress in a terminal, stopping and resuming, and each thing fetched once."""

import collections
import itertools
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import threading
import time

from harness.sandbox import executable
from harness.spotify import Spotify, comparable
from harness.standin import missing_id, spotify_id
from harness.waiting import eventually, readable

import pytest

QUICK = {"SPOTIFY_MIN_INTERVAL": "5ms"}


def run(house, *words, text="", status=0, timeout=60):
    done = subprocess.run([executable(), "warm", *map(str, words)], env=house.sandbox.environment(**house.responder.settings),
                          input=text.encode(), capture_output=True, timeout=timeout)
    assert done.returncode == status, done
    return done.stdout.decode(), done.stderr.decode()


def in_a_terminal(house, path, until, then, within=60):
    """Runs `warm` in a terminal; when `until(settled)` holds, sends the signal `then`. What it wrote, and its exit status."""
    master, slave = pty.openpty()
    process = subprocess.Popen([executable(), "warm", str(path)], env=house.sandbox.environment(**house.responder.settings),
                               stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen, end = "", time.monotonic() + within
    while time.monotonic() < end:
        ready = readable(master, 0.2)
        try:
            seen += os.read(master, 4096).decode(errors="replace") if ready else ""
        except OSError:
            break
        counts = [int(count) for count in re.findall(r"\] (\d+) of", seen)]
        if then and counts and until(counts[-1]):
            process.send_signal(then)
            then = None
    process.kill()
    os.close(master)
    return seen, process.wait(10)


def test_500_links_killed_half_way_and_run_again_are_each_fetched_once(new_house):
    house = new_house("warm", workers=2, SPOTIFY_MIN_INTERVAL="20ms")
    ids = [spotify_id(f"warm-{n}") for n in range(500)]
    path = house.sandbox.path("links.txt")
    path.write_text("".join(f"https://open.spotify.com/intl-de/track/{id}?si=x\n" for id in ids))
    seen, status = in_a_terminal(house, path, lambda settled: settled >= 200, signal.SIGKILL)
    assert status == -signal.SIGKILL, seen
    before = len(house.standin.calls("tracks"))
    assert 50 < before < 500

    seen, status = in_a_terminal(house, path, None, None)
    assert status == 0, seen
    assert re.search(r"\[#+\.+\] \d+ of 500, about \d+ (s|min) left", seen), seen
    assert "500 of 500" in seen and "there before, 0 failed" in seen, seen
    fetched = collections.Counter(call["path"].rpartition("/")[2] for call in house.standin.calls("tracks"))
    assert set(fetched) == set(ids)
    assert set(fetched.values()) == {1}, [id for id, times in fetched.items() if times > 1]


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("warming", workers=2, **QUICK)


def test_a_csv_with_a_column_of_uris_links_and_ids_is_understood(house):
    a, b, c, d = (spotify_id(f"column-{n}") for n in range(4))
    text = ('\ufeff"Track URI","Track Name"\r\n'
            f'spotify:track:{a},"One, ""two""\nthree"\r\n'
            f'https://open.spotify.com/track/{b},Four\r\n'
            f'Five;{c}\r\n\r\n# a comment\r\n'
            f'spotify:artist:{d}\tSix\r\nspotify:track:{a},again\r\n')
    out, said = run(house, "--json", text=text)
    source = {"file": "standard input", "form": "an export of Exportify", "named": 4, "repeated": 1, "skipped": 0, "other": 3}
    assert json.loads(out) == {"asked": 4, "already": 0, "fetched": 4, "failed": 0, "left": 0, "queued": 0, "secondsLeft": 0, "sources": [source],
                               "skipped": []}
    assert sorted(call["path"] for call in house.standin.calls()) == sorted(
        [f"/v1/tracks/{a}", f"/v1/tracks/{b}", f"/v1/tracks/{c}", f"/v1/artists/{d}"])
    assert "\r" not in said and "\x1b" not in said, "plain lines where there is no terminal"
    out, _ = run(house, text=text)
    assert out.startswith("0 fetched, 4 there before, 0 failed")
    assert len(house.standin.calls()) == 4


def queued(house, text, status=0, *words):
    """What `warm --no-wait --json` made of a list, and the keys that it found or queued, as paths."""
    before = house.standin.last_number()
    coded = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run([executable(), "warm", "--json", *words], env=house.sandbox.environment(**house.responder.settings), input=coded,
                          capture_output=True, timeout=60)
    assert done.returncode == status, done
    if not done.stdout:
        return None, [], done.stderr.decode()
    paths = sorted(call["path"].removeprefix("/v1/") for call in house.standin.calls(since=before))
    return json.loads(done.stdout), paths, done.stderr.decode()


def tracks(*ids):
    return sorted(f"tracks/{id}" for id in ids)


#: Exports as these programs write them, with one thing in each that names are made of.
EXPORTS = {
    "Exportify": '"Track URI","Track Name","Artist URI(s)","Artist Name(s)","Album URI","Album Name"\r\n'
                 '"spotify:track:{0}","#9 Dream","spotify:artist:{3}","John Lennon","spotify:album:{4}","Walls, and Bridges"\r\n'
                 '"spotify:track:{1}","""Heroes""","spotify:artist:{3}, spotify:artist:{4}","David Bowie","spotify:album:{4}","x"\r\n'
                 '"spotify:track:{2}","Two\nlines","spotify:artist:{3}","x","spotify:album:{3}","y"\r\n',
    "TuneMyMusic": 'Track name,Artist name,Album,Playlist name,Type,ISRC,Spotify - id\n'
                   'Imagine,x,y,Fav,Playlist,Z,{0}\n#9 Dream,x,y,Fav,Playlist,Z,{1}\n"#SELFIE",x,y,Fav,Playlist,Z,{2}\n',
    "Soundiiz": 'title;artist;album;isrc;url\n#1 Crush;Garbage;x;Z;https://open.spotify.com/track/{0}\n'
                '"Helden;David Bowie;x;Z;https://open.spotify.com/track/{1}\nx;y;z;Z;https://open.spotify.com/track/{2}\n',
}


@pytest.mark.parametrize("program", EXPORTS)
def test_the_exports_of_other_programs_are_recognised_and_read_to_the_last_song(house, program):
    ids = [spotify_id(f"{program}-{n}") for n in range(5)]
    found, paths, said = queued(house, EXPORTS[program].format(*ids))
    assert found["sources"][0] == {"file": "standard input", "form": f"an export of {program}", "named": 3, "repeated": 0, "skipped": 0,
                                   "other": 1}
    assert paths == tracks(*ids[:3]) and f"an export of {program}, 4 rows" in said


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_no_coding_line_end_or_separator_loses_a_line(house, coding):
    folder, all_ids = house.sandbox.directory(f"codings-{coding}"), []
    for number, (end, separator) in enumerate(itertools.product(("\n", "\r\n", "\r"), (",", ";", "\t"))):
        ids = [spotify_id(f"{coding}-{number}-{n}") for n in range(3)]
        rows = [["Name", "Länge", "URI"], *([f"Été {n}", "1", f"spotify:track:{id}"] for n, id in enumerate(ids))]
        (folder / str(number)).write_bytes(end.join(separator.join(row) for row in rows).encode(coding))
        all_ids += ids
    found, paths, _ = queued(house, "", 0, *map(str, sorted(folder.iterdir())))
    assert paths == tracks(*all_ids), found
    assert {(source["form"], source["named"], source["skipped"], source["other"]) for source in found["sources"]} == {("a table", 3, 0, 1)}


def test_a_quote_that_nothing_closes_takes_no_other_line_along(house):
    ids = [spotify_id(f"quote-{n}") for n in range(7)]
    songs = ['"Helden', "Song", '7" single', '"Heroes" (live)', 'say "x"', '"Heroes"', '"']
    text = "name\tartist\turi\n" + "".join(f"{song}\tBowie\tspotify:track:{id}\n" for song, id in zip(songs, ids))
    assert queued(house, text)[1] == tracks(*ids)
    ids = [spotify_id(f"quote-last-{n}") for n in range(3)]
    text = "uri,name\n" + "".join(f'spotify:track:{id},"Helden\n' for id in ids)
    assert queued(house, text)[1] == tracks(*ids)
    long = '"' + "words\n" * 300
    found, paths, said = queued(house, f"uri,name\n{long}spotify:track:{spotify_id('quote-long')},x\n", 1)
    assert paths == tracks(spotify_id("quote-long")) and found["sources"][0]["skipped"] == 300
    assert "standard input:2: a quote that is not closed" in said and "more lines were skipped" in said


def test_a_plain_list_has_comments_and_several_links_on_a_line(house):
    a, b, c, d, e, f = (spotify_id(f"plain-{n}") for n in range(6))
    text = (f"# mine, and hers\n#spotify:track:{f}\n1. https://open.spotify.com/track/{a}?si=x (live)\n<spotify:album:{b}>  spotify:track:{c}\n"
            f"\n[x](https://open.spotify.com/track/{d})\n{e}\nspotify:track:{a}\n")
    found, paths, _ = queued(house, text)
    assert found["sources"][0] == {"file": "standard input", "form": "a plain list", "named": 4, "repeated": 1, "skipped": 0, "other": 3}
    assert paths == sorted([*tracks(a, c, d, e), f"albums/{b}"])
    ids = [spotify_id(f"one-line-{n}") for n in range(6)]
    assert queued(house, f"spotify:track:{ids[0]},spotify:track:{ids[1]}\n")[1] == tracks(*ids[:2])
    assert queued(house, ",".join(ids[2:]))[1] == tracks(*ids[2:])


def test_each_line_that_is_skipped_is_named_with_its_number_and_the_reason(house):
    id = spotify_id("skipped")
    lines = {"spotify:local:a:b:c:1": "a file on somebody's own disk", "https://spotify.link/abcdef": "a short link",
             "spotify:track:short": "22 letters and digits", "https://open.spotify.com/user/anna": "22 letters and digits",
             '"Helden': "a quote that is not closed", "hello": "no link, URI or ID"}
    text = f"spotify:track:{id}\n" + "\n".join(lines) + "\n"
    found, paths, said = queued(house, text, 1)
    assert paths == tracks(id) and [skipped["line"] for skipped in found["skipped"]] == list(range(2, 8))
    for number, reason in enumerate(lines.values(), 2):
        assert f"standard input:{number}: " in said and reason in said
        assert reason in found["skipped"][number - 2]["reason"]
    assert "short" not in said.replace("a short link", "") and "anna" not in said, "what stands there is not repeated"
    out, _ = run(house, text=text, status=1)
    assert out.strip() == "0 fetched, 1 there before, 0 failed, 6 skipped"


def test_several_files_are_told_apart(house):
    one, two = house.sandbox.path("one.txt"), house.sandbox.path("two.csv")
    one.write_text(f"spotify:track:{spotify_id('file-1')}\nnothing\n")
    two.write_text(f"uri,name\nspotify:track:{spotify_id('file-2')},x\nx,y\n")
    found, paths, said = queued(house, "", 1, str(one), str(two))
    assert paths == tracks(spotify_id("file-1"), spotify_id("file-2"))
    assert [(source["file"], source["form"]) for source in found["sources"]] == [(str(one), "a plain list"), (str(two), "a table")]
    assert f"{one}:2: " in said and f"{two}:3: " in said


def test_what_spotify_does_not_know_is_named_and_makes_the_exit_status_1(house):
    gone = missing_id("nowhere")
    out, said = run(house, text=f"{gone}\n{spotify_id('somewhere')}\n", status=1)
    assert "1 fetched" in out and "1 failed" in out
    assert gone in said


def test_nothing_to_do_and_nothing_readable_are_told_apart(house):
    assert "no link" in run(house, text="hello\n", status=1)[1]
    assert "cannot be read" in run(house, "/nowhere/at/all", status=1)[1]
    run(house, "--kind", "song", status=64)


def test_a_limiter_that_is_locked_for_some_seconds_ends_no_warming(new_house):
    house = new_house("locked", workers=1, **QUICK)
    holder = sqlite3.connect(house.sandbox.path("data", "limiter.db"), timeout=10, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(4, holder.execute, ["ROLLBACK"])
    release.start()
    out, _ = run(house, text=spotify_id("locked"))
    assert out.startswith("1 fetched")
    release.join()
    holder.close()


def test_without_a_running_serve_the_lookups_wait_for_one(new_house):
    house = new_house("later", workers=1, **QUICK)
    house.responder.stop()
    out, said = run(house, "--no-wait", text=spotify_id("later"))
    assert "no 'serve' answers" in said and "1 still to come" in out
    house.responder.start()
    house.standin.await_call("tracks")


def test_without_waiting_serve_carries_the_plan_out(new_house):
    house = new_house("left", workers=1, mode="development", **QUICK)
    spotify = Spotify(house.sandbox, mode="development").start()
    text, tracks = "", []
    for name in house.standin.ids("album", 3, 9, "left", 20):
        own = [track["id"] for track in spotify.get(f"albums/{name}")["tracks"]["items"]]
        tracks += own
        text += f"spotify:album:{name}\n" + "".join(f"spotify:track:{id}\n" for id in own)
    said = run(house, "--no-wait", text=text)[1]
    expected = int(re.search(r"about (\d+) calls", said)[1])

    def is_empty():
        with sqlite3.connect(f"file:{house.sandbox.path('data', 'limiter.db')}?mode=ro", uri=True, timeout=10) as limiter:
            return limiter.execute("SELECT count(*) FROM lookups").fetchone() == (0,)
    eventually(is_empty, 60, every=0.5, what="all is fetched")
    calls = collections.Counter(call["path"] for call in house.standin.calls())
    assert len(house.standin.calls("^/v1/albums")) == 3 and calls["/v1/search"] > 0, calls
    assert sum(calls.values()) < len(tracks) / 2 and sum(calls.values()) <= 2 * expected, (said, calls)
    before = house.standin.last_number()
    assert {answer.status for answer in house.at_once([f"/spotify/v1/tracks/{id}" for id in tracks])} == {200}
    assert not house.standin.calls(since=before)


def test_where_the_account_has_many_in_a_call_a_list_is_planned_so(new_house):
    house = new_house("many", workers=1, batches=True, **QUICK)
    assert house.get(f"/spotify/v1/tracks/{spotify_id('whose account')}").status == 200
    before = house.standin.last_number()
    ids = house.standin.ids("album", 3, 9, "many", 20)
    text = "".join(f"spotify:album:{id}\n" for id in ids) + "".join(f"spotify:track:{spotify_id(f'many-{n}')}\n" for n in range(120))
    out, said = run(house, text=text)
    assert out.startswith("123 fetched, 0 there before, 0 failed") and "123 items, about 4 calls" in said, (out, said)
    assert len(house.standin.calls(since=before)) == 4


def test_the_tracks_of_an_album_that_the_list_names_too_are_searched_for_and_the_plan_is_said_beforehand(new_house):
    house = new_house("planned", workers=1, mode="development", **QUICK)
    spotify = Spotify(house.sandbox, mode="development").start()
    rows, tracks = ["Track URI,Track Name,Artist URI(s),Album URI,Album Name"], []
    for name in house.standin.ids("album", 4, 9, "planned", 20):
        own = [track["id"] for track in spotify.get(f"albums/{name}")["tracks"]["items"]]
        rows += [f"spotify:track:{id},x,spotify:artist:{spotify_id('x')},spotify:album:{name},y" for id in own]
        tracks += own
    alone = [spotify_id(f"planned-{n}") for n in range(3)]
    rows += [f"spotify:track:{id},x,y,,z" for id in alone]
    out, said = run(house, text="\n".join(rows))
    assert out.startswith(f"{len(tracks) + 3} fetched, 0 there before, 0 failed"), out
    calls = collections.Counter(call["path"] for call in house.standin.calls())
    assert len(house.standin.calls("^/v1/albums")) == 4 and len(house.standin.calls("^/v1/search")) <= 12, calls
    assert sum(calls.values()) < len(tracks) / 2, calls
    assert max(count for path, count in calls.items() if path != "/v1/search") == 1, calls
    items, expected = map(int, re.search(r"^(\d+) items, about (\d+) calls, done at about (?:\w{3} )?\d\d:\d\d$", said, re.M).groups())
    assert items == len(tracks) + 3 and expected <= sum(calls.values()) <= 2 * expected, (said, calls)
    for id in tracks[:3] + tracks[-3:]:
        assert comparable(house.get(f"/spotify/v1/tracks/{id}").json()) == comparable(spotify.get(f"tracks/{id}"))
    assert run(house, text="\n".join(rows))[0].startswith(f"0 fetched, {len(tracks) + 3} there before")
