"""One client for all instances of a process that use the same store in the same way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rdzv_core._errors import RendezvousConnectionError
from rdzv_core.authoring._after_fork import begin_again_in_a_child

K = TypeVar("K", bound=Hashable)
C = TypeVar("C")


class _Entry(Generic[C]):
    """A client, once it is made, and how many hold it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.client: C | None = None
        self.is_over = False


class SharedClients(Generic[K, C]):
    """Clients by key, each made when it is first asked for and closed when nobody holds it. Thread-safe.

    To be kept for good, as a constant of a module. `make(key)` may take as long as a connection takes: nobody but those
    of the same key wait for it. The child of a fork makes clients of its own, and closes none of its parent's: those
    are only forgotten there.

    With it the default `sibling` shares the connection, too: the factory is called again, and finds the client.
    """

    def __init__(self, make: Callable[[K], C], close: Callable[[C], object]) -> None:
        self._make = make
        self._close = close
        self._begin_again()
        begin_again_in_a_child(self._begin_again)

    def hold(self, key: K) -> ClientHold[K, C]:
        """Return a hold on the client of a key; nothing is made yet. The caller releases it."""
        return ClientHold(self, key)

    def _begin_again(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[K, _Entry[C]] = {}

    def _join(self, key: K) -> _Entry[C]:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            entry.holders += 1
        return entry

    def _client(self, key: K, entry: _Entry[C]) -> C:
        with entry.lock:
            if entry.is_over:  # the last release came after the caller had begun: nobody would close another client
                raise _released()
            if entry.client is None:
                entry.client = self._make(key)
            return entry.client

    def _leave(self, key: K, entry: _Entry[C]) -> None:
        with self._lock:
            if self._entries.get(key) is not entry:
                return  # a fork's: it was its parent's
            entry.holders -= 1
            if entry.holders:
                return
            del self._entries[key]
        with entry.lock:
            client, entry.client, entry.is_over = entry.client, None, True
        if client is not None:
            self._close(client)


class ClientHold(Generic[K, C]):
    """A share in a client. Thread-safe."""

    def __init__(self, clients: SharedClients[K, C], key: K) -> None:
        self._clients = clients
        self._key = key
        self._released = False
        self._join()
        begin_again_in_a_child(self._join)

    def client(self) -> C:
        """Return the client, made now if nobody has asked for it in this process.

        Raises what making it raises, and `RendezvousConnectionError` after `release`.
        """
        if self._released:
            raise _released()
        return self._clients._client(self._key, self._entry)

    def release(self) -> None:
        """Give the share up; the last one closes the client. Idempotent."""
        released, self._released = self._released, True
        if not released:
            self._clients._leave(self._key, self._entry)

    def _join(self) -> None:
        if not self._released:
            self._entry = self._clients._join(self._key)


def _released() -> RendezvousConnectionError:
    return RendezvousConnectionError("this share in a client was released: create a new backend")
