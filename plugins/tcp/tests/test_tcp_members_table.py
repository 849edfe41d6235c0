"""The memberships of a server, without I/O and with a clock that the test turns."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from rdzv_tcp._protocol import Ended, Enter, Entered, Leave, Members, Renew, View
from rdzv_tcp._state import members as _members
from rdzv_tcp._state.member_entry import grace
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._wal.format import encode_snapshot, read_log

TTL = 10.0
IDS = [number.to_bytes(16, "big") for number in range(100)]
ONE, TWO, THREE = IDS[:3]
CLIENT, OTHER_CLIENT = b"c" * 16, b"d" * 16
CONNECTION, NEWER = object(), object()


@pytest.fixture
def table() -> Memberships:
    """Nobody is there."""
    return Memberships()


@pytest.fixture
def enter(table: Memberships) -> Callable[..., object]:
    """Enter a member, of `CLIENT` in the run `r` unless told otherwise."""

    def enter_one(member: bytes, now: float = 0.0, run: str = "r", ttl: float = TTL, client: bytes = CLIENT) -> object:
        return table.enter(Enter(run, member, b"payload", ttl, client), now)

    return enter_one


@pytest.fixture
def seen(table: Memberships) -> Callable[..., list[bytes]]:
    """Return the ids of those who are there."""
    return lambda run="r": [member for member, _ in table.view(Members(run, 0, None)).members]


def test_members_stand_in_entry_order(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """Renewals and new payloads move nobody; a run is told only of its own."""
    for member in (TWO, ONE, THREE):
        enter(member)
    enter(IDS[4], run="other")
    table.renew(Renew(TWO, 1, b"new"), 1.0)
    assert seen() == [TWO, ONE, THREE]
    assert table.view(Members("r", 1, 1)) == View(table.incarnation, table.version("r"), 3, [(ONE, b"payload")])


def test_what_is_told_again_is_forgotten_with_every_change(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """The first so many, and all, are what they are after an entry, a payload, a leave and an end."""

    def first(count: int) -> list[tuple[bytes, bytes]]:
        view = table.view(Members("r", 0, count))
        assert view.total == len(seen())
        assert view.version == table.version("r")
        return list(view.members)

    changes: list[tuple[Callable[[], object], list[bytes]]] = [
        (lambda: enter(ONE), [ONE]),
        (lambda: enter(TWO), [ONE, TWO]),
        (lambda: enter(THREE, now=5.0), [ONE, TWO, THREE]),
        (lambda: table.renew(Renew(TWO, 1, b"new"), 1.0), [ONE, TWO, THREE]),
        (lambda: table.leave(Leave(ONE)), [TWO, THREE]),
        (lambda: table.end(table.take_due(TTL + 1.0)), [THREE]),
    ]
    for change, left in changes:
        change()
        for _ in range(2):
            assert seen() == left
            for count in range(8):
                assert [member for member, _ in first(count)] == left[:count]
    assert dict(first(8)) == {THREE: b"payload"}


def test_a_lease_ends_at_its_ttl_and_not_before(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """Until it is due nothing ends; then that run is named."""
    enter(ONE)
    assert table.end(table.take_due(TTL - 0.01)) == set()
    assert table.end(table.take_due(TTL)) == {"r"}
    assert seen() == []
    assert table.renew(Renew(ONE, 1, None), TTL) is False


def test_a_renewal_is_a_whole_ttl_from_when_it_arrived(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A member that renews stays beyond the end that it had before, until the new one."""
    enter(ONE)
    assert table.renew(Renew(ONE, 1, None), 6.0) is True
    assert table.end(table.take_due(6.0 + TTL - 0.01)) == set()
    assert table.end(table.take_due(6.0 + TTL)) == {"r"}


