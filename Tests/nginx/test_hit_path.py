"""What a hit does besides being answered: nothing on the disk."""

from pathlib import Path

import pytest

from harness.house import cache_status

#: Rings of eventfds (8 bytes) wake the lookup thread; a page of a database has 4096 bytes.
LEAST_PAGE = 4096


def written(house):
    """Bytes that the event threads of all workers have written but to sockets (proc(5), io: wchar does not count sendmsg)."""
    total, threads = 0, 0
    for pid in house.responder.worker_pids():
        for task in Path(f"/proc/{pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "fastcgi":
                fields = dict(line.split(": ") for line in (task / "io").read_text().splitlines())
                total, threads = total + int(fields["wchar"]), threads + 1
    assert threads >= 4
    return total


@pytest.mark.parametrize("store", [False, True])
def test_hits_write_nothing_to_a_file(open_house, store):
    house = open_house(f"hit-path-{store}", store=store)
    paths = house.learn(300)
    tiers = set()
    before = written(house)
    with house.connection() as connection:
        for _ in range(3):
            for path in paths:
                answer = connection.request("GET", path)
                assert answer.status == 200
                tiers.add(cache_status(answer)["detail"])
    assert written(house) - before < LEAST_PAGE
    assert tiers >= ({"memory", "dragonfly"} if store else {"memory", "sqlite"})
