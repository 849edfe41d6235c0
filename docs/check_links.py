"""Check that every link within a built site leads somewhere: `python docs/check_links.py FOLDER`. `make docs` runs it.

Sphinx warns of a reference that it cannot resolve. This looks at what was made of them all: navigation, diagrams, and
anchors that a directive or the theme has made.
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - HTMLParser's
        for name, value in attrs:
            if value and name in ("href", "src", "xlink:href"):
                self.links.add(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


@cache
def read(page: Path) -> Page:
    """Return a page, parsed once."""
    return Page(page.read_text("utf-8"))


def broken(site: Path) -> list[str]:
    """Return a line for each link within `site` to a file or an anchor that is not there."""
    found = []
    for page in sorted(site.rglob("*.html")):
        for link in sorted(read(page).links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not there.is_file():
                found.append(f"{page.relative_to(site)}: {link}: there is no such file")
            elif parts.fragment and there.suffix == ".html" and unquote(parts.fragment) not in read(there).anchors:
                found.append(f"{page.relative_to(site)}: {link}: there is no such anchor")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(broken(Path(sys.argv[1]).resolve())) or None)
