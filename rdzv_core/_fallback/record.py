"""A register that holds one typed JSON record."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from rdzv_core._decoders import decoder
from rdzv_core._errors import RendezvousStateError
from rdzv_core.abc import RendezvousBackend, Token

S = TypeVar("S", bound=msgspec.Struct)


class Record(Generic[S]):
    """Reads and writes a register as JSON of one type; what does not decode is a `RendezvousStateError`."""

    def __init__(self, register: RendezvousBackend, kind: type[S], what: str) -> None:
        self._register = register
        self._read = decoder(kind)
        self._what = what

    def read(self) -> tuple[S | None, Token | None]:
        """Return what is there and its token; (None, None) if there is nothing."""
        found = self._register.get_state()
        return (None, None) if found is None else (self._decode(found[0]), found[1])

    def write(self, value: S, token: Token | None) -> tuple[bool, S | None, Token | None]:
        """Write `value` if the token is still `token` (None: if there is nothing).

        Returns whether this write took effect, and what is there after it. `ValueError` if it does not fit.
        """
        state = msgspec.json.encode(value)
        if len(state) > self._register.max_state_bytes:
            raise ValueError(
                f"{self._what} is full: it would have {len(state)} bytes, and backend {self._register.name!r} takes "
                f"{self._register.max_state_bytes}: use a backend that has this capability itself"
            )
        result = self._register.set_state(state, token)
        if result is None:
            return False, None, None
        there, current, won = result
        return won, value if won else self._decode(there), current

    def _decode(self, state: bytes) -> S:
        try:
            return self._read(state)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RendezvousStateError(
                f"{self._what} cannot be read: {error}; it starts with {state[:60]!r}. Delete it, or use a new run id"
            ) from error
