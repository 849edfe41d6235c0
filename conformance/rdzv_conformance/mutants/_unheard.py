"""Mutants of "as soon as" by what is written, how, and where: some changes are announced, and some are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdzv_conformance.mutants._looks import TOLD_BY_A_LOOK, _Looking
from rdzv_conformance.mutants._memory import mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._submit import SubmittingMemory
from rdzv_core import SetStateResult, Token
from rdzv_core.abc import OnDone

MOST_OF_A_MESSAGE = 8000
MOST_OF_A_NAME = 63


class _PartlyHeard(_Looking):
    """Of a change for which `is_unheard` nobody is told."""

    @staticmethod
    def is_unheard(backend: Any, state: bytes | None, token: Token | None) -> bool:
        """Return whether nobody is told of a write of `state`, or of a deletion (None)."""
        raise NotImplementedError

    def set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        write: Any = super().set_state
        answer: SetStateResult | None = (self.silenced(write) if self.is_unheard(self, state, token) else write)(
            state, token
        )
        return answer

    def delete_state(self, token: Token | None = None) -> bool:
        delete: Any = super().delete_state
        return bool((self.silenced(delete) if self.is_unheard(self, None, token) else delete)(token))


def _unheard(
    name: str,
    sentence: str,
    *breaks: str,
    when: Callable[[Any, bytes | None, Any], bool],
    seconds: float = 1.0,
    message: str = TOLD_BY_A_LOOK,
    may_break: tuple[str, ...] = (),
) -> Mutant:
    kind = type("PartlyHeard", (_PartlyHeard,), {"is_unheard": staticmethod(when), "SECONDS": seconds})
    return mutant(name, sentence, *breaks, message=message, may_break=may_break)(kind)


def _is_cut(backend: Any, _: bytes | None, __: Any) -> bool:
    return len(backend._params.run_id.encode()) > MOST_OF_A_NAME and not backend._params.run_id.isascii()


@mutant(
    "submitted-writes-are-looked-for",
    "A submitted write goes by another way than a called one, on which nobody announces it.",
    "SUBMIT-1",
    message="after a submitted write",
    may_break=("SUBMIT-2", "SUBMIT-5"),
)
class SubmittedWritesAreLookedFor(_Looking, SubmittingMemory):
    submittable = SubmittingMemory.submittable | {"set_state"}
    quiet = ("write_quietly",)

    def write_quietly(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        """Write, by the other way."""
        return super().set_state(state, token)

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().submit("write_quietly" if method == "set_state" else method, arguments, done)


MUTANTS = (
    _unheard(
        "large-writes-are-looked-for",
        "A change is announced with the state in the message, and a message has 8000 bytes at most, as in NOTIFY.",
        "WATCH-1",
        when=lambda _, state, __: len(state or b"") >= MOST_OF_A_MESSAGE,
    ),
    _unheard(
        "large-writes-wake-nobody",
        "A change is announced with the state in the message; one that is too long for it is not sent, and no error.",
        "WATCH-1",
        "WATCH-5",
        when=lambda _, state, __: len(state or b"") >= MOST_OF_A_MESSAGE,
        seconds=600.0,
        message="has not returned",
    ),
    _unheard(
        "empty-writes-are-looked-for",
        "A message without a body is a heartbeat: who waits takes no notice of a write of nothing.",
        "WATCH-1",
        when=lambda _, state, __: state == b"",
    ),
    _unheard(
        "channels-are-cut",
        "The channel's name is the run id, cut to 63 bytes: it is another one than what is listened to.",
        "WATCH-1",
        when=_is_cut,
        may_break=("WATCH-3", "WATCH-5"),
    ),
    _unheard(
        "siblings-are-looked-for",
        "Only the run's own register is announced; the waits of siblings look once a second.",
        "WATCH-1",
        when=lambda backend, _, __: backend._params.purpose != "",
    ),
    _unheard(
        "deletions-by-token-are-looked-for",
        "delete_state() announces what it does, and the transaction that compares the token does not.",
        "WATCH-3",
        when=lambda _, state, token: state is None and token is not None,
    ),
    SubmittedWritesAreLookedFor,
)
