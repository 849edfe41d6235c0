"""Links of a page to files outside of docs/: right on a forge as they are, and on the site led to the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path

from docutils import nodes
from docutils.transforms import Transform
from sphinx import addnodes

_URL = re.compile(r'^(?:Source|Repository) = "([^"]+)"', re.MULTILINE)
_INCLUDED = {"spec/contract.md": "contract", "spec/protocol.md": "protocol"}
"""Files outside of docs/ that are pages of the site."""


def repository(root: Path) -> str:
    """Return the repository's URL as pyproject.toml has it; empty if it has none."""
    found = _URL.search((root / "pyproject.toml").read_text("utf-8"))
    return found[1] if found else ""


def link_outwards(source: str | os.PathLike[str]) -> type[Transform]:
    """Return the transform for the site whose pages are in `source`."""
    docs = Path(source).resolve()
    root = docs.parent
    url = repository(root)

    class LinkOutwards(Transform):
        """Replace links to files outside of docs/ by links to the repository, or by their text if it has no URL."""

        default_priority = 5

        def apply(self) -> None:
            page = Path(self.document.settings.env.doc2path(self.document.settings.env.docname))
            for link in list(self.document.findall(_is_link)):
                target, _, anchor = str(link.get("reftarget") or link.get("refuri")).partition("#")
                path = Path(os.path.normpath(page.parent / target))
                if not target or "://" in target or not path.exists() or not path.is_relative_to(root):
                    continue
                inside = path.relative_to(root).as_posix()
                if inside in _INCLUDED:
                    link.replace_self(_to_page(link, page, docs / f"{_INCLUDED[inside]}.md", anchor))
                elif not path.is_relative_to(docs) or path.is_dir():
                    link.replace_self(_to_repository(link, url, inside))

    return LinkOutwards


def _is_link(node: nodes.Node) -> bool:
    return isinstance(node, addnodes.pending_xref) or (isinstance(node, nodes.reference) and "refuri" in node)


def _to_page(link: nodes.Element, page: Path, target: Path, anchor: str) -> nodes.Node:
    changed = link.deepcopy()
    changed["reftarget"] = os.path.relpath(target, page.parent)
    if anchor:
        changed["reftarget"] += f"#{anchor}"
    return changed


def _to_repository(link: nodes.Element, url: str, inside: str) -> nodes.Node:
    text = link.astext() or inside
    if not url:
        return nodes.literal("", inside)
    return nodes.reference("", text, refuri=f"{url}/blob/main/{inside}")
