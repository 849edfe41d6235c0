"""A rendezvous over a SQLite database: the endpoint is the database's file, every register a row."""

import os
import secrets
import sqlite3
import threading
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

SCHEMA = "CREATE TABLE rdzv (key TEXT PRIMARY KEY, sealed BLOB)"

# A fork amidst a transaction would leave the child SQLite's lock of a thread that is gone: one waits for the other.
_CALLS = threading.Lock()
os.register_at_fork(before=_CALLS.acquire, after_in_parent=_CALLS.release, after_in_child=_CALLS.release)


class SqliteBackend(RendezvousBackend):
    name = "sqlite"
    durable = True  # SQLite syncs every COMMIT

    def __init__(self, params: RendezvousParameters) -> None:
        if not params.endpoint or "\0" in params.endpoint:
            raise ValueError(f"endpoint {params.endpoint!r}: give the path of a database file, new or not")
        self._where, self._key, self._closed = f"sqlite backend at {params.endpoint!r}", params.key, False
        self._path = Path(params.endpoint).absolute()
        if not params.observing and not os.access(self._path, os.F_OK):  # an observer creates no file
            self._create()

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
            database.execute("INSERT OR REPLACE INTO rdzv VALUES (?, ?)", (self._key, sealed))
            database.execute("COMMIT")
            return SetStateResult(*unseal(sealed), True)

    def close(self) -> None:
        self._closed = True

    def _read(self, database: sqlite3.Connection) -> StateSnapshot | None:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rdzv'").fetchone():
            raise RendezvousStateError("the database has no table rdzv: it is not ours, or was truncated")
        row = database.execute("SELECT CAST(sealed AS BLOB) FROM rdzv WHERE key = ?", (self._key,)).fetchone()
        return StateSnapshot(*unseal(row[0] or b"")) if row else None

    def _create(self) -> None:
        """Complete the database before it gets its name: with 0 bytes, as SQLite begins, it would look truncated."""
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        with self._database(new, "rwc") as database:
            try:
                database.execute(SCHEMA)
                os.link(new, self._path)
            except FileExistsError:  # another node was first
                pass
            finally:
                new.unlink(missing_ok=True)

    @contextmanager
    def _database(self, path: Path | None = None, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """Open a connection for one call: nothing is kept that another thread or a fork could break."""
        if self._closed:
            raise RendezvousConnectionError(f"{self._where}: this backend was closed; create a new one")
        uri = f"{(path or self._path).as_uri()}?mode={mode}"
        try:
            with _CALLS, closing(sqlite3.connect(uri, timeout=10, isolation_level=None, uri=True)) as database:
                yield database
        except (sqlite3.OperationalError, OSError) as error:  # busy, unable to open, read-only, disk full
            text = f"{self._where}: {error}; check the path, the space on its disk, and which other process writes"
            raise RendezvousConnectionError(text) from error
        except (sqlite3.DatabaseError, RendezvousStateError) as error:  # not a database, or a damaged one or row
            raise RendezvousStateError(f"{self._where}: {error}; name another path, or restore that file") from error
