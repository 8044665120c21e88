"""The ways through the house that docs/architecture.md follows by file: the files are there, and no way is longer than it may be."""

import re

import pytest

from house_tool import REPOSITORY

DOCUMENT = (REPOSITORY / "docs/architecture.md").read_text()
#: Files of Sources/ that a way crosses at most.
MOST = {"A hit, by file": 45, "A login, by file": 25}

_FILE = re.compile(r"`([\w+/-]+\.swift)`")


def section(document, title):
    found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", document)
    assert found, title
    return found[1]


def files(document, title, sources=REPOSITORY / "Sources"):
    """The files that a way names, each once, and those that are not there. A name without its folder is of the folder of the file before."""
    found, missing, folder = [], [], ""
    for name in _FILE.findall(section(document, title)):
        whole = name if "/" in name else f"{folder}/{name}"
        folder = whole.rpartition("/")[0]
        if not (sources / whole).is_file():
            missing.append(whole)
        elif whole not in found:
            found.append(whole)
    return found, missing


@pytest.mark.parametrize("title", MOST)
def test_a_way_crosses_no_more_files_than_it_may_and_each_is_there(title):
    found, missing = files(DOCUMENT, title)
    assert missing == []
    assert 10 < len(found) <= MOST[title], "\n".join([str(len(found)), *found])


@pytest.mark.parametrize("title", MOST)
def test_the_document_says_how_many_files_a_way_crosses(title):
    said = re.search(r"(\d+) files", section(DOCUMENT, title))
    assert said and int(said[1]) == len(files(DOCUMENT, title)[0])


def test_a_file_that_is_not_there_is_seen_and_each_counts_once(tmp_path):
    (tmp_path / "Room").mkdir()
    for name in ("A.swift", "B.swift"):
        (tmp_path / "Room" / name).write_text("")
    text = "## Way\n\n1. `Room/A.swift`, `B.swift` beside it, `Room/A.swift` again, `C.swift`.\n\n## Other\n\n`Room/D.swift`\n"
    assert files(text, "Way", tmp_path) == (["Room/A.swift", "Room/B.swift"], ["Room/C.swift"])
