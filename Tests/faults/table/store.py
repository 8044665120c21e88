"""The store: away, frozen, full, forgetful, and wrong in what it says."""

import contextlib
import time

from harness.redis import RedisError

from . import fault

#: The program's deadline is 250 ms for each of a few questions.
AWAY = "slow"


@fault("store: killed, started empty", AWAY, takes="store", lasts=(0.5, 2))
def killed(run):
    run.store.kill()
    yield
    run.store.start()


@fault("store: frozen", AWAY, takes="store", lasts=(0.5, 3))
def frozen(run):
    run.store.freeze()
    yield
    run.store.thaw()


@fault("store: an old snapshot", AWAY, takes="store", lasts=(0.5, 2))
def old_snapshot(run):
    snapshot = run.store.save("old")
    yield
    run.store.kill()
    run.store.start(snapshot=snapshot)


@fault("store: out of memory", takes="store", lasts=(0.5, 2))
def out_of_memory(run):
    run.store.command("CONFIG", "SET", "maxmemory", "1mb")
    yield
    run.store.command("CONFIG", "SET", "maxmemory", "0")


@fault("store: password changed", AWAY, takes="store", lasts=(0.5, 2))
def password(run):
    run.store.command("CONFIG", "SET", "requirepass", "another")
    run.store.pipeline([("AUTH", "another"), ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
    yield
    run.store.pipeline([("AUTH", "another"), ("CONFIG", "SET", "requirepass", "")])


@fault("store: FLUSHALL", takes="store")
def flushed(run):
    run.store.command("FLUSHALL")
    yield


@fault("store: clients killed", AWAY, takes="store")
def clients_killed(run):
    run.store.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    yield
    run.store.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


@fault("store: paused", AWAY, takes="store", lasts=(1, 2))
def paused(run):
    run.store.command("CLIENT", "PAUSE", "1500")
    yield


def some_keys(run, fault, count=200):
    keys = sorted(run.store.command("KEYS", "*"))
    run.chance.shuffle(keys)
    if not keys:
        run.report.miss(fault)
    return keys[:count]


@fault("store: wrong types in keys", takes="store")
def wrong_types(run):
    run.store.pipeline([words for key in some_keys(run, "store: wrong types in keys") for words in (("DEL", key), ("LPUSH", key, "wrong"))] or [("PING",)])
    yield


@fault("store: garbage in keys", takes="store")
def garbage(run):
    commands = []
    for key in some_keys(run, "store: garbage in keys"):
        with contextlib.suppress(RedisError):
            value = run.store.command("GET", key) or b""
            cut = run.chance.randrange(len(value) + 1)
            commands.append(("SET", key, run.chance.choice([run.chance.randbytes(cut), value[:cut], value[:cut] + run.chance.randbytes(len(value) - cut)])))
    run.store.pipeline(commands or [("PING",)])
    yield


@fault("store: one's copy over another's", takes="store")
def swapped(run):
    keys = some_keys(run, "store: one's copy over another's")
    values = []
    for key in keys:
        try:
            values.append(run.store.command("GET", key))
        except RedisError:
            values.append(None)
    commands = [("SET", key, value) for key, value in zip(keys, [*values[1:], *values[:1]]) if value is not None]
    run.store.pipeline(commands or [("PING",)])
    yield


def on_the_wire(manner, excuses=AWAY):
    @fault(f"store: answers {manner}", excuses, takes="store", lasts=(0.5, 2.5))
    def wired(run):
        run.home.wire.manner = manner
        yield
        run.home.wire.manner = None
        time.sleep(0.05)


for each in ("late", "dripped", "cut", "flipped", "loading", "readonly"):
    on_the_wire(each)
