"""Markdown tables, and the numbers in them."""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def number(value, digits):
    return "–" if value is None else f"{value:.{digits}f}"


def ratio(value):
    return number(value, 3)
