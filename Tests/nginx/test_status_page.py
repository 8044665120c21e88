"""The status page in a real browser: nothing to complain of under its own policy, readable on a phone and on a desk, by eye and by ear, and honest
about how old it is."""

import os
import signal
import time
from pathlib import Path

import pytest

from harness import history
from harness.accessibility import has_checker, violations
from harness.browser import Browser, chromium
from harness.house import ADMIN, track
from harness.legibility import CONTRAST, MISFITS
from harness.waiting import eventually

pytestmark = pytest.mark.skipif(chromium() is None, reason="chromium is not installed")

#: What the page must show at a glance (the titles of its cards).
CARDS = ["Requests, the last hour", "How it went", "Hits by tier", "Calls to Spotify", "Queue", "Workers", "Store and journals", "Records",
         "What waits", "Looked up last", "Given up", "What falls due", "Account and backups", "Search in the records", "Latest warnings and errors"]
TITLES = "[...document.querySelectorAll('#figures h2')].filter(title => title.checkVisibility()).map(title => title.textContent)"

WIDTHS = [320, 390, 768, 1280]
#: A folder for pictures of the page in each state, width and scheme (scripts/test --long).
PICTURES = os.environ.get("STATUS_PAGE_PICTURES")


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def address(house):
    return f"http://127.0.0.1:{house.port}/swingmusic-fcgi/status"


def opened(browser, house, **more):
    page = browser.open(address(house), **{"headers": ADMIN, **more})
    eventually(lambda: page.evaluate("document.getElementById('badge').textContent") != "looking", 10, what="the page has looked once")
    return page


def text(page):
    return page.evaluate("document.body.innerText")


def badge(page):
    return page.evaluate("document.getElementById('badge').textContent")


# How the page looks in the states that there are.

def empty(_house, _page):
    return ["ok", "None yet.", "0 lookups wait"]


def busy(house, page):
    for path in house.fill(5):
        house.get(path)
    house.standin.fail({"behaviour": "hang"})
    house.at_once([track(f"busy-{n}") for n in range(20)], timeout=3)
    eventually(lambda: "track" in text(page) and "0 answered" not in text(page), 10, what="the page has followed")
    return ["ok", "SQLite", "called Spotify", "track"]


def cooldown(house, page):
    house.standin.fail({"behaviour": "status", "status": 429, "retry_after": 600})
    house.at_once([track(f"cooldown-{n}") for n in range(20)])
    eventually(lambda: "Cooldown" in text(page), 10, what="the page has followed")
    return ["degraded: cooldown", "Cooldown, ends in", "429", "What is known is served all the same"]


def store_down(house, page):
    house.store.kill()
    for path in house.fill(3):
        house.get(path)
    eventually(lambda: "DragonflyDB is not used" in text(page), 15, what="the page has followed")
    return ["degraded: no-store", "not used", "To do: see that DragonflyDB runs"]


def stopped(house, page):
    house.responder.stop()
    eventually(lambda: badge(page) == "no answer", 5, what="the page says so")
    return ["no answer", "swingmusic-fcgi does not answer. What is shown is out of date: it is from"]


STATES = {"empty": empty, "busy": busy, "cooldown": cooldown, "store-down": store_down, "stopped": stopped}


@pytest.mark.parametrize("state", STATES)
def test_the_page_reads_well(browser, new_house, state):
    house = new_house(f"page-{state}", workers=2, store=True if state == "store-down" else None, SWINGMUSIC_FCGI_MISS_WAIT="1s")
    page = opened(browser, house)
    words = STATES[state](house, page)
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            page.look(width, scheme)
            where = f"{state}, {width}, {scheme}"
            shown = text(page)
            assert all(each in shown for each in words), (where, shown)
            assert page.evaluate(TITLES) == CARDS, where
            assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width], where
            assert page.evaluate(MISFITS) == [], where
            assert page.evaluate(CONTRAST) >= 4.5, where
            assert page.evaluate("getComputedStyle(document.querySelector('.grid')).gridTemplateColumns.split(' ').length") == (
                1 if width < 620 else 2 if width < 900 else 3), where
            if PICTURES:
                Path(PICTURES).mkdir(parents=True, exist_ok=True)
                page.screenshot(Path(PICTURES, f"{state}-{width}-{scheme}.png"))
            if has_checker() and width in (320, 1280):
                assert violations(page) == [], where
    # A question that nobody answers is all that the console may have to say, and that only where nobody is there.
    wrong = [said for said in page.messages() if state != "stopped" or said.get("entry", {}).get("source") != "network"]
    assert wrong == []
    own = f"http://127.0.0.1:{house.port}/swingmusic-fcgi/"
    assert all(url.startswith((own, "data:")) for url in page.requests()), page.requests()


