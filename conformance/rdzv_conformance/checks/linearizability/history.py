"""What clients did to a register and what they were told: data, for the checker and for other processes."""

from __future__ import annotations

import base64
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Kind = Literal["get", "set", "delete", "wait"]


class Found(NamedTuple):
    """A state and its token, as an answer gave them."""

    state: bytes
    token: Hashable


@dataclass(frozen=True)
class Operation:
    """One call and its answer.

    `call` and `answer` are nanoseconds on one clock that all clients share, as `time.monotonic_ns` is for the
    processes of one machine; `answer` is None for a call that was not answered, or whose answer does not say whether
    it took effect: it may have, at any time after the call, or may never.

    `state` and `token` are the arguments. `found` is the state that was given back, None for "no state"; `done` is
    `has_set` of a set, what a delete gave, `changed` of a wait. Tokens are compared by equality, and hashed.
    """

    client: str
    kind: Kind
    call: int
    answer: int | None
    state: bytes | None = None
    token: Hashable = None
    found: Found | None = None
    done: bool = False

    @property
    def wrote(self) -> Hashable:
        """The token that this call says it has put there, None if it says nothing of the kind."""
        return self.found.token if self.kind == "set" and self.has_won and self.found is not None else None

    @property
    def has_won(self) -> bool:
        """Whether the call was told that it changed the register."""
        return self.answer is not None and self.done and self.kind in ("set", "delete")

    @property
    def is_indeterminate(self) -> bool:
        """Whether the call may have changed the register, and nobody knows."""
        return self.answer is None and self.kind in ("set", "delete")

    def precedes(self, other: Operation) -> bool:
        """Return whether this one was answered before the other was called."""
        return self.answer is not None and self.answer < other.call


def to_json(operation: Operation) -> list[Any]:
    """Return an operation as JSON has it; its tokens must be text."""
    found = operation.found
    return [
        operation.client,
        operation.kind,
        operation.call,
        operation.answer,
        None if operation.state is None else base64.b64encode(operation.state).decode(),
        operation.token,
        None if found is None else [base64.b64encode(found.state).decode(), found.token],
        operation.done,
    ]


def from_json(fields: list[Any]) -> Operation:
    """Undo `to_json`."""
    client, kind, call, answer, state, token, found, done = fields
    return Operation(
        client,
        kind,
        call,
        answer,
        None if state is None else base64.b64decode(state),
        token,
        None if found is None else Found(base64.b64decode(found[0]), found[1]),
        done,
    )
