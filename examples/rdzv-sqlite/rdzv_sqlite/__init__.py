"""A rendezvous over a SQLite database: the endpoint is the database's file, every register a row."""

import os
import random
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from rdzv_core import RendezvousConnectionError, RendezvousError, RendezvousParameters, RendezvousStateError
from rdzv_core.authoring import VersionedBackend

T = TypeVar("T")

SCHEMA = "CREATE TABLE rdzv (key TEXT PRIMARY KEY, sealed BLOB)"

PATIENCE = 0.06
"""Seconds that SQLite itself waits for a lock: its sleeps grow, so that of many who write some would wait for long."""
LONGEST_PAUSE = 0.005
"""Seconds at most until the next attempt."""

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
        def look(database: sqlite3.Connection) -> tuple[bytes | None] | None:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'rdzv'").fetchone():
                raise RendezvousStateError(f"{self.where}: it has no table rdzv: it is not ours, or was truncated")
            select = "SELECT CAST(sealed AS BLOB) FROM rdzv WHERE key = ?"
            found: tuple[bytes | None] | None = database.execute(select, (self.params.key,)).fetchone()
            return found

        row = self._use(look)
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
        # A transaction of its own, synced.
        return self._use(lambda database: database.execute(statement, values).rowcount == 1)

    def _create(self) -> None:
        """Complete the database before it gets its name: with 0 bytes, as SQLite begins, it would look truncated."""
        new = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        with self.calling() as call, _turn(call.left), closing(_connected(new, "rwc")) as database:
            try:
                database.execute(SCHEMA)
                os.link(new, self._path)
            except FileExistsError:  # another node was first
                pass
            finally:
                new.unlink(missing_ok=True)

    def _use(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """Call `use` with a connection for it alone: nothing is kept that another thread or a fork could break.

        Where others have the database locked it is tried again, for half of the call's time.
        """
        call = self.current_call()
        while True:
            try:
                with _turn(call.left), closing(_connected(self._path, "rw")) as database:
                    return use(database)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or call.left < self.guard.timeout / 2:
                    raise
            call.pause(random.uniform(0, LONGEST_PAUSE))


@contextmanager
def _turn(seconds: float) -> Iterator[None]:
    if not _CALLS.acquire(timeout=seconds):
        raise sqlite3.OperationalError("other threads of this process kept it locked")
    try:
        yield
    finally:
        _CALLS.release()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", timeout=PATIENCE, isolation_level=None, uri=True)
