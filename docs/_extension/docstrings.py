"""The docstrings of this tree are plain text with `code`; autodoc takes them for reStructuredText."""

from __future__ import annotations

import re
from typing import Any

_CODE = re.compile(r"(`[^`]*`)")
_REFERENCE = re.compile(r"(?<!\w)(\w*\w)_(?=\W|$)")


def as_restructured_text(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    """Escape, in place, what reStructuredText would read as markup, and mark indented lines as code."""
    lines[:] = _with_code_blocks("\n".join(map(str, lines)).split("\n"))
    text = "\n".join(lines)
    parts = _CODE.split(text)  # code may go on in the next line
    parts[::2] = [_REFERENCE.sub(r"\1\\_", part).replace("*", r"\*") for part in parts[::2]]
    for at in range(2, len(parts), 2):
        if re.match(r"\w", parts[at]):  # as in `ttl`s
            parts[at] = rf"\ {parts[at]}"
    lines[:] = "".join(parts).split("\n")


def _with_code_blocks(lines: list[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        begins = line.startswith("    ") and len(found) > 1 and not found[-1].strip()
        if begins and not found[-2].startswith("    ") and not found[-2].endswith("::"):
            found += ["::", ""]
        found.append(line)
    return found
