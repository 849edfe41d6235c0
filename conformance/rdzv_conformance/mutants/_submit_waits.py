"""Mutants of RDZV-SUBMIT-1, 2, 3 and 5: what is submitted about members and on stores."""

from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.mutants._memory import mutant
from rdzv_conformance.mutants._submit import Errand, Runner, SubmittingMemory
from rdzv_core import RendezvousTimeoutError, Store, SupportsSubmit
from rdzv_core.abc import OnDone
from rdzv_core.memory._store import MemoryStore

DEFAULT_TIMEOUT = 300.0
IN_31_BITS = 2**31


class StoreRunner(Runner):
    """The same for a store: what waits is tried without time until its own is over."""

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method != "get":
            super().submit(method, arguments, done)
            return
        try:
            key, timeout = arguments if len(arguments) != 1 else (*arguments, None)
            errand = Errand(method, (key, 0.0), done, time.monotonic() + self.seconds(timeout))
        except (TypeError, ValueError) as error:
            done(None, error)
            return
        self.add(errand)

    def seconds(self, timeout: float | None) -> float:
        """Return how long a get waits."""
        return DEFAULT_TIMEOUT if timeout is None else timeout

    def try_once(self, errand: Errand) -> bool:
        try:
            result = getattr(self.backend, errand.method)(*errand.arguments)
        except RendezvousTimeoutError as error:
            if errand.ends is not None and time.monotonic() < errand.ends:
                return False
            self.tell(errand, None, error)
        except Exception as error:  # noqa: BLE001 - it is what the call raises
            self.tell(errand, None, error)
        else:
            self.tell(errand, result, None)
        return True


class SubmittingStore(MemoryStore, SupportsSubmit):
    """The reference's store, of which set and get can be submitted."""

    submittable = frozenset({"get", "set"})

    def __init__(self, backend: SubmittingMemory, prefix: str, runner_type: type[Runner]) -> None:
        super().__init__(backend, prefix)
        self.runner = runner_type(self)

    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        self.runner.submit(method, arguments, done)


class SubmittingStores(SubmittingMemory):
    """The reference, of whose stores calls can be submitted as well."""

    store_runner: type[Runner] = StoreRunner

    def store(self, prefix: str) -> Store:
        with self.opened():
            return SubmittingStore(self, prefix, self.store_runner)


class _MillisecondsIn31Bits(StoreRunner):
    def seconds(self, timeout: float | None) -> float:
        return min(super().seconds(timeout), 1e9) * 1000 % IN_31_BITS / 1000


class _NoneIsNoTime(StoreRunner):
    def seconds(self, timeout: float | None) -> float:
        return timeout or 0.0


class _LooksEachSecond(StoreRunner):
    def rest(self, errands: list[Errand]) -> None:
        waits = any(errand.ends is not None and errand.ends > time.monotonic() + 2 for errand in errands)
        time.sleep(1.0) if waits else super().rest(errands)


class _OneByOne(Runner):
    def try_all(self, errands: list[Errand]) -> list[Errand]:
        members = [each for each in errands if each.method == "wait_members"]
        return super().try_all([each for each in errands if each not in members[1:]])


class _MembersLookEachSecond(Runner):
    def rest(self, errands: list[Errand]) -> None:
        members = all(each.method == "wait_members" for each in errands)
        time.sleep(1.0) if members else super().rest(errands)


class _ToldTwice(StoreRunner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        super().tell(errand, result, error)
        if isinstance(error, RendezvousTimeoutError):
            super().tell(errand, result, error)


class _UnderALock(StoreRunner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        with self.lock:
            super().tell(errand, result, error)


class _ForgetsWhenClosed(StoreRunner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        if self.backend._backend._closed and errand.ends is not None:  # type: ignore[attr-defined]
            return
        super().tell(errand, result, error)


class _MembersForgottenWhenClosed(Runner):
    def tell(self, errand: Errand, result: Any, error: Exception | None) -> None:
        if error is not None and errand.method == "wait_members":
            return
        super().tell(errand, result, error)


@mutant(
    "submitted-gets-in-31-bits",
    "The timeout of a submitted get is sent as milliseconds in 31 bits.",
    "SUBMIT-1",
    message="ended though nothing had changed",
    may_break=("SUBMIT-2",),
)
class GetsIn31Bits(SubmittingStores):
    store_runner = _MillisecondsIn31Bits


@mutant(
    "submitted-gets-without-a-timeout-look",
    "A submitted get without a timeout looks once.",
    "SUBMIT-1",
    message="ended though nothing had changed",
    may_break=("SUBMIT-2",),
)
class NoneIsNoTime(SubmittingStores):
    store_runner = _NoneIsNoTime


@mutant(
    "submitted-gets-are-looks",
    "A submitted get looks once a second.",
    "SUBMIT-1",
    message="A change must wake who waits",
    may_break=("SUBMIT-2", "SUBMIT-5"),
)
class GetsAreLooks(SubmittingStores):
    store_runner = _LooksEachSecond


@mutant(
    "submitted-gets-are-told-twice",
    "A submitted get in vain is told so by its timer, and by the answer.",
    "SUBMIT-2",
    message="has ended 2 times",
    may_break=("SUBMIT-1", "SUBMIT-3"),
)
class GetsAreToldTwice(SubmittingStores):
    store_runner = _ToldTwice


@mutant(
    "done-of-a-store-under-a-lock",
    "done of a store's call is called with the lock held that submit takes.",
    "SUBMIT-5",
    message="submitted by done of another one, has not ended",
    may_break=("LIFE-4",),
)
class DoneOfAStoreUnderALock(SubmittingStores):
    store_runner = _UnderALock


@mutant(
    "close-forgets-submitted-gets",
    "close() takes the submitted gets away, and tells nobody.",
    "SUBMIT-3",
    message="has not ended",
    may_break=("SUBMIT-1",),
)
class CloseForgetsGets(SubmittingStores):
    store_runner = _ForgetsWhenClosed


@mutant(
    "close-forgets-submitted-members",
    "close() takes the submitted waits for members away, and tells nobody.",
    "SUBMIT-3",
    message="has not ended",
    may_break=("SUBMIT-1",),
)
class CloseForgetsMembers(SubmittingMemory):
    runner_type = _MembersForgottenWhenClosed


@mutant(
    "submitted-members-one-by-one",
    "A submitted wait for members holds up the next one.",
    "SUBMIT-1",
    message="done was not called",
    may_break=("SUBMIT-2", "SUBMIT-5"),
)
class MembersOneByOne(SubmittingMemory):
    runner_type = _OneByOne


@mutant(
    "submitted-members-are-looks",
    "A submitted wait for members looks once a second.",
    "SUBMIT-1",
    message="A change must wake who waits",
    may_break=("SUBMIT-5",),
)
class MembersAreLooks(SubmittingMemory):
    runner_type = _MembersLookEachSecond


@mutant(
    "submitted-updates-are-cut",
    "The payload of a submitted update is cut at 1 KiB.",
    "SUBMIT-1",
    message="the payload of a submitted update() came back otherwise",
)
class UpdatesAreCut(SubmittingMemory):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        if method == "update" and len(arguments) == 2 and isinstance(arguments[1], bytes):
            arguments = (arguments[0], arguments[1][:1024])
        super().submit(method, arguments, done)


MUTANTS = (
    GetsIn31Bits,
    NoneIsNoTime,
    GetsAreLooks,
    GetsAreToldTwice,
    DoneOfAStoreUnderALock,
    CloseForgetsGets,
    CloseForgetsMembers,
    MembersOneByOne,
    MembersAreLooks,
    UpdatesAreCut,
)
