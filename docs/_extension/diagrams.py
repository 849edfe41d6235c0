"""An SVG of the folder `diagrams` becomes part of its page, where it follows the colours of the page's theme."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx


def inline_diagrams(app: Sphinx, doctree: nodes.document, docname: str) -> None:  # noqa: ARG001 - Sphinx's signature
    """Replace each image of a diagram by its SVG, named by the image's alternative text."""
    if app.builder.format != "html":
        return
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir, image["uri"])
        if path.parent.name != "diagrams":
            continue
        svg = path.read_text("utf-8").partition("<svg")[2]
        label = image.get("alt", "").replace("&", "&amp;").replace('"', "&quot;")
        image.replace_self(nodes.raw("", f'<svg role="img" aria-label="{label}"{svg}', format="html"))
