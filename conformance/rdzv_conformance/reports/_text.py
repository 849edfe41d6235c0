"""Text of a backend made harmless: it may say anything at all in an error."""

from __future__ import annotations

import html


def plain(text: str) -> str:
    """Return `text` on one line, what cannot be printed as an escape: no control sequence reaches a terminal or a file.

    A lone surrogate, which no file could be written with, becomes an escape too.
    """
    return "".join(each if each.isprintable() else _escape(each) for each in " ".join(text.split()))


def lines(text: str) -> list[str]:
    """Return the lines of `text` as they are drawn, at least one; what cannot be printed is an escape here too."""
    drawn = [
        "".join(each if each.isprintable() else _escape(each) for each in row.rstrip()) for row in text.split("\n")
    ]
    return [drawn[0], *(row for row in drawn[1:] if row)]


def in_markdown(text: str) -> str:
    """Return `text` for a cell of a Markdown table."""
    escaped = html.escape(plain(text), quote=False)
    for mark in "\\`*_[]|~":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def in_html(text: object) -> str:
    """Return `text` for HTML, SVG or an attribute."""
    return html.escape(plain(str(text)))


def _escape(character: str) -> str:
    return ascii(character)[1:-1]
