"""Threads, forks and signals."""

import json

from caller import Caller

INCREMENTS = """
import os, sys, json, threading
from swingmusic_fcgi import connection, dragonfly_client as m
connection.LIMIT = 20.0  # what a busy machine delays is not to be counted as lost here
cache = getattr(m, sys.argv[1])()
# Used before the fork, by several threads: what they hold must not be the children's, too.
assert cache.set("n", 0)
starters = [threading.Thread(target=cache.get, args=("n",)) for _ in range(4)]
[each.start() for each in starters]; [each.join() for each in starters]
readers, writers = zip(*(os.pipe() for _ in range(4)))
children = []
for writer in writers:
    pid = os.fork()
    if pid == 0:
        sums, lock = [], threading.Lock()
        def add():
            for _ in range(25):
                got = cache.incr("n")
                with lock:
                    sums.append(got)
        threads = [threading.Thread(target=add) for _ in range(8)]
        [each.start() for each in threads]; [each.join() for each in threads]
        os.write(writer, json.dumps(sums).encode())
        os._exit(0)
    children.append(pid)
[os.close(writer) for writer in writers]
sums = [json.loads(os.fdopen(reader).read()) for reader in readers]
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
print(json.dumps([cache.get("n"), sums]))
"""


def test_eight_threads_in_each_of_four_forked_processes_count_exactly(caller):
    for getter in ("get_temp_cache", "get_spotify_cache"):
        total, sums = json.loads(caller.run("-c", INCREMENTS, getter))
        assert total == 8 * 4 * 25
        # Each number was given to one of them.
        assert sorted(number for each in sums for number in each) == list(range(1, total + 1))


def test_a_fork_in_the_middle_of_a_call_does_not_share_its_connection(caller):
    code = """
        import json, os, threading
        from swingmusic_fcgi import dragonfly_client as m
        cache = m.get_temp_cache()
        for n in range(20):
            cache.set(f"f{n}", n)
        stop, wrong = threading.Event(), []
        def ask():
            while not stop.is_set():
                for n in range(20):
                    if cache.get(f"f{n}") not in (n, None):
                        wrong.append(n)
        threads = [threading.Thread(target=ask) for _ in range(3)]
        [each.start() for each in threads]
        statuses = []
        for _ in range(12):
            pid = os.fork()
            if pid == 0:
                good = all(cache.get(f"f{n}") in (n, None) for n in range(20)) and any(cache.get(f"f{n}") == n for n in range(20))
                os._exit(0 if good else 1)
            statuses.append(os.waitpid(pid, 0)[1])
        stop.set()
        [each.join() for each in threads]
        print(json.dumps([statuses, wrong]))
    """
    statuses, wrong = caller.run_code(code)
    assert statuses == [0] * 12 and wrong == []


def test_a_call_that_is_interrupted_leaves_nothing_to_the_next(caller):
    """An exception out of a signal's handler, as gevent's and pytest's time-outs are, and a handler that asks itself."""
    code = """
        import json, signal
        from swingmusic_fcgi import dragonfly_client as m
        class Stop(BaseException):
            pass
        cache = m.get_temp_cache()
        for n in range(20):
            cache.set(f"i{n}", n)
        seen, stopped = set(), 0
        def stop(*_):
            seen.add(cache.get("i7"))
            raise Stop
        signal.signal(signal.SIGALRM, stop)
        wrong = []
        for round in range(300):
            try:
                # It may ring before this returns.
                signal.setitimer(signal.ITIMER_REAL, 0.00005 * (round % 20 + 1))
                for n in range(20):
                    if cache.get(f"i{n}") not in (n, None):
                        wrong.append(n)
                signal.pause()
            except Stop:
                stopped += 1
        print(json.dumps([stopped, sorted(filter(None, seen)), wrong]))
    """
    stopped, seen, wrong = caller.run_code(code)
    assert stopped == 300 and seen == [7] and wrong == []


def test_a_thread_leaves_no_connection_behind(caller):
    code = """
        import json, os, threading
        from swingmusic_fcgi import dragonfly_client as m
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            thread = threading.Thread(target=m.get_temp_cache().get, args=("x",))
            thread.start()
            thread.join()
        print(json.dumps(len(os.listdir("/proc/self/fd")) - before))
    """
    assert caller.run_code(code) <= 2


def test_a_thread_keeps_one_connection(caller):
    code = """
        import json, socket
        from swingmusic_fcgi import dragonfly_client as m
        made = []
        class Counting(socket.socket):
            def __init__(self, *arguments, **named):
                made.append(1)
                super().__init__(*arguments, **named)
        socket.socket = Counting
        cache = m.get_temp_cache()
        for n in range(200):
            cache.set(f"k{n}", "x" * (n * 700))
            assert cache.get(f"k{n}") == "x" * (n * 700)
            cache.exists("absent"), cache.get("absent"), cache.delete(f"k{n}")
        print(json.dumps(len(made)))
    """
    assert caller.run_code(code) == 1
