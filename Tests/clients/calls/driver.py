"""Makes a library's calls and says of each what came of it. Runs in the Python that the library is installed for.

usage: driver.py LIBRARY, with {"port": ..., "things": {...}, "only": [names] or null} on standard input; on standard output
{"library": "NAME VERSION", "calls": [{"name", "works", "said", "seconds"}, ...]}.
"""
import asyncio
import contextlib
import importlib
import importlib.metadata
import inspect
import json
import os
import sys
import time
import types

import loopback

#: Longer than any library waits by itself.
LIMIT = 100


async def main(name, given):
    module = importlib.import_module(f"with_{name}")
    things = types.SimpleNamespace(**given["things"])
    client = await result_of(module.connect())
    made = []
    for call, make in module.CALLS.items():
        if given.get("only") is None or call in given["only"]:
            made.append(await tried(call, make, client, things))
    if hasattr(client, "close"):
        with contextlib.suppress(Exception):
            await result_of(client.close())
    return {"library": f"{module.PACKAGE} {importlib.metadata.version(module.PACKAGE)}", "calls": made}


async def tried(name, make, client, things):
    began, works, said = time.monotonic(), False, ""
    try:
        value = await asyncio.wait_for(result_of(make(client, things)), LIMIT)
        works = value is not None and not (isinstance(value, (list, dict, tuple, str)) and not value)
        said = "" if works else f"it gave {value!r}"
    except Exception as error:  # whatever a library raises is what its user sees
        text = " ".join((str(error.__cause__ or error) or repr(error)).split())
        said = f"{type(error).__name__}: {text}"[:300]
    return {"name": name, "works": works, "said": said, "seconds": round(time.monotonic() - began, 3)}


async def result_of(value):
    """What a call gives, be it at once, later, or item by item."""
    if inspect.isasyncgen(value):
        return [item async for item in value]
    if inspect.isgenerator(value):
        return list(value)
    return await value if inspect.isawaitable(value) else value


if __name__ == "__main__":
    given = json.load(sys.stdin)
    loopback.lead(given["port"])
    # Libraries print and log as they like; what is asked for goes where it belongs.
    result, silent = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    with os.fdopen(result, "w") as output:
        json.dump(asyncio.run(main(sys.argv[1], given)), output)
