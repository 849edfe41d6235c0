"""Show the version, or set it everywhere: `python -m release.version [VERSION]`.

The version stands in the root's pyproject.toml, and because a pyproject.toml cannot refer to another one also in those
of the other distributions, where it pins those that they depend on. This writes them all, and a test holds them equal.
"""

from __future__ import annotations

import re
import sys

from packaging.version import InvalidVersion, Version

from release.projects import PROJECTS, version


def renumbered(text: str, old: str, new: str) -> str:
    """Return a pyproject.toml with another version, and with siblings pinned to it."""
    text = text.replace(f'\nversion = "{old}"\n', f'\nversion = "{new}"\n', 1)
    return re.sub(rf'(?<="rdzv-)([a-z]+(?:\[[a-z,]+\])?)=={re.escape(old)}"', rf'\1=={new}"', text)


def set_version(new: str) -> None:
    """Write `new` into every distribution's pyproject.toml. Raises `ValueError` if it is not a version."""
    try:
        Version(new)
    except InvalidVersion as error:
        raise ValueError(f"{new!r} is not a version: give one such as 0.2.0 or 0.2.0rc1") from error
    old = version()
    for directory in PROJECTS.values():
        file = directory / "pyproject.toml"
        file.write_text(renumbered(file.read_text("utf-8"), old, new), "utf-8")


def main() -> None:
    """Print the version, after it was set if one was given."""
    try:
        for new in sys.argv[1:2]:
            set_version(new)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(version())


if __name__ == "__main__":
    main()
