"""The distributions of this repository that are published, and what each states about itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent

PROJECTS = {
    "rdzv-core": ROOT,
    "rdzv-tcp": ROOT / "plugins" / "tcp",
    "rdzv-file": ROOT / "plugins" / "file",
    "rdzv-etcd": ROOT / "plugins" / "etcd",
    "rdzv-conformance": ROOT / "conformance",
    "rdzv-simulation": ROOT / "simulation",
    "rdzv-torchrun": ROOT / "integrations" / "torchrun",
}
"""Name of each distribution -> its directory. rdzv-core comes first: the others depend on it."""


def stated(directory: Path) -> dict[str, Any]:
    """Return the table `[project]` of the distribution in a directory."""
    project: dict[str, Any] = tomllib.loads((directory / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def version() -> str:
    """Return the version of all distributions: that of the root."""
    found: str = stated(ROOT)["version"]
    return found
