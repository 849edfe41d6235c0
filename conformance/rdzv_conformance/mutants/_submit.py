"""Mutants of RDZV-SUBMIT, and the sound backends they are made of: those above, with calls that can be submitted."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import (
    RendezvousConnectionError,
    RendezvousParameters,
    SupportsSubmit,
    accepts_options,
)
from rdzv_core.abc import OnDone
from rdzv_core.memory import MemoryHub

LOOK_EVERY = 0.005


@dataclass(eq=False)
class Errand:
    """A submitted call; `ends` is when a wait is over, None for any other call."""

    method: str
    arguments: tuple[Any, ...]
    done: OnDone
    ends: float | None


class Runner:
    """One thread for all that is submitted, there while anything is: it tries each call, and a wait again and again."""

    def __init__(self, backend: object) -> None:
        self.backend = backend
        self.lock = threading.Lock()
        self.errands: list[Errand] = []
        self.running = False

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        ends = None
        if method.startswith("wait_"):
            try:
                token, timeout = arguments
                ends, arguments = time.monotonic() + timeout, (token, 0.0)
            except (TypeError, ValueError) as error:
                done(None, error)
                return
        self.add(Errand(method, arguments, done, ends))

    def add(self, errand: Errand) -> None:
        """Have it done."""
        with self.lock:
            self.errands.append(errand)
            if not self.running:
                self.running = True
                threading.Thread(target=self.run, name="mutants' runner", daemon=True).start()

    def run(self) -> None:
        while True:
            with self.lock:
                errands = self.errands.copy()
                self.running = bool(errands)
            if not errands:
                return
            over = self.try_all(errands)
            with self.lock:
                self.errands = self.left_after(errands, over)
            if not over:
                self.rest(errands)

    def try_all(self, errands: list[Errand]) -> list[Errand]:
        """Try each, and return those that are over."""
        return [errand for errand in errands if self.try_once(errand)]

    def left_after(self, errands: list[Errand], over: list[Errand]) -> list[Errand]:  # noqa: ARG002 - a mutant looks at it
        """Return what is still to be done after `errands` were tried; called with the lock held."""
        return [errand for errand in self.errands if errand not in over]

    def rest(self, errands: list[Errand]) -> None:  # noqa: ARG002 - a mutant looks at it
        """Pause, where none was over."""
        time.sleep(LOOK_EVERY)

    def try_once(self, errand: Errand) -> bool:
        """Make the call, and say whether it is over."""
        try:
            result = getattr(self.backend, errand.method)(*errand.arguments)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            self.tell(errand, None, error)
            return True
        changed = result[0] if isinstance(result, tuple) else result
        if errand.ends is not None and not changed and time.monotonic() < errand.ends:
            return False
        self.tell(errand, result, None)
        return True

    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        """Call `done`; what it raises is its own affair."""
        with contextlib.suppress(BaseException):
            errand.done(result, error)


class SubmittingMemory(SoundMemory, SupportsSubmit):
    """The reference backend, of which everything but a write can be submitted."""

    submittable = frozenset(
        {"get_state", "wait_state", "enter", "update", "refresh", "leave", "members", "first", "wait_members"}
    )

    runner_type: type[Runner] = Runner

    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        super().__init__(params, hub)
        self.runner = self.runner_type(self)

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.runner.submit(method, arguments, done)


class SubmittingRemote(SoundRemote, SupportsSubmit):
    """The backend over TCP, of which a read can be submitted."""

    submittable = frozenset({"get_state"})

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.runner = Runner(self)

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.runner.submit(method, arguments, done)


submitting_remote = accepts_options(READ_TIMEOUT)(lambda params: SubmittingRemote(params))


@mutant(
    "submits-what-it-saw-last",
    "A submitted read is answered by what the last one found.",
    "SUBMIT-1",
    message="the submitted get_state() after another's write",
)
class SubmitsWhatItSawLast(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        seen = vars(self).setdefault("seen", {})

        def keep(result: Any, error: Exception | None) -> None:
            seen[method] = result
            done(result, error)

        if method == "get_state" and seen.get(method) is not None:
            done(seen[method], None)
        else:
            super().submit(method, arguments, keep)


@mutant(
    "answers-nothing",
    "The answer of a submitted update is not read, because nobody waits for it.",
    "SUBMIT-1",
    message="the submitted update()",
)
class AnswersNothing(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().submit(method, arguments, lambda result, error: done(None if method == "update" else result, error))


@mutant(
    "submitted-errors-are-none",
    "An error that the store reports ends a submitted call with no result and no error.",
    "SUBMIT-1",
    "SUBMIT-3",
    message="gave None: it must raise a",
    may_break=("SUBMIT-5", "SUBMIT-4"),
)
class SubmittedErrorsAreNone(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().submit(method, arguments, lambda result, _: done(result, None))


@mutant(
    "submits-what-it-has-not",
    "The list of what can be submitted names a method by its name on the wire.",
    "SUBMIT-1",
    message="names 'get', which is no method of it",
)
class SubmitsWhatItHasNot(SubmittingMemory):
    submittable = SubmittingMemory.submittable | {"get"}


@mutant(
    "told-of-timeout-and-answer",
    "A submitted wait that is over in vain is told so by its timer, and again by the store's answer.",
    "SUBMIT-2",
    message="has ended 2 times",
)
class ToldOfTimeoutAndAnswer(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            done(result, error)
            if method == "wait_state" and result is not None and not result[0]:
                done(result, error)

        super().submit(method, arguments, tell)


class ForgetsTheUnanswered(SubmittingRemote):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if self.closed or not isinstance(error, RendezvousConnectionError):
                done(result, error)

        super().submit(method, arguments, tell)


@mutant(
    "close-forgets-the-submitted",
    "close() takes away what is submitted, and tells nobody.",
    "SUBMIT-3",
    message="goes on 2 s after close()",
    may_break=("SUBMIT-5", "SUBMIT-1"),
)
class CloseForgetsTheSubmitted(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if not self._closed:
                done(result, error)

        super().submit(method, arguments, tell)


@mutant(
    "a-thread-for-each",
    "A submitted call is a thread that makes it.",
    "SUBMIT-4",
    message="cost 50 threads",
)
class AThreadForEach(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def make() -> None:
            try:
                result = getattr(self, method)(*arguments)
            except Exception as error:  # noqa: BLE001 - it is what the call raises
                done(None, error)
            else:
                done(result, None)

        threading.Thread(target=make, daemon=True).start()


@mutant(
    "submits-by-calling",
    "A submitted call is made at once, and the caller that submits it waits.",
    "SUBMIT-4",
    message="has not returned",
    may_break=("SUBMIT-1", "SUBMIT-2", "SUBMIT-3", "SUBMIT-5"),
)
class SubmitsByCalling(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        try:
            result = getattr(self, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            done(None, error)
        else:
            done(result, None)


@mutant(
    "submit-checks-first",
    "A bad argument, and that the instance is closed, are raised by the caller that submits.",
    "SUBMIT-4",
    message="raised RendezvousConnectionError",
    may_break=("SUBMIT-5",),
)
class SubmitChecksFirst(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self._check_open()
        super().submit(method, arguments, done)


MUTANTS = (
    SubmitsWhatItSawLast,
    AnswersNothing,
    SubmittedErrorsAreNone,
    SubmitsWhatItHasNot,
    ToldOfTimeoutAndAnswer,
    Mutant(
        "forgets-the-unanswered",
        "Submitted calls whose connection is lost are dropped with it.",
        ("RDZV-SUBMIT-2",),
        "done was not called",
        accepts_options(READ_TIMEOUT)(lambda params: ForgetsTheUnanswered(params)),
        setting=remotely,
    ),
    CloseForgetsTheSubmitted,
    AThreadForEach,
    SubmitsByCalling,
    SubmitChecksFirst,
)
