"""A write whose answer will not come is given up before its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster
from rdzv_etcd._client import endpoints
from rdzv_etcd._client import gateway as gateway_module
from rdzv_etcd._client.errors import RefusedError, UnansweredError, UnknownOutcomeError
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.lost_writes import LostWrite, term_of
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.transport import Transport

from rdzv_core.endpoint import HostPort

ENDPOINT = HostPort("127.0.0.1", 1)


def _status(term: int, leader: int) -> dict[str, Any]:
    return {"header": {"raft_term": str(term)}} | ({"leader": str(leader)} if leader else {})


class _Member(Transport):
    """Says where it stands, in turns."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(None)
        self._answers = list(answers)

    def post(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _looks(term: int, *answers: dict[str, Any] | Exception) -> list[str]:
    """Look once for each answer; return what was raised, "" for nothing."""
    lost, said = LostWrite(_Member(*answers), CancelScope(time.monotonic() + 60), ENDPOINT, term), []
    for _ in answers:
        try:
            lost.look()
        except TimeoutError as error:
            said.append(str(error))
        else:
            said.append("")
    return said


def test_a_member_that_is_slow_is_waited_for() -> None:
    """As long as it says that its leader is the one that it was, or refuses to say."""
    assert _looks(3, *[_status(3, 1)] * 3, RefusedError(ENDPOINT, 16, "no")) == [""] * 4


def test_a_member_that_answers_nothing_will_not_answer_the_write() -> None:
    """It stands still, or is cut off."""
    silent = UnansweredError(ENDPOINT, True, TimeoutError())
    assert _looks(3, silent) == ["timed out, and nothing else is answered either"]


def test_what_was_under_way_in_an_election_is_given_up_after_it() -> None:
    """Not at once: what the new leader has kept is answered when it leads. Without a leader nothing is known."""
    assert _looks(3, _status(4, 0), _status(4, 2), _status(4, 2))[:2] == ["", ""]
    assert _looks(3, _status(4, 0), _status(4, 2), _status(4, 2))[2] == (
        "timed out, and another leader was elected meanwhile"
    )


def test_an_election_before_anything_was_answered_is_not_taken_for_one_since() -> None:
    """The first look tells the term then."""
    assert _looks(0, _status(4, 2), _status(4, 2), _status(4, 2)) == ["", "", ""]
    assert term_of({"result": {}}) == 0


def test_a_write_is_held_against_the_term_of_the_member_that_it_is_sent_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member may have told of an election of which the other has not heard: what that one is sent is lost in it."""
    ahead, behind = HostPort("127.0.0.1", 1), HostPort("127.0.0.1", 2)
    terms = {ahead: 4, behind: 3}
    held_against: list[tuple[HostPort, int]] = []

    def noted(_: Any, scope: CancelScope, endpoint: HostPort, term: int) -> LostWrite:
        held_against.append((endpoint, term))
        return LostWrite(_Member(), scope, endpoint, term)

    gateway = Gateway([ahead, behind], None, None)
    monkeypatch.setattr(gateway_module, "LostWrite", noted)
    monkeypatch.setattr(gateway.session, "post", lambda _, endpoint, *__: _status(terms[endpoint], 1))
    for endpoint in (behind, ahead, behind):
        gateway.endpoints.answered(endpoint, 0.001, time.monotonic())  # so it is asked next
        with CancelScope(time.monotonic() + 60) as scope:
            gateway.post(scope, "/v3/kv/range", {}, repeatable=True)
    with CancelScope(time.monotonic() + 60) as scope:
        gateway.post(scope, "/v3/kv/put", {}, repeatable=False)
    assert held_against == [(behind, 3)]


def test_a_write_to_a_leader_that_stands_still_is_given_up_early(
    cluster: EtcdCluster, connect: Callable[..., EtcdBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that creates, which cannot be sent again: the error comes though its own time is far from over."""
    monkeypatch.setattr(endpoints, "WRITE_SECONDS", 40.0)
    monkeypatch.setattr(endpoints, "PROVEN_SECONDS", 60.0)
    backend = connect(cluster.endpoints)
    leader = cluster.leader()
    one = next(each for each in backend.client.endpoints.all if str(each) == cluster.endpoint(leader))
    assert backend.get_state() is None
    backend.client.endpoints.answered(one, 0.001, time.monotonic())
    cluster.pause(leader)
    with pytest.raises(UnknownOutcomeError, match="nothing else is answered"):
        backend.client.transact(b"/rdzv/x", [], [], repeatable=False)
    cluster.resume(leader)
