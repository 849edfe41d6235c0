"""What the published suite may do to a file store behind the backend's back; it is found by its entry point."""

from __future__ import annotations

import os

from rdzv_core import RendezvousParameters
from rdzv_file._store import FileStore

network = False
unreachable_endpoint = f"{os.devnull}/rdzv"


def corrupt(params: RendezvousParameters) -> None:
    """Damage the last byte of a run's register, or put something foreign there if it has none."""
    store = FileStore(params.endpoint)
    sealed = store.get(params.key)
    store.set(params.key, b"foreign" if sealed is None else sealed[:-1] + bytes([sealed[-1] ^ 1]))
