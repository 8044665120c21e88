"""A data folder with as many records as wanted: one real record, fetched by the program itself, and copies of its row.

The copies are made by SQL while the program is not running, with other keys and versions and the same value, so that a million
of them take seconds. What the file looks like is read from the file: a table with `key`, `value` and `version`.
"""

import shutil
import sqlite3

from harness import fastcgi
from harness.responder import Responder, spotify_settings

#: The example track of Spotify's documentation, which the stand-in knows.
KNOWN = "11dFghVXANMlKmJXsNCbNl"

#: The id of copy n, in SQL: 22 digits, in no order, as real ids are; a multiplication by an odd number modulo 2^32 meets none twice.
_ID = "'5' || printf('%010d', (n * 2654435761) % 4294967296) || printf('%011d', n)"


def copy_id(n):
    return "5" + f"{n * 2654435761 % 4294967296:010d}" + f"{n:011d}"


def path_of(track):
    return f"/spotify/v1/tracks/{track}"


def copies(count, of):
    """The paths of `count` copies, evenly spread over a folder that holds `of` of them."""
    step = max(1, of // count)
    return [path_of(copy_id(n * step)) for n in range(min(count, of))]


def fetch_known(sandbox, program, standin, folder, **settings):
    """Starts the program on an empty folder, has it fetch KNOWN, stops it. The answer it gave to a hit."""
    settings = {**spotify_settings(standin), "SPOTIFY_MIN_INTERVAL": "20ms", "SWINGMUSIC_FCGI_DATA_DIR": str(folder), **settings}
    responder = Responder(sandbox, settings, workers=1, log="fetch", program=program).start()
    fastcgi.ask(responder.address, path_of(KNOWN))
    hit = fastcgi.ask(responder.address, path_of(KNOWN))
    responder.stop()
    if hit is None or hit.status != 200:
        raise RuntimeError(f"the program did not answer the known track: {hit and hit.status}\n{responder.log()[-2000:]}")
    return hit


def fill(folder, count):
    """Adds copies 0 to count - 1 of the known record's row to the cache.db of a folder that no program has open."""
    database = sqlite3.connect(f"{folder}/cache.db", isolation_level=None)
    database.execute("PRAGMA synchronous=OFF")
    table, columns = table_of_records(database)
    found = database.execute(f"SELECT rowid, version FROM {table} WHERE instr(CAST(key AS TEXT), ?) ORDER BY length(key)", (KNOWN,)).fetchone()
    if found is None:
        raise RuntimeError(f"{folder}/cache.db has no record of {KNOWN}")
    known, version = found
    start = max(version, database.execute(f"SELECT max(version) FROM {table}").fetchone()[0]) + 1
    other = [column for column in columns if column not in ("id", "key", "version")]
    database.execute("BEGIN IMMEDIATE")
    database.execute(f"""
        WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count})
        INSERT INTO {table} (key, version, {", ".join(other)})
        SELECT CAST(replace(CAST(known.key AS TEXT), '{KNOWN}', {_ID}) AS BLOB), {start} + n, {", ".join("known." + one for one in other)}
        FROM numbers, {table} AS known WHERE known.rowid = {known}""")
    keep_counts(database, table, start + count, count, known)
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("PRAGMA optimize")
    database.close()


def table_of_records(database):
    """The name of the table with the caches' rows, and its columns."""
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
        if {"key", "value", "version"} <= set(columns):
            return name, columns
    raise RuntimeError("cache.db has no table with key, value and version")


def keep_counts(database, table, version, count, known):
    """The counter of versions and the maintained totals, as far as the file has them."""
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    cache, size = database.execute(f"SELECT cache, length(key) + length(value) FROM {table} WHERE rowid = ?", (known,)).fetchone()
    if "state" in tables:
        database.execute("UPDATE state SET counter = max(counter, ?)", (version,))
    if "totals" in tables:
        database.execute("UPDATE totals SET rows = rows + ?, bytes = bytes + ? WHERE cache = ?", (count, count * size, cache))
    if "namespaces" in tables:
        database.execute(f"""UPDATE namespaces SET rows = rows + ?, bytes = bytes + ? WHERE cache = ? AND name =
                             (SELECT substr(key, 1, length(name)) FROM {table} WHERE rowid = ?)""", (count, count * size, cache, known))


def copy_folder(source, target):
    shutil.copytree(source, target)
    return target
