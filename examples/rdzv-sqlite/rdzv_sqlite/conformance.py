"""What the published suite may do to the database behind the backend's back; it is found by its entry point."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from rdzv_core import RendezvousParameters
from rdzv_sqlite import SCHEMA

network = False
unreachable_endpoint = "/dev/null/rdzv.db"


def corrupt(params: RendezvousParameters) -> None:
    """Put something into a run's register that the backend can not have written."""
    with closing(sqlite3.connect(params.endpoint)) as database, database:
        database.execute(SCHEMA)
        database.execute("INSERT OR REPLACE INTO rdzv VALUES (?, ?)", (params.key, b"something else"))