def test_the_checker_is_here():
    """Without it the tests above look at less than they say."""
    if not has_checker():
        pytest.skip("axe-core-python could not be installed from PyPI")


def test_the_checker_sees_what_is_wrong(browser, new_house):
    if not has_checker():
        pytest.skip("axe-core-python could not be installed from PyPI")
    page = opened(browser, new_house("wrong", workers=1))
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    assert [line for line in violations(page) if line.startswith("button-name")]


# Pictures.

NAMES = ["Hits by tier, misses and errors", "Calls in an hour, and the budget", "Times", "Records", "Memory of the workers"]
LABELS = "[...document.querySelectorAll('#pictures svg[role=img]')].map(svg => svg.getAttribute('aria-label'))"


def test_pictures_of_an_hour_a_day_and_a_month(browser, new_house):
    house = new_house("history", workers=2, start=False, SPOTIFY_CALLS_PER_HOUR="1000")
    history.write(house.sandbox.path("data", "history.shared"), history.made_up)
    house.responder.start()
    page = opened(browser, house)
    eventually(lambda: len(page.evaluate(LABELS)) == 5, 10, what="the pictures are drawn")
    for span, words in (("hour", "the last hour"), ("day", "the last day"), ("month", "the last month")):
        page.evaluate(f"document.querySelector('input[value={span}]').click()")
        eventually(lambda: all(f", {words}: " in label for label in page.evaluate(LABELS)), 5, what="another span is shown")
        assert [label.partition(",")[0] for label in page.evaluate(LABELS)] == [name.partition(",")[0] for name in NAMES]
        assert page.evaluate("[...document.querySelectorAll('#pictures path')].filter(path => path.getBBox().width > 500).length") >= 8
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                page.look(width, scheme)
                assert page.evaluate(MISFITS) == [] and page.evaluate(CONTRAST) >= 4.5, (span, width, scheme)
                if PICTURES:
                    page.screenshot(Path(PICTURES, f"{span}-{width}-{scheme}.png"))
        if has_checker():
            assert violations(page) == []
    calls = page.evaluate(LABELS)[1]
    assert "budget 1,000" in calls and ", cooldown in " in calls
    assert page.evaluate("document.querySelectorAll('.band.cooling').length") > 20
    assert page.messages() == []


def test_the_history_goes_on_after_a_restart_and_stays_small(new_house):
    house = new_house("goes-on", workers=2)
    file = house.sandbox.path("data", "history.shared")

    def figures():
        return house.admin("GET", "/swingmusic-fcgi/history.json?span=hour").json()["figures"]

    def stored():
        return sum(value or 0 for value in figures()["stored"])
    eventually(lambda: figures()["workers"][-1] == 2, 15, every=0.2, what="the first look was written down")
    for path in house.fill(3):
        house.get(path)
    eventually(lambda: stored() == 3, 15, every=0.5, what="what was called is in the history")
    assert figures()["records"][-1] >= 3 and figures()["memory"][-1] + figures()["sqlite"][-1] >= 3
    length = file.stat().st_size
    house.responder.restart()
    assert stored() == 3 and file.stat().st_size == length < 2_000_000
    assert house.get("/swingmusic-fcgi/history.json").status == 401
    assert house.admin("GET", "/swingmusic-fcgi/history.json?span=year").status == 400


def test_the_history_costs_what_answers_nothing(new_house):
    """Half a minute in which three looks are written and next to nothing is asked: no thread that answers runs meanwhile."""
    house = new_house("history-cost", workers=2)
    file = house.sandbox.path("data", "history.shared")

    def spent():
        """Nanoseconds on a processor by the name of the thread (proc(5), schedstat)."""
        threads = {}
        for pid in house.responder.worker_pids():
            for task in Path(f"/proc/{pid}/task").iterdir():
                name = (task / "comm").read_text().strip()
                threads[name] = threads.get(name, 0) + int((task / "schedstat").read_text().split()[0])
        return threads
    time.sleep(3)
    before, content, changes = spent(), file.read_bytes(), 0
    end = time.monotonic() + 31
    while time.monotonic() < end:
        time.sleep(1)
        # One answer a second, so that each look has something to write.
        assert house.get("/swingmusic-fcgi/healthz").status == 200
        now = file.read_bytes()
        changes, content = changes + (now != content), now
    after = spent()
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert changes >= 2, "looks were written"
    assert grown.pop("upkeep") > 0
    # Two workers for half a minute: what their event threads do of themselves, by the house's own promise of an idle program.
    assert sum(grown.values()) < 60e6, grown


