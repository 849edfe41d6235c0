"""The store of a round, kept by the server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rdzv_core import RendezvousStateError, RendezvousTimeoutError, Store, SupportsSubmit
from rdzv_core.abc import OnDone
from rdzv_core.validation import checked_key, checked_keys, checked_value
from rdzv_tcp._client.pending_calls import Steps
from rdzv_tcp._client.session import Session, new_nonce
from rdzv_tcp._protocol import (
    MAX_STATE_BYTES,
    Absent,
    Answer,
    Count,
    Done,
    Missing,
    NoInteger,
    Over,
    Request,
    StoreAdd,
    StoreCompareSet,
    StoreCount,
    StoreDelete,
    StoreGet,
    StoreSet,
    Value,
    Values,
)

DEFAULT_TIMEOUT = 300.0
_ITEM_BYTES = 16


class TcpRoundStore(Store, SupportsSubmit):
    """A map on the server, of one run and one prefix; waiting takes place there. Closes with its backend.

    A run keeps the four stores used last; a call on one that went for a newer one raises `RendezvousStateError`. A
    value, and both values of `compare_set` together, have at most 8 MiB (`ValueError`). `multi_set` is one step
    as long as all of it fits into 8 MiB. A write whose answer was lost is sent again and done once.
    """

    submittable = frozenset({"get"})

    def __init__(self, session: Session, run: str, prefix: str) -> None:
        self._session = session
        self._run = run
        self._prefix = prefix

    def set(self, key: str, value: bytes) -> None:
        self.multi_set({key: value})

    def get(self, key: str, timeout: float | None = None) -> bytes:
        return self._session.run(self._getting(key, timeout))

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self._session.submit(lambda: {"get": self._getting}[method](*arguments), done)

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        key, desired = self._checked(key, desired)
        size = len(desired) + len(expected or b"")
        if size > MAX_STATE_BYTES:
            raise ValueError(
                f"{self._who()}: the two values of key {key!r} have {size} bytes together: at most "
                f"{MAX_STATE_BYTES} can be sent"
            )
        request = StoreCompareSet(self._run, self._prefix, key, expected, desired, new_nonce())
        answer = self._write(request)
        if isinstance(answer, Done):
            return desired
        return None if isinstance(answer, Absent) else self._value(answer)

    def add(self, key: str, amount: int) -> int:
        key, _ = self._checked(key, b"")
        answer = self._write(StoreAdd(self._run, self._prefix, key, str(int(amount)), new_nonce()))
        if isinstance(answer, NoInteger):
            raise ValueError(  # noqa: TRY004 - the value is wrong, not the type of anything that the caller gave
                f"{self._who()}: key {key!r} holds {answer.value!r}, which is not an integer to add to"
            )
        return int(self._value(answer))

    def check(self, keys: Iterable[str]) -> bool:
        request = StoreGet(self._run, self._prefix, checked_keys(keys), 0.0, False)
        return isinstance(self._known(self._session.read(lambda: request)), Done)

    def wait(self, keys: Iterable[str], timeout: float | None = None) -> None:
        wanted, limit = checked_keys(keys), _limit(timeout)
        self._session.run(self._awaiting(wanted, wanted, limit, limit, values=False))

    def delete_key(self, key: str) -> bool:
        return isinstance(self._write(StoreDelete(self._run, self._prefix, checked_key(key), new_nonce())), Done)

    def num_keys(self) -> int:
        answer = self._known(self._session.read(lambda: StoreCount(self._run, self._prefix)))
        assert isinstance(answer, Count), answer
        return answer.count

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return self._session.run(self._collecting(checked_keys(keys), _limit(timeout)))

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        for part in _parts(dict(self._checked(key, value) for key, value in items.items())):
            self._write(StoreSet(self._run, self._prefix, part, new_nonce()))

    def _getting(self, key: str, timeout: float | None = None) -> Steps[bytes]:
        values = yield from self._collecting([checked_key(key)], _limit(timeout))
        return values[0]

    def _collecting(self, wanted: list[str], limit: float) -> Steps[list[bytes]]:
        end = time.monotonic() + limit
        values: list[bytes] = []
        while len(values) < len(wanted):
            left = wanted[len(values) :]
            answer = yield from self._awaiting(left, wanted, end - time.monotonic(), limit, values=True)
            assert isinstance(answer, Values), answer
            values += answer.values
        return values

    def _awaiting(
        self, keys: list[str], wanted: list[str], seconds: float, limit: float, *, values: bool
    ) -> Steps[Answer]:
        answer = yield from self._session.waiting(
            lambda seconds: StoreGet(self._run, self._prefix, keys, seconds, values), seconds, Missing
        )
        if isinstance(answer, Missing):
            raise RendezvousTimeoutError(
                f"waited {limit:g} s for {len(wanted)} keys of {self!r}: {', '.join(map(repr, answer.keys))} not set"
            )
        return self._known(answer)

    def _write(self, request: Request) -> Answer:
        return self._known(self._session.write(request).answer)

    def _known(self, answer: Answer) -> Answer:
        if isinstance(answer, Over):
            raise RendezvousStateError(
                f"{self._who()}: the store {self._prefix!r} was dropped, since this run has newer ones; "
                "join the next round for its own"
            )
        return answer

    def _value(self, answer: Answer) -> bytes:
        assert isinstance(answer, Value), answer
        return answer.value

    def _checked(self, key: str, value: bytes) -> tuple[str, bytes]:
        value = checked_value(checked_key(key), value)
        if len(value) > MAX_STATE_BYTES:
            raise ValueError(
                f"{self._who()}: a value of {len(value)} bytes for key {key!r}: at most {MAX_STATE_BYTES} can be stored"
            )
        return key, value

    def _who(self) -> str:
        return f"tcp backend at '{self._session.endpoint}'"

    def __repr__(self) -> str:
        return f"<TcpRoundStore {self._prefix!r} of {self._run} at {self._session.endpoint}>"


def _limit(timeout: float | None) -> float:
    return DEFAULT_TIMEOUT if timeout is None else timeout


def _parts(items: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Cut what is more than one frame can hold."""
    part: dict[str, bytes] = {}
    size = 0
    for key, value in items.items():
        needs = _ITEM_BYTES + len(key.encode()) + len(value)
        if part and size + needs > MAX_STATE_BYTES:
            yield part
            part, size = {}, 0
        part[key], size = value, size + needs
    if part:
        yield part
