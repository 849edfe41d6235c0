"""Membership on registers: lost answers, a store that forgets, and what is stored."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import MemberLease, RendezvousConnectionError, RendezvousStateError
from rdzv_core._fallback import RegisterMembership
from rdzv_core._fallback.pace import Life
from rdzv_core.memory import MemoryBackend
from tests.core.fallback.registers import DIRECTORY, INCARNATION, SLOT, TTL, Interference, directory, page

# Lost answers


@pytest.mark.parametrize("how", ["lose_call", "lose_answer"])
@pytest.mark.parametrize("call", ["refresh", "update"])
def test_a_member_goes_on_after_a_lost_answer(
    how: str, call: str, here: Any, there: Any, interference: Interference
) -> None:
    """Whether or not a write took effect whose answer was lost, the next one is right, and no payload comes back."""
    lease = here.enter(b"a", TTL)
    getattr(interference, how)("set", SLOT)
    with pytest.raises(RendezvousConnectionError):
        here.refresh(lease) if call == "refresh" else here.update(lease, b"b")
    assert here.refresh(lease)
    taken = call == "update" and how == "lose_answer"
    assert [member.payload for member in there.members().members] == [b"b" if taken else b"a"]
    assert here.update(lease, b"c")
    assert here.refresh(lease)
    assert [member.payload for member in there.members().members] == [b"c"]


def test_a_write_that_arrives_late_ends_nobody(here: Any, there: Any, hub: Any, interference: Interference) -> None:
    """A refresh that was given up and arrives just before the next one is the member's own: it is taken as it is."""
    lease = here.enter(b"a", TTL)
    old, slot = hub.raw[SLOT], lease.slot
    here.update(lease, b"late")
    late, hub.raw[SLOT], lease.slot = hub.raw[SLOT], old, slot
    interference.before("set", SLOT, lambda: hub.raw.update({SLOT: late}))
    assert here.refresh(lease)
    assert [member.payload for member in there.members().members] == [b"late"]


@pytest.mark.parametrize("how", ["lose_call", "lose_answer"])
def test_a_leave_whose_answer_was_lost_may_be_repeated(
    how: str, here: Any, there: Any, interference: Interference
) -> None:
    """After a failed leave the member does not refresh any more, and leaving again ends it."""
    lease = here.enter(b"a", TTL)
    getattr(interference, how)("set", SLOT)
    with pytest.raises(RendezvousConnectionError):
        here.leave(lease)
    assert not here.refresh(lease)
    here.leave(lease)
    assert there.count() == 0


@pytest.mark.parametrize("how", ["lose_call", "lose_answer"])
def test_who_has_left_is_gone_though_the_directory_still_lists_it(
    how: str, here: Any, there: Any, hub: Any, interference: Interference
) -> None:
    """A leave that gets no further than the slot is a leave; the next observer tidies up."""
    lease = here.enter(b"a", TTL)
    getattr(interference, how)("set", DIRECTORY)
    here.leave(lease)
    assert there.count() == 0
    assert directory(hub)["order"] == []


# A store that forgets


def test_a_lost_directory_is_a_new_incarnation(here: Any, there: Any, hub: Any) -> None:
    """Members of a lost directory, whose slots survived, learn that they are out once another is founded."""
    leases = [here.enter(b"a", TTL), here.enter(b"b", TTL)]
    before = there.members()
    del hub.raw[DIRECTORY]
    assert there.members().members == ()
    new = there.enter(b"new", TTL)
    assert new.incarnation == there.members().incarnation != before.incarnation
    assert [here.refresh(lease) for lease in leases] == [False, False]
    assert there.refresh(new)
    assert [member.payload for member in here.members().members] == [b"new"]


def test_who_is_in_no_directory_any_more_leaves_its_slot(here: Any, there: Any, hub: Any) -> None:
    """Its slot is free as soon as it knows; no observer would look there."""
    lease = here.enter(b"a", TTL)
    del hub.raw[DIRECTORY]
    there.enter(b"b", TTL)
    assert not here.refresh(lease)
    there.enter(b"c", TTL)
    assert [entry["slot"] for entry in directory(hub)["order"]] == [1, 0]


def test_a_lost_incarnation_record_ends_nobody(here: Any, there: Any, hub: Any) -> None:
    """Where only the small record was lost, the directory tells that the member is there."""
    lease = here.enter(b"a", TTL)
    del hub.raw[INCARNATION]
    assert here.refresh(lease)
    assert there.count() == 1


