"""What the conformance suite may do to a file store; found by an entry point."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdzv_core import RendezvousParameters
from rdzv_file._layout import unpack
from rdzv_file._store import FileStore

network = False
unreachable_endpoint = f"{os.devnull}/rdzv"


def corrupt(params: RendezvousParameters) -> None:
    """Damage the last byte of a run's register, or write something foreign there if it has none."""
    store = FileStore(params.endpoint)
    sealed = store.get(params.key)
    store.set(params.key, b"foreign" if sealed is None else sealed[:-1] + bytes([sealed[-1] ^ 1]))


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Truncate the file that holds a run's register (in one file those of all runs) to 0 bytes, and restore it."""
    path = Path(params.endpoint)
    file = path / params.key if path.is_dir() else path
    whole = file.read_bytes()
    os.truncate(file, 0)
    try:
        yield
    finally:
        file.write_bytes(whole)


def keys(params: RendezvousParameters) -> list[str]:
    """List the keys in the file, or, in a directory, the files: temporary ones too, without the locks of all keys."""
    path = Path(params.endpoint)
    if path.is_dir():
        return [each.name for each in path.iterdir() if not each.name.startswith(".rdzv-lock-")]
    temporary = [each.name for each in path.parent.glob(f"{path.name}.*") if each.suffix != ".lock"]
    return [*unpack(path.read_bytes()), *(f"{name} with {params.key}" for name in temporary)]
