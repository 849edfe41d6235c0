"""How a run and a purpose become one key in a store."""

from __future__ import annotations

import hashlib
import re

MAX_RUN_ID_BYTES = 1024

_UNREADABLE = re.compile(r"[^A-Za-z0-9_-]+")
_OF_A_RUN = re.compile(r"rdzv\.([A-Za-z0-9_-]+)\.[0-9a-f]{40}")


def check_run_id(run_id: str) -> str:
    """Return `run_id`, or raise `ValueError` if it is empty, over 1 KiB in UTF-8, or holds a lone surrogate."""
    if not isinstance(run_id, str) or not run_id:
        raise ValueError(f"run_id must be a non-empty string, not {run_id!r}: give each run its own name")
    try:
        size = len(run_id.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ValueError(f"run_id {run_id!r} holds a lone surrogate, which no store can keep") from error
    if size > MAX_RUN_ID_BYTES:
        raise ValueError(f"run_id {run_id[:32]!r}… has {size} bytes in UTF-8: at most {MAX_RUN_ID_BYTES} are allowed")
    return run_id


def register_key(run_id: str, purpose: str = "") -> str:
    """Return the key under which a run's register for `purpose` is kept.

    Injective (by SHA-256, of which 160 bits are kept), at most 96 characters of `[A-Za-z0-9_.-]`, never starting with
    a dot or a dash, and different even where a store ignores case: fit for a file name, a path segment or a column.
    """
    run, what = check_run_id(run_id).encode("utf-8"), purpose.encode("utf-8")
    digest = hashlib.sha256(b"%d:%b%d:%b" % (len(run), run, len(what), what)).hexdigest()[:40]
    readable = [_UNREADABLE.sub("_", text)[:limit] for text, limit in ((run_id, 32), (purpose, 16)) if text]
    return "rdzv." + ".".join([*readable, digest])


def is_run_key(key: str) -> bool:
    """Return whether a key is that of a run's own register, and not one for a purpose."""
    return _OF_A_RUN.fullmatch(key) is not None


def run_of(key: str) -> str | None:
    """Return the run id of a run's own register where its key tells it: a short one of `[A-Za-z0-9_-]`; else None."""
    found = _OF_A_RUN.fullmatch(key)
    return found[1] if found is not None and register_key(found[1]) == key else None


def readable_part(key: str) -> str:
    """Return the beginning of the run id that a key of `register_key` without a purpose shows, for people."""
    return key.removeprefix("rdzv.").rpartition(".")[0] or key
