"""The docstrings of this tree are plain text with `code`; autodoc takes them for reStructuredText."""

from __future__ import annotations

import re
from typing import Any

_NAME_WITH_UNDERSCORE = re.compile(r"(?<![`\w])(\w*\w)_(?=[^\w`]|$)")


def as_restructured_text(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Escape, in place, what reStructuredText would read as markup: a name that ends in an underscore, a lone star."""
    for at, line in enumerate(lines):
        code = re.split(r"(`[^`]*`)", line)
        plain = [_NAME_WITH_UNDERSCORE.sub(r"\1\\_", each).replace("*", r"\*") for each in code[::2]]
        code[::2] = plain
        lines[at] = "".join(code)
