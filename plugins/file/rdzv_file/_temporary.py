"""The temp file of a store for which no path was given."""

# ruff: noqa: PTH108 - a plain string, as in the modules that write it

from __future__ import annotations

import os
import shutil
import tempfile
import weakref

from rdzv_core import RendezvousError


class TemporaryFile:
    """A fresh, empty file in the system's temp directory that only this user can read and write.

    It is deleted, with what is beside it, when the last backend drops its reference, and at exit at the latest; never
    by a forked child. Raises `RendezvousError` if it cannot be made.
    """

    def __init__(self) -> None:
        try:
            fd, path = tempfile.mkstemp(prefix="rdzv-", suffix=".store")
        except OSError as error:
            raise RendezvousError(
                f"file backend: no endpoint was given, and no temp file can be made: {error}; "
                "give a path as the endpoint, or point TMPDIR to a directory that can be written"
            ) from error
        self.path: str = path
        os.close(fd)
        weakref.finalize(self, _delete, self.path, os.getpid())


def _delete(path: str, owner: int) -> None:
    if os.getpid() != owner:
        return
    for name in (path, f"{path}.last", f"{path}.lock"):
        try:
            os.unlink(name)
        except OSError:
            pass  # it is gone already, or its directory is
    shutil.rmtree(f"{path}.runs", ignore_errors=True)
