"""The disk is full: reads go on, writes are refused with the reason, the log says so once."""

import pytest

from harness.house import ADMIN, assert_plain_error, track
from harness.sandbox import fill_disk
from harness.waiting import eventually


@pytest.mark.parametrize("with_store", [True, False], ids=["dragonfly", "sqlite"])
def test_reads_go_on_and_writes_are_refused_with_the_reason_when_the_disk_is_full(new_house, small_disk, with_store):
    house = new_house("disk-full", workers=1, store=with_store, SWINGMUSIC_FCGI_DATA_DIR=str(small_disk))
    [known] = house.fill()
    assert house.admin("PUT", "/cache/session/kept", b"kept").status in (200, 201, 204)
    ballast = fill_disk(small_disk)

    with house.connection() as kept:
        refused = [kept.request("PUT", f"/cache/user/big-{n}", ADMIN, b"x" * 100_000) for n in range(20)]
        for answer in refused:
            said = assert_plain_error(answer, 503)
            assert "full" in said.lower() or "disk" in said.lower() or "write" in said.lower(), said
        for _ in range(20):
            assert kept.get("/cache/session/kept", ADMIN).body == b"kept"
            assert kept.get(known).status == 200
        assert house.admin("GET", "/cache/user/big-1").status == 404, "what was refused is not in any store"
    about = [line for line in house.responder.log().splitlines() if "full" in line.lower() or "cannot write" in line.lower()]
    assert 1 <= len(about) <= 4, about[:6]

    ballast.unlink()
    eventually(lambda: house.admin("PUT", "/cache/user/again", b"x").status in (200, 201, 204), 10, every=0.2,
               what="writes go on when there is room again")
    assert house.get(track("room-again")).status == 200
