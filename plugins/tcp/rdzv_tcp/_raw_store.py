"""Access to a tcp store below the registers, for tools and tests."""

from __future__ import annotations

from typing import NamedTuple

from rdzv_core import RendezvousConnectionError
from rdzv_core.endpoint import HostPort
from rdzv_tcp import _protocol as wire
from rdzv_tcp._client.session import Session, new_nonce
from rdzv_tcp._net.security import NO_CREDENTIALS, Credentials
from rdzv_tcp._protocol import (
    Absent,
    Delete,
    Done,
    HealthReport,
    Kept,
    Keys,
    ListKeys,
    RawGet,
    Value,
)


class Health(NamedTuple):
    """How a server is. `runs` are those that have members; `data_dir` is empty if it keeps nothing on disk.

    `memory_bytes` is what its process has resident, 0 if its system does not say. `durable`: registers are on disk.
    `guarded`: nobody is served without credentials. `incarnation`: another one when it has lost its memory.
    """

    server: str
    version: str
    uptime_seconds: float
    connections: int
    registers: int
    runs: int
    members: int
    memory_bytes: int
    durable: bool
    guarded: bool
    incarnation: str
    data_dir: str


class TcpStore:
    """The keys of a server as they are stored: a register's value is its state in an `rdzv_core.envelope`.

    Give `host` without brackets. Every method is thread-safe and raises `RendezvousConnectionError` after `timeout`
    seconds without an answer. It connects when it is first used. A backend's own `raw_store` closes with the backend.
    """

    def __init__(self, host: str, port: int, timeout: float = 60, credentials: Credentials = NO_CREDENTIALS) -> None:
        self._session = Session(HostPort(host, port), timeout, credentials)

    @classmethod
    def over(cls, session: Session) -> TcpStore:
        """Return the store on a session that somebody else closes."""
        store = cls.__new__(cls)
        store._session = session
        return store

    @property
    def host(self) -> str:
        """The server's host, as it was given."""
        return self._session.endpoint.host

    @property
    def port(self) -> int:
        """The server's port."""
        return self._session.endpoint.port

    @property
    def timeout(self) -> float:
        """Seconds that a call may take."""
        return self._session.read_timeout

    def get(self, key: str) -> bytes | None:
        """Return what is stored at `key`, None if nothing is. Never waits for it."""
        answer = self._session.read(lambda: RawGet(key))
        if isinstance(answer, Absent):
            return None
        assert isinstance(answer, Value), answer
        return answer.value

    def delete(self, key: str) -> bool:
        """Delete `key`. Return whether it was there."""
        answer, doubted = self._session.write(Delete(key, new_nonce(), None))
        if doubted and isinstance(answer, Kept):
            raise RendezvousConnectionError(
                f"tcp backend at '{self._session.endpoint}': the answer to deleting {key!r} was lost: it is gone now, "
                "but who deleted it is not known"
            )
        return isinstance(answer, Done)

    def keys(self) -> list[str]:
        """Return the keys of all registers, in order; those that come and go meanwhile may be in it or not."""
        found: list[str] = []
        while more := self._keys_after(found[-1] if found else ""):
            found += more
        return found

    def _keys_after(self, key: str) -> list[str]:
        answer = self._session.read(lambda: ListKeys(key))
        assert isinstance(answer, Keys), answer
        return answer.keys

    def health(self) -> Health:
        """Ask the server how it is."""
        answer = self._session.read(wire.HealthRequest)
        assert isinstance(answer, HealthReport), answer
        return Health(
            server=answer.server,
            version=answer.version,
            uptime_seconds=answer.uptime,
            connections=answer.connections,
            registers=answer.registers,
            runs=answer.runs,
            members=answer.members,
            memory_bytes=answer.memory,
            durable=answer.durable,
            guarded=answer.guarded,
            incarnation=answer.incarnation.hex(),
            data_dir=answer.data_dir,
        )

    def close(self) -> None:
        """Release the connection. Idempotent."""
        self._session.close()

    def __enter__(self) -> TcpStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<TcpStore {self._session.endpoint} [{'closed' if self._session.closed else 'open'}]>"
