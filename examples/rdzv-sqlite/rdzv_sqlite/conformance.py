"""What the conformance suite may do to the database; found by an entry point."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rdzv_core import RendezvousParameters
from rdzv_sqlite import SqliteBackend

network = False
unreachable_endpoint = "/dev/null/rdzv.db"

expires = False
"""It lets no key expire: the suite need not wait for a minute to see that."""


def corrupt(params: RendezvousParameters) -> None:
    """Write something into a run's register that the backend cannot have written."""
    SqliteBackend(params)  # creates the database
    with closing(sqlite3.connect(params.endpoint)) as database, database:
        database.execute("INSERT OR REPLACE INTO rdzv VALUES (?, ?)", (params.key, b"something else"))


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Truncate the database, with the registers of all runs, to 0 bytes, and restore it."""
    database = Path(params.endpoint)
    whole = database.read_bytes()
    os.truncate(database, 0)
    try:
        yield
    finally:
        database.write_bytes(whole)


@contextmanager
def own_store(sandbox: Any) -> Iterator[SimpleNamespace]:
    """Offer a database in a directory of the suite's own; `sandbox` is a `rdzv_conformance.Sandbox`."""
    where = str(sandbox.directory / "rdzv.db")
    yield SimpleNamespace(endpoint=where, options={}, what="a new database")


def keys(params: RendezvousParameters) -> list[str]:
    """List every register in the database."""
    with closing(sqlite3.connect(params.endpoint)) as database:
        return [key for (key,) in database.execute("SELECT key FROM rdzv")]
