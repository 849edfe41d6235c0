"""Links of a page to files outside of the site: right on a forge as they are, and here led to the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.transforms import Transform
from sphinx import addnodes

_URL = re.compile(r'^Source = "([^"]+)"', re.MULTILINE)
_INCLUDED = {"spec/contract.md": "contract", "spec/protocol.md": "protocol"}
"""Files outside of docs/ that are pages of the site."""


def repository(root: Path) -> str:
    """Return the repository's URL as pyproject.toml has it; empty if it has none."""
    found = _URL.search((root / "pyproject.toml").read_text("utf-8"))
    return found[1] if found else ""


class LinkOutwards(Transform):
    """Lead links to files that are no pages of the site to the repository; without its URL their text remains."""

    default_priority = 5

    def apply(self) -> None:
        """Replace them, in the page that has just been read."""
        environment = self.document.settings.env
        docs = Path(environment.srcdir).resolve()
        root, page = docs.parent, Path(environment.doc2path(environment.docname)).resolve()
        for link in list(self.document.findall(_leads_to_a_file)):
            target, _, anchor = str(link["reftarget"]).partition("#")
            path = _path(link, target, page, docs)
            if not target or not path.exists() or not path.is_relative_to(root):
                continue
            inside = path.relative_to(root).as_posix()
            if inside in _INCLUDED:
                link["refdomain"], link["reftarget"] = "doc", _INCLUDED[inside]
                link["reftargetid"] = link.get("reftargetid") or anchor or None
            elif not _is_on_the_site(path, docs, environment.found_docs):
                link.replace_self(_to_repository(link, repository(root), inside))


def _leads_to_a_file(node: nodes.Node) -> bool:
    return isinstance(node, (addnodes.pending_xref, addnodes.download_reference)) and node.get("reftype") == "myst"


def _path(link: nodes.Element, target: str, page: Path, docs: Path) -> Path:
    """Return the file: MyST has turned the path of a Markdown file into a page's name already."""
    if link.get("refdomain") == "doc":
        return Path(os.path.normpath(docs / f"{target}.md"))
    return Path(os.path.normpath(page.parent / target))


def _is_on_the_site(path: Path, docs: Path, pages: set[str]) -> bool:
    if not path.is_relative_to(docs) or path.is_dir():
        return False
    return path.suffix != ".md" or path.relative_to(docs).with_suffix("").as_posix() in pages


def _to_repository(link: nodes.Element, url: str, inside: str) -> nodes.Node:
    if not url:
        return nodes.literal("", inside)
    return nodes.reference("", link.astext() or inside, refuri=f"{url}/blob/main/{inside}")
