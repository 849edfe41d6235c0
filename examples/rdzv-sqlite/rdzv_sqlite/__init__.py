"""A rendezvous over a SQLite database: the endpoint is the database's file, every register a row."""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rdzv_core import RendezvousConnectionError, RendezvousError, RendezvousParameters, RendezvousStateError
from rdzv_core.authoring import VersionedBackend

SCHEMA = "CREATE TABLE rdzv (key TEXT PRIMARY KEY, sealed BLOB)"

# A fork amidst a transaction would leave the child SQLite's lock of a thread that is gone: one waits for the other.
_CALLS = threading.Lock()
os.register_at_fork(before=_CALLS.acquire, after_in_parent=_CALLS.release, after_in_child=_CALLS.release)


class SqliteBackend(VersionedBackend):
    name = "sqlite"
    durable = True  # SQLite syncs every COMMIT
    store_errors = (sqlite3.Error, OSError)

    def __init__(self, params: RendezvousParameters) -> None:
        if not params.endpoint or "\0" in params.endpoint:
            raise ValueError(f"endpoint {params.endpoint!r}: give the path of a database file, new or not")
        super().__init__(params)
        self._path = Path(params.endpoint).absolute()
        if not params.observing and not os.access(self._path, os.F_OK):  # an observer creates no file
            self._create()

    def read(self) -> tuple[bytes, bytes] | None:
        with self._database() as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rdzv'").fetchone():
                raise RendezvousStateError(f"{self.where}: it has no table rdzv: it is not ours, or was truncated")
            row = database.execute("SELECT CAST(sealed AS BLOB) FROM rdzv WHERE key = ?", (self.params.key,)).fetchone()
        return (row[0] or b"", row[0] or b"") if row else None

    def write_if(self, raw: bytes, version: bytes | None) -> bool:
        if version is None:
            return self._changes("INSERT OR IGNORE INTO rdzv VALUES (?, ?)", self.params.key, raw)
        return self._changes("UPDATE rdzv SET sealed = ? WHERE key = ? AND sealed = ?", raw, self.params.key, version)

    def delete_if(self, version: bytes) -> bool:
        return self._changes(
            "DELETE FROM rdzv WHERE key = ? AND CAST(IFNULL(sealed, '') AS BLOB) = ?", self.params.key, version
        )

    def error_of(self, error: Exception) -> RendezvousError:
        if isinstance(error, (sqlite3.OperationalError, OSError)):  # busy, unable to open, read-only, disk full
            text = f"{self.where}: {error}; check the path, the space on its disk, and which other process writes"
            return RendezvousConnectionError(text)
        return RendezvousStateError(f"{self.where}: {error}; name another path, or restore that file")

    def _changes(self, statement: str, *values: str | bytes) -> bool:
        with self._database() as database:
            return database.execute(statement, values).rowcount == 1  # a transaction of its own, synced

    def _create(self) -> None:
        """Complete the database before it gets its name: with 0 bytes, as SQLite begins, it would look truncated."""
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        with self.calling(), self._database(new, "rwc") as database:
            try:
                database.execute(SCHEMA)
                os.link(new, self._path)
            except FileExistsError:  # another node was first
                pass
            finally:
                new.unlink(missing_ok=True)

    @contextmanager
    def _database(self, path: Path | None = None, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        """Open a connection for one statement: nothing is kept that another thread or a fork could break."""
        uri = f"{(path or self._path).as_uri()}?mode={mode}"
        patience = min(10, self.current_call().left)
        with _CALLS, closing(sqlite3.connect(uri, timeout=patience, isolation_level=None, uri=True)) as database:
            yield database
