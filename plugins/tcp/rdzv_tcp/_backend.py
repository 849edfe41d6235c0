"""The backend `tcp`: a register on a server that a node hosts, or that `rdzv serve` keeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    RendezvousStateError,
    SetStateResult,
    StateSnapshot,
    Store,
    SupportsDelete,
    SupportsListing,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
    Token,
    accepts_options,
)
from rdzv_core.abc import OnDone
from rdzv_core.addresses import is_unspecified, outgoing_address, usable_by_peers
from rdzv_tcp._bootstrap import open_store
from rdzv_tcp._client.pending_calls import Steps
from rdzv_tcp._client.session import Session, new_nonce
from rdzv_tcp._membership import TcpMembership
from rdzv_tcp._net.endpoint import read_endpoint
from rdzv_tcp._net.security import client_credentials, host_tls
from rdzv_tcp._net.settings import Settings
from rdzv_tcp._options import CONNECT_TIMEOUT, DATA_DIR, FSYNC, IS_HOST, OPTIONS, READ_TIMEOUT
from rdzv_tcp._protocol import (
    MAX_NAME_CHARACTERS,
    MAX_STATE_BYTES,
    NONCE_BYTES,
    Absent,
    Answer,
    Corrupt,
    Delete,
    Done,
    Found,
    Get,
    Set,
    Unchanged,
    Wait,
)
from rdzv_tcp._raw_store import TcpStore
from rdzv_tcp._round_store import TcpRoundStore
from rdzv_tcp._server.hosting import Hosting, own_store_hint
from rdzv_tcp._server.server import TcpServer

DEFAULT_CONNECT_TIMEOUT = 5.0
"""Seconds: a node that waits for a store which comes up later is soon told why it cannot be reached yet."""

_REMEMBERED_BYTES = 64 * 1024


@accepts_options(*OPTIONS)
def create_backend(params: RendezvousParameters) -> TcpBackend:
    """Create a backend for `params`; hosts the store where that is this process's part, and is connected then.

    Raises `ValueError` for a bad endpoint or option, `RendezvousConnectionError` if the store cannot be hosted or
    reached within `connect_timeout`. Where this process tries to host the store, a look-up of the endpoint's name takes
    as long as the system's resolver does.
    """
    _ = params.key  # a bad run id is refused before anything is hosted or connected, which nobody would close
    endpoint = read_endpoint(params.endpoint)
    read_timeout = READ_TIMEOUT.of(params)
    connect_timeout = CONNECT_TIMEOUT.optional(params) or min(read_timeout, DEFAULT_CONNECT_TIMEOUT)
    is_host = False if params.observing else IS_HOST.optional(params)
    credentials = client_credentials(params)
    settings = Settings(credentials.secret, host_tls(params), DATA_DIR.optional(params), FSYNC.of(params))
    if credentials.tls is not None and settings.tls is None:
        if is_host:
            raise ValueError("option tls_ca is given and tls_cert is not: a host needs a certificate to speak TLS")
        is_host = False
    if endpoint.port == 0 and is_host is False:
        raise ValueError(f"endpoint {params.endpoint!r}: port 0 is for hosting; a client needs the host's port")
    session, hosting = open_store(endpoint, is_host, read_timeout, connect_timeout, credentials, settings)
    return TcpBackend(params, session, hosting)


class TcpBackend(
    TcpMembership, RendezvousBackend, SupportsWatch, SupportsStore, SupportsDelete, SupportsListing, SupportsSubmit
):
    """The register, the memberships and the stores of a run, on a tcp server.

    Thread-safe; instances of a process share one connection to an endpoint. A token is the 16-byte nonce that its
    write carried. A write whose answer was lost is sent again and told by its nonce; where that does not settle it
    (the server was restarted, say) it raises `RendezvousConnectionError`.
    """

    max_state_bytes = MAX_STATE_BYTES

    def __init__(self, params: RendezvousParameters, session: Session, hosting: Hosting | None = None) -> None:
        self._params = params
        self._key = params.key
        self._run = params.for_purpose("").key
        self._session = session
        self._hosting = hosting
        self._last: StateSnapshot | None = None
        self.durable: bool = session.durable
        """Whether the store is kept on disk, so that a kill of its server loses nothing."""
        self.secure: bool = session.guarded
        """Whether this instance and its store know each other, and nobody can read along."""

    @property
    def name(self) -> str:
        return "tcp"

    @property
    def endpoint(self) -> str:
        """Where the store is, with the port that was really bound: what the other nodes are given."""
        return str(self._session.endpoint)

    @property
    def hosts_store(self) -> bool:
        """Whether the store ends with this process."""
        return self.is_host

    def local_address(self) -> str | None:
        """Return the address of this end of the connection to the store.

        A host that listens on all its addresses has connected to itself: to others it is its outgoing address.
        """
        host = self._session.local_host
        if is_unspecified(self._session.endpoint.host):
            return outgoing_address() or usable_by_peers(host)
        return usable_by_peers(host)

    def endpoint_hint(self) -> str:
        """Return that this process hosts a store which nobody else can mean by the same endpoint, if that is so."""
        return "" if self._hosting is None else own_store_hint(self._hosting.server)

    def hosted_members(self) -> Mapping[str, Collection[bytes]]:
        """Return the members' payloads of every run on the server that this process hosts, by the run's key."""
        return {} if self._hosting is None else self._hosting.server.members()

    @property
    def is_host(self) -> bool:
        """Whether the store is hosted by this process through this instance."""
        return self._hosting is not None

    @property
    def raw_store(self) -> TcpStore:
        """The store below the register, on this instance's connection; do not close it."""
        return TcpStore.over(self._session)

    def health(self) -> dict[str, str | int | float | bool]:
        """Ask the server how it is: the fields of `Health`. Raises `RendezvousConnectionError`."""
        return self.raw_store.health()._asdict()

    def list_keys(self) -> list[str]:
        return self.raw_store.keys()

    def get_state(self) -> StateSnapshot | None:
        return self._session.run(self._getting())

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        if not isinstance(state, (bytes, bytearray, memoryview)):
            raise TypeError(f"{self._who()}: a state is bytes, not {type(state).__name__}: {state!r:.60}")
        nonce, state = new_nonce(), bytes(state)
        if len(state) > MAX_STATE_BYTES:
            raise ValueError(
                f"{self._who()}: a state of {len(state)} bytes is over the limit of {MAX_STATE_BYTES}; nothing was sent"
            )
        answer, doubted = self._session.write(Set(self._key, state, nonce, _on_the_wire(token)))
        if isinstance(answer, Done):
            return SetStateResult(state, nonce, True)
        there = self._snapshot(answer)
        if doubted:
            raise self._unknown("writing")
        return None if there is None else SetStateResult(there.state, there.token, False)

    def wait_state(self, token: Token | None, timeout: float) -> tuple[bool, StateSnapshot | None]:
        return self._session.run(self._watching(token, timeout))

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self._session.submit(lambda: _SUBMITTABLE[method](self, *arguments), done)

    def delete_state(self, token: Token | None = None) -> bool:
        answer, doubted = self._session.write(Delete(self._key, new_nonce(), _on_the_wire(token)))
        if doubted and not isinstance(answer, Done):
            raise self._unknown("deleting")
        return isinstance(answer, Done)

    def store(self, prefix: str) -> Store:
        if self._session.closed:
            raise self._session.closed_error()
        if len(prefix) > MAX_NAME_CHARACTERS:
            raise ValueError(
                f"{self._who()}: a store's name of {len(prefix)} characters: at most {MAX_NAME_CHARACTERS}"
            )
        return TcpRoundStore(self._session, self._run, prefix)

    def sibling(self, purpose: str) -> TcpBackend:
        session = self._session.share()
        hosting = None if self._hosting is None else self._hosting.share()
        return TcpBackend(self._params.for_purpose(purpose), session, hosting)

    def close(self) -> None:
        self._session.close()
        if self._hosting is not None:
            self._hosting.release()

    def _getting(self) -> Steps[StateSnapshot | None]:
        answer = yield self._session.asking(lambda: Get(self._key))
        return self._remember(self._snapshot(answer))

    def _watching(self, token: Token | None, timeout: float) -> Steps[tuple[bool, StateSnapshot | None]]:
        end = time.monotonic() + timeout
        known = _on_the_wire(token)
        while True:
            left = end - time.monotonic()
            answer = yield from self._session.waiting(lambda seconds: Wait(self._key, known, seconds), left, Unchanged)
            over = time.monotonic() >= end
            if isinstance(answer, Unchanged):
                last = self._last
                if known is None or (last is not None and last.token == known):
                    return False, None if known is None else last
                answer = yield self._session.asking(lambda: Get(self._key))
            snapshot = self._remember(self._snapshot(answer))
            changed = (None if snapshot is None else snapshot.token) != known
            if changed or over:
                return changed, snapshot

    def _remember(self, snapshot: StateSnapshot | None) -> StateSnapshot | None:
        """Keep what was read last, if it is small: it need not be sent again to say that it is unchanged."""
        self._last = snapshot if snapshot is not None and len(snapshot.state) <= _REMEMBERED_BYTES else None
        return snapshot

    def _snapshot(self, answer: Answer) -> StateSnapshot | None:
        if isinstance(answer, Found):
            return StateSnapshot(answer.state, answer.token)
        if isinstance(answer, Corrupt):
            raise RendezvousStateError(
                f"{self._who()}: what is stored under {self._key!r} cannot be read ({answer.reason}); "
                "it was left as it is: delete it, or start a new run"
            )
        assert isinstance(answer, Absent), answer
        return None

    def _unknown(self, what: str) -> RendezvousConnectionError:
        return RendezvousConnectionError(
            f"{self._who()}: the connection was lost while {what} {self._key!r}, and the register has changed since: "
            "whether this took effect is not known; read the state again, then decide what to write"
        )

    def _who(self) -> str:
        return f"tcp backend at {self.endpoint!r}"

    def __repr__(self) -> str:
        state = "closed" if self._session.closed else "hosting" if self.is_host else "connected"
        return f"<TcpBackend {self.endpoint} run_id={self._params.run_id!r} [{state}]>"


def session_of(backend: TcpBackend) -> Session:
    """Return the session of a backend, for tests."""
    return backend._session


def server_of(backend: TcpBackend) -> TcpServer:
    """Return the server that a backend hosts, for tests."""
    assert backend._hosting is not None
    return backend._hosting.server


_SUBMITTABLE: dict[str, Callable[..., Steps[Any]]] = {
    "get_state": TcpBackend._getting,
    "wait_state": TcpBackend._watching,
    "enter": TcpBackend._entering,
    "update": TcpBackend._updating,
    "refresh": TcpBackend._refreshing,
    "first": TcpBackend._looking,
    "members": TcpBackend._viewing,
    "wait_members": TcpBackend._waiting,
}
TcpBackend.submittable = frozenset(_SUBMITTABLE)


def _on_the_wire(token: Token | None) -> bytes | None:
    """Return a token as it is sent: one of a foreign kind becomes one that no register ever has."""
    if token is None or (isinstance(token, bytes) and len(token) == NONCE_BYTES):
        return token
    return b""
