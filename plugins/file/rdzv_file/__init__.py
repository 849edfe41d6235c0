"""The file store of rdzv: a path on one machine or on a shared file system.

`create_backend` is the entry point `file`; `FileStore` is the raw store below it.
"""

from __future__ import annotations

from rdzv_core import Option, RendezvousParameters, accepts_options, register_key
from rdzv_core.checking import offers_check
from rdzv_file._backend import FileBackend
from rdzv_file._check import check_path
from rdzv_file._errors import unusable
from rdzv_file._store import FileStore
from rdzv_file._temporary import TemporaryFile

__all__ = ["FSYNC", "LOCK_TIMEOUT", "READ_TIMEOUT", "FileBackend", "FileStore", "create_backend"]

READ_TIMEOUT = Option(
    "read_timeout", int, 300, "seconds within which the file system must answer a call", positive=True
)
LOCK_TIMEOUT = Option(
    "lock_timeout", float, 30.0, "seconds a write waits for another writer's lock, read_timeout at most", positive=True
)
FSYNC = Option("fsync", bool, True, "answer a write only when it is on the disk; without, a power cut may undo it")


@offers_check(check_path)
@accepts_options(READ_TIMEOUT, LOCK_TIMEOUT, FSYNC)
def create_backend(params: RendezvousParameters) -> FileBackend:
    """Create a register in the file or directory `params.endpoint`; an empty endpoint means a fresh temp file.

    A missing path becomes an empty file, with a trailing slash a directory; its parent must exist. An observer creates
    nothing. Raises `ValueError` for a bad option, `RendezvousConnectionError` for a path that cannot be used, and
    `RendezvousError` if the temp file cannot be made.
    """
    register_key(params.run_id)  # raises for a bad run id: it may have changed since the parameters were made
    if params.endpoint:
        return FileBackend(_opened(params.endpoint, params), params)
    if params.observing:
        raise unusable("", "an observer needs a path: give the endpoint that the job uses")
    temporary = TemporaryFile()
    return FileBackend(_opened(temporary.path, params), params, temporary)


def _opened(path: str, params: RendezvousParameters) -> FileStore:
    timeout, lock_timeout, sync = READ_TIMEOUT.of(params), LOCK_TIMEOUT.of(params), FSYNC.of(params)
    return FileStore(path, timeout, lock_timeout, create=not params.observing, sync=sync)
