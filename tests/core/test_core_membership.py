"""Membership: the same on memory's own and on registers alone. Leases end by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from rdzv_core import MemberLease, RendezvousConnectionError, SupportsMembership
from rdzv_core._fallback import RegisterMembership, membership_of, release
from rdzv_core.memory import MemoryBackend

TTL = 10.0


class World:
    """Nodes that each have the run's membership, on one clock."""

    def __init__(self, clock: Any, make_backend: Callable[[], Any], closing: ExitStack) -> None:
        self.clock = clock
        self._make_backend = make_backend
        self._closing = closing
        self.here = self.node()
        self.there = self.node()

    def node(self) -> SupportsMembership:
        backend = self._make_backend()
        native = isinstance(backend, MemoryBackend)
        port = membership_of(backend) if native else RegisterMembership(backend, self.clock)
        self._closing.callback(release, port)
        return port

    def pass_time(self, seconds: float, refreshed: tuple[MemberLease, ...] = ()) -> None:
        """Let time pass in steps of 2 s, `refreshed` being refreshed and everybody watched at each."""
        for _ in range(round(seconds / 2)):
            self.clock.advance(2)
            for lease in refreshed:
                assert self.here.refresh(lease)
            self.there.members()


@pytest.fixture(params=["native", "registers"])
def world(request: pytest.FixtureRequest, clock: Any, make_memory: Any, make_bare: Any, closing: ExitStack) -> World:
    """Two nodes of one run."""
    return World(clock, make_memory if request.param == "native" else make_bare, closing)


def payloads(port: SupportsMembership) -> list[bytes]:
    return [member.payload for member in port.members().members]


def ids(port: SupportsMembership) -> list[str]:
    return [member.id for member in port.members().members]


def test_members_stand_in_entry_order(world: World) -> None:
    """Everybody sees everybody, in the order in which they entered; first gives the first ones, count how many."""
    nodes = [world.here, world.there, world.here]
    leases = [node.enter(b"%d" % number, TTL) for number, node in enumerate(nodes)]
    for node in (world.here, world.there):
        assert payloads(node) == [b"0", b"1", b"2"]
        assert ids(node) == [lease.id for lease in leases]
        assert node.first(2).members == node.members().members[:2]
        assert (len(node.first(0).members), len(node.first(9).members)) == (0, 3)
        assert node.count() == 3


def test_nobody_is_there_before_the_first_enters(world: World) -> None:
    """An empty membership has a version and no members."""
    assert (world.here.count(), world.here.members().members) == (0, ())
    assert world.here.members().version == world.there.members().version


def test_every_entry_has_a_new_id_of_128_bits(world: World) -> None:
    """A node that enters again is another member, behind all others."""
    first = world.here.enter(b"a", TTL)
    world.here.enter(b"b", TTL)
    world.here.leave(first)
    again = world.here.enter(b"a", TTL)
    assert again.id != first.id
    assert len(bytes.fromhex(again.id)) == 16
    assert payloads(world.there) == [b"b", b"a"]


def test_members_share_their_incarnation(world: World) -> None:
    """A lease tells the incarnation that the views have."""
    leases = [world.here.enter(b"", TTL), world.there.enter(b"", TTL)]
    assert {lease.incarnation for lease in leases} == {world.here.members().incarnation}


def test_the_version_changes_with_the_set_and_the_payloads_and_not_on_refresh(world: World) -> None:
    """Entering, updating and leaving change the version that everybody sees; a refresh does not."""
    versions = [world.there.members().version]
    lease = world.here.enter(b"a", TTL)
    versions.append(world.there.members().version)
    world.here.update(lease, b"b")
    versions.append(world.there.members().version)
    for _ in range(3):
        world.clock.advance(1)
        assert world.here.refresh(lease)
    assert world.there.members().version == versions[-1] == world.here.members().version
    world.here.leave(lease)
    versions.append(world.there.members().version)
    world.here.enter(b"a", TTL)
    versions.append(world.there.members().version)
    assert len(set(versions)) == len(versions)


def test_an_update_keeps_the_place(world: World) -> None:
    """A new payload shows in the old place."""
    first, _ = world.here.enter(b"a", TTL), world.here.enter(b"b", TTL)
    assert world.here.update(first, b"")
    assert world.here.update(first, b"\xff\0")
    assert payloads(world.there) == [b"\xff\0", b"b"]


def test_a_member_that_refreshes_in_time_stays(world: World) -> None:
    """Refreshing keeps a membership for many times its ttl."""
    lease = world.here.enter(b"a", TTL)
    world.pass_time(5 * TTL, refreshed=(lease,))
    assert payloads(world.there) == [b"a"]


def test_an_update_renews_the_lease(world: World) -> None:
    """A member that updates in time stays."""
    lease = world.here.enter(b"a", TTL)
    for number in range(4):
        world.pass_time(6)
        assert world.here.update(lease, b"%d" % number)
    assert payloads(world.there) == [b"3"]


def test_a_member_that_does_not_refresh_for_its_ttl_ends_for_good(world: World) -> None:
    """Its end is seen by everybody; from then on refresh and update are False for ever, and change nothing."""
    lost, kept = world.here.enter(b"lost", TTL), world.here.enter(b"kept", TTL)
    world.pass_time(TTL - 2, refreshed=(kept,))
    assert payloads(world.there) == [b"lost", b"kept"]
    before = world.there.members().version
    world.pass_time(6, refreshed=(kept,))
    assert payloads(world.here) == payloads(world.there) == [b"kept"]
    assert world.there.members().version != before
    for _ in range(2):
        assert not world.here.refresh(lost)
        assert not world.here.update(lost, b"back")
    world.here.leave(lost)
    assert payloads(world.there) == [b"kept"]


