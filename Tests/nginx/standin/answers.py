"""What every path's answer is made with: refusals in the Web API's words, pages, and the parameters that many paths take."""
import re
from urllib.parse import urlencode

import data


class Refusal(Exception):
    """An answer that is an error of the Web API."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def error(status, message, **more):
    return {"error": {"status": status, "message": message, **more}}


def market_of(query):
    """`market`, or `country`, as it was called before; None when neither is given, or the token's, which an app's has not."""
    market = query.get("market", query.get("country"))
    if market is not None and market != "from_token" and market not in data.MARKETS:
        raise Refusal(400, "Invalid market code")
    return None if market == "from_token" else market


def whole_number(query, name, default, least, most):
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise Refusal(400, f"Invalid {name}")
    return int(text)


def page(path, query, default, most, total, item, kept=("market",), least=1):
    """A paging object; its links are Spotify's own, not the stand-in's address."""
    limit, offset = whole_number(query, "limit", default, least, most), whole_number(query, "offset", 0, 0, 100_000)

    def link(start):
        more = {name: query[name] for name in kept if query.get(name) and name != "market"}
        more.update({"market": market_of(query)} if "market" in kept and market_of(query) else {})
        return f"{data.API}{path}?{urlencode({'offset': start, 'limit': limit, **more})}"
    items = [item(at) for at in range(offset, min(offset + limit, total))]
    return {"href": link(offset), "items": items, "limit": limit, "next": link(offset + limit) if limit and offset + limit < total else None,
            "offset": offset, "previous": link(max(0, offset - limit)) if limit and offset else None, "total": total}
