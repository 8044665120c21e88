"""Where the bytes leave, by the kernel's word, calls are as far apart as they are granted: whatever stops whom between permit and kernel.

40 calls; SENDING_CALLS sets another number (400: some two minutes)."""

import os
import random
import re
import signal
import threading
import time

from harness.house import track
from harness.process import halt, has_lock, send_signal
from harness.standin import gaps
from harness.waiting import eventually

CALLS = int(os.environ.get("SENDING_CALLS", "40"))
INTERVAL = 0.1 if CALLS <= 40 else 0.25
#: What the way through a busy kernel may take more of for one call than for the next.
KERNEL = 0.005


class Tormentor(threading.Thread):
    """Stops workers for a while, at random, and kills one now and then, until told to end."""

    def __init__(self, house, seed):
        super().__init__(daemon=True)
        self.house, self.random, self.ended = house, random.Random(seed), threading.Event()
        self.frozen = self.killed = 0

    def run(self):
        while not self.ended.wait(self.random.uniform(0.01, 0.15)):
            workers = self.house.responder.worker_pids()
            if not workers:
                continue
            pid = self.random.choice(workers)
            if self.random.random() < 0.04:
                send_signal(pid, signal.SIGKILL)
                self.killed += 1
            else:
                send_signal(pid, signal.SIGSTOP)
                self.ended.wait(self.random.choice([0.005, 0.03, 0.08, 0.2, 0.4]))
                send_signal(pid, signal.SIGCONT)
                self.frozen += 1


def test_the_pace_holds_where_the_bytes_leave_with_workers_frozen_and_killed(new_house):
    signal.alarm(120 + int(CALLS * INTERVAL * 3))  # a long run has a limit of its own
    seed = random.SystemRandom().randrange(1 << 32)
    house = new_house("sending", 4, SPOTIFY_MIN_INTERVAL=f"{int(INTERVAL * 1000)}ms")
    tormentor = Tormentor(house, seed)
    tormentor.start()
    wanted = 0
    deadline = time.monotonic() + CALLS * INTERVAL * 6 + 60
    try:
        while len(house.standin.calls()) < CALLS:
            assert time.monotonic() < deadline, len(house.standin.calls())
            # Nobody waits for the answers: who asks comes back for them, as far as anybody cares.
            house.at_once([track(f"sending-{wanted + n}") for n in range(8)], headers={"Prefer": "wait=0"})
            wanted += 8
            tormentor.ended.wait(8 * INTERVAL * 0.8)
    finally:
        tormentor.ended.set()
        tormentor.join()
    found = gaps(house.standin.calls())
    print(f"{len(found)} gaps, the shortest {sorted(found)[:5]}; {tormentor.frozen} freezes, {tormentor.killed} kills, seed {seed}")
    assert tormentor.frozen > 10
    assert min(found) >= INTERVAL - KERNEL, (sorted(found)[:5], seed)


def test_while_a_worker_is_frozen_on_its_way_no_other_makes_a_call(new_house):
    house = new_house("frozen", 2, SPOTIFY_MIN_INTERVAL="20ms", SWINGMUSIC_FCGI_MIRROR_WAIT="3s")
    lock = house.sandbox.path("data", "limiter.db.sending")
    frozen, asked = None, 0
    deadline = time.monotonic() + 90
    while frozen is None:
        # It is there for some milliseconds of each call: until one is stopped just then.
        assert time.monotonic() < deadline
        house.at_once([track(f"frozen-{asked + n}") for n in range(8)], headers={"Prefer": "wait=0"})
        asked += 8
        for pid in house.responder.worker_pids() * 6:
            halt(pid)
            if has_lock(pid, lock):
                frozen = pid
                break
            send_signal(pid, signal.SIGCONT)
    try:
        time.sleep(0.2)
        before = house.standin.last_number()
        # Where it was still granting, the limiter's file is locked as well.
        eventually(lambda: re.search("may be frozen|file is locked", house.responder.log()), 10, what="the log says so")
        assert house.standin.calls(since=before) == []
    finally:
        send_signal(frozen, signal.SIGCONT)
    assert house.standin.await_call(since=before), "calls go on"
    eventually(lambda: re.search("has gone on|works again", house.responder.log()), 10, what="the log says so, too")
    eventually(lambda: len(house.standin.calls()) > 3, 10, what="there are gaps to be looked at")
    found = gaps(house.standin.calls())
    assert min(found) >= 0.02 - KERNEL, sorted(found)[:5]
