"""A register on a store that keeps values with a version: revisions, ETags, or the value itself."""

from __future__ import annotations

import secrets
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from rdzv_core._errors import RendezvousConfigurationError, RendezvousConnectionError, RendezvousError
from rdzv_core._parameters import RendezvousParameters
from rdzv_core.abc import RendezvousBackend, SetStateResult, StateSnapshot, SupportsDelete, Token
from rdzv_core.authoring._guard import Call, CallGuard
from rdzv_core.envelope import NONCE_BYTES, seal, unseal
from rdzv_core.validation import checked_state

DEFAULT_TIMEOUT = 20.0


class _Found(NamedTuple):
    snapshot: StateSnapshot
    version: Any

    def is_token(self, token: Token | None) -> bool:
        return isinstance(token, bytes) and token == self.snapshot.token


class VersionedBackend(RendezvousBackend, SupportsDelete):
    """A whole register from three methods: `read`, `write_if` and `delete_if`, on the value under `params.key`.

    A *version* is whatever the store compares: a revision, an ETag, a row's number, or the value's own bytes. It need
    not be unique over time: every value that this class writes is, for it is sealed with a nonce, which is the token.

    It does the rest: seals and unseals; refuses what is too long; asks again where a refused write finds nothing; gives
    every call a deadline and ends it at `close`; turns the errors of the store's library into those of the contract;
    and finds out by the nonce who wrote, after an answer was lost or the library has sent a write twice.

    Raise nothing but the errors of `store_errors`, or a `RendezvousError` whose text says what happened. The three
    methods are called by several threads at a time. `timeout` is how many seconds a call may take, all of it;
    `self.current_call().left` is what this thread's has left, to be handed to the client as
    a timeout.
    """

    store_errors: ClassVar[tuple[type[Exception], ...]] = (OSError, EOFError)
    """What the store's library raises if something is wrong: each becomes what `error_of` makes of it."""

    def __init__(self, params: RendezvousParameters, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.params = params
        self._guard = CallGuard(f"{self.name} backend at {params.endpoint!r}", timeout)
        self._local = threading.local()

    # What an author writes.

    @abstractmethod
    def read(self) -> tuple[bytes, Any] | None:
        """Return what is stored under `params.key` and its version, None if nothing is. A linearizable read."""

    @abstractmethod
    def write_if(self, raw: bytes, version: Any | None) -> bool:
        """Store `raw` if the version still is `version` (None: if nothing is stored), atomically; return if it did.

        Have the library send it once: switch its retries off.
        """

    @abstractmethod
    def delete_if(self, version: Any) -> bool:
        """Delete what is stored if the version still is `version`, atomically; return whether it did."""

    def error_of(self, error: Exception) -> RendezvousError:
        """Return what an error of `store_errors` is to a caller: by default a `RendezvousConnectionError`.

        Override it for those that waiting cannot fix, such as refused credentials (`RendezvousConfigurationError`), and
        those that say that what is stored is damaged (`RendezvousStateError`).
        """
        return RendezvousConnectionError(f"{self.where}: {error or type(error).__name__}")

    def released(self) -> None:
        """Release what the instance holds. Called once, by the first `close`, when no call can begin any more."""

    # What an author may use.

    @property
    def where(self) -> str:
        """The backend and its endpoint, with which an error's text begins."""
        return self._guard.what

    @property
    def guard(self) -> CallGuard:
        """The guard of this instance's calls, for methods beside those of the register."""
        return self._guard

    def current_call(self) -> Call:
        """Return the call that this thread is in. Raises `RuntimeError` outside of one: see `calling`."""
        call: Call | None = getattr(self._local, "call", None)
        if call is None:
            raise RuntimeError("no call is under way in this thread: use `with self.calling():`")
        return call

    @contextmanager
    def calling(self, timeout: float | None = None) -> Iterator[Call]:
        """Make the block one call: with a deadline, ended by `close`, and its errors mapped by `error_of`.

        For methods beside those of the register; `timeout` in seconds goes over the instance's.
        """
        outer = getattr(self._local, "call", None)
        with self._guard.call(timeout) as call:
            self._local.call = call
            try:
                yield call
            except self.store_errors as error:
                self._guard.check()
                raise self.error_of(error) from error
            finally:
                self._local.call = outer

    # What the contract asks.

    def get_state(self) -> StateSnapshot | None:
        with self.calling():
            found = self._find()
            return None if found is None else found.snapshot

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        state, nonce = checked_state(self, state), secrets.token_bytes(NONCE_BYTES)
        with self.calling() as call:
            while True:
                call.check()
                found = self._find()
                if found is not None and found.snapshot.token == nonce:
                    return SetStateResult(state, nonce, True)  # refused, since the library had sent it before
                if found is None and token is not None:
                    return None
                if found is not None and not found.is_token(token):
                    return SetStateResult(*found.snapshot, False)
                if self._write(seal(state, nonce), nonce, None if found is None else found.version):
                    return SetStateResult(state, nonce, True)
                # Somebody was faster. What there is now decides: nothing, if it was deleted meanwhile.

    def delete_state(self, token: Token | None = None) -> bool:
        with self.calling() as call:
            while True:
                call.check()
                raw = self._read()
                if raw is None or (token is not None and not self._unsealed(raw).is_token(token)):
                    return False
                if self._said("delete_if", self.delete_if(raw[1])):
                    return True

    def close(self) -> None:
        closed = self._guard.is_closed
        self._guard.close()
        if not closed:
            self.released()

    def _write(self, sealed: bytes, nonce: bytes, version: Any | None) -> bool:
        """Write; if the answer is lost, look once who has written. Only finding it there settles that."""
        try:
            return self._said("write_if", self.write_if(sealed, version))
        except self.store_errors as lost:
            error = self.error_of(lost)
            if not _is_open(error) or not self._is_there(nonce):
                raise error from lost
            return True

    def _is_there(self, nonce: bytes) -> bool:
        if self._guard.is_closed or self.current_call().left <= 0:
            return False
        try:
            found = self._find()
        except RendezvousError:
            return False
        except self.store_errors:
            return False
        return found is not None and found.snapshot.token == nonce

    def _find(self) -> _Found | None:
        raw = self._read()
        return None if raw is None else self._unsealed(raw)

    def _read(self) -> tuple[bytes, Any] | None:
        raw = self.read()
        if raw is None or (isinstance(raw, tuple) and len(raw) == 2):
            return raw
        raise TypeError(
            f"{type(self).__name__}.read() returned {type(raw).__name__}: it must return the stored bytes and their "
            "version, as a tuple, or None"
        )

    def _said(self, method: str, answer: bool | None) -> bool:
        if answer is None:
            raise TypeError(f"{type(self).__name__}.{method}() returned None: it must return True or False")
        return answer

    def _unsealed(self, raw: tuple[bytes, Any]) -> _Found:
        try:
            return _Found(StateSnapshot(*unseal(raw[0])), raw[1])
        except RendezvousError as error:
            raise type(error)(f"{self.where}, key {self.params.key}: {error}; it is left as it is") from error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.params.key} at {self.params.endpoint!r}>"


def _is_open(error: RendezvousError) -> bool:
    """Whether a write that raised this may have taken effect."""
    return isinstance(error, RendezvousConnectionError) and not isinstance(error, RendezvousConfigurationError)
