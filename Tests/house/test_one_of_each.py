"""There is one of each of what one_of_each.py names, and CONTRIBUTING.md says where."""

import pytest

from house_tool import REPOSITORY, tool
from one_of_each import ONES


def read(sources):
    files = []
    for path in sorted(sources.rglob("*.swift")):
        text = path.read_text()
        files.append((str(path.relative_to(sources)), tool.without_comments(text), tool.without_comments(text, keep_strings=True)))
    return files


FILES = read(REPOSITORY / "Sources")
by_what = pytest.mark.parametrize("one", ONES, ids=lambda one: one.what)


@by_what
def test_there_is_one(one):
    places = list(one.places(FILES))
    assert one.home in {path for path, _ in places}, f"{one.home} has it no more: name the file that has"
    others = [f"Sources/{path}:{line}" for path, line in places if path != one.home and path not in one.exceptions]
    assert not others, f"a second {one.what} beside Sources/{one.home}:\n" + "\n".join(others)


@by_what
def test_an_exception_that_nobody_needs_is_struck_out(one):
    assert sorted(set(one.exceptions) - {path for path, _ in one.places(FILES)}) == []


@by_what
def test_a_second_one_is_seen(one, tmp_path):
    (tmp_path / "Gateway").mkdir()
    (tmp_path / "Gateway/Second.swift").write_text(f"// {one.second}\n{one.second}\n")
    assert list(one.places(read(tmp_path))) == [("Gateway/Second.swift", 2)]


@by_what
def test_contributing_names_its_file(one):
    assert f"`Sources/{one.home}`" in (REPOSITORY / "CONTRIBUTING.md").read_text()
