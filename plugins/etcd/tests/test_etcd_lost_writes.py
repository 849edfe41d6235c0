"""A write whose answer will not come is given up before its time is over."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster
from rdzv_etcd._client import endpoints, messages
from rdzv_etcd._client import gateway as gateway_module
from rdzv_etcd._client.errors import RefusedError, UnansweredError, UnknownOutcomeError
from rdzv_etcd._client.gateway import Gateway
from rdzv_etcd._client.lost_writes import LostWrite, term_of
from rdzv_etcd._client.scope import CancelScope
from rdzv_etcd._client.session import Session
from rdzv_etcd._client.transport import Transport

from rdzv_core.endpoint import HostPort

ENDPOINT = HostPort("127.0.0.1", 1)
SILENT = UnansweredError(ENDPOINT, True, TimeoutError())


def _status(term: int, leader: int) -> dict[str, Any]:
    return {"header": {"raft_term": str(term)}} | ({"leader": str(leader)} if leader else {})


class _Member(Transport):
    """Says where it stands, in turns; and answers writes, or not."""

    def __init__(self, *answers: dict[str, Any] | Exception, writes: dict[str, Any] | Exception = SILENT) -> None:
        super().__init__(None)
        self._answers, self._writes = list(answers), writes
        self.written: list[Any] = []

    def post(self, scope: CancelScope, endpoint: HostPort, path: str, payload: bytes, _: str) -> dict[str, Any]:
        if path == "/v3/kv/txn":
            self.written.append(json.loads(payload))
        answer = self._writes if path == "/v3/kv/txn" else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _looks(
    term: int, *answers: dict[str, Any] | Exception, writes: dict[str, Any] | Exception = SILENT, looks: int = 0
) -> list[str]:
    """Look once for each answer, or so many times; return what was raised, "" for nothing."""
    session, body = Session(_Member(*answers, writes=writes), None), messages.txn_put(b"key", b"value", [])
    lost, said = LostWrite(session, CancelScope(time.monotonic() + 60), ENDPOINT, term, body), []
    for _ in range(looks or len(answers)):
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
    assert _looks(3, SILENT) == ["timed out, and nothing else is answered either"]


def test_what_was_under_way_in_an_election_is_given_up_after_it() -> None:
    """Not at once: what the new leader has kept is answered when it leads. Without a leader nothing is known."""
    assert _looks(3, _status(4, 0), _status(4, 2), _status(4, 2))[:2] == ["", ""]
    assert _looks(3, _status(4, 0), _status(4, 2), _status(4, 2))[2] == (
        "timed out, and another leader was elected meanwhile"
    )


def test_a_write_that_a_later_one_has_overtaken_is_given_up_at_the_next_look() -> None:
    """A follower could not hand it to the leader, so no election tells of it; and its member says nothing is wrong."""
    assert _looks(3, _status(3, 1), writes=_status(3, 1), looks=2) == ["", "timed out, and a later write is answered"]


@pytest.mark.parametrize("writes", [SILENT, RefusedError(ENDPOINT, 14, "no leader"), RefusedError(ENDPOINT, 7, "no")])
def test_a_write_is_waited_for_where_a_later_one_is_not_answered_either(writes: Exception) -> None:
    """The member is busy, or its user may not ask that: of the write itself it tells nothing."""
    assert _looks(3, *[_status(3, 1)] * 4, writes=writes) == [""] * 4


def test_the_later_write_changes_nothing() -> None:
    """It names the key of the lost one, which the user may write, and what it would do is never done."""
    for body in (
        messages.txn_put(b"key", b"value", []),
        messages.txn_delete(b"key", []),
        {"key": messages.encode(b"key"), "value": ""},
    ):
        assert messages.written_key(body) == b"key"
    assert messages.written_key({"success": [], "failure": []}) is None
    member = _Member(_status(3, 1), writes=_status(3, 1))
    LostWrite(Session(member, None), CancelScope(time.monotonic() + 60), ENDPOINT, 3, {"key": "a2V5"}).look()
    assert member.written == [messages.txn_reads(b"key", [])]


def test_an_election_before_anything_was_answered_is_not_taken_for_one_since() -> None:
    """The first look tells the term then."""
    assert _looks(0, _status(4, 2), _status(4, 2), _status(4, 2)) == ["", "", ""]
    assert term_of({"result": {}}) == 0


def test_a_write_is_held_against_the_term_of_the_member_that_it_is_sent_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member may have told of an election of which the other has not heard: what that one is sent is lost in it."""
    ahead, behind = HostPort("127.0.0.1", 1), HostPort("127.0.0.1", 2)
    terms = {ahead: 4, behind: 3}
    held_against: list[tuple[HostPort, int]] = []

    def noted(session: Session, scope: CancelScope, endpoint: HostPort, term: int, body: Any) -> LostWrite:
        held_against.append((endpoint, term))
        return LostWrite(session, scope, endpoint, term, body)

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


def test_a_write_that_a_follower_lost_without_an_election_is_given_up_early(
    cluster: EtcdCluster, connect: Callable[..., EtcdBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its member lives, its leader is the same, and nobody will ever answer it; the next write is done at once."""
    monkeypatch.setattr(endpoints, "WRITE_SECONDS", 40.0)
    monkeypatch.setattr(endpoints, "PROVEN_SECONDS", 60.0)
    client = connect(cluster.endpoints).client
    follower = (cluster.leader() + 1) % cluster.size
    one = next(each for each in client.endpoints.all if str(each) == cluster.endpoint(follower))
    assert client.get(b"/rdzv/x") is None
    client.endpoints.answered(one, 0.001, time.monotonic())
    looked, look = threading.Event(), LostWrite.look
    monkeypatch.setattr(LostWrite, "look", lambda lost: (looked.set(), look(lost)))
    put, failed = [messages.put_request(b"/rdzv/x", b"lost")], queue.SimpleQueue[Exception]()

    def write() -> None:
        try:
            client.transact(b"/rdzv/x", [], put, repeatable=False)
        except UnknownOutcomeError as error:
            failed.put(error)

    with cluster.losing(follower):
        writing = threading.Thread(target=write)
        writing.start()
        assert looked.wait(20)  # by then etcd has handed it on
    writing.join()
    assert "a later write is answered" in str(failed.get(timeout=1))
    assert client.get(b"/rdzv/x") is None
    assert client.transact(b"/rdzv/x", [], put, repeatable=False).succeeded
