"""Whether a file system is this machine's own, so that a look at a file shows it as it is now."""

# ruff: noqa: PTH118, PTH123 - plain system calls, on plain strings

from __future__ import annotations

import os

_LOCAL = frozenset(
    ("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "overlay", "ramfs", "tmpfs", "xfs", "zfs")
)
_MOUNTS = "/proc/self/mountinfo"

_known: dict[tuple[str, int], bool] = {}


def is_local(path: str, device: int) -> bool:
    """Return whether the file at `path`, whose status has the `device`, is on a file system of this machine alone.

    False where that is not known, as on a system without a list of mounts: then more is read, and nothing is missed.
    """
    known = _known.get((path, device))
    if known is None:
        known = _known[path, device] = _kind_of(path) in _LOCAL
    return known


def _kind_of(path: str) -> str:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" ") for line in file]
    except OSError:
        return ""
    best, kind = "", ""
    for fields in mounts:
        point = _unescaped(fields[4])
        # The last one wins: it was mounted over the others.
        if len(point) >= len(best) and os.path.join(path, "").startswith(os.path.join(point, "")):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
