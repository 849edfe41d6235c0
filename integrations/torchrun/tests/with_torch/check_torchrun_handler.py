"""The handler, as torch's agent and registry use it."""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed.elastic.rendezvous as torch_rendezvous
from rdzv_torchrun import TorchrunHandler, create_handler
from rdzv_torchrun._listening import Listening
from torch.distributed.elastic.agent.server.api import SimpleElasticAgent
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

import rdzv_core
from rdzv_core import Change, ChangeReason


def fail(handler: Any) -> bool:
    """End a handler as torch's launcher does when the workers have failed."""
    try:
        raise RuntimeError("the workers failed")  # noqa: TRY301
    except RuntimeError:
        return bool(handler.shutdown())


def test_torch_finds_it_by_its_name() -> None:
    """By the entry point of what is installed."""
    params = torch_rendezvous.RendezvousParameters("rdzv", "found", "job", 1, 1, store="memory", timeout=900)
    handler = get_rendezvous_handler(params)
    assert isinstance(handler, TorchrunHandler)
    assert isinstance(handler, torch_rendezvous.RendezvousHandler)
    assert ("rdzv", "job", False) == (handler.get_backend(), handler.get_run_id(), handler.use_agent_store)
    assert handler.shutdown()


def test_nodes_meet_and_are_told_the_same(node: Any, meet: Any) -> None:
    """Ranks without gap, one store, and the address and port of rank 0."""
    infos = meet(node("3"), node("3"), node("3"))
    assert [0, 1, 2] == sorted(info.rank for info in infos)
    assert {3} == {info.world_size for info in infos}
    infos[0].store.set("key", "value")
    assert b"value" == infos[2].store.get("key")
    points = {(info.bootstrap_store_info.master_addr, info.bootstrap_store_info.master_port) for info in infos}
    assert 1 == len(points)


def test_workers_inherit_what_they_need_of_the_round(node: Any, meet: Any) -> None:
    """Its number and its fence are in the agent's environment."""
    handler = node("1")
    meet(handler)
    before = {name: os.environ[name] for name in ("RDZV_RUN_ID", "RDZV_ROUND", "RDZV_FENCE")}
    assert {"RDZV_RUN_ID": handler.get_run_id(), "RDZV_ROUND": "1", "RDZV_FENCE": "1"} == before
    meet(handler)
    assert ("2", "2") == (os.environ["RDZV_ROUND"], os.environ["RDZV_FENCE"])


@pytest.mark.parametrize("reason", ChangeReason)
def test_the_agent_is_told_of_every_change_but_a_closing(reason: ChangeReason, caplog: Any) -> None:
    """From what is known: the question is never a call to the store. It is said once."""
    asked: list[float] = []
    core = SimpleNamespace(
        wait_for_change=lambda seconds: asked.append(seconds) or Change(reason, "node-3"),
        get_run_id=lambda: "job",
        settings=SimpleNamespace(fence_delay=5.0),
    )
    listening = Listening(core)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO, "rdzv"):
        answers = [listening.must_meet_again() for _ in range(3)]
    assert [reason is not ChangeReason.CLOSED] * 3 == answers
    assert [0.0] * 3 == asked
    assert 1 == len(caplog.records)


def test_nobody_waits_while_nothing_changes(node: Any, meet: Any) -> None:
    """Zero, so the workers are left alone."""
    one, other = node("2"), node("2")
    meet(one, other)
    assert [0, 0] == [one.num_nodes_waiting(), other.num_nodes_waiting()]


def awaited(handler: Any) -> int:
    """Wait until the agent would be told to meet again."""
    assert handler._core.wait_for_change(30) is not None
    return int(handler.num_nodes_waiting())


def test_a_node_that_waits_is_heard_of(node: Any, meet: Any, begin: Any) -> None:
    """And is let in by the next rendezvous."""
    one, late = node(), node()
    meet(one)
    waiting = begin(late.next_rendezvous)
    assert 1 == awaited(one)
    assert 2 == one.next_rendezvous().world_size
    assert 2 == waiting.result(60).world_size
    assert 0 == one.num_nodes_waiting()