def test_a_month_of_history_costs_a_hit_nothing(new_house):
    """The same hits, turn about, at a program that keeps its history and at one where somebody else has the right to write it: what the threads
    that answer spend on a processor. The least of the turns of each: what else runs on the machine only adds to it. Each is started anew four times,
    since where a process comes to lie in memory makes some difference, too."""
    houses = {name: new_house(f"history-{name}", workers=1, start=False) for name in ("kept", "left")}
    files = {name: house.sandbox.path("data", "history.shared") for name, house in houses.items()}
    for file in files.values():
        history.write(file, history.made_up)
    spent = {name: [] for name in houses}
    with history.unwritten(files["left"]):
        before = {name: file.read_bytes() for name, file in files.items()}
        for start in range(4):
            for name, house in houses.items():
                house.responder.restart() if start else house.responder.start()
                house.close_batches()
                [path] = house.fill()
            for turn in range(8):
                name = list(houses)[(start + turn) % 2]
                spent[name].append(spent_on_hits(houses[name], path, 1200))
        eventually(lambda: files["kept"].read_bytes() != before["kept"], 15, what="the one wrote it")
        assert files["left"].read_bytes() == before["left"], "the other did not"
    # Less is seen by `scripts/benchmark --instructions`, to the instruction.
    assert min(spent["kept"]) < min(spent["left"]) * 1.1, spent


def spent_on_hits(house, path, count):
    [pid] = house.responder.worker_pids()
    with house.connection() as connection:
        begin = processor_time(pid)
        for _ in range(count):
            assert connection.request("GET", path).status == 200
        return processor_time(pid) - begin


