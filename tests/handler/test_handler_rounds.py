"""Rounds on real threads: who meets, who waits, who is told what."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from rdzv_core import (
    ChangeReason,
    RendezvousClosedError,
    RendezvousConnectionError,
    RendezvousGracefulExitError,
    RendezvousTimeoutError,
    create_backend,
)
from rdzv_core._handler import engine
from rdzv_core._handler.head import decode_head
from rdzv_core._handler.machine import Machine
from rdzv_core._handler.probe import engine_of
from rdzv_core.inspection import inspect_run, reset_run
from rdzv_core.memory import MemoryBackend


def test_C5_one_node_alone_is_rank_0_of_1_with_a_store(nodes) -> None:
    """C5: one node: rank 0, world size 1, a store."""
    (info,) = nodes.meet(nodes.make("a", 1, 1))
    assert (info.rank, info.world_size, info.round, info.fence) == (0, 1, 1, 1)
    assert info.store is not None


def test_D8_ranks_have_no_gap_and_all_see_the_same_peers(nodes) -> None:
    """D8: when max_nodes are there the round forms at once; ranks are 0..n-1, peers the same for everybody."""
    infos = nodes.meet(*(nodes.make(f"host{n}", 2, 12, last_call_timeout=20) for n in range(12)))
    assert list(range(12)) == sorted(info.rank for info in infos)
    assert {12} == {info.world_size for info in infos}
    assert [f"host{n}" for n in range(12)] == infos[0].peers, "natural order: host2 before host10"
    assert len({tuple(info.peers) for info in infos}) == 1
    assert len({(info.master_addr, info.master_port) for info in infos}) == 1


def test_D8_with_min_nodes_there_the_last_call_ends_the_waiting(nodes) -> None:
    """D8: min_nodes are there: after the last call the round forms without the rest."""
    infos = nodes.meet(nodes.make("a", 2, 4), nodes.make("b", 2, 4))
    assert {2} == {info.world_size for info in infos}


def test_D8_a_late_comer_waits_and_the_next_round_has_it(nodes) -> None:
    """D8: who comes late waits; those at work are told WAITING, and the next round has all."""
    first, second, late = (nodes.make(name, 2, 3) for name in "abc")
    nodes.meet(first, second)
    asked = nodes.start(late)
    for handler in (first, second):
        change = handler.wait_for_change(10)
        assert change is not None
        assert ChangeReason.WAITING is change.reason
    assert first.num_nodes_waiting() == 1
    again = nodes.meet(first, second)
    assert [again[0].rank, again[1].rank, asked.result(10).rank] == [0, 1, 2]
    assert 2 == again[0].round == again[0].fence


def test_D8_a_redundant_node_stands_by_and_wakes_nobody(nodes) -> None:
    """D8: beyond max_nodes a node stands by: no change for the others, until one of them is lost."""
    first, second, spare = (nodes.make(name, 2, 2) for name in "abc")
    nodes.meet(first, second)
    asked = nodes.start(spare)
    _until(lambda: len(_status(nodes).waiting) == 1)
    assert first.wait_for_change(0.3) is None
    assert first.num_nodes_waiting() == 0
    second.leave()
    change = first.wait_for_change(10)
    assert change is not None
    assert ChangeReason.LOST is change.reason
    (info,) = nodes.meet(first)
    assert {0, 1} == {info.rank, asked.result(10).rank}


def test_D8_a_dead_node_is_removed_by_its_lease(nodes) -> None:
    """D8: a node that only stops refreshing is lost after its ttl, and the others meet without it."""
    first, second, third = (nodes.make(name, 2, 3) for name in "abc")
    nodes.meet(first, second, third)
    third.close()
    change = first.wait_for_change(10)
    assert change is not None
    assert ChangeReason.LOST is change.reason
    assert {2} == {info.world_size for info in nodes.meet(first, second)}


def test_D8_closing_ends_everybodys_wait(nodes) -> None:
    """D8: closing the run ends every wait for a round, and tells those who work."""
    worker, waiting = nodes.make("a", 1, 1), nodes.make("b", 1, 1)
    nodes.meet(worker)
    asked = nodes.start(waiting)
    _until(lambda: len(_status(nodes).waiting) == 1)
    worker.close_run()
    with pytest.raises(RendezvousClosedError, match="rdzv reset"):
        asked.result(10)
    change = worker.wait_for_change(10)
    assert change is not None
    assert ChangeReason.CLOSED is change.reason
    assert worker.is_closed()


def test_a_node_keeps_its_rank_by_its_node_id(nodes) -> None:
    """A process that is started again under its node id has the rank it had."""
    first, second = nodes.make("x", 2, 2), nodes.make("y", 2, 2)
    nodes.meet(first, second)
    first.leave()
    first.close()
    reborn = nodes.make("x", 2, 2)
    ranks = [info.rank for info in nodes.meet(second, reborn)]
    assert ranks == [1, 0]


def test_a_node_that_leaves_does_not_close_the_run(nodes) -> None:
    """One node's leaving never closes the run for the others."""
    first, second = nodes.make("a", 1, 2), nodes.make("b", 1, 2)
    nodes.meet(first, second)
    second.leave()
    (info,) = nodes.meet(first)
    assert (info.world_size, info.round) == (1, 2)
    assert not first.is_closed()