def test_each_member_has_its_own_ttl(world: World) -> None:
    """A member of a long ttl outlives one of a short one."""
    world.here.enter(b"short", TTL)
    world.here.enter(b"long", 3 * TTL)
    world.pass_time(TTL + 4)
    assert payloads(world.there) == [b"long"]
    world.pass_time(2 * TTL)
    assert payloads(world.there) == []


def test_leaving_ends_a_membership_at_once_and_may_be_repeated(world: World) -> None:
    """After leave no look shows the member; it can be neither refreshed nor updated; leaving again is not an error."""
    lease, other = world.here.enter(b"a", TTL), world.there.enter(b"b", TTL)
    world.here.leave(lease)
    assert payloads(world.there) == [b"b"]
    world.here.leave(lease)
    assert not world.here.refresh(lease)
    assert not world.here.update(lease, b"x")
    world.there.leave(other)
    assert world.here.count() == 0


@pytest.mark.parametrize("size", [4097, 100_000])
def test_a_payload_has_at_most_4096_bytes(size: int, world: World) -> None:
    """A longer payload is a ValueError that changes nothing, on entry and on update."""
    with pytest.raises(ValueError, match=str(size)):
        world.here.enter(bytes(size), TTL)
    assert world.here.count() == 0
    lease = world.here.enter(bytes(range(256)) * 16, TTL)
    with pytest.raises(ValueError, match=str(size)):
        world.here.update(lease, bytes(size))
    assert payloads(world.there) == [bytes(range(256)) * 16]


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), 10**400])
def test_a_ttl_is_a_positive_number(ttl: float, world: World) -> None:
    """Any other ttl is a ValueError."""
    with pytest.raises(ValueError, match="ttl="):
        world.here.enter(b"", ttl)


def test_runs_do_not_share_members(make_memory: Any, make_bare: Any, closing: ExitStack) -> None:
    """Members of another run are not seen; they are the run's, so those of a sibling are the same."""
    for make in (make_memory, make_bare):
        run, other = make(run_id=f"run-{make}"), make(run_id=f"other-{make}")
        ports = [membership_of(backend) for backend in (run, other, run.sibling("x"))]
        for port in ports:
            closing.callback(release, port)
        ports[0].enter(b"", TTL)
        assert [port.count() for port in ports] == [1, 0, 1]


def test_waiting_returns_at_once_where_the_version_differs(world: World) -> None:
    """None, and any version but the current one, is a change."""
    before = world.there.members().version
    world.here.enter(b"", TTL)
    assert world.there.wait_members(None, 0)
    assert world.there.wait_members(before, 60)
    assert world.there.wait_members("foreign", 60)


def test_waiting_without_a_change_ends_at_its_timeout(world: World) -> None:
    """A refresh is not a change."""
    lease = world.here.enter(b"", TTL)
    version = world.there.members().version
    assert world.here.refresh(lease)
    assert not world.there.wait_members(version, 0)
    assert not world.there.wait_members(version, 0.02)


@pytest.mark.parametrize("what", ["enter", "update", "leave"])
def test_a_change_ends_a_wait(what: str, world: World) -> None:
    """A wait ends at an entry, a new payload, and a leave."""
    lease = world.here.enter(b"", TTL)
    version = world.there.members().version
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.there.wait_members, version, 60.0)
        changes: dict[str, Callable[[], Any]] = {
            "enter": lambda: world.here.enter(b"", TTL),
            "update": lambda: world.here.update(lease, b"x"),
            "leave": lambda: world.here.leave(lease),
        }
        changes[what]()
        assert waiting.result(20)


def test_closing_ends_a_wait_and_every_later_call(world: World) -> None:
    """Closing wakes who waits, and then every call raises; others are not disturbed."""
    lease = world.here.enter(b"a", TTL)
    version = world.here.members().version
    port: Any = world.here
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(port.wait_members, version, 60.0)
        port.close()
        with pytest.raises(RendezvousConnectionError, match="closed"):
            waiting.result(10)
    port.close()
    calls: list[Callable[[], Any]] = [
        lambda: port.enter(b"", TTL),
        lambda: port.refresh(lease),
        lambda: port.update(lease, b""),
        lambda: port.leave(lease),
        port.members,
        port.count,
        lambda: port.first(1),
        lambda: port.wait_members(None, 0),
    ]
    for call in calls:
        with pytest.raises(RendezvousConnectionError, match="closed"):
            call()
    assert payloads(world.there) == [b"a"]


def test_sixteen_who_enter_at_once_all_get_in(world: World) -> None:
    """Nobody who enters at the same time as others is lost, and everybody sees the same order."""
    ports = [world.node() for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        leases = list(pool.map(lambda pair: pair[1].enter(b"%d" % pair[0], TTL), enumerate(ports)))
        assert all(pool.map(lambda pair: pair[0].refresh(pair[1]), zip(ports, leases, strict=True)))
    assert {lease.id for lease in leases} == set(ids(world.here))
    assert {lease.id: b"%d" % number for number, lease in enumerate(leases)} == {
        member.id: member.payload for member in world.there.members().members
    }
    assert len({tuple(ids(port)) for port in ports}) == 1
