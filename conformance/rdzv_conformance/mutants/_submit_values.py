"""Mutants of RDZV-SUBMIT: what is submitted, how much of it, and how done fails."""

from __future__ import annotations

import contextlib
import heapq
from typing import Any

from rdzv_conformance.mutants._memory import mutant
from rdzv_conformance.mutants._submit import Errand, Runner, SubmittingMemory
from rdzv_core import StateSnapshot
from rdzv_core.abc import OnDone
from rdzv_core.validation import checked_state

PIECE = 65536
AT_ONCE = 100


class _TellsOfItsError(Runner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        try:
            errand.done(result, error)
        except BaseException as raised:  # noqa: BLE001 - the fault
            with contextlib.suppress(BaseException):
                errand.done(None, RuntimeError(f"the call failed: {raised!r}"))


@mutant(
    "done-is-told-of-its-own-error",
    "done is called within the try of the call: what it raises is taken for the call's error, and told to it.",
    "SUBMIT-2",
    message="has ended 2 times",
    may_break=("SUBMIT-5",),
)
class DoneIsToldOfItsOwnError(SubmittingMemory):
    runner_type = _TellsOfItsError


class _ForExceptionsOnly(Runner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        with contextlib.suppress(Exception):
            errand.done(result, error)


@mutant(
    "a-cancelled-done-ends-the-thread",
    "What done raises is caught where it is an Exception: asyncio.CancelledError is none, and ends the thread.",
    "SUBMIT-5",
    message="has not ended",
)
class ACancelledDoneEndsTheThread(SubmittingMemory):
    runner_type = _ForExceptionsOnly


@mutant(
    "two-that-wait-for-ever",
    "Waits are kept in a heap by (end, call): of two that never end the calls are compared, which cannot be.",
    "SUBMIT-4",
    message="raised TypeError",
    may_break=("SUBMIT-1",),
)
class TwoThatWaitForEver(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        ends: list[Any] = vars(self).setdefault("ends", [])
        if method == "wait_state" and len(arguments) == 2 and isinstance(arguments[1], (int, float)):
            heapq.heappush(ends, (arguments[1], done) if arguments[1] > 2**60 else (arguments[1], id(done)))
        super().submit(method, arguments, done)


class _AHundred(Runner):
    def try_all(self, errands: list[Errand]) -> list[Errand]:
        return super().try_all(errands[:AT_ONCE])


@mutant(
    "a-hundred-submitted",
    "A hundred calls are under way at a time; what comes then waits until one has ended.",
    "SUBMIT-1",
    message="has not ended",
    may_break=("SUBMIT-2", "SUBMIT-3", "SUBMIT-5"),
)
class AHundredSubmitted(SubmittingMemory):
    runner_type = _AHundred


class _Read(SubmittingMemory):
    """What a submitted read or wait gives is changed."""

    def changed(self, found: StateSnapshot) -> StateSnapshot | None:
        raise NotImplementedError

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if method == "get_state" and result is not None:
                result = self.changed(result)
            if method == "wait_state" and result is not None and result[1] is not None:
                result = (result[0], self.changed(result[1]))
            done(result, error)

        super().submit(method, arguments, tell)


@mutant(
    "submitted-reads-are-cut",
    "The answer to a submitted call is read once, up to 64 KiB.",
    "SUBMIT-1",
    message="of a state of 256 KiB",
)
class SubmittedReadsAreCut(_Read):
    def changed(self, found: StateSnapshot) -> StateSnapshot:
        return found._replace(state=found.state[:PIECE])


@mutant(
    "an-empty-state-submitted-is-none",
    "A submitted read asks whether the bytes of the answer are there, and an empty state has none.",
    "SUBMIT-1",
    message="of an empty state",
)
class AnEmptyStateSubmittedIsNone(_Read):
    def changed(self, found: StateSnapshot) -> StateSnapshot | None:
        return found if found.state else None


class _Writing(SubmittingMemory):
    """A write can be submitted, too."""

    submittable = SubmittingMemory.submittable | {"set_state"}


@mutant(
    "submitted-writes-are-checked-first",
    "The length of a submitted state is checked before the call is made: too large a one is raised by submit().",
    "SUBMIT-4",
    message="raised ValueError",
    may_break=("SUBMIT-1",),
)
class SubmittedWritesAreCheckedFirst(_Writing):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "set_state" and arguments and isinstance(arguments[0], bytes):
            checked_state(self, arguments[0])
        super().submit(method, arguments, done)


@mutant(
    "submitted-states-are-cut-to-the-limit",
    "Only the called set_state checks the length; what is submitted is sent as far as the limit goes.",
    "SUBMIT-1",
    message="a state that is too large",
)
class SubmittedStatesAreCut(_Writing):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "set_state" and arguments and isinstance(arguments[0], bytes):
            arguments = (arguments[0][: self.max_state_bytes], *arguments[1:])
        super().submit(method, arguments, done)


@mutant(
    "a-falsy-token-submitted-is-none",
    "A field of the request that is empty or 0 is left out: a submitted wait with such a token is one with None.",
    "SUBMIT-1",
    message="has not ended",
)
class AFalsyTokenSubmittedIsNone(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "wait_state" and arguments:
            arguments = (arguments[0] or None, *arguments[1:])
        super().submit(method, arguments, done)


@mutant(
    "submit-unpacks-the-arguments",
    "submit() puts the arguments into a request before it hands it on: a wrong count is raised there.",
    "SUBMIT-4",
    message="raised ValueError",
    may_break=("SUBMIT-1",),
)
class SubmitUnpacksTheArguments(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method.startswith("wait_"):
            token, timeout = arguments
            arguments = (token, timeout)
        super().submit(method, arguments, done)


@mutant(
    "wrong-arguments-are-logged",
    "A call that cannot be made for its arguments is logged, and its done is told nothing.",
    "SUBMIT-4",
    message="has not ended",
    may_break=("SUBMIT-2",),
)
class WrongArgumentsAreLogged(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if not isinstance(error, TypeError):
                done(result, error)

        super().submit(method, arguments, tell)


MUTANTS = (
    DoneIsToldOfItsOwnError,
    ACancelledDoneEndsTheThread,
    TwoThatWaitForEver,
    AHundredSubmitted,
    SubmittedReadsAreCut,
    AnEmptyStateSubmittedIsNone,
    SubmittedWritesAreCheckedFirst,
    SubmittedStatesAreCut,
    AFalsyTokenSubmittedIsNone,
    SubmitUnpacksTheArguments,
    WrongArgumentsAreLogged,
)