def processor_time(pid):
    """Nanoseconds that a worker's threads have spent (proc(5), schedstat), but for the one that keeps the history."""
    threads = {task: (task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()}
    assert "upkeep" in threads.values()
    return sum(int((task / "schedstat").read_text().split()[0]) for task, name in threads.items() if name != "upkeep")


# How old it is.

def test_a_program_that_stopped_shows_within_five_seconds_and_its_restart_without_a_reload(browser, new_house):
    house = new_house("stops", workers=1)
    page = opened(browser, house)
    page.evaluate("window.kept = 'yes'")
    house.responder.stop()
    begin = time.monotonic()
    eventually(lambda: badge(page) == "no answer", 5, what="the page says that nobody answers")
    assert time.monotonic() - begin < 5
    alert = page.evaluate("[...document.querySelectorAll('[role=alert]')].filter(e => e.checkVisibility()).map(e => e.textContent).join()")
    assert "out of date" in alert and "ready" not in text(page)
    assert page.evaluate("document.title").startswith("no answer")
    # The time that the alert names stays what it was: a screen reader is not told every second.
    time.sleep(2.5)
    assert page.evaluate("document.getElementById('late').textContent") == alert
    house.responder.start()
    eventually(lambda: badge(page) == "ok", 10, what="the restart is seen")
    assert page.evaluate("window.kept") == "yes" and "out of date" not in text(page)


def test_a_program_that_hangs_shows_within_five_seconds(browser, new_house):
    house = new_house("hangs", workers=1)
    page = opened(browser, house)
    [worker] = house.responder.worker_pids()
    os.kill(worker, signal.SIGSTOP)
    try:
        eventually(lambda: badge(page) == "no answer", 5, what="the page says that nobody answers")
    finally:
        os.kill(worker, signal.SIGCONT)
    eventually(lambda: badge(page) == "ok", 10, what="it is seen that it goes on")


def test_who_comes_back_to_the_page_is_shown_what_is_now(browser, new_house):
    house = new_house("hidden", workers=1)
    page = opened(browser, house, before="Object.defineProperty(document, 'hidden', {get: () => window.isHidden ?? false})")
    page.evaluate("window.isHidden = true")
    time.sleep(2.5)
    before = len(page.requests())
    time.sleep(2.5)
    assert len(page.requests()) == before, "a page that nobody looks at asks for nothing"
    page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    eventually(lambda: len(page.requests()) > before, 1, what="it asks at once")


# By keyboard, on paper, and without motion.

def test_all_that_can_be_done_is_reached_by_the_keyboard_and_who_is_there_stays_there(browser, new_house):
    house = new_house("keyboard", workers=1)
    house.fill(2)
    page = opened(browser, house)
    eventually(lambda: page.evaluate("document.querySelectorAll('#lookups button').length") == 4, 10, what="there are buttons")
    wanted = page.evaluate("[...document.querySelectorAll('button, input')].filter(e => e.checkVisibility()).length")
    seen = set()
    for _ in range(wanted + 2):
        page.press("Tab", 9)
        seen.add(page.evaluate("""(() => {
            const at = document.activeElement, style = getComputedStyle(at);
            return at === document.body ? '' : `${at.localName} ${at.id || at.dataset.key || at.textContent} ${style.outlineStyle} ${parseFloat(style.outlineWidth) >= 2}`;
        })()"""))
    named = {each for each in seen if each}
    assert all(each.endswith("solid true") for each in named), "where one is can be seen"
    # Of the radio buttons one is a stop.
    assert len(named) == wanted - 2, (named, wanted)
    page.evaluate("[...document.querySelectorAll('#lookups button')].at(-1).focus()")
    key = page.evaluate("document.activeElement.dataset.key")
    house.fill(3, "more")
    eventually(lambda: page.evaluate("document.querySelectorAll('#lookups button').length") == 10, 10, what="the list was drawn anew")
    assert page.evaluate("document.activeElement.dataset.key") == key
    page.press("Enter", 13, "\r")
    eventually(lambda: page.evaluate("document.getElementById('confirm').open"), 2, what="the button was pressed")
    page.press("Escape", 27)
    eventually(lambda: not page.evaluate("document.getElementById('confirm').open"), 2, what="it was left")


def test_it_prints_and_moves_nothing(browser, new_house):
    page = opened(browser, new_house("paper", workers=1))
    page.command("Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert page.evaluate("[...document.querySelectorAll('button, form, fieldset')].filter(e => e.checkVisibility()).length") == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(CONTRAST) >= 4.5 and page.evaluate(TITLES)[0] == CARDS[0]
    page.command("Emulation.setEmulatedMedia", media="screen", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate("""[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transitionDuration !== '0s'
        || getComputedStyle(e).animationName !== 'none').length""") == 0


def test_times_are_those_of_the_reader(browser, new_house):
    house = new_house("zone", workers=1)
    page = opened(browser, house, before="const original = Intl.DateTimeFormat; Intl.DateTimeFormat = function (l, o) { return new original('en-GB', {...o, timeZone: 'Asia/Tokyo'}); }")
    shown = page.evaluate("document.querySelector('#asOf time').textContent")
    at = page.evaluate("document.querySelector('#asOf time').dateTime")
    assert shown == page.evaluate(f"new Date('{at}').toLocaleTimeString('en-GB', {{timeZone: 'Asia/Tokyo'}})"), (shown, at)


# Who may see it.

def test_a_stranger_is_told_so_and_the_folder_leads_to_the_page(browser, new_house):
    house = new_house("stranger", workers=1)
    leading = house.get("/swingmusic-fcgi/")
    assert (leading.status, leading.headers["location"]) == (302, "/swingmusic-fcgi/status")
    page = opened(browser, house, headers={})
    assert badge(page) == "not signed in" and page.evaluate(TITLES) == []
    assert "The figures are for admins." in text(page)
    if has_checker():
        assert violations(page) == []


# What cannot happen to it.

def test_nothing_that_got_into_the_page_would_run_or_become_markup(browser, new_house):
    """The policy holds in the browser, and what it stops shows up among the messages."""
    page = opened(browser, new_house("policy", workers=1))
    stopped = page.evaluate("""(() => {
        const stopped = [];
        const attempt = (name, work) => { try { work(); } catch (fault) { stopped.push(name); } };
        attempt("markup", () => { document.body.innerHTML += "<b>x</b>"; });
        attempt("script", () => { const script = document.createElement("script"); script.textContent = "window.ran = 1"; document.body.append(script); });
        attempt("policy", () => trustedTypes.createPolicy("own", {createHTML: text => text}));
        const source = document.createElement("img");
        source.src = "https://example.org/x.png";
        document.body.append(source);
        document.body.setAttribute("style", "color: red");
        return stopped;
    })()""")
    assert stopped == ["markup", "script", "policy"]
    assert page.evaluate("window.ran ?? 0") == 0 and page.evaluate("document.body.style.color") == ""
    eventually(lambda: len([m for m in page.messages() if "Content Security Policy" in str(m)]) >= 2, 5, what="the violations are reported")


def test_nobody_may_put_the_page_into_a_frame(new_house):
    answer = new_house("frame", workers=1).get("/swingmusic-fcgi/status")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