def test_a_founding_that_was_only_announced_ends_nobody(here: Any, there: Any, hub: Any, interference: Any) -> None:
    """Two who found the directory at the same time agree on one; who is in it stays."""
    others: list[MemberLease] = []
    interference.before("set", DIRECTORY, lambda: others.append(there.enter(b"other", TTL)))
    lease = here.enter(b"a", TTL)
    assert lease.incarnation == others[0].incarnation
    assert there.refresh(others[0])
    assert here.refresh(lease)


def test_a_lost_slot_ends_its_member(here: Any, there: Any, clock: Any, hub: Any) -> None:
    """A member whose slot vanished is out, for good, and its entry is tidied up."""
    lease = here.enter(b"a", TTL)
    del hub.raw[SLOT]
    assert there.count() == 0
    assert not here.refresh(lease)
    assert not here.update(lease, b"b")
    assert directory(hub)["order"] == []


def test_a_store_that_lost_everything_ends_everybody(here: Any, there: Any, hub: Any) -> None:
    """An emptied store has no members, and they learn it."""
    lease = here.enter(b"a", TTL)
    hub.raw.clear()
    assert there.count() == 0
    assert not here.refresh(lease)


# What is stored


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b'{"incarnation": "x", "order": [], "v": 3}'])
@pytest.mark.parametrize("purpose", ["members", "members.0", "members.incarnation"])
def test_what_cannot_be_read_is_a_state_error(text: bytes, purpose: str, here: Any, make_bare: Any) -> None:
    """Something else where a record should be is a RendezvousStateError, and is left as it is."""
    lease = here.enter(b"a", TTL)
    register = make_bare().sibling(purpose)
    register.set_state(text, register.get_state().token)
    calls = {
        "members": [here.members, lambda: here.enter(b"", TTL)],
        "members.0": [here.members, lambda: here.refresh(lease), lambda: here.enter(b"", TTL)],
        "members.incarnation": [lambda: here.refresh(lease)],
    }
    for call in calls[purpose]:
        with pytest.raises(RendezvousStateError, match="cannot be read"):
            call()
    assert register.get_state().state == text


def test_a_lease_of_another_membership_is_refused(here: Any, make_memory: Callable[..., MemoryBackend]) -> None:
    """A lease that was not entered on registers is told from one that has ended."""
    with pytest.raises(TypeError, match="not entered here"):
        here.refresh(make_memory().enter(b"", TTL))


def test_a_full_directory_says_so(here: Any, make_bare: Any, hub: Any) -> None:
    """More members than the register takes is a ValueError that says what to do; who is there stays."""
    lease = here.enter(b"a", TTL)
    register = make_bare().sibling("members")
    state, token = register.get_state()
    full = json.loads(state)
    full["order"] += [{"slot": n, "id": f"{n:032x}"} for n in range(1, 6000)]
    while len(text := json.dumps(full, separators=(",", ":"))) > register.max_state_bytes:
        del full["order"][-20:]
    assert register.set_state(text.encode(), token).has_set
    assert len(full["order"]) > 4000
    with pytest.raises(ValueError, match="directory of members is full"):  # noqa: PT012 - the last few take turns
        for _ in range(25):
            here.enter(b"b", TTL)
    assert here.refresh(lease)


@pytest.mark.parametrize("others", [1, 100])
def test_a_refresh_costs_the_same_however_many_there_are(others: int, here: Any, interference: Interference) -> None:
    """It reads the incarnation record and writes its own page, once more if a neighbour has written since."""
    leases = [here.enter(b"x" * 40, TTL) for _ in range(others)]
    assert here.refresh(leases[0])
    interference.calls.clear()
    assert here.refresh(leases[0])
    assert interference.calls == [("get", INCARNATION), ("set", SLOT)]
    if others > 1:
        assert here.refresh(leases[1])
        interference.calls.clear()
        assert here.refresh(leases[0])
        assert interference.calls == [("get", INCARNATION), ("set", SLOT), ("set", SLOT)]


