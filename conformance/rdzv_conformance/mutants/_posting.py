"""Mutants of RDZV-POST, and the sound backends that they are made of: those above, with calls that can be posted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from rdzv_conformance.mutants._catalogue import Mutant
from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._remote import READ_TIMEOUT, SoundRemote
from rdzv_conformance.mutants._settings import remotely
from rdzv_core import (
    RendezvousBackend,
    RendezvousConnectionError,
    RendezvousParameters,
    SupportsPosting,
    accepts_options,
)
from rdzv_core.abc import OnDone
from rdzv_core.memory import MemoryHub

LOOK_EVERY = 0.005


@dataclass(eq=False)
class Errand:
    """A posted call; `ends` is when a wait is over, None for any other call."""

    method: str
    arguments: tuple[Any, ...]
    done: OnDone
    ends: float | None


class Runner:
    """One thread for all that is posted, there while anything is: it tries each call, and a wait again and again."""

    def __init__(self, backend: RendezvousBackend) -> None:
        self.backend = backend
        self.lock = threading.Lock()
        self.errands: list[Errand] = []
        self.running = False

    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        ends = None
        if method.startswith("wait_"):
            ends, arguments = time.monotonic() + arguments[1], (arguments[0], 0.0)
        with self.lock:
            self.errands.append(Errand(method, arguments, done, ends))
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
            over = [errand for errand in errands if self.try_once(errand)]
            with self.lock:
                self.errands = [errand for errand in self.errands if errand not in over]
            if not over:
                time.sleep(LOOK_EVERY)

    def try_once(self, errand: Errand) -> bool:
        """Make the call, and say whether it is over."""
        try:
            result = getattr(self.backend, errand.method)(*errand.arguments)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            errand.done(None, error)
            return True
        changed = result[0] if isinstance(result, tuple) else result
        if errand.ends is not None and not changed and time.monotonic() < errand.ends:
            return False
        errand.done(result, None)
        return True


class PostingMemory(SoundMemory, SupportsPosting):
    """The reference backend, of which everything but a write can be posted."""

    posts = frozenset(
        {"get_state", "wait_state", "enter", "update", "refresh", "leave", "members", "first", "wait_members"}
    )

    def __init__(self, params: RendezvousParameters, hub: MemoryHub | None = None) -> None:
        super().__init__(params, hub)
        self.runner = Runner(self)

    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.runner.post(method, arguments, done)


class PostingRemote(SoundRemote, SupportsPosting):
    """The backend over TCP, of which a read can be posted."""

    posts = frozenset({"get_state"})

    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        self.runner = Runner(self)

    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.runner.post(method, arguments, done)


posting_remote = accepts_options(READ_TIMEOUT)(lambda params: PostingRemote(params))


@mutant(
    "posts-what-it-saw-last",
    "A posted read is answered by what the last one found.",
    "POST-1",
    message="the posted get_state() after another's write",
)
class PostsWhatItSawLast(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        seen = vars(self).setdefault("seen", {})

        def keep(result: Any, error: Exception | None) -> None:
            seen[method] = result
            done(result, error)

        if method == "get_state" and seen.get(method) is not None:
            done(seen[method], None)
        else:
            super().post(method, arguments, keep)


@mutant(
    "answers-nothing",
    "The answer of a posted update is not read, because nobody waits for it.",
    "POST-1",
    message="the posted update()",
)
class AnswersNothing(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().post(method, arguments, lambda result, error: done(None if method == "update" else result, error))


@mutant(
    "posted-errors-are-none",
    "An error that the store reports ends a posted call with no result and no error.",
    "POST-1",
    "POST-3",
    message="gave None: it must raise a",
)
class PostedErrorsAreNone(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        super().post(method, arguments, lambda result, _: done(result, None))


@mutant(
    "posts-what-it-has-not",
    "The list of what can be posted names a method by its name on the wire.",
    "POST-1",
    message="names 'get', which is no method of it",
)
class PostsWhatItHasNot(PostingMemory):
    posts = PostingMemory.posts | {"get"}


@mutant(
    "told-of-timeout-and-answer",
    "A posted wait that is over in vain is told so by its timer, and again by the store's answer.",
    "POST-2",
    message="has ended 2 times",
)
class ToldOfTimeoutAndAnswer(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            done(result, error)
            if method == "wait_state" and result is not None and not result[0]:
                done(result, error)

        super().post(method, arguments, tell)


class ForgetsTheUnanswered(PostingRemote):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if self.closed or not isinstance(error, RendezvousConnectionError):
                done(result, error)

        super().post(method, arguments, tell)


@mutant(
    "close-forgets-the-posted",
    "close() takes away what is posted, and tells nobody.",
    "POST-3",
    message="goes on 2 s after close()",
)
class CloseForgetsThePosted(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def tell(result: Any, error: Exception | None) -> None:
            if not self._closed:
                done(result, error)

        super().post(method, arguments, tell)


@mutant(
    "a-thread-for-each",
    "A posted call is a thread that makes it.",
    "POST-4",
    message="cost 50 threads",
)
class AThreadForEach(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        def make() -> None:
            try:
                result = getattr(self, method)(*arguments)
            except Exception as error:  # noqa: BLE001 - it is what the call raises
                done(None, error)
            else:
                done(result, None)

        threading.Thread(target=make, daemon=True).start()


@mutant(
    "posts-by-calling",
    "A posted call is made at once, and whoever posts it waits.",
    "POST-4",
    message="has not returned",
    may_break=("POST-1", "POST-2", "POST-3"),
)
class PostsByCalling(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        try:
            result = getattr(self, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            done(None, error)
        else:
            done(result, None)


@mutant(
    "post-checks-first",
    "A bad argument, and that the instance is closed, are raised by whoever posts.",
    "POST-4",
    message="raised RendezvousConnectionError",
)
class PostChecksFirst(PostingMemory):
    def post(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self._check_open()
        super().post(method, arguments, done)


MUTANTS = (
    PostsWhatItSawLast,
    AnswersNothing,
    PostedErrorsAreNone,
    PostsWhatItHasNot,
    ToldOfTimeoutAndAnswer,
    Mutant(
        "forgets-the-unanswered",
        "Posted calls whose connection is lost are dropped with it.",
        ("RDZV-POST-2",),
        "done was not called",
        accepts_options(READ_TIMEOUT)(lambda params: ForgetsTheUnanswered(params)),
        setting=remotely,
    ),
    CloseForgetsThePosted,
    AThreadForEach,
    PostsByCalling,
    PostChecksFirst,
)