def test_a_node_that_fails_leaves_and_the_others_are_told(node: Any, meet: Any) -> None:
    """The run stays open."""
    one, other = node(), node()
    meet(one, other)
    assert fail(other)
    assert 1 == awaited(one)
    assert not one.is_closed()
    assert 1 == one.next_rendezvous().world_size


def test_a_node_that_is_done_disturbs_nobody_and_the_last_one_closes_the_run(node: Any, meet: Any) -> None:
    """`shutdown` without an error means that the work is done."""
    one, other, late = node(), node(), node()
    meet(one, other)
    assert one.shutdown()
    assert 0 == other.num_nodes_waiting()
    assert other.shutdown()
    with pytest.raises(torch_rendezvous.RendezvousClosedError) as caught:
        late.next_rendezvous()
    assert isinstance(caught.value.__cause__, rdzv_core.RendezvousClosedError)


def test_an_error_around_the_launcher_is_not_the_workers(node: Any, meet: Any) -> None:
    """A job that is launched while an error is handled can end well all the same."""
    other = node()
    try:
        raise KeyError("of the caller")  # noqa: TRY301
    except KeyError:
        one = node()
        meet(one, other)
        assert one.shutdown()
    assert 0 == other.num_nodes_waiting()


def test_shutting_down_twice_is_once(node: Any, meet: Any) -> None:
    """What was said first holds."""
    handler = node("1")
    meet(handler)
    assert handler.shutdown()
    assert fail(handler)


def test_a_closed_run_lets_the_workers_end_and_meets_no_more(node: Any, meet: Any) -> None:
    """`set_closed` is torch's word for it."""
    one, other = node(), node()
    meet(one, other)
    one.set_closed()
    assert one.is_closed()
    assert 0 == awaited(other)
    with pytest.raises(torch_rendezvous.RendezvousClosedError):
        other.next_rendezvous()


def test_no_round_in_time_is_torchs_timeout_error(node: Any) -> None:
    """It says what was lacking."""
    with pytest.raises(torch_rendezvous.RendezvousTimeoutError, match=r"1 of (at least )?2 nodes") as caught:
        node("2", join_timeout=0.3).next_rendezvous()
    assert isinstance(caught.value.__cause__, rdzv_core.RendezvousTimeoutError)


def test_a_store_that_is_away_is_waited_for_and_then_torchs_timeout_error() -> None:
    """Not when the handler is made: the store may come up after the nodes."""
    params = torch_rendezvous.RendezvousParameters(
        "rdzv", "127.0.0.1:9", "job", 1, 1, store="tcp", is_host="false", join_timeout=0.5
    )
    handler = create_handler(params)
    with pytest.raises(torch_rendezvous.RendezvousTimeoutError, match=r"could not be reached within 0\.5 s"):
        handler.next_rendezvous()
    handler.shutdown()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"last_cal_timeout": "5"}, "did you mean 'last_call_timeout'?"),
        ({"ttl": "soon"}, "ttl='soon'"),
        ({"store": "etdc"}, "did you mean 'etcd'?"),
    ],
)
def test_a_bad_option_is_a_value_error_that_says_what_was_meant(options: dict[str, str], said: str) -> None:
    """Before anything is created."""
    config = {"store": "memory", **options}
    params = torch_rendezvous.RendezvousParameters("rdzv", "bad", "job", 1, 1, timeout=900, **config)
    with pytest.raises(ValueError, match=r"option|backend") as caught:
        create_handler(params)
    assert said in str(caught.value)


def agent(handler: Any, workers: int) -> Any:
    """Return the part of torch's agent that shares out ranks, with its spec."""
    spec = SimpleNamespace(role="default", local_world_size=workers)
    return SimpleNamespace(
        share=lambda info: [
            (worker.global_rank, worker.world_size)
            for worker in SimpleElasticAgent._assign_worker_ranks.__wrapped__(
                None, info.store, info.rank, info.world_size, spec
            )
        ]
    )