@pytest.mark.parametrize(("members", "pages"), [(8, 1), (9, 2), (64, 8)])
def test_a_look_reads_the_directory_and_a_page_for_eight_members(
    members: int, pages: int, here: Any, there: Any, interference: Interference
) -> None:
    """Whatever all of them hold; the first few are in as few pages."""
    for _ in range(members):
        there.enter(b"x", TTL)
    interference.calls.clear()
    assert here.count() == members
    assert len(interference.calls) == 1 + pages
    interference.calls.clear()
    assert len(here.first(8).members) == 8
    assert len(interference.calls) == 2


def test_one_who_waits_reads_the_directory_alone_most_of_the_time(
    here: Any, there: Any, interference: Interference, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payload that changes is seen all the same, by the look at everybody that is due; one who comes, at once."""
    lease = there.enter(b"a", TTL)
    version = here.members().version
    sleeps: list[float] = []
    acts: dict[int, Callable[[], object]] = {6: lambda: there.update(lease, b"b")}

    def sleep(life: Life, seconds: float) -> None:
        sleeps.append(seconds)
        acts.get(len(sleeps), lambda: None)()

    monkeypatch.setattr(Life, "sleep", sleep)
    interference.calls.clear()
    assert here.wait_members(version, 60)
    assert [key for _, key in interference.calls].count(SLOT) == 2  # the fourth time, and the eighth
    assert len(sleeps) == 7

    version = here.members().version
    sleeps.clear()
    acts = {2: lambda: there.enter(b"c", TTL)}
    assert here.wait_members(version, 60)
    assert len(sleeps) == 2


def test_one_who_waits_for_no_time_looks_at_everybody(here: Any, there: Any) -> None:
    """Each time: a change of a payload that was before is not put off."""
    lease = there.enter(b"a", TTL)
    for number in range(8):
        version = here.members().version
        assert there.update(lease, b"%d" % number)
        assert here.wait_members(version, 0)
        assert not here.wait_members(here.members().version, 0)


def test_neighbours_in_a_page_disturb_each_other_by_an_attempt_at_most(
    here: Any, there: Any, interference: Interference
) -> None:
    """Each of them writes between the other's read and its write, and both payloads are there."""
    mine, theirs = here.enter(b"mine", TTL), there.enter(b"theirs", TTL)
    interference.before("set", SLOT, lambda: there.update(theirs, b"theirs again"))
    assert here.update(mine, b"mine again")
    assert [member.payload for member in there.members().members] == [b"mine again", b"theirs again"]


def test_a_page_takes_eight_members_with_the_largest_payloads(here: Any, hub: Any) -> None:
    """It fits into what every backend takes."""
    for _ in range(8):
        here.enter(b"\xff" * 4096, TTL)
    assert here.count() == 8
    assert len(page(hub, SLOT)) == 8


def test_a_refresh_moves_few_bytes(here: Any, hub: Any) -> None:
    """A refresh writes its page, under 200 bytes with one small payload."""
    lease = here.enter(b"x" * 40, TTL)
    for _ in range(1000):
        assert here.refresh(lease)
    assert len(hub.raw[SLOT].partition(b"\n")[2]) < 200


def test_closing_releases_every_register(make_bare: Any, clock: Any) -> None:
    """close closes the siblings that were made, and not the backend."""
    backend = make_bare()
    port = RegisterMembership(backend, clock)
    for _ in range(9):
        port.enter(b"", TTL)
    port.members()
    assert len(backend.open_siblings) == 2 + 2  # directory and incarnation, and two pages
    port.close()
    assert all(sibling.closed for sibling in backend.open_siblings)
    assert not backend.closed


class Gate:
    """A lock that lets in whom the test says: a `threading.Lock` promises no order either."""

    def __init__(self) -> None:
        self.waiting: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()

    def __enter__(self) -> None:
        turn = threading.Event()
        self.waiting.put(turn)
        assert turn.wait(10)

    def __exit__(self, *_: object) -> None:
        pass


def test_of_two_updates_at_once_the_one_that_was_begun_last_stays(here: Any) -> None:
    """Also where the other one gets to write after it: what a member says is never turned back."""
    lease = here.enter(b"", TTL)
    lease.lock = gate = Gate()
    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(here.update, lease, b"older")
        after = gate.waiting.get(timeout=10)
        newer = pool.submit(here.update, lease, b"newer")
        gate.waiting.get(timeout=10).set()
        assert newer.result(10)
        after.set()
        assert older.result(10)
    assert [member.payload for member in here.members().members] == [b"newer"]
