"""Membership on registers: lost answers, stalls, crashes on the way, and a store that forgets."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from rdzv_core import MemberLease, RendezvousConnectionError, RendezvousParameters, RendezvousStateError, register_key
from rdzv_core._fallback import RegisterMembership
from rdzv_core._fallback.pace import Life
from rdzv_core._fallback.roll import Slot
from rdzv_core.memory import MemoryBackend

TTL = 10.0

DIRECTORY = register_key("run", "members")
INCARNATION = register_key("run", "members.incarnation")
SLOT = register_key("run", "members.0")


class Interference:
    """Called before every register call; does to the next one of a kind what the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self._plans: list[tuple[str, str, Callable[[], Callable[[], None] | None]]] = []

    def __call__(self, what: str, key: str) -> Callable[[], None] | None:
        self.calls.append((what, key))
        for plan in self._plans:
            if plan[:2] == (what, key):
                self._plans.remove(plan)
                return plan[2]()
        return None

    def before(self, what: str, key: str, act: Callable[[], Any]) -> None:
        """Do something before the next such call."""

        def plan() -> None:
            act()

        self._plans.append((what, key, plan))

    def lose_call(self, what: str, key: str) -> None:
        """Let the next such call fail before it takes effect."""
        self.before(what, key, _fail)

    def after(self, what: str, key: str, act: Callable[[], Any]) -> None:
        """Do something after the next such call took effect, before its answer arrives."""
        self._plans.append((what, key, lambda: act))

    def lose_answer(self, what: str, key: str) -> None:
        """Let the next such call fail after it took effect."""
        self.after(what, key, _fail)


def _fail() -> None:
    raise RendezvousConnectionError("the connection was lost")


@pytest.fixture
def interference() -> Interference:
    """What comes between `here` and its registers."""
    return Interference()


@pytest.fixture
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(Life, "sleep", lambda life, seconds: life.check())


@pytest.fixture
def make_port(make_bare: Any, clock: Any, closing: ExitStack) -> Callable[..., RegisterMembership]:
    """Makes memberships of one run, as other nodes would have them."""

    def make(before: Any = None) -> RegisterMembership:
        port = RegisterMembership(make_bare(before), clock)
        closing.callback(port.close)
        return port

    return make


@pytest.fixture
def here(make_port: Any, interference: Interference) -> RegisterMembership:
    """This node."""
    return make_port(interference)  # type: ignore[no-any-return]


@pytest.fixture
def there(make_port: Any) -> RegisterMembership:
    """Another node, which is not interfered with."""
    return make_port()  # type: ignore[no-any-return]


def watch(port: RegisterMembership, clock: Any, seconds: float) -> int:
    """Let `port` watch for some time; give how many there are then."""
    port.count()
    for _ in range(round(seconds)):
        clock.advance(1)
        port.count()
    return port.count()


def page(hub: Any, key: str) -> Any:
    return json.loads(hub.raw[key].partition(b"\n")[2])["slots"]


def directory(hub: Any) -> Any:
    return json.loads(hub.raw[DIRECTORY].partition(b"\n")[2])


# Stalls


def test_an_observer_that_stood_still_grants_everybody_a_fresh_ttl(here: Any, there: Any, clock: Any) -> None:
    """An observer that did not look for half a ttl cannot know who refreshed, and ends no member for another ttl."""
    here.enter(b"a", TTL)
    assert watch(there, clock, TTL - 1) == 1
    clock.advance(100)
    assert watch(there, clock, TTL) == 1
    assert watch(there, clock, 1) == 0


def test_an_observer_that_looks_rarely_ends_nobody(here: Any, there: Any, clock: Any) -> None:
    """Looks that are further apart than half a ttl prove nothing about a refresh."""
    lease = here.enter(b"a", TTL)
    for _ in range(10):
        clock.advance(TTL / 2 + 1)
        assert there.count() == 1
    assert here.refresh(lease)