def test_a_node_that_finishes_disturbs_nobody_and_the_last_one_closes_the_run(nodes) -> None:
    """Finishing is no loss; when all have finished the run is closed."""
    first, second = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    nodes.meet(first, second)
    second.finish()
    assert first.wait_for_change(4.0) is None, "not even after its lease has ended"
    assert not first.is_closed()
    first.finish()
    assert first.is_closed()


def test_a_finished_node_can_wait_until_the_run_is_over(nodes) -> None:
    """A node that hosts the store and is done waits until the others are done too, or are gone."""
    first, second = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    nodes.meet(first, second)
    first.finish()
    assert not first.hosts_store
    assert not first.wait_until_over(0.1)
    second.finish()
    assert first.wait_until_over(10)


def test_a_run_is_over_when_everybodys_lease_has_ended(nodes) -> None:
    """A crash of the last node does not keep the host waiting for ever."""
    first, second = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    nodes.meet(first, second)
    first.finish()
    second.close()
    assert first.wait_until_over(10)


def test_a_node_with_other_settings_is_told_so(nodes) -> None:
    """Settings that differ from the run's are a ValueError that names them."""
    nodes.meet(nodes.make("a", 1, 2))
    with pytest.raises(ValueError, match=r"max_nodes=3 \(the run has 2\)"):
        nodes.make("b", 1, 3).next_rendezvous()


def test_a_timeout_names_who_was_there_and_how_many_were_missing(nodes) -> None:
    """The error of a round that did not form says who was there and what was missing."""
    patient = nodes.start(nodes.make("here1", 3, 3))
    _until(lambda: len(_status(nodes).waiting) == 1)
    impatient = nodes.make("here2", 3, 3, join_timeout=0.5)
    with pytest.raises(RendezvousTimeoutError, match=r"only 2 of 3 nodes came .*: .*here1.*here2") as caught:
        impatient.next_rendezvous()
    assert "within 0.5 s" in str(caught.value)
    nodes.made[0].leave()
    with pytest.raises(RendezvousGracefulExitError):
        patient.result(10)


def test_after_a_timeout_the_node_is_not_counted_any_more(nodes) -> None:
    """A node that gave up is gone: the next two meet alone."""
    with pytest.raises(RendezvousTimeoutError):
        nodes.make("gave-up", 2, 3, join_timeout=0.2).next_rendezvous()
    infos = nodes.meet(nodes.make("a", 2, 3, last_call_timeout=0.3), nodes.make("b", 2, 3, last_call_timeout=0.3))
    assert infos[0].peers == ["a", "b"]


def test_leaving_from_another_thread_ends_the_wait(nodes) -> None:
    """`leave` while joining raises RendezvousGracefulExitError in next_rendezvous."""
    node = nodes.make("a", 2, 2)
    asked = nodes.start(node)
    _until(lambda: len(_status(nodes).waiting) == 1)
    node.leave()
    with pytest.raises(RendezvousGracefulExitError):
        asked.result(10)
    assert _status(nodes).waiting == []


def test_a_worker_that_failed_asks_and_the_others_are_told(nodes) -> None:
    """A member that asks again of its own accord makes the others meet it: ASKED."""
    first, second = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    nodes.meet(first, second)
    asked = nodes.start(first)
    change = second.wait_for_change(10)
    assert change is not None
    assert ChangeReason.ASKED is change.reason
    nodes.meet(second)
    assert asked.result(10).round == 2


def test_a_lost_register_is_told_and_all_join_again(nodes) -> None:
    """When the store loses the run's register everybody is told STORE_LOST and meets in a new epoch."""
    first, second = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    before = nodes.meet(first, second)[0]
    store = create_backend(nodes.params("look", 2, 2))
    store.delete_state()
    store.close()
    for handler in (first, second):
        change = handler.wait_for_change(10)
        assert change is not None
        assert ChangeReason.STORE_LOST is change.reason
    after = nodes.meet(first, second)[0]
    assert before.epoch != after.epoch
    assert after.round == 1


def test_lost_memberships_fence_a_node_at_once(nodes) -> None:
    """A node that lost its membership is told FENCED at its next keep-alive, not when it next looks."""
    node = nodes.make("a", 1, 1)
    nodes.meet(node)
    store = create_backend(nodes.params("look", 1, 1))
    store.hub.lose_members(store.run)
    change = node.wait_for_change(10)
    store.close()
    assert change is not None
    assert ChangeReason.FENCED is change.reason
    assert nodes.meet(node)[0].round == 2


