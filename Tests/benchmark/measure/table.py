"""Results as text that is also Markdown, and the arithmetic of medians."""

import statistics


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
    cells = [[str(columns[index]) for index in range(len(columns))]] + [[number(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    print(f"\n### {title}\n")
    for place, row in enumerate(cells):
        padded = [cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(padded) + " |")
        if place == 0:
            print("|" + "|".join("-" * (width + 1) + ("-" if index == 0 else ":") for index, width in enumerate(widths)) + "|")
    if note:
        print(f"\n{note}")
    print(flush=True)
