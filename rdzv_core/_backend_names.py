"""How backend names are compared, and which distributions provide the first-party ones."""

from __future__ import annotations

import re

KNOWN_DISTRIBUTIONS = {"tcp": "rdzv-tcp", "file": "rdzv-file", "etcd": "rdzv-etcd", "memory": "rdzv-core"}
"""The first-party backends, so that a missing one's error can name what to install."""


def normalize(name: str) -> str:
    """Return `name` as PyPI compares project names: lower case, runs of `-`, `_` and `.` as one dash."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
