"""A rendezvous over a SQLite database: the endpoint is the database's file, every register a row."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    Token,
)
from rdzv_core.envelope import seal, unseal

SCHEMA = "CREATE TABLE IF NOT EXISTS rdzv (key TEXT PRIMARY KEY, sealed BLOB)"


class SqliteBackend(RendezvousBackend):
    name = "sqlite"
    durable = True  # SQLite syncs every COMMIT

    def __init__(self, params: RendezvousParameters) -> None:
        if not params.endpoint or "\0" in params.endpoint:
            raise ValueError(f"endpoint {params.endpoint!r}: give the path of a database file, new or not")
        self._where, self._key, self._closed = f"sqlite backend at {params.endpoint!r}", params.key, False
        mode = "rw" if params.observing else "rwc"  # who only looks creates no file
        self._uri = f"{Path(params.endpoint).absolute().as_uri()}?mode={mode}"

    def get_state(self) -> StateSnapshot | None:
        with self._database() as database:
            return self._read(database)

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if len(state) > self.max_state_bytes:
            raise ValueError(f"a state of {len(state)} bytes is too long: at most {self.max_state_bytes} are allowed")
        with self._database() as database:
            database.execute("BEGIN IMMEDIATE")  # from here to COMMIT nobody else writes
            seen = self._read(database)
            if token != (seen and seen.token):
                return seen and SetStateResult(*seen, False)
            sealed = seal(state)  # with a nonce, which is the token: no other write has the same
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
        """Open a connection for one call: nothing is held that a thread or a fork could spoil."""
        if self._closed:
            raise RendezvousConnectionError(f"{self._where}: this backend was closed; create a new one")
        try:
            with closing(sqlite3.connect(self._uri, timeout=10, isolation_level=None, uri=True)) as database:
                yield database
        except sqlite3.OperationalError as error:  # busy, unable to open, read-only, disk full
            raise RendezvousConnectionError(f"{self._where}: {error}; check the path and who else writes") from error
        except (sqlite3.DatabaseError, RendezvousStateError) as error:  # no database, or a damaged one or row
            raise RendezvousStateError(f"{self._where}: {error}; name another path, or restore that file") from error
