"""Every operation of swingmusic's own description, for five kinds of callers: as without us for good tokens, 401 for the others, but for
what is open on purpose. docs/open-routes.md says what that is; this module writes that page, and fails when it says something else."""

import re
import textwrap

import pytest

from harness.sandbox import REPOSITORY, Sandbox
from operations import CALLERS, STRANGERS, USERS, Twin, matrix
from server import VERSION

PAGE = REPOSITORY / "docs/open-routes.md"

#: What strangers get, by a pattern of `METHOD path`, and why. An ended or forged token is refused there, or counts as none.
OPEN = {
    r"GET /": ("the page of the web client", "a browser must load the page before anybody can sign in"),
    r"GET /(assets/index\.js|favicon\.ico)": ("the web client's files", "the same"),
    r"GET /img/.*": ("covers and pictures", "lock screens, notifications and casts fetch them without a session; `swingmusic.conf` says how to "
                     "guard them"),
    r"GET /onboarding-data": ("whether the first steps are done", "the web client asks before there is anybody; it tells users more, and a bad "
                              "token counts as none"),
    r"POST /auth/login": ("signing in", "throttled: see docs/limits.md"),
    r"GET /auth/logout": ("signing out", "it takes the cookie away, and ends the session of a good token"),
    r"GET /auth/users": ("who may sign in", "the login page shows the names, unless swingmusic's setting `usersOnLogin` is off"),
    r"GET /auth/pair": ("the other half of pairing a phone", "the phone has nothing but the code, which is good once"),
}

#: Where our answer to a good token is another than swingmusic's, and why: (METHOD path, caller).
DIFFERENT = {
    ("POST /auth/profile/create", "user"): "users are made by admins, unless `SWINGMUSIC_FCGI_REGISTRATION` is `open`",
}


@pytest.fixture(scope="module")
def table():
    with Sandbox("matrix-alone") as first, Sandbox("matrix") as second:
        return matrix(Twin(second, alone=False), Twin(first, alone=True))


def opened(table):
    """{pattern: names of the operations} that let a stranger do something."""
    found = {}
    for (method, path), row in table.items():
        if any(row[caller] != 401 for caller in STRANGERS):
            pattern = next((each for each in OPEN if re.fullmatch(each, f"{method} {path}")), None)
            assert pattern, f"{method} {path} is open and nothing says why: {row}"
            found.setdefault(pattern, []).append(f"`{method} {path}`")
    return found


def test_all_that_swingmusic_describes_was_asked_and_means_something(table):
    assert len(table) > 90
    fruitful = [name for name, row in table.items() if row["admin"] < 300]
    assert len(fruitful) > 0.8 * len(table), sorted(set(table) - set(fruitful))


def test_good_tokens_are_answered_as_without_us(table):
    different = {(f"{method} {path}", caller) for (method, path), row in table.items() for caller in USERS if row[caller] != row[f"{caller} alone"]}
    assert different == set(DIFFERENT)


def test_strangers_are_refused_but_where_it_is_open_on_purpose(table):
    assert set(opened(table)) == set(OPEN), "what is open no longer is, or the other way round"


def test_a_token_that_is_bad_is_worth_no_more_than_none(table):
    for name, row in table.items():
        assert row["ended"] in (401, row["none"]) and row["forged"] in (401, row["none"]), (name, row)


def test_the_page_in_docs_says_what_was_found(table, request):
    page = written(table)
    if request.config.getoption("--write-docs"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "pytest Tests/swingmusic/test_matrix.py --write-docs writes it anew"


def wrapped(text):
    return textwrap.fill(text, 140, break_long_words=False, break_on_hyphens=False)


def listed(names):
    """One item of a list; no line ends within a name."""
    return wrapped(f"- {', '.join(sorted(names)).replace(' /', chr(0) + '/')}").replace(chr(0), " ").replace("\n", "\n  ")


def written(table):
    groups = opened(table)
    closed = {}
    for (method, path), row in table.items():
        if all(row[caller] == 401 for caller in STRANGERS):
            closed.setdefault(path.split("/")[1], []).append(f"`{method} {path}`")
    lines = [
        "# What is open", "",
        wrapped(f"Written by `Tests/swingmusic/test_matrix.py`, which asks for everything that swingmusic {VERSION} describes of itself "
                f"(`/docs/openapi.json`) and for some of what it does not: {len(table)} operations, each as {len(CALLERS)} kinds of callers: without "
                "a token, with one that was ended here, with one that a stranger signed, with a user's and with an admin's. Bad tokens are sent as "
                "cookie and as header. The files are `swingmusic.conf` and `sessions.conf` as they are. "
                "`pytest Tests/swingmusic/test_matrix.py --write-docs` writes this page anew; the tests fail while it says something else than they "
                "find."), "",
        wrapped("With a good token every operation is answered with the status that swingmusic itself answers in the same state, compared with a "
                "second swingmusic that goes through the same, but for these:"), "",
        "| route | who | why |", "| --- | --- | --- |",
        *(f"| `{name}` | {caller} | {why} |" for (name, caller), why in DIFFERENT.items()), "",
        "## Open to everybody", "",
        "An ended token, and a forged one, are refused there or count as none.", "",
        "| what | routes | why |", "| --- | --- | --- |",
        *(f"| {what} | {', '.join(sorted(groups[pattern]))} | {why} |" for pattern, (what, why) in OPEN.items()), "",
        "## For users alone", "",
        wrapped("Without a good token these are 401 (below `/auth/`, for a stranger's signature, 422 in swingmusic's words, which have its web "
                "client sign out). What is for admins swingmusic itself decides."), "",
        *(listed(names) for _, names in sorted(closed.items())), "",
    ]
    return "\n".join(lines)
