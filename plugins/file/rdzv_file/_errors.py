"""Map errors of the operating system to errors of the contract, in one place."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from rdzv_core import RendezvousConfigurationError, RendezvousConnectionError

_ACCESS = "give this user read and write access to the file and to its directory"
_LOCKS = "the file system has no working locks: name a path on one that does, or mount it with locks"

_WAYS_OUT = {
    errno.ENOENT: "create its parent directory, or mount the file system that it is on",
    errno.ESTALE: "the file system was unmounted, or its server restarted, under this process: mount it again",
    errno.EROFS: "the file system is read-only, perhaps after a disk error: remount it, or name a path elsewhere",
    errno.EIO: "the disk or the server failed: see dmesg and the state of the mount",
    errno.ENOSPC: "free some space on the file system; what was stored before is unharmed",
    errno.EDQUOT: "raise the disk quota or free some space; what was stored before is unharmed",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f); what was stored before is unharmed",
    errno.EMFILE: "this process has too many open files: raise ulimit -n",
    errno.ENFILE: "the machine has too many open files: see sysctl fs.file-max",
    errno.ENOLCK: _LOCKS,
}

_LASTING_WAYS_OUT = {
    errno.ENOTDIR: "a component of the path is not a directory: name another path",
    errno.EISDIR: "a directory is where a file should be: name another path",
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "the path has a loop of symbolic links, or a link is where a file should be",
    errno.EOPNOTSUPP: _LOCKS,
    errno.ENOSYS: _LOCKS,
    errno.EBUSY: (
        "the file is a mount of its own (docker -v FILE:FILE) and cannot be replaced: mount its directory instead, or "
        "name a directory"
    ),
}
"""Errors that waiting cannot fix. A full disk, a missing parent and a server that is down may pass."""


def lost(endpoint: str, what: str) -> RendezvousConnectionError:
    """Make the error for a store at `endpoint` that cannot be used at the moment, because of `what`."""
    return RendezvousConnectionError(_text(endpoint, what))


def unusable(endpoint: str, what: str) -> RendezvousConfigurationError:
    """Make the error for a store at `endpoint` that no waiting makes usable, because of `what`."""
    return RendezvousConfigurationError(_text(endpoint, what))


@contextmanager
def mapped(endpoint: str, attempt: str) -> Iterator[None]:
    """Map an `OSError` to a `RendezvousConnectionError`, or to a `RendezvousConfigurationError` if it will not pass."""
    try:
        yield
    except OSError as error:
        raise explained(endpoint, attempt, error) from error


def explained(endpoint: str, attempt: str, error: OSError) -> RendezvousConnectionError:
    """Make the error for an `attempt` that ended with `error`."""
    number = error.errno or 0
    file = "" if error.filename is None else f" ({error.filename!r})"
    way_out = _LASTING_WAYS_OUT.get(number) or _WAYS_OUT.get(number, "check the path and the file system")
    make = unusable if number in _LASTING_WAYS_OUT else lost
    return make(endpoint, f"cannot {attempt}{file}: {error.strerror or error}; {way_out}")


def _text(endpoint: str, what: str) -> str:
    return f"file backend at {endpoint!r}: {what}"
