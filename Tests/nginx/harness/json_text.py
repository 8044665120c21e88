"""How the program writes JSON, told once more in Python: tests hold its bytes against this."""

import json


def compact(value):
    """Members in their order, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


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
