"""Blocks and spans of code in a Markdown file."""

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^(```+)\s*(\w*)\s*$")
_HEADING = re.compile(r"^#+ (.*)$")
_LIST = re.compile(r"^\s*(?:[-*+]|\d+\.) ")


@dataclass
class Snippet:
    document: str
    #: The heading it stands under, and the how manieth block there it is, from 1.
    heading: str
    number: int
    #: What a fence names: sh, nginx. Empty where nothing is named.
    language: str
    text: str
    #: Where it begins.
    line: int

    @property
    def place(self):
        return self.document, self.heading, self.number

    def __str__(self):
        return f"{self.document}:{self.line} ({self.heading} #{self.number})"


def snippets(document, text):
    """All blocks of code, fenced or indented, in their order."""
    found, heading, count = [], "", 0
    lines = text.splitlines()
    index, before, in_list = 0, "", False
    while index < len(lines):
        line = lines[index]
        start, fence, title = index, _FENCE.match(line), _HEADING.match(line)
        if title:
            heading, count = title[1], 0
        if fence:
            index += 1
            while not lines[index].startswith(fence[1]):
                index += 1
            body, language = lines[start + 1:index], fence[2]
        elif line.startswith("    ") and not before.strip():
            if in_list:
                raise ValueError(f"{document}:{index + 1}: code or a list's text? Begin it with a fence.")
            while index + 1 < len(lines) and (not lines[index + 1].strip() or lines[index + 1].startswith("    ")):
                index += 1
            body, language = [each[4:] for each in lines[start:index + 1]], ""
        else:
            if line.strip():
                in_list = bool(_LIST.match(line)) or (in_list and line.startswith(" "))
            before, index = line, index + 1
            continue
        count += 1
        found.append(Snippet(document, heading, count, language, "\n".join(body).rstrip() + "\n", start + 1))
        before, index, in_list = "", index + 1, False
    return found


def spans(text):
    """Code within sentences and tables, as it stands there; a line end counts as a space."""
    without_blocks = re.sub(r"(?ms)^```.*?^```\s*$|^    .*?$", "", text)
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", without_blocks)]


def is_picture(text):
    return bool(re.search("[│─▼┌└]", text))


#: A comment of a shell or of nginx: it stands alone or after a space.
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")
_WORD = re.compile(r"[\w.-]*[A-Za-z0-9][\w.-]*")


def without_comments(text):
    return _COMMENT.sub("", text)


def changes(text):
    """(word, the text with it changed) for each word of a block, comments left out."""
    comments = [match.span() for match in _COMMENT.finditer(text)]
    for match in _WORD.finditer(text):
        if not any(start <= match.start() < end for start, end in comments):
            # No option of a tool here is called Q and does without a value.
            yield match[0], f"{text[:match.end()]}Q{text[match.end():]}"
