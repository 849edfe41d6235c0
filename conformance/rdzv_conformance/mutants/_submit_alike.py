"""Mutants of RDZV-SUBMIT-1, 4 and 5: what is submitted goes another way than what is called, and ends otherwise."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rdzv_conformance.mutants._memory import mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_conformance.mutants._submit import Errand
from rdzv_conformance.mutants._submit_waits import SubmittingStore
from rdzv_conformance.mutants._submits_all import ItsOwnWay, SubmitsAll, SubmitsAllStore
from rdzv_core import (
    MemberLease,
    MembersView,
    RendezvousConnectionError,
    RendezvousTimeoutError,
    SetStateResult,
    Token,
)
from rdzv_core.abc import OnDone
from rdzv_core.validation import checked_key, checked_ttl

TTL_BY_DEFAULT = 60.0
IN_32_BITS = 2**32
PAGE = 100
LOOK = 1.5


def _of_a_store(name: str, sentence: str, message: str, broken: type[SubmittingStore]) -> Mutant:
    class WithStores(SubmitsAll):
        store_type = broken

    return mutant(name, sentence, "SUBMIT-1", message=message)(WithStores)


@mutant(
    "submitted-entries-have-a-ttl-by-default",
    "A submitted enter sends no ttl: the lease says the one that was asked for, and the store uses its own.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class EntriesHaveATtlByDefault(SubmitsAll):
    def submitted_enter(self, payload: bytes, ttl: float) -> MemberLease:
        checked_ttl(ttl)
        lease = self.enter(payload, TTL_BY_DEFAULT)
        return MemberLease(ttl, lease.incarnation, lease.id, ahead=lease.ahead)


@mutant(
    "submitted-entries-are-ahead-of-nobody",
    "A submitted enter gives a lease that says that nobody was there.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class EntriesAreAheadOfNobody(SubmitsAll):
    def submitted_enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = self.enter(payload, ttl)
        lease.ahead = 0
        return lease


@mutant(
    "a-submitted-refresh-only-looks",
    "A submitted refresh says whether the member is there, and renews nothing.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class ASubmittedRefreshOnlyLooks(SubmitsAll):
    def submitted_refresh(self, member: MemberLease) -> bool:
        return member.id in [each.id for each in self.members().members]


@mutant(
    "submitted-updates-have-no-number",
    "A submitted update is the newest whenever it comes: one that was overtaken replaces the later payload.",
    "SUBMIT-1",
    message="after an older update arrived",
)
class SubmittedUpdatesHaveNoNumber(SubmitsAll):
    def submitted_update(self, member: MemberLease, payload: bytes) -> bool:
        member.next_sequence()
        with self._members() as table:
            entry = table._entries.get(member.id)
            number = 0 if entry is None else entry.sequence + 1
        return self.write_member(member.id, number, payload)


@mutant(
    "a-submitted-leave-is-for-its-own",
    "A submitted leave ends a membership that was entered on the instance, and no other.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class ASubmittedLeaveIsForItsOwn(SubmitsAll):
    def enter(self, payload: bytes, ttl: float) -> MemberLease:
        lease = super().enter(payload, ttl)
        vars(self).setdefault("own", set()).add(lease.id)
        return lease

    def submitted_leave(self, member: MemberLease) -> None:
        if member.id in vars(self).get("own", ()):
            self.leave(member)


@mutant(
    "submitted-views-are-a-page",
    "A submitted members() gives the first page of a hundred.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class SubmittedViewsAreAPage(SubmitsAll):
    def submitted_members(self) -> MembersView:
        return self.first(PAGE)


@mutant(
    "submitted-first-of-none-is-all",
    "A submitted first(0) is one without a limit.",
    "SUBMIT-1",
    message="first(0)",
)
class SubmittedFirstOfNoneIsAll(SubmitsAll):
    def submitted_first(self, k: int) -> MembersView:
        return self.first(k) if k > 0 else self.members()


@mutant(
    "submitted-writes-compare-first",
    "A submitted set_state compares the token, and then writes whatever is there by then.",
    "SUBMIT-1",
    message="by submitted calls: ",
)
class SubmittedWritesCompareFirst(SubmitsAll):
    def submitted_set_state(self, state: bytes, token: Token | None = None) -> SetStateResult | None:
        found = self.get_state()
        if (found and found.token) == token:
            time.sleep(0)
            found = self.get_state()
            return self.set_state(state, found and found.token)
        return self.set_state(state, token)


class _HoldsUp(ItsOwnWay):
    """Its calls about members go one after the other, and a wait is one of them."""

    def try_all(self, errands: list[Errand]) -> list[Errand]:
        waits = any(each.method == "wait_members" for each in errands)
        return super().try_all([each for each in errands if not waits or each.method not in ("refresh", "update")])


@mutant(
    "submitted-waits-hold-up-renewals",
    "Calls about members share a pipelined connection: a renewal is answered when the waits before it are over.",
    "SUBMIT-1",
    message="has not returned after",
)
class SubmittedWaitsHoldUpRenewals(SubmitsAll):
    runner_type = _HoldsUp


@mutant(
    "submitted-entries-are-looked-for",
    "Who waits is woken by an enter that is called; one that is submitted is found at the next look.",
    "SUBMIT-1",
    message="a submitted enter",
)
class SubmittedEntriesAreLookedFor(SubmitsAll):
    def wait_members(self, version: Token | None, timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while not super().wait_members(version, min(LOOK, timeout)):
            if time.monotonic() > ends:
                return False
        return True

    def submitted_enter(self, payload: bytes, ttl: float) -> MemberLease:
        with self._quietly():
            return self.enter(payload, ttl)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        with self.hub.changed:  # nobody else is at it
            changed, notify = vars(self.hub.changed), self.hub.changed.notify_all
            changed["notify_all"] = lambda: None
            try:
                yield
            finally:
                changed["notify_all"] = notify


@mutant(
    "close-stops-at-a-done-that-raises",
    "close() tells one call after the other, and what done of one raises is its own error.",
    "SUBMIT-5",
    message="has not ended",
    may_break=("SUBMIT-3", "LIFE-3"),
)
class CloseStopsAtADoneThatRaises(SubmitsAll):
    def close(self) -> None:
        with self.runner.lock:
            waits = [each for each in self.runner.errands if each.ends is not None]
            self.runner.errands = [each for each in self.runner.errands if each not in waits]
        super().close()
        with contextlib.suppress(BaseException):
            for each in waits:
                each.done(None, RendezvousConnectionError(f"{self!r} is closed"))


@mutant(
    "a-thread-for-each-wait-for-members",
    "A wait for members that is submitted has a thread of its own.",
    "SUBMIT-4",
    message="calls of wait_members that wait cost",
)
class AThreadForEachWaitForMembers(SubmitsAll):
    def submit(self, method: str, arguments: tuple[Any, ...], done: OnDone) -> None:
        runner = ItsOwnWay(self) if method == "wait_members" else self.runner
        runner.submit(method, arguments, done)


class _AddsInTwoSteps(SubmitsAllStore):
    def submitted_add(self, key: str, amount: int) -> int:
        there = int(self._look().get(checked_key(key), b"0"))
        time.sleep(0)
        self.set(key, b"%d" % (there + amount))
        return there + amount


class _AddsIn32Bits(SubmitsAllStore):
    def submitted_add(self, key: str, amount: int) -> int:
        return self.add(key, amount) % IN_32_BITS


class _ComparesWithNothing(SubmitsAllStore):
    def submitted_compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        return self.compare_set(key, expected or None, desired)


class _DeletesAlways(SubmitsAllStore):
    def submitted_delete_key(self, key: str) -> bool:
        self.delete_key(key)
        return True


class _NamesTheFirst(SubmitsAllStore):
    def submitted_multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        wanted = [*keys]
        missing = [key for key in wanted if not self.check([key])]
        if missing:
            raise RendezvousTimeoutError(f"no value for {missing[0]!r}")
        return self.multi_get(wanted, timeout)


MUTANTS = (
    EntriesHaveATtlByDefault,
    EntriesAreAheadOfNobody,
    ASubmittedRefreshOnlyLooks,
    SubmittedUpdatesHaveNoNumber,
    ASubmittedLeaveIsForItsOwn,
    SubmittedViewsAreAPage,
    SubmittedFirstOfNoneIsAll,
    SubmittedWritesCompareFirst,
    SubmittedWaitsHoldUpRenewals,
    SubmittedEntriesAreLookedFor,
    CloseStopsAtADoneThatRaises,
    AThreadForEachWaitForMembers,
    _of_a_store(
        "submitted-adds-in-two-steps",
        "A submitted add reads, and then writes the sum.",
        "by submitted calls: ",
        _AddsInTwoSteps,
    ),
    _of_a_store(
        "submitted-sums-in-32-bits",
        "The answer to a submitted add has 32 bits.",
        "by submitted calls: ",
        _AddsIn32Bits,
    ),
    _of_a_store(
        "submitted-compare-set-with-nothing",
        "A submitted compare_set that expects an empty value is one that expects none.",
        "by submitted calls: ",
        _ComparesWithNothing,
    ),
    _of_a_store(
        "submitted-deletions-are-always-true",
        "A submitted delete_key does not look whether the key was there.",
        "by submitted calls: ",
        _DeletesAlways,
    ),
    _of_a_store(
        "submitted-multi-get-names-the-first",
        "A submitted multi_get in vain names the first key that is missing.",
        "by submitted calls: ",
        _NamesTheFirst,
    ),
)
