"""A rendezvous over a SQLite database: the endpoint is the database's file, every register a row."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rdzv_core import (
    Option,
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    Token,
    accepts_options,
)
from rdzv_core.envelope import seal, unseal

SCHEMA = "CREATE TABLE IF NOT EXISTS rdzv (key TEXT PRIMARY KEY, sealed BLOB)"
BUSY_TIMEOUT = Option("busy_timeout", float, 10.0, "seconds to wait while others write", positive=True)


@accepts_options(BUSY_TIMEOUT)
class SqliteBackend(RendezvousBackend):
    """Opens a connection for each call, so it holds nothing that a thread, a fork or a dead process could spoil."""

    name = "sqlite"

    def __init__(self, params: RendezvousParameters) -> None:
        if not params.endpoint or "\0" in params.endpoint:
            raise ValueError(f"endpoint {params.endpoint!r}: give the path of a database file, new or not")
        self._params, self._key, self._path = params, params.key, Path(params.endpoint).absolute()
        self._busy_timeout, self._closed = BUSY_TIMEOUT.of(params), False

    def get_state(self) -> StateSnapshot | None:
        with self._database() as database:
            return self._read(database)

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if len(state) > self.max_state_bytes:
            raise ValueError(f"a state of {len(state)} bytes is too long: at most {self.max_state_bytes} are allowed")
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")  # nobody else writes from here on until this connection is closed
            seen = self._read(database)
            if token != (seen and seen.token):
                return seen and SetStateResult(*seen, False)
            sealed = seal(state)  # with a nonce, which is the token: no write has that of another
            database.execute(SCHEMA)
            database.execute("INSERT OR REPLACE INTO rdzv VALUES (?, ?)", (self._key, sealed))
            database.execute("COMMIT")
            return SetStateResult(*unseal(sealed), True)

    def close(self) -> None:
        self._closed = True

    def _read(self, database: sqlite3.Connection) -> StateSnapshot | None:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rdzv'").fetchone():
            return None
        row = database.execute("SELECT CAST(sealed AS BLOB) FROM rdzv WHERE key = ?", (self._key,)).fetchone()
        return StateSnapshot(*unseal(row[0] or b"")) if row else None

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        where, observing = f"sqlite backend at {self._params.endpoint!r}", self._params.observing
        if self._closed:
            raise RendezvousConnectionError(f"{where}: this backend was closed; create a new one")
        # Who only looks creates no file: where there is none, an empty database in memory stands in for it.
        mode = "rwc" if not observing else "ro" if os.path.exists(self._path) else "memory"  # noqa: PTH110 - never raises
        uri = f"{self._path.as_uri()}?mode={mode}"
        try:
            with closing(sqlite3.connect(uri, self._busy_timeout, isolation_level=None, uri=True)) as database:
                database.execute(f"PRAGMA query_only = {observing:d}")
                yield database
        except sqlite3.OperationalError as error:  # busy, unable to open, read-only, disk full
            raise RendezvousConnectionError(f"{where}: {error}; check path, permissions and who else writes") from error
        except (sqlite3.DatabaseError, RendezvousStateError) as error:  # no database at all, or a damaged one or row
            raise RendezvousStateError(f"{where}: {error}; name another path, or restore that file") from error
