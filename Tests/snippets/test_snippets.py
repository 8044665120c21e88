"""What README.md, CONTRIBUTING.md and docs/ show can be copied: every block of code is tried, and one with a changed word fails."""

import re
import subprocess

import pytest

from harness.sandbox import REPOSITORY, executable
from snippets import ways
from snippets.bench import Failed
from snippets.claims import CLAIMS, DOCUMENTS, all_snippets
from snippets.markdown import changes, snippets, spans


def test_each_block_of_code_has_exactly_one_way_of_being_tried():
    places = [each.place for each in all_snippets()]
    assert len(places) == len(set(places))
    assert sorted(CLAIMS) == sorted(places), "give a new block a way in snippets/claims.py"


@pytest.mark.parametrize("snippet", all_snippets(), ids=str)
def test_a_snippet_does_what_is_said(snippet, stack):
    CLAIMS[snippet.place].way(snippet.text, stack)


@pytest.mark.parametrize("snippet", all_snippets(), ids=str)
def test_a_snippet_with_a_changed_word_fails(snippet, stack):
    claim, count, unnoticed = CLAIMS[snippet.place], 0, []
    claim.way(snippet.text, stack)
    for word, changed in changes(snippet.text):
        if word in claim.free:
            continue
        count += 1
        try:
            claim.way(changed, stack)
        except (Failed, AssertionError, ValueError, KeyError, IndexError, TypeError, AttributeError, OSError, subprocess.CalledProcessError):
            continue
        unnoticed.append(next(line for line in changed.splitlines() if line not in snippet.text.splitlines()))
    assert count and unnoticed == []


# What stands within sentences.

#: Commands of others that need no trying.
OTHERS = {"id -u", "id -g"}
#: What begins a command. Names of files do not.
COMMAND = re.compile(r"(?:swift|docker|docker compose|swingmusic-fcgi|scripts/(?:run|test|benchmark|house)|spawn-fcgi|systemctl|journalctl) \S.*")


def commands_in_sentences():
    for name in DOCUMENTS:
        for span in spans((REPOSITORY / name).read_text()):
            if COMMAND.fullmatch(span):
                yield name, span


def subcommands():
    said = subprocess.run([executable(), "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(?m)^  ([a-z]+) (?: |[(]default)", said))


def is_known(span, stack):
    words = span.split()
    if words[0] == "swingmusic-fcgi":
        return words[1].startswith("--") or words[1] in known_subcommands
    if words[0] == "docker":
        with ways._running_compose() as bench:
            bench.run(span)
        return True
    if words[0] == "swift":
        return "release" not in words or "--static-swift-stdlib" in words
    if words[0] in ("systemctl", "journalctl"):
        return words[-1] == "swingmusic-fcgi"
    if words[0] == "spawn-fcgi":
        return span.endswith(" /usr/local/bin/swingmusic-fcgi worker")
    return (REPOSITORY / words[0]).is_file()


known_subcommands = subcommands()


@pytest.mark.parametrize("name, span", sorted(set(commands_in_sentences())))
def test_a_command_in_a_sentence_is_one_that_is_there(name, span, stack):
    assert is_known(span, stack), f"{name}: {span}"


# Building.

def test_every_build_of_a_release_links_swift_statically():
    """Whoever builds what is then run elsewhere: documents, scripts, the Dockerfile."""
    found = []
    for path in [REPOSITORY / "Dockerfile", *REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("Tests/*/*.md"),
                 *(each for each in REPOSITORY.glob("scripts/*") if each.is_file()), *REPOSITORY.glob(".ci/*")]:
        text = path.read_text().replace("\\\n", " ")
        found += [(path.name, line) for line in text.splitlines() if re.search(r"swift build\b.*(?:-c|--configuration)[ =]release", line)]
    assert len(found) > 1 and [each for each in found if "--static-swift-stdlib" not in each[1]] == []


# The own-nginx example in Debian's files.

def debian_says(tmp_path, without_location):
    folder = ways.debians(tmp_path / "nginx", ways.readmes_server(), without_location)
    done = subprocess.run(["nginx", "-e", "stderr", "-t", "-c", folder / "nginx.conf"], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_debians_server_takes_the_lines_of_the_readme(tmp_path):
    assert debian_says(tmp_path, without_location=True)[0] == 0


def test_debians_server_refuses_them_beside_its_own_location_with_the_words_of_the_readme(tmp_path):
    status, said = debian_says(tmp_path, without_location=False)
    assert status == 1 and 'duplicate location "/"' in said
    assert '`duplicate location "/"`' in (REPOSITORY / "README.md").read_text()


# The first lines of docker-compose.yml are the README's.

def test_the_head_of_compose_tells_the_same_as_the_readme():
    head = re.findall(r"(?m)^#     (.*)$", (REPOSITORY / "docker-compose.yml").read_text().partition("\nname:")[0])
    shown = next(each.text for each in all_snippets() if each.place == ("README.md", "With Docker", 1))
    assert [re.sub(r"\s*#.*", "", line) for line in head] == [re.sub(r"\s*#.*", "", line) for line in shown.splitlines()]


# The finder of snippets itself.

def test_blocks_are_found_fenced_and_indented_and_nothing_else_is():
    text = "# A\n\ntext\n    not code, it goes on\n\n    one\n\n    two\n\n- a list\n  goes on\n\n```sh\nthree # not a heading\n```\n\n## B\n\n    four\n"
    assert [(each.heading, each.number, each.language, each.text) for each in snippets("x.md", text)] == [
        ("A", 1, "", "one\n\ntwo\n"), ("A", 2, "sh", "three # not a heading\n"), ("B", 1, "", "four\n")]


def test_each_word_but_those_of_comments_is_changed():
    assert [changed for _, changed in changes("a -b /c/d.conf; # e\n# f\n'g#h'\n")] == [
        "aQ -b /c/d.conf; # e\n# f\n'g#h'\n", "a -bQ /c/d.conf; # e\n# f\n'g#h'\n", "a -b /cQ/d.conf; # e\n# f\n'g#h'\n",
        "a -b /c/d.confQ; # e\n# f\n'g#h'\n", "a -b /c/d.conf; # e\n# f\n'gQ#h'\n", "a -b /c/d.conf; # e\n# f\n'g#hQ'\n"]
