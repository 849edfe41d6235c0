"""The agent between a round and its command: what it does when the round's store fails or is gone."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from rdzv_core import RendezvousConnectionError, RendezvousHandler, RendezvousParameters, RendezvousStateError
from rdzv_core._cli.node import agent
from rdzv_core._cli.node.workload import Workload
from rdzv_core._handler.probe import end_membership
from rdzv_core.memory import MemoryBackend

FAST = {"last_call_timeout": 0.2, "keep_alive_interval": 0.5, "fence_delay": 0.2, "join_timeout": 20}


@pytest.fixture
def handler() -> RendezvousHandler:
    """Return a handler of a run of its own; the agent's caller closes it."""
    name = uuid.uuid4().hex
    params = RendezvousParameters("memory", name, name, 1, 1, local_addr="here", **FAST)
    return RendezvousHandler(MemoryBackend.from_params(params), params)


def _agent(handler: RendezvousHandler, marks: Path) -> agent.Agent:
    command = ["sh", "-c", f"touch {marks}/$RDZV_ROUND"]
    return agent.Agent(handler, Workload(command, 0, 0.2), lambda _: None)


def test_a_round_that_is_over_before_its_command_started_is_left_behind(
    handler: RendezvousHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its store says so before the news of the next round: the node meets again, and does not end."""
    original, asked = agent.job_environment, []

    def environment(info, run_id):
        asked.append(info.round)
        if info.round == 1:
            # What a thaw after somebody else's roster looks like: the store is ahead of what this node knows.
            end_membership(handler, "thawed")
            raise RendezvousConnectionError("that round is over")
        return original(info, run_id)

    monkeypatch.setattr(agent, "job_environment", environment)
    with handler:
        assert _agent(handler, tmp_path).run("") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert asked == [1, 2]


def test_what_the_store_cannot_tell_at_once_is_asked_again(
    handler: RendezvousHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that fails once does not end a node that is in a round."""
    original, failures = agent.job_environment, [RendezvousConnectionError("reset"), RendezvousConnectionError("reset")]

    def environment(info, run_id):
        if failures:
            raise failures.pop()
        return original(info, run_id)

    monkeypatch.setattr(agent, "job_environment", environment)
    with handler:
        assert _agent(handler, tmp_path).run("") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_can_never_be_had_is_an_error(
    handler: RendezvousHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two ttls in a round that stands, the node ends with the reason."""

    def environment(info, run_id):
        raise RendezvousStateError("no roster")

    monkeypatch.setattr(agent, "job_environment", environment)
    with handler, pytest.raises(RendezvousStateError, match="no roster"):
        _agent(handler, tmp_path).run("")
    assert list(tmp_path.iterdir()) == []