def test_a_reset_starts_a_new_epoch_of_a_closed_run(nodes) -> None:
    """After `rdzv reset` a closed run can be met in again, with other settings too."""
    node = nodes.make("a", 1, 1)
    first = nodes.meet(node)[0]
    node.finish()
    store = create_backend(nodes.params("look", 1, 1))
    epoch = reset_run(store)
    store.close()
    again = nodes.meet(nodes.make("b", 1, 5))[0]
    assert epoch == again.epoch != first.epoch


def test_a_large_roster_is_fetched_by_its_digest(nodes, monkeypatch) -> None:
    """A roster too large for the head is a value of its own that everybody fetches once."""
    monkeypatch.setattr(engine, "Machine", partial(Machine, inline_roster_bytes=500))
    made = [nodes.make(f"n{n}", 12, 12) for n in range(12)]
    infos = nodes.meet(*made)
    head = engine_of(made[0]).adapter.backend.get_state()
    assert head is not None
    assert decode_head(head[0]).digest
    assert [f"n{n}" for n in range(12)] == infos[5].peers
    assert len(_status(nodes).roster) == 12
    made[3].leave()
    change = made[0].wait_for_change(10)
    assert change is not None
    assert ChangeReason.LOST is change.reason


def test_E19_a_round_costs_one_write_of_the_register_whatever_the_number_of_nodes(nodes, monkeypatch) -> None:
    """E19: 40 nodes join at once: one compare-and-set writes the roster, none is refused, nobody else writes."""
    writes: list[bool] = []
    original = MemoryBackend.set_state

    def counted(backend, state, token=None):
        result = original(backend, state, token)
        if backend.key == nodes.params("look", 1, 1).key:
            writes.append(result is not None and result[2])
        return result

    store = create_backend(nodes.params("look", 1, 1))
    reset_run(store)
    store.close()
    made = [nodes.make(f"n{n}", 40, 40, keep_alive_interval=10) for n in range(40)]
    first = nodes.start(made[0])
    _until(lambda: (status := _status(nodes)).min_nodes == 40 and len(status.waiting) == 1)
    monkeypatch.setattr(MemoryBackend, "set_state", counted)
    assert {40} == {info.world_size for info in nodes.meet(*made[1:])}
    assert first.result(10).world_size == 40
    assert writes == [True]


def test_a_stuck_member_is_evicted_after_evict_after(nodes) -> None:
    """With `evict_after`, a member that does not ask for the due round is dropped, and told FENCED."""
    first, stuck = (nodes.make(name, 1, 2, evict_after=0.5) for name in ("a", "b"))
    nodes.meet(first, stuck)
    (info,) = nodes.meet(first)
    assert info.world_size == 1
    change = stuck.wait_for_change(10)
    assert change is not None
    assert ChangeReason.FENCED is change.reason


def test_a_handler_leaves_on_exit_of_its_context_and_leaves_no_thread(nodes) -> None:
    """`with` leaves and releases everything."""
    before = set(threading.enumerate())
    other = nodes.make("b", 1, 2)
    with nodes.make("a", 1, 2) as handler:
        nodes.meet(handler, other)
    change = other.wait_for_change(10)
    assert change is not None
    assert ChangeReason.LOST is change.reason
    with pytest.raises(RendezvousConnectionError, match="closed"):
        handler.next_rendezvous()
    other.close()
    assert not [each for each in set(threading.enumerate()) - before if each.name.startswith("rdzv")]


def test_shutdown_closes_the_run_and_releases_everything(nodes) -> None:
    """`shutdown`, the reference's name: the run is closed, the handler too."""
    node, other = nodes.make("a", 1, 1), nodes.make("b", 1, 1)
    nodes.meet(node)
    assert node.shutdown()
    assert other.is_closed()
    with pytest.raises(RendezvousConnectionError):
        node.wait_for_change(0)


def test_a_run_whose_members_still_stop_for_the_next_round_is_changing(nodes) -> None:
    """Nobody asks yet, and yet the run is not idle: a new round is due."""
    a, b = nodes.make("a", 1, 2), nodes.make("b", 1, 2)
    nodes.meet(a, b)
    b.leave()
    assert a.wait_for_change(20).reason is ChangeReason.LOST
    assert _status(nodes).phase == "changing"


def _status(nodes):
    store = create_backend(nodes.params("look", 1, 1).for_observer())
    try:
        return inspect_run(store)
    finally:
        store.close()


def _until(condition) -> None:
    """Wait on a condition that only polling can see."""
    pause, tries = threading.Event(), 0
    while not condition():
        tries += 1
        assert tries < 2000, "what was awaited did not happen in 20 s"
        pause.wait(0.01)
