"""What this site adds to Sphinx: links that leave it, diagrams in its colours, commands and options from the source."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from _extension.diagrams import inline_diagrams
from _extension.directives import CommandsDirective, OptionsDirective
from _extension.docstrings import as_restructured_text
from _extension.links import LinkOutwards


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything; called by Sphinx."""
    app.add_directive("rdzv-commands", CommandsDirective)
    app.add_directive("rdzv-options", OptionsDirective)
    app.add_transform(LinkOutwards)
    app.connect("doctree-resolved", inline_diagrams)
    app.connect("autodoc-process-docstring", as_restructured_text)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
