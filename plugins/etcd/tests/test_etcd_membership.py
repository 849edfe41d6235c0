"""Members and stores in etcd: what is written, under which lease, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster, EtcdServer, create_backend

from rdzv_core import RendezvousConnectionError, RendezvousParameters

Connect = Callable[..., EtcdBackend]
Eventually = Callable[[Callable[[], object]], None]


def _revision(etcd: EtcdServer) -> int:
    return etcd.get_client().read(b"any").revision


def _ids(backend: EtcdBackend) -> list[str]:
    return [member.id for member in backend.members().members]


def _keys(etcd: EtcdServer, backend: EtcdBackend, *kinds: bytes) -> list[bytes]:
    run = backend.key.removeprefix(b"/rdzv/")
    return [key for kind in kinds for key in etcd.get_client().keys(b"/rdzv/%b/%b/" % (kind, run))]


def test_a_refresh_makes_no_revision(own_etcd: EtcdServer, connect: Connect) -> None:
    """However often 100 idle nodes refresh, nothing is there to be compacted."""
    backend = connect(own_etcd.get_endpoint())
    lease = backend.enter(b"x", 60)
    before = _revision(own_etcd)
    assert all(backend.refresh(lease) for _ in range(10))
    assert _revision(own_etcd) == before


def test_an_entry_is_one_revision_and_one_key(own_etcd: EtcdServer, connect: Connect) -> None:
    """The key is under the member's lease and goes with it; the incarnation is under the run's and stays."""
    backend = connect(own_etcd.get_endpoint())
    backend.members()
    before = _revision(own_etcd)
    lease = backend.enter(b"x", 60)
    assert _revision(own_etcd) == before + 1
    assert len(_keys(own_etcd, backend, b"members")) == 2
    backend.leave(lease)
    assert len(_keys(own_etcd, backend, b"members")) == 1


def test_versions_differ_when_a_member_came_and_went_between(etcd: EtcdServer, connect: Connect) -> None:
    """Nobody is there before and after: the version tells that somebody was."""
    one, other = connect(etcd.get_endpoint()), connect(etcd.get_endpoint())
    before = one.members().version
    other.leave(other.enter(b"x", 60))
    assert one.members().members == ()
    assert one.members().version != before
    assert one.wait_members(before, 0)


def test_a_lease_of_another_run_is_none(etcd: EtcdServer, connect: Connect, run_id: str) -> None:
    """etcd keeps a lease alive by its number, whatever is under it: of a foreign one it is not asked to."""
    one, other = connect(etcd.get_endpoint()), connect(etcd.get_endpoint(), run=f"{run_id}-other")
    lease = one.enter(b"ours", 60)
    version = one.members().version
    assert not other.refresh(lease)
    assert not other.update(lease, b"theirs")
    other.leave(lease)
    assert one.members().version == version
    assert one.refresh(lease)
    other.close()
    with pytest.raises(RendezvousConnectionError):
        other.refresh(lease)


def test_a_member_whose_key_was_deleted_by_hand_ends(own_etcd: EtcdServer, connect: Connect, eventually: Any) -> None:
    """Its lease lives, but nobody sees it: refresh finds that out within two ttls, update at once."""
    backend = connect(own_etcd.get_endpoint())
    leases = [backend.enter(b"%d" % number, ttl) for number, ttl in enumerate((0.5, 60))]
    for key in _keys(own_etcd, backend, b"members"):
        own_etcd.get_client().delete(key)
    assert not backend.update(leases[1], b"new")
    eventually(lambda: not backend.refresh(leases[0]))
    assert not backend.refresh(leases[0])


@pytest.mark.parametrize("what", ["request", "answer"])
def test_an_entry_whose_answer_was_lost_is_one_member(connect: Connect, proxy: Any, what: str) -> None:
    """Each of its two requests may be sent again: the ids are the client's."""
    backend = connect(proxy.endpoint)
    backend.members()
    for number in range(1, 3):
        proxy.cut_next(what)
        lease = backend.enter(b"x", 60)
        assert proxy.cuts == number
        assert _ids(backend).count(lease.id) == 1
        assert backend.count() == number


def test_an_update_whose_answer_was_lost_is_done_once(etcd: EtcdServer, connect: Connect, proxy: Any) -> None:
    """The sequence number in the value tells the second sending."""
    backend = connect(proxy.endpoint)
    lease = backend.enter(b"x", 60)
    before = _revision(etcd)
    proxy.cut_next("answer")
    assert backend.update(lease, b"y")
    assert proxy.cuts == 1
    assert [member.payload for member in backend.members().members] == [b"y"]
    assert _revision(etcd) == before + 1


def test_an_observer_founds_no_run(own_etcd: EtcdServer, run_id: str) -> None:
    """`rdzv status` writes nothing."""
    with_nobody = create_backend(RendezvousParameters("etcd", own_etcd.get_endpoint(), run_id, 1, 2).for_observer())
    before = _revision(own_etcd)
    assert with_nobody.members().members == ()
    assert with_nobody.count() == 0
    assert _revision(own_etcd) == before
    with_nobody.close()


def test_a_run_keeps_its_four_newest_stores(etcd: EtcdServer, connect: Connect) -> None:
    """Keys of rounds long over do not fill etcd."""
    backend = connect(etcd.get_endpoint())
    for number in range(7):
        backend.store(f"epoch/{number}").multi_set({"a": b"1", "b": b"2"})
    assert [backend.store(f"epoch/{number}").num_keys() for number in range(7)] == [0, 0, 0, 2, 2, 2, 2]
    assert len(_keys(etcd, backend, b"stores", b"rounds")) == 4 * 2 + 4


def test_what_a_run_keeps_goes_with_its_register_or_its_lease(
    own_etcd: EtcdServer, connect: Connect, oracle: Callable[..., Any]
) -> None:
    """Deleting the run's register removes it at once; without that it ends two hours after the last member."""
    backend = connect(own_etcd.get_endpoint())
    backend.set_state(b"x")
    backend.leave(backend.enter(b"x", 60))
    backend.store("round").set("key", b"value")
    kept = _keys(own_etcd, backend, b"members", b"stores", b"rounds")
    assert len(kept) == 3
    assert len({oracle(own_etcd.get_endpoint()).kv(key)["lease"] for key in kept}) == 1
    assert backend.delete_state()
    assert oracle(own_etcd.get_endpoint()).keys() == set()


def test_deleting_the_register_leaves_members_who_live(etcd: EtcdServer, connect: Connect) -> None:
    """A run that is cleared while somebody works in it still has its members and their incarnation."""
    backend = connect(etcd.get_endpoint())
    backend.set_state(b"x")
    lease = backend.enter(b"x", 60)
    before = backend.members()
    assert backend.delete_state()
    assert backend.members() == before
    assert backend.refresh(lease)


@pytest.mark.parametrize("loss", ["kill", "pause", "cut"])
def test_a_member_outlives_the_loss_of_the_leader(cluster: EtcdCluster, connect: Connect, loss: str) -> None:
    """An election gives every lease its whole time: a member that refreshes in time stays, and others may enter."""
    backend = connect(cluster.endpoints)
    lease = backend.enter(b"x", 20)
    getattr(cluster, loss)(cluster.leader())
    assert backend.refresh(lease)
    other = backend.enter(b"y", 20)
    assert other.ahead in (1, None)
    assert _ids(backend) == [lease.id, other.id]
    assert backend.update(lease, b"z")
    backend.leave(other)
    assert [member.payload for member in backend.members().members] == [b"z"]
