"""How the program writes JSON, told once more in Python: tests hold its bytes against this."""

import json
import re

LONG = {"b": "\\u0008", "t": "\\u0009", "n": "\\u000a", "f": "\\u000c", "r": "\\u000d"}


def compact(value):
    """Members in their order, nothing escaped that need not be: a line of the log."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def plain(value):
    """The same without short escapes: what most routes answer."""
    return re.sub(r"\\(.)", lambda escape: LONG.get(escape[1], escape[0]), compact(value).decode()).encode()


def figures(value):
    """status.json and the dashboard: members sorted, slashes escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).replace("/", "\\/").encode()


def printed(value):
    """What commands print with --json."""
    return (_laid_out(value, "") + "\n").encode()


def _laid_out(value, indent):
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)} : {_laid_out(value[name], indent + '  ')}" for name in sorted(value)]
        brackets = "{}"
    elif isinstance(value, list):
        parts, brackets = [_laid_out(one, indent + "  ") for one in value], "[]"
    else:
        return json.dumps(value, ensure_ascii=False)
    lines = ",\n".join(f"{indent}  {part}" for part in parts)
    return f"{brackets[0]}\n{lines}\n{indent}{brackets[1]}"
