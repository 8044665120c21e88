"""What README.md, CONTRIBUTING.md, docs/ and the rooms' READMEs name is there: files, folders, links, and types of Swift."""

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from house_tool import REPOSITORY, tool

DOCUMENTS = sorted(str(path.relative_to(REPOSITORY)) for pattern in ("*.md", "docs/*.md", "Sources/*/README.md", "Tests/*/README.md")
                   for path in REPOSITORY.glob(pattern))
#: Where the code is spoken of. Elsewhere a word with capitals in it may be anybody's.
OF_CODE = ["CONTRIBUTING.md", "docs/architecture.md", "docs/caching.md", *(name for name in DOCUMENTS if name.startswith("Sources/"))]

_NAME = re.compile(r"(?<![\w/.<:*-])(?:[\w.+-]+/)*[\w+-][\w.+-]*\.(?:swift|py|c|h|md|conf|yml|service|socket)(?![\w/])")
_FOLDER = re.compile(r"(?<![\w/.-])(?:Sources|Tests|scripts|docs|nginx)/[\w./+-]*")
_TYPE = re.compile(r"[A-Z]+[a-z]\w*[A-Z]\w*")

#: Files of others, and of a reader's own.
OTHERS = {
    "compose.yml", "docker-compose.override.yml",
}


def paths():
    """Every file of the repository, those that are not committed yet included."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True)
    if listed.returncode == 0:
        return [line for line in listed.stdout.splitlines() if (REPOSITORY / line).exists()]
    # Without git: what is beside what is built.
    return [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.rglob("*")
            if path.is_file() and not path.relative_to(REPOSITORY).parts[0].startswith((".build", ".git"))]


PATHS = paths()


def is_there(name, document):
    """A file or folder by its path, from the document's folder or as the end of a path."""
    name = name.rstrip("/.")
    beside = (REPOSITORY / document).parent
    if name.startswith(".."):
        return (beside / name).exists()
    return (REPOSITORY / name).exists() or (beside / name).exists() or any(path.endswith("/" + name) for path in PATHS)


def spoken(text):
    """The code within sentences and tables, and drawings and commands as they stand."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```$", "", text))


def missing_files(document, text):
    for span in spoken(text):
        for name in [*_NAME.findall(span), *_FOLDER.findall(span)]:
            if name not in OTHERS and not is_there(name, document):
                yield name


def headings(text):
    """The anchors that GitHub gives."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"(?m)^#+ (.*)$", text)}


def broken_links(document, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (REPOSITORY / document).parent / path
        if not file.exists() or (anchor and anchor not in headings(file.read_text() if path else text)):
            yield target


def types():
    """Types, and the targets of the package."""
    found = set(re.findall(r'name: "(\w+)"', (REPOSITORY / "Package.swift").read_text()))
    for path in (REPOSITORY / "Sources").rglob("*.swift"):
        found |= set(re.findall(r"\b(?:class|struct|enum|protocol|actor|typealias)\s+(\w+)", tool.without_comments(path.read_text())))
    return found


TYPES = types()


def missing_types(text):
    for span in spoken(text):
        first = re.match(r"\w+", span)
        if re.fullmatch(r"[\w.(): ]+", span) and not _NAME.fullmatch(span) and first and _TYPE.fullmatch(first[0]) and first[0] not in TYPES:
            yield first[0]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_file_that_a_document_names_is_there(document):
    assert sorted(set(missing_files(document, (REPOSITORY / document).read_text()))) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_link_of_a_document_leads_somewhere(document):
    assert sorted(set(broken_links(document, (REPOSITORY / document).read_text()))) == []


@pytest.mark.parametrize("document", OF_CODE)
def test_each_type_that_a_document_names_is_declared(document):
    assert sorted(set(missing_types((REPOSITORY / document).read_text()))) == []


def test_every_room_and_every_folder_of_tests_is_found_by_the_documents():
    """A room or a folder of tests that no document names has come, or gone, without them."""
    said = (REPOSITORY / "docs/architecture.md").read_text() + (REPOSITORY / "CONTRIBUTING.md").read_text()
    rooms = sorted({PurePosixPath(path).parts[1] for path in PATHS if path.startswith("Sources/")})
    suites = sorted({PurePosixPath(path).parts[1] for path in PATHS if path.startswith("Tests/") and path.endswith(".py")})
    assert [name for name in rooms if not re.search(rf"\b{name}\b", said)] == []
    assert [name for name in suites if f"Tests/{name}" not in said] == []


# The finder itself.

def test_a_name_that_is_nowhere_is_found():
    text = "See `Sources/FastCGI/Nothing.swift`, `Nowhere.swift` decides, `Tests/gone` and `scripts/house`; `EventLoop.swift`, `/cache/a.py`.\n"
    assert list(missing_files("docs/x.md", text)) == ["Sources/FastCGI/Nothing.swift", "Sources/FastCGI/Nothing.swift", "Nowhere.swift", "Tests/gone"]


def test_a_link_to_nowhere_is_found():
    text = "# One & two\n\n[a](nginx.md) [b](nothing.md) [c](#one--two) [d](#three) [e](nginx.md#nothing) [f](https://example.org/x.md)\n"
    assert list(broken_links("docs/x.md", text)) == ["nothing.md", "#three", "nginx.md#nothing"]


def test_a_type_that_is_nowhere_is_found():
    assert list(missing_types("`EventLoop`, `NoSuchThing.make(a: b)`, `GET`, `Sources/X.swift`, `HTTPS`.")) == ["NoSuchThing"]
