"""Results as text that is also Markdown, and the arithmetic of medians."""

import re
import statistics

#: Every table and note shown so far; `quote` takes them into a page.
shown = []


def median(values):
    """The median of what is there; None of nothing."""
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def number(value, digits=None):
    """A figure for a table: thousands apart, as many digits as are worth reading; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if digits is None:
        digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def show(title, columns, rows, note=None):
    """Prints a table; the first column is text, the others are aligned to the right."""
    cells = [[str(column) for column in columns]] + [[number(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["| " + " | ".join(cell.rjust(width) if index else cell.ljust(width)
                               for index, (cell, width) in enumerate(zip(row, widths))) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 1) + (":" if index else "-") for index, width in enumerate(widths)) + "|")
    text = "\n".join([f"### {title}", "", *lines, *(["", note] if note else [])])
    shown.append(text)
    print(f"\n{text}\n", flush=True)


def quote(page, mode, head):
    """Puts what was shown since the last call between `<!-- mode -->` and `<!-- /mode -->` of a page, under `head`."""
    text = "\n\n".join([head, *shown])
    shown.clear()
    if page is not None:
        marks = re.compile(rf"(<!-- {mode} -->\n).*?(<!-- /{mode} -->)", re.S)
        page.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page.read_text()))