def test_torchs_agents_share_out_ranks_over_it(node: Any, meet: Any, begin: Any) -> None:
    """Nodes with different numbers of workers."""
    handlers = [node("2"), node("2")]
    infos = meet(*handlers)
    shares = [
        begin(lambda info=info, workers=workers: agent(None, workers).share(info))
        for info, workers in zip(infos, (1, 2), strict=True)
    ]
    ranks = sorted(rank for share in shares for rank in share.result(60))
    assert [(0, 3), (1, 3), (2, 3)] == ranks


@pytest.mark.parametrize("survivor", [0, 1])
def test_a_peer_lost_while_ranks_are_shared_out_ends_nobody(survivor: int, node: Any, meet: Any) -> None:
    """The agent of the one that is left gets ranks, whether it is rank 0 or not, and is told to meet again."""
    handlers = [node(), node()]
    infos = meet(*handlers)
    left = next(each for each in zip(infos, handlers, strict=True) if each[0].rank == survivor)
    lost = next(each for each in zip(infos, handlers, strict=True) if each[0].rank != survivor)
    fail(lost[1])
    assert [(2 * survivor, 4), (2 * survivor + 1, 4)] == agent(left[1], 2).share(left[0])
    assert 1 == left[1].num_nodes_waiting()
    assert 1 == left[1].next_rendezvous().world_size


class Host:
    """What `_ending` asks of a handler that hosts the store."""

    hosts_store = True

    def __init__(self, over: list[Any]) -> None:
        self.over, self.said = over, []

    def __getattr__(self, name: str) -> Any:
        return lambda *_given: self.said.append(name)

    def get_run_id(self) -> str:
        return "job"

    def hosted_runs(self) -> list[str]:
        return ["job"]

    def wait_until_over(self, _timeout: float) -> bool:
        answer = self.over.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)


def ended(core: Host, error: Exception | None = None, member: bool = True) -> list[str]:
    from rdzv_torchrun._ending import Ending

    ending = Ending(core)  # type: ignore[arg-type]
    if member:
        ending.is_member()
    ending.end(error)
    return core.said


def test_the_host_of_the_store_stays_until_the_others_are_done(caplog: Any) -> None:
    """It says so once, then goes."""
    core = Host([False, False, True])
    assert ["finish", "close"] == ended(core)
    assert [] == core.over
    assert 1 == caplog.text.count("this node hosts the store: it stays until the others are done")


def test_a_host_whose_workers_failed_says_that_before_it_stays(caplog: Any) -> None:
    """torchrun tells of the failure only at the very end."""
    assert ["leave", "close"] == ended(Host([False, True]), RuntimeError("exit code 3"))
    assert "RuntimeError: exit code 3; this node hosts the store" in caplog.text


def test_a_signal_ends_the_stay_and_is_no_failure(caplog: Any) -> None:
    """What the workers achieved stands."""
    core = Host([False, SignalException("Process 1 got signal: 15", 15)])
    assert ["finish", "close"] == ended(core)
    assert "told to stop" in caplog.text


def test_a_host_that_never_got_a_round_stays_for_other_runs_only() -> None:
    """Its own would never be over: nobody has met in it."""
    assert ["leave", "close"] == ended(Host([]), RuntimeError("no round"), member=False)


def test_a_monitor_interval_longer_than_the_fence_delay_is_warned_of(caplog: Any, monkeypatch: Any) -> None:
    """Once, and not because the machine was busy for a moment."""
    times = iter([0.0, 6.0, 12.0, 12.1, 20.0, 30.0, 40.0, 50.0, 60.0])
    monkeypatch.setattr("rdzv_torchrun._listening.clock.now", lambda: next(times))
    core = SimpleNamespace(wait_for_change=lambda _seconds: None, settings=SimpleNamespace(fence_delay=5.0))
    listening = Listening(core)  # type: ignore[arg-type]
    said = []
    for _ in range(9):
        listening.must_meet_again()
        said.append(caplog.text.count("--monitor-interval), and fence_delay=5 is shorter"))
    assert [0, 0, 0, 0, 0, 0, 1, 1, 1] == said
