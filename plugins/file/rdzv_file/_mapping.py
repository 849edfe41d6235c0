"""The one place where errors of the operating system become errors of a rendezvous."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_core import RendezvousConnectionError

_WAYS_OUT = {
    errno.ENOENT: "create its parent directory, or mount the file system that it is on",
    errno.ENOTDIR: "a part of the path before its last is no directory: name another path",
    errno.EISDIR: "a directory is where a file should be: name another path",
    errno.EACCES: "give this user read and write access to the file and to its directory",
    errno.EPERM: "give this user read and write access to the file and to its directory",
    errno.EROFS: "the file system is read-only: name a path on one that can be written",
    errno.ENOSPC: "free some space on the file system; what was stored before is unharmed",
    errno.EDQUOT: "raise the disk quota or free some space; what was stored before is unharmed",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f); what was stored before is unharmed",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "the path runs through a loop of symbolic links, or a link lies where a file should be",
    errno.EMFILE: "this process has too many open files: raise ulimit -n",
    errno.ENOLCK: "the file system has no working locks: name a path on one that has, or mount it with them",
    errno.EOPNOTSUPP: "the file system has no working locks: name a path on one that has, or mount it with them",
    errno.ENOSYS: "the file system has no working locks: name a path on one that has, or mount it with them",
}


def lost(endpoint: str, what: str) -> RendezvousConnectionError:
    """Make the error for a store at `endpoint` that can not be used, because of `what`."""
    return RendezvousConnectionError(f"file backend at {endpoint!r}: {what}")


@contextmanager
def mapped(endpoint: str, attempt: str) -> Iterator[None]:
    """Turn an `OSError` into a `RendezvousConnectionError`."""
    try:
        yield
    except OSError as error:
        file = "" if error.filename is None else f" ({error.filename!r})"
        way_out = _WAYS_OUT.get(error.errno or 0, "check the path and the file system")
        raise lost(endpoint, f"can not {attempt}{file}: {error.strerror or error}; {way_out}") from error
