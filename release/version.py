"""Show the version, or set it everywhere: `python -m release.version [VERSION]`.

The version is that of the root's pyproject.toml. A pyproject.toml cannot refer to another one, and a package should not
read files to know its version, so it is repeated: in the other distributions, where it also pins those that they depend
on, and in the modules that state it. This writes them all, and tests hold them equal.
"""

from __future__ import annotations

import re
import sys

from packaging.version import InvalidVersion, Version

from release.projects import PROJECTS, ROOT, version

MODULES = (
    ROOT / "rdzv_core" / "__init__.py",
    ROOT / "conformance" / "rdzv_conformance" / "_version.py",
    ROOT / "integrations" / "torchrun" / "rdzv_torchrun" / "__init__.py",
)
"""Those that state the version."""


def renumbered(text: str, old: str, new: str) -> str:
    """Return a pyproject.toml or a module with another version, and with siblings pinned to it."""
    text = re.sub(rf'^(version|VERSION|__version__) = "{re.escape(old)}"$', rf'\1 = "{new}"', text, flags=re.MULTILINE)
    return re.sub(rf'(?<="rdzv-)([a-z]+(?:\[[a-z,]+\])?)=={re.escape(old)}"', rf'\1=={new}"', text)


def set_version(new: str) -> None:
    """Write `new` into every distribution's pyproject.toml and modules. Raises `ValueError` if it is not a version."""
    try:
        Version(new)
    except InvalidVersion as error:
        raise ValueError(f"{new!r} is not a version: give one such as 0.2.0 or 0.2.0rc1") from error
    old = version()
    for file in (*(directory / "pyproject.toml" for directory in PROJECTS.values()), *MODULES):
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