def test_a_renewal_that_comes_before_anybody_looked_is_in_time(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A lease that has run out ends when `end` says so: what was read from the sockets before that counts."""
    enter(ONE)
    assert table.renew(Renew(ONE, 1, None), TTL + 3) is True
    assert table.end(table.take_due(TTL + 3)) == set()
    assert seen() == [ONE]


def test_RDZV_MEMBER_8_an_older_sequence_number_changes_nothing(
    table: Memberships, enter: Callable[..., object]
) -> None:
    """A write that arrives after a newer one neither replaces the payload nor renews the lease."""
    enter(ONE)
    table.renew(Renew(ONE, 2, b"second"), 1.0)
    version = table.version("r")
    assert table.renew(Renew(ONE, 1, b"first"), 5.0) is True
    assert table.renew(Renew(ONE, 2, b"second again"), 5.0) is True
    assert table.version("r") == version
    assert table.view(Members("r", 0, None)).members == [(ONE, b"second")]
    assert table.end(table.take_due(1.0 + TTL)) == {"r"}


def test_RDZV_MEMBER_9_a_new_memory_is_a_new_incarnation(enter: Callable[..., object], table: Memberships) -> None:
    """Neither the incarnation nor a version comes again, unless it is read from disk."""
    other = Memberships()
    assert other.incarnation != table.incarnation
    assert other.version("r") != table.version("r")
    assert other.renew(Renew(ONE, 1, None), 0.0) is False


def test_the_version_changes_with_every_change_and_with_nothing_else(
    table: Memberships, enter: Callable[..., object]
) -> None:
    """Entering, a payload, leaving and ending change it; renewals and other runs do not."""
    versions = [table.version("r")]
    changes: list[Callable[[], object]] = [
        lambda: enter(ONE),
        lambda: table.renew(Renew(ONE, 1, b"new"), 0.0),
        lambda: enter(TWO, ttl=5.0),
        lambda: table.leave(Leave(ONE)),
        lambda: table.end(table.take_due(5.0)),
    ]
    for change in changes:
        change()
        versions.append(table.version("r"))
        table.renew(Renew(TWO, len(versions), None), 0.0)
        enter(IDS[10 + len(versions)], run="other")
        assert table.version("r") == versions[-1]
    assert len(set(versions)) == len(versions)


def test_versions_of_runs_that_were_forgotten_do_not_come_again(
    table: Memberships, enter: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs without members are forgotten, the longest empty first, and yet nobody is told an old version."""
    monkeypatch.setattr(_members, "REMEMBERED_RUNS", 2)
    known = {table.version("0")}
    for number in range(20):
        enter(IDS[number], run=str(number % 5))
        known.add(table.version("0"))
        table.leave(Leave(IDS[number]))
    assert table.footprint()["runs"] == 2
    enter(IDS[50], run="0")
    assert table.version("0") not in known


def test_an_entry_sent_twice_is_one_member(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A client that lost the answer sends its entry again, and keeps its place; of that it is told the first time."""
    assert enter(ONE) == Entered(table.incarnation, 0)
    assert enter(TWO) == Entered(table.incarnation, 1)
    assert enter(ONE) == Entered(table.incarnation)
    assert seen() == [ONE, TWO]


def test_a_late_copy_of_an_entry_revives_nobody(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A member that left, was ended, or left before its entry came, does not come back by it."""
    enter(ONE)
    table.leave(Leave(ONE))
    enter(TWO)
    table.end(table.take_due(TTL))
    table.leave(Leave(THREE))
    assert [enter(member, TTL) for member in (ONE, TWO, THREE)] == [Ended()] * 3
    assert seen() == []


def test_the_word_of_a_process_ends_its_leases_after_their_grace(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A second after its client's connection said that it is gone, a member is gone, earlier than its lease ran."""
    for client, member in ((CLIENT, ONE), (OTHER_CLIENT, TWO)):
        table.connected(client, client)
        enter(member, client=client)
    table.disconnected(CLIENT, CLIENT, 1.0, gone=True)
    assert table.end(table.take_due(1.0 + grace(TTL) - 0.01)) == set()
    assert table.end(table.take_due(1.0 + grace(TTL))) == {"r"}
    assert seen() == [TWO]


def test_any_other_end_of_a_connection_ends_nothing(table: Memberships, enter: Callable[..., object]) -> None:
    """A reset, or the end of a proxy's connection, says nothing of the process: its members stay for their ttl."""
    table.connected(CLIENT, CONNECTION)
    enter(ONE)
    table.disconnected(CLIENT, CONNECTION, 1.0, gone=False)
    assert table.end(table.take_due(TTL - 0.01)) == set()
    assert table.end(table.take_due(TTL)) == {"r"}


def test_a_reconnect_stops_the_grace(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """A client that is back has the leases that it had, neither shorter nor longer."""
    table.connected(CLIENT, CONNECTION)
    enter(ONE)
    table.disconnected(CLIENT, CONNECTION, 1.0, gone=True)
    table.connected(CLIENT, NEWER)
    assert table.end(table.take_due(TTL - 0.01)) == set()
    assert table.end(table.take_due(TTL)) == {"r"}


def test_of_a_clients_connections_the_latest_speaks_for_it(table: Memberships, enter: Callable[..., object]) -> None:
    """What ends is an old one, of which the server hears late, or the one on which the client would be heard."""
    table.connected(CLIENT, CONNECTION)
    enter(ONE)
    table.connected(CLIENT, NEWER)
    table.disconnected(CLIENT, CONNECTION, 1.0, gone=True)
    assert table.end(table.take_due(5.0)) == set()
    table.disconnected(CLIENT, NEWER, 5.0, gone=True)
    assert table.end(table.take_due(5.0 + grace(TTL))) == {"r"}
    table.disconnected(CLIENT, object(), 9.0, gone=True)  # of whom nothing is kept any more


def test_what_is_read_from_disk_has_a_whole_ttl_and_is_known_again(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """Order, payloads, sequence numbers, who ended and the incarnation come back; no version does."""
    for member in (TWO, ONE, THREE):
        enter(member)
    table.renew(Renew(TWO, 7, b"new"), 1.0)
    table.leave(Leave(ONE))
    content, versions = table.copy_out(), {table.version("r"), table.version("nobody's")}
    again = read_log(memoryview(b"".join(encode_snapshot(b"i" * 16, {}, [], members=content))))[0].members
    assert again.copy_out() == content
    again.begin(100.0)
    assert not versions & {again.version("r"), again.version("nobody's")}
    assert again.view(Members("r", 0, None)).members == [(TWO, b"new"), (THREE, b"payload")]
    assert again.renew(Renew(TWO, 7, b"old"), 100.0) is True
    assert again.enter(Enter("r", ONE, b"", TTL, CLIENT), 100.0) == Ended()
    assert again.view(Members("r", 0, 1)).members == [(TWO, b"new")]
    assert again.take_due(100.0 + TTL - 0.01) == []
    assert again.take_due(100.0 + TTL) == [TWO, THREE]


def test_who_is_put_back_is_due_again(table: Memberships, enter: Callable[..., object]) -> None:
    """One whose end could not be written down stays until it can, or until it renews."""
    enter(ONE)
    assert table.take_due(TTL) == [ONE]
    table.postpone(ONE, TTL + 1.0)
    assert table.take_due(TTL + 0.9) == []
    assert table.take_due(TTL + 1.0) == [ONE]
    table.renew(Renew(ONE, 1, None), TTL + 1.0)
    table.postpone(ONE, TTL + 1.0)
    assert table.take_due(2 * TTL + 0.9) == []
    assert table.take_due(2 * TTL + 1.0) == [ONE]


def test_a_renewal_on_another_connection_stops_the_grace(table: Memberships, enter: Callable[..., object]) -> None:
    """A member that renews is alive, on any connection."""
    table.connected(CLIENT, CONNECTION)
    enter(ONE)
    table.disconnected(CLIENT, CONNECTION, 1.0, gone=True)
    table.renew(Renew(ONE, 1, None), 2.0)
    assert table.end(table.take_due(2.0 + TTL - 0.01)) == set()


def test_RDZV_MEMBER_10_a_stall_gives_a_fresh_ttl_to_those_it_may_have_harmed(
    table: Memberships, enter: Callable[..., object], seen: Callable[..., list[bytes]]
) -> None:
    """After a short stall those with a short ttl have a whole one, after a long one everybody."""
    enter(ONE, ttl=1.0)
    enter(TWO, ttl=100.0)
    table.forgive(0.5, 1.5)
    assert table.end(table.take_due(2.49)) == set()
    assert table.end(table.take_due(2.5)) == {"r"}
    assert seen() == [TWO]
    table.forgive(90.0, 99.0)
    assert table.end(table.take_due(198.9)) == set()
    assert table.end(table.take_due(199.0)) == {"r"}


def test_who_lost_its_connection_before_a_stall_has_a_fresh_grace(
    table: Memberships, enter: Callable[..., object]
) -> None:
    """A reconnect that waits to be accepted is given its time too, and no more."""
    table.connected(CLIENT, CONNECTION)
    enter(ONE)
    table.disconnected(CLIENT, CONNECTION, 0.0, gone=True)
    table.forgive(20.0, 20.0)
    assert table.end(table.take_due(20.0 + grace(TTL) - 0.01)) == set()
    assert table.end(table.take_due(20.0 + grace(TTL))) == {"r"}


def test_many_members_are_told_piece_by_piece(
    table: Memberships, enter: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer holds only so many bytes; the version tells whether the pieces belong together."""
    monkeypatch.setattr(_members, "PAGE_BYTES", 200)
    for member in IDS[:20]:
        enter(member)
    found: list[bytes] = []
    while len(found) < 20:
        view = table.view(Members("r", len(found), None))
        assert (view.total, view.version) == (20, table.version("r"))
        assert len(view.members) == min(5, 20 - len(found))
        found += [member for member, _ in view.members]
    assert found == IDS[:20]


def test_what_is_kept_is_bounded_by_who_is_there(table: Memberships, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often members come, renew, lose their connection and go, no trace of them grows."""
    monkeypatch.setattr(_members, "REMEMBERED_ENDS", 10)
    monkeypatch.setattr(_members, "REMEMBERED_RUNS", 10)
    ids = (number.to_bytes(16, "big") for number in itertools.count())
    for _ in range(200):
        table.connected(CLIENT, CONNECTION)
        for number in range(5):
            member = next(ids)
            table.enter(Enter(f"r{number}", member, b"", 1e6, CLIENT), 0.0)
            table.renew(Renew(member, 1, b"x"), 0.0)
            table.leave(Leave(member))
        table.disconnected(CLIENT, CONNECTION, 0.0, gone=True)
    footprint = table.footprint()
    assert len(table) == footprint["clients"] == 0
    assert footprint["planned ends"] <= 65
    assert max(footprint["remembered ends"], footprint["runs"], footprint["runs without members"]) <= 10


def test_the_next_end_is_that_of_the_first_lease(table: Memberships, enter: Callable[..., object]) -> None:
    """Nobody needs to look before `next_end`; with nobody there it is never."""
    assert table.next_end() is None
    enter(ONE)
    enter(TWO, ttl=3.0)
    assert table.next_end() == 3.0
    table.end(table.take_due(3.0))
    assert table.next_end() == TTL