def test_a_member_in_another_s_stall_can_come_back(here: Any, there: Any, clock: Any) -> None:
    """A member that was stopped along with its observer refreshes within the fresh ttl, and stays."""
    lease = here.enter(b"a", TTL)
    watch(there, clock, TTL - 1)
    clock.advance(1000)
    there.count()
    assert here.refresh(lease)
    assert watch(there, clock, TTL) == 1


def test_an_evicted_member_that_thaws_learns_that_it_is_out(here: Any, there: Any, clock: Any) -> None:
    """A member that was ended while it was stopped gets False, even if its slot is another's now."""
    frozen = [here.enter(b"a", TTL), here.enter(b"b", TTL)]
    assert watch(there, clock, TTL + 1) == 0
    there.enter(b"new", TTL)
    for lease in frozen:
        assert not here.refresh(lease)
        here.leave(lease)
    assert [member.payload for member in here.members().members] == [b"new"]


def test_after_a_lost_connection_everybody_has_a_fresh_ttl(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """An observer that could not reach the store takes it that the members could not either."""
    there.enter(b"a", TTL)
    assert watch(here, clock, TTL - 1) == 1
    interference.lose_call("get", SLOT)
    with pytest.raises(RendezvousConnectionError):
        here.count()
    assert watch(here, clock, TTL) == 1
    assert watch(here, clock, 1) == 0


@pytest.mark.parametrize("how", ["refused", "silent"])
@pytest.mark.parametrize("since_refresh", [0.0, 20.0])
def test_an_absence_of_the_store_ages_nobody(
    here: Any, there: Any, clock: Any, interference: Interference, how: str, since_refresh: float
) -> None:
    """Half a minute of a minute's lease: a member that refreshes when the store is back is there, whatever looks first.

    The store either refused every call, or answered the one under way when it was back.
    """
    lease = there.enter(b"a", 60.0)
    assert watch(here, clock, since_refresh) == 1
    if how == "silent":
        interference.before("get", DIRECTORY, lambda: clock.advance(30))
    else:
        for _ in range(30):
            interference.lose_call("get", DIRECTORY)
            with pytest.raises(RendezvousConnectionError):
                here.count()
            clock.advance(1)
    assert here.count() == 1
    assert watch(here, clock, 5) == 1
    assert there.refresh(lease)
    assert watch(here, clock, 59) == 1
    assert watch(here, clock, 2) == 0


def test_an_absence_of_the_store_counts_for_members_that_do_not_come_back(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """After it everybody has a fresh ttl, and no more than that."""
    there.enter(b"a", 60.0)
    assert watch(here, clock, 50) == 1
    interference.before("get", SLOT, lambda: clock.advance(31))
    assert watch(here, clock, 59) == 1
    assert watch(here, clock, 2) == 0


def test_a_slow_read_is_no_proof(here: Any, there: Any, clock: Any, interference: Interference) -> None:
    """Where a read took longer than half a ttl, the store was away: that time does not count."""
    there.enter(b"a", TTL)
    assert watch(here, clock, TTL - 1) == 1
    interference.before("get", SLOT, lambda: clock.advance(TTL))
    assert here.count() == 1
    assert watch(here, clock, TTL) == 1


def test_a_refresh_beats_an_eviction_that_was_decided_before(
    here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """An observer about to end a member that refreshes at that moment is refused, and shows it."""
    lease = there.enter(b"a", TTL)
    watch(here, clock, TTL)
    interference.before("set", SLOT, lambda: there.refresh(lease))
    clock.advance(1)
    assert here.count() == 1
    assert there.refresh(lease)
    assert watch(here, clock, TTL) == 1


def test_one_who_only_observes_ends_nobody(make_bare: Any, here: Any, clock: Any, hub: Any, closing: Any) -> None:
    """A backend made from observing parameters writes nothing, however long it watches."""
    here.enter(b"a", TTL)
    backend = make_bare()
    params = RendezvousParameters("bare", "", "run", 1, 2).for_observer()
    backend.params = params
    observer = RegisterMembership(backend, clock)
    closing.callback(observer.close)
    before = dict(hub.raw)
    assert watch(observer, clock, 3 * TTL) == 1
    assert hub.raw == before


def test_one_who_waits_looks_often_enough_for_the_shortest_lease(
    here: Any, there: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it has been waiting, it looks several times a ttl: else it could tell nobody's end."""
    short = 0.2
    lease, lasting = here.enter(b"short", short), here.enter(b"long", 100 * TTL)
    version = there.members().version
    pauses: list[float] = []

    def sleep(life: Life, seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)
        assert here.refresh(lasting)
        if len(pauses) < 50:
            assert here.refresh(lease)
        assert len(pauses) < 500, "the end of a member that does not refresh is not seen"

    monkeypatch.setattr(Life, "sleep", sleep)
    assert there.wait_members(version, 60)
    assert max(pauses) <= short / 4
    assert [member.payload for member in there.members().members] == [b"long"]


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
@pytest.mark.parametrize("key", [DIRECTORY, SLOT, INCARNATION])
def test_an_entry_whose_answer_was_lost_ends_after_its_ttl(
    how: str, key: str, here: Any, there: Any, clock: Any, hub: Any, interference: Interference
) -> None:
    """Whatever of it exists is gone after a ttl, it is in no one's way, and a node that enters again gets in."""
    getattr(interference, how)("set", key)
    with pytest.raises(RendezvousConnectionError):
        here.enter(b"lost", TTL)
    again = here.enter(b"again", TTL)
    for _ in range(15):
        there.count()
        clock.advance(1)
        assert here.refresh(again)
    assert [member.payload for member in there.members().members] == [b"again"]
    assert [entry["id"] for entry in directory(hub)["order"]] == [again.id]


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


# Entering, step by step


def test_one_who_is_entering_is_not_yet_shown(here: Any, there: Any, interference: Interference) -> None:
    """A slot without its entry in the directory is nobody yet."""
    seen: list[int] = []
    interference.before("set", DIRECTORY, lambda: seen.append(there.count()))
    here.enter(b"a", TTL)
    assert (seen, there.count()) == ([0], 1)


def test_one_who_dies_while_entering_is_tidied_up(
    here: Any, there: Any, clock: Any, hub: Any, interference: Interference, no_sleep: None
) -> None:
    """A slot whose member was never listed is free again after a ttl, and others enter beside it meanwhile."""
    interference.lose_call("set", DIRECTORY)
    with pytest.raises(RendezvousConnectionError):
        here.enter(b"a", TTL)
    lease = there.enter(b"b", TTL)
    assert [member.payload for member in there.members().members] == [b"b"]
    for _ in range(int(TTL) + 1):
        clock.advance(1)
        assert there.refresh(lease)
        there.count()
    assert page(hub, SLOT)["0"]["gone"]
    there.enter(b"c", TTL)
    assert [entry["slot"] for entry in directory(hub)["order"]] == [1, 0]


def test_who_lists_itself_lists_those_who_came_into_its_page_since(
    here: Any, make_port: Any, interference: Interference, no_sleep: None
) -> None:
    """One write of the directory for all of them: they find themselves listed, and write it not at all."""
    late = Interference()
    others = [make_port(late), make_port(late)]
    first = make_port()

    def enter_together() -> None:
        first.enter(b"before", TTL)  # so that the write of the directory is refused
        entering.extend(pool.submit(other.enter, b"late", TTL) for other in others)
        for _ in others:
            assert taken.acquire(timeout=10)

    def wait_for_the_first() -> None:
        taken.release()
        assert listed.wait(10)

    entering: list[Any] = []
    taken, listed = threading.Semaphore(0), threading.Event()
    for _ in others:
        late.after("set", SLOT, wait_for_the_first)
    interference.before("set", DIRECTORY, enter_together)
    with ThreadPoolExecutor(2) as pool:
        here.enter(b"first", TTL)
        listed.set()
        for one in entering:
            one.result(10)
    assert [member.payload for member in here.members().members] == [b"before", b"first", b"late", b"late"]
    assert ("set", DIRECTORY) not in late.calls


@pytest.mark.parametrize("age", [TTL / 2 - 1, TTL / 2])
def test_who_is_slow_lists_nobody_who_may_have_died_meanwhile(
    age: float, here: Any, there: Any, clock: Any, interference: Interference, make_port: Any, no_sleep: None
) -> None:
    """One that came into the page after it counts as alive for half a ttl; then it has to get listed itself."""
    dying = Interference()
    dead = make_port(dying)

    def die() -> None:
        there.enter(b"there", 100 * TTL)  # so that the write of the directory is refused
        dying.before("get", DIRECTORY, lambda: None)
        dying.lose_call("get", DIRECTORY)  # when it looks whether it is listed
        with pytest.raises(RendezvousConnectionError):
            dead.enter(b"dead", TTL)
        clock.advance(age)

    interference.before("set", DIRECTORY, die)
    here.enter(b"slow", 100 * TTL)
    shown = {member.payload for member in here.members().members}
    assert shown == {b"there", b"slow"} | ({b"dead"} if age < TTL / 2 else set())


@pytest.mark.parametrize("place", [("after", "set", DIRECTORY), ("before", "set", SLOT)])
@pytest.mark.parametrize("successor", [False, True])
def test_one_who_is_evicted_while_entering_starts_over(
    place: tuple[str, str, str], successor: bool, here: Any, there: Any, clock: Any, interference: Interference
) -> None:
    """A node that stalls for too long between directory and slot enters as another, and pushes none out."""
    others: list[MemberLease] = []

    def stall() -> None:
        watch(there, clock, TTL + 1)
        if successor:
            others.append(there.enter(b"other", TTL))

    there.leave(there.enter(b"founder", TTL))
    when, what, key = place
    getattr(interference, when)(what, key, stall)
    lease = here.enter(b"a", TTL)
    assert here.refresh(lease)
    assert all(there.refresh(other) for other in others)
    assert [member.id for member in there.members().members] == [other.id for other in others] + [lease.id]


def test_one_who_stalls_before_it_enters_takes_no_slot_that_was_given_away(
    here: Any, there: Any, interference: Interference
) -> None:
    """Between choosing a slot and writing the directory somebody else may take that slot, and keeps it."""
    others: list[MemberLease] = []
    interference.before("set", DIRECTORY, lambda: others.append(there.enter(b"other", TTL)))
    lease = here.enter(b"a", TTL)
    assert there.refresh(others[0])
    assert here.refresh(lease)
    assert [member.payload for member in there.members().members] == [b"other", b"a"]


def test_slots_are_used_again(here: Any, hub: Any) -> None:
    """However many come and go, there are as many slots as there were members at one time, eight in a register."""
    for _ in range(5):
        leases = [here.enter(b"", TTL) for _ in range(9)]
        for lease in leases:
            here.leave(lease)
    assert set(hub.raw) == {DIRECTORY, INCARNATION, SLOT, register_key("run", "members.1")}
    assert [len(page(hub, each)) for each in (SLOT, register_key("run", "members.1"))] == [8, 1]


def test_an_observer_forgets_who_is_gone(here: Any, there: Any) -> None:
    """However many come and go, an observer keeps notes of those who are there."""
    for _ in range(20):
        lease = here.enter(b"", TTL)
        there.count()
        here.leave(lease)
    there.count()
    assert there._observer._ages._sights == {}


def test_a_payload_with_an_older_number_is_ignored() -> None:
    """A record takes a payload with a higher sequence number only; it is refreshed all the same."""
    slot = Slot("id", seq=5, beat=1, payload=b"five")
    assert slot.advanced(6, b"six") == Slot("id", seq=6, beat=2, payload=b"six")
    for older in (4, 5):
        assert slot.advanced(older, b"old") == Slot("id", seq=5, beat=2, payload=b"five")
    assert slot.advanced(None, None) == Slot("id", seq=5, beat=2, payload=b"five")


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
