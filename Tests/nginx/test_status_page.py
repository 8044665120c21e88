"""The status page in a real browser: nothing to complain of under its own policy, and readable on a phone and on a desk."""

import pytest

from harness.browser import Browser, chromium
from harness.house import ADMIN, track
from harness.legibility import CONTRAST, MISFITS
from harness.waiting import eventually

pytestmark = pytest.mark.skipif(chromium() is None, reason="chromium is not installed")

#: What the page must show at a glance (the titles of its cards).
CARDS = ["Requests, the last hour", "Hits by tier", "Calls to Spotify", "Queue", "Workers", "Store and journals", "Records",
         "Latest warnings and errors"]

@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def house(open_house):
    """Records, hits, a store that went away, a cooldown and callers who wait: all that makes the page long."""
    house = open_house("page", store=True, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    for path in house.fill(5):
        house.get(path)
    house.store.kill()
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 600})
    house.at_once([track(f"page-{n}") for n in range(20)])
    eventually(lambda: len(house.admin("GET", "/swingmusic-fcgi/status.json").json()["latestErrors"]) >= 2, 10, what="there are warnings")
    return house


def opened(browser, house, **more):
    return browser.open(f"http://127.0.0.1:{house.port}/swingmusic-fcgi/status", headers=ADMIN, **more)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_reads_well(browser, house, width, scheme):
    page = opened(browser, house, width=width, scheme=scheme)
    assert page.messages() == []
    assert page.evaluate("[...document.querySelectorAll('h2')].map(title => title.textContent)") == CARDS
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert page.evaluate(MISFITS) == []
    assert page.evaluate(CONTRAST) >= 4.5
    text = page.evaluate("document.body.innerText")
    for words in ("Cooldown, ends in", "429", "of 100,000 in the last hour", "lookups wait", "DragonflyDB is not used", "degraded: cooldown, no-store"):
        assert words in text, text
    assert all(str(pid) in text for pid in house.responder.worker_pids())
    assert page.evaluate("document.querySelectorAll('.hour rect').length") >= 1
    assert {url for url in page.requests() if not url.startswith("data:")} == {f"http://127.0.0.1:{house.port}/swingmusic-fcgi/status"}
    columns = page.evaluate("getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length")
    assert columns == (1 if width == 390 else 3)


def test_the_page_renews_itself_under_its_policy(browser, house):
    quick = "const wait = setInterval; window.setInterval = (work, ms) => wait(work, ms / 50)"
    page = opened(browser, house, before=quick)
    page.evaluate("document.querySelector('main').dataset.first = 'yes'")
    eventually(lambda: page.evaluate("document.querySelector('main').dataset.first ?? ''") == "", 10, what="newer content took its place")
    assert page.evaluate("[...document.querySelectorAll('h2')].map(title => title.textContent)") == CARDS
    assert page.messages() == []


def test_a_script_that_got_into_the_page_would_not_run(browser, house):
    """The policy holds in the browser, and what it stops shows up among the messages."""
    page = opened(browser, house)
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    assert page.evaluate("window.ran ?? 0") == 0
    eventually(lambda: len([m for m in page.messages() if "Content Security Policy" in str(m)]) >= 2, 5, what="both violations are reported")
