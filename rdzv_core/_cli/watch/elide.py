"""Names cut where they are alike, never where they differ. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_DIGITS = re.compile(r"[0-9]+")
_LEAST = 4
"""Characters that are worth cutting."""


def elide(names: Sequence[str]) -> tuple[str, list[str]]:
    """Return what most names have in common, as `gpu-….example.com`, and the names without that: `…041…`.

    Names of another make stay as they are. Where there is nothing to cut the first is empty.
    """
    kinds = Counter(_DIGITS.sub("0", name) for name in set(names))
    kind, size = kinds.most_common(1)[0]
    alike = [name for name in set(names) if size == 1 or _DIGITS.sub("0", name) == kind]
    if len(alike) < 2:
        return "", list(names)
    prefix = re.sub(r"[0-9]+$", "", _beginning(alike))
    rest = [name[len(prefix) :] for name in alike]
    suffix = re.sub(r"^[0-9]+", "", _beginning([name[::-1] for name in rest])[::-1])
    prefix, suffix = (part if len(part) >= _LEAST else "" for part in (prefix, suffix))
    if not prefix and not suffix:
        return "", list(names)
    cut = {name: _cut(name, prefix, suffix) for name in alike}
    return f"{prefix}…{suffix}", [cut.get(name, name) for name in names]


def _beginning(names: Sequence[str]) -> str:
    """Return what all of them begin with."""
    first, last = min(names), max(names)
    same = next((at for at, letter in enumerate(first) if letter != last[at]), len(first))
    return first[:same]


def _cut(name: str, prefix: str, suffix: str) -> str:
    middle = name[len(prefix) : len(name) - len(suffix)]
    return f"{'…' * bool(prefix)}{middle}{'…' * bool(suffix)}"
