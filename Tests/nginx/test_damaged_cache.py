"""A damaged cache.db is set aside and begun anew rather than refusing to serve."""

import pytest

from harness.house import track


def zero_the_head(path):
    with open(path, "r+b") as file:
        file.write(b"this is no database" * 40)


def garble_the_middle(path):
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 8192))


def cut_short(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize("damage", [zero_the_head, garble_the_middle, cut_short])
def test_a_damaged_cache_is_set_aside_and_a_new_one_begun(new_house, damage):
    house = new_house("damaged")
    house.fill(20)
    house.responder.stop()
    data = house.sandbox.path("data", "cache.db")
    assert data.stat().st_size > 4 * 4096
    damage(data)
    for leftover in ("cache.db-wal", "cache.db-shm"):
        house.sandbox.path("data", leftover).unlink(missing_ok=True)

    house.responder.start()
    aside = [path.name for path in data.parent.iterdir() if path.name.startswith("cache.db.damaged")]
    assert len({name.removesuffix("-wal").removesuffix("-shm") for name in aside}) == 1, aside
    assert "damaged" in house.responder.log()
    calls = house.standin.last_number()
    assert house.get(track("known-0")).status == 200
    assert house.get(track("known-0")).status == 200
    assert len(house.standin.calls(since=calls)) == 1, "the new cache is filled again"
    house.responder.restart()
    assert house.get(track("known-0")).status == 200
    assert len(house.standin.calls(since=calls)) == 1
