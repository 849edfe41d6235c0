"""The store of a round: a read that waits for a peer that is gone ends, with the key and the reason."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rdzv_core import (
    Change,
    ChangeReason,
    RendezvousConnectionError,
    RendezvousError,
    RendezvousRoundOverError,
    RendezvousStateError,
    RendezvousTimeoutError,
)
from rdzv_core._handler.round_store import RoundStore
from rdzv_core._map_store import MapStore

PATIENCE = 30.0


class Dictionary(MapStore):
    """A map of this process; counts how often it was waited for."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.changed = threading.Condition()
        self.waits: list[float] = []
        self.dropped = False

    def _look(self) -> Any:
        if self.dropped:
            raise RendezvousStateError("the store was dropped")
        return dict(self.values)

    def _edit(self, edit: Any) -> Any:
        with self.changed:
            self._look()
            self.changed.notify_all()
            return edit(self.values)

    def _await(self, ready: Any, timeout: float) -> Any:
        with self.changed:
            self.waits.append(timeout)
            self.changed.wait_for(lambda: ready(self._look()), timeout)
            return self._look()


class Round:
    """A round that stands until it is told why not."""

    def __init__(self, grace: float = 0.0) -> None:
        self.change: Change | None = None
        self.inner = Dictionary()
        self.store = RoundStore(self.inner, 7, lambda: self.change, grace)

    def end(self, reason: ChangeReason) -> None:
        """Make the round be over."""
        self.change = Change(reason, f"because of {reason.name.lower()}")


@pytest.mark.parametrize("way", ["get", "wait", "multi_get"])
def test_a_read_from_a_peer_that_was_lost_ends_and_names_the_key_and_the_peer(nodes: Any, way: str) -> None:
    """README's own first example: the neighbour died before it said hello."""
    alive, dead = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    info = nodes.meet(alive, dead)[0]
    reads = {
        "get": lambda: info.store.get("hello/1"),
        "wait": lambda: info.store.wait(["hello/0", "hello/1"]),
        "multi_get": lambda: info.store.multi_get(["hello/0", "hello/1"]),
    }
    info.store.set("hello/0", b"")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(reads[way])
        dead.close()  # without a word: as a process that was killed
        with pytest.raises(RendezvousRoundOverError, match=r"round 1 is over, and 'hello/1'.*LOST: b \(b\) was lost"):
            reading.result(PATIENCE)


def test_a_read_ends_when_the_node_itself_asks_again_or_leaves(nodes: Any) -> None:
    """Another thread of the program has gone on to the next round: what is awaited in this one is not wanted."""
    node = nodes.make("a", 1, 1)
    (first,) = nodes.meet(node)
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(first.store.get, "never")
        (second,) = nodes.meet(node)
        with pytest.raises(RendezvousRoundOverError, match="round 1 is over, and 'never'"):
            reading.result(PATIENCE)
        reading = pool.submit(second.store.get, "never")
        node.leave()
        with pytest.raises(RendezvousRoundOverError, match="round 2 is over, and 'never'"):
            reading.result(PATIENCE)


def test_a_read_ends_when_the_run_is_closed_by_another_node(nodes: Any) -> None:
    """Nobody meets again, so nobody sets anything."""
    one, other = nodes.make("a", 2, 2), nodes.make("b", 2, 2)
    info = nodes.meet(one, other)[0]
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(info.store.get, "never")
        other.close_run()
        with pytest.raises(RendezvousRoundOverError, match="CLOSED: the run was closed"):
            reading.result(PATIENCE)


def test_a_read_ends_with_its_handler(nodes: Any) -> None:
    """`close` ends other threads' reads."""
    node = nodes.make("a", 1, 1)
    (info,) = nodes.meet(node)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(info.store.get, "never")
        node.close()
        with pytest.raises(RendezvousConnectionError, match="closed"):
            reading.result(PATIENCE)


@pytest.mark.parametrize("reason", [reason for reason in ChangeReason if reason is not ChangeReason.WAITING])
def test_every_reason_but_waiting_ends_a_read_whatever_its_timeout(reason: ChangeReason) -> None:
    """Somebody who should set the key has gone."""
    round_ = Round(grace=PATIENCE)
    round_.end(reason)
    for timeout in (None, 1000.0):
        with pytest.raises(
            RendezvousRoundOverError, match=f"round 7 is over, and 'k' will not be set in it: {reason.name}"
        ):
            round_.store.get("k", timeout)


def test_what_is_there_can_be_read_after_the_end_and_anything_can_be_set() -> None:
    """Only waiting for what will not come is refused: a program may still read what was agreed on."""
    round_ = Round()
    round_.end(ChangeReason.LOST)
    round_.store.multi_set({"a": b"1", "b": b"2"})
    round_.store.wait(["a", "b"])
    assert (round_.store.get("a"), round_.store.multi_get(["b", "a"])) == (b"1", [b"2", b"1"])
    assert (round_.store.add("n", 2), round_.store.compare_set("a", b"1", b"3")) == (2, b"3")
    assert (round_.store.delete_key("b"), round_.store.num_keys(), round_.store.check(["a"])) == (True, 2, True)


def test_a_node_that_waits_ends_a_read_after_the_grace_unless_it_has_a_timeout_of_its_own() -> None:
    """All peers are still there, and may agree through the store on where to stop; one may have gone to meet again."""
    round_ = Round(grace=0.1)
    round_.end(ChangeReason.WAITING)
    with pytest.raises(RendezvousRoundOverError, match="WAITING"):
        round_.store.get("k")
    with pytest.raises(RendezvousTimeoutError, match=r"waited 0.9 s in round 7 of .*: 'k'$"):
        round_.store.get("k", 0.9)


def test_a_timeout_names_what_is_missing_and_no_more() -> None:
    """Of a hundred keys two are not there."""
    round_ = Round()
    names = [f"k{number}" for number in range(100)]
    round_.store.multi_set({name: b"" for name in names if name not in ("k3", "k77")})
    with pytest.raises(RendezvousTimeoutError, match=r"waited 0.01 s in round 7 of .*: 'k3', 'k77'$"):
        round_.store.wait(names, 0.01)


def test_a_read_waits_in_the_store_and_not_beside_it() -> None:
    """It takes turns that grow, so that a thousand nodes that wait cost a store little, and a key wakes it at once."""
    round_ = Round()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(round_.store.get, "k", PATIENCE)
        while len(round_.inner.waits) < 2:
            time.sleep(0.01)
        round_.store.set("k", b"1")
        assert reading.result(PATIENCE) == b"1"
    assert round_.inner.waits == [0.5, 1.0]


def test_a_store_that_a_later_round_took_is_a_round_that_is_over() -> None:
    """The store says in words of its own that it is gone; where the round stands that is what is raised."""
    round_ = Round()
    round_.inner.dropped = True
    for call in (round_.store.num_keys, lambda: round_.store.get("k"), lambda: round_.store.set("k", b"")):
        with pytest.raises(RendezvousStateError, match="dropped"):
            call()
    round_.end(ChangeReason.FENCED)
    for call in (round_.store.num_keys, lambda: round_.store.get("k"), lambda: round_.store.set("k", b"")):
        with pytest.raises(RendezvousRoundOverError, match=r"round 7 is over: FENCED.*call next_rendezvous") as caught:
            call()
        assert isinstance(caught.value.__cause__, RendezvousStateError)


def test_a_forked_child_has_no_store() -> None:
    """A lock of it may be held by a thread that stayed in the parent: it is told so, and hangs nowhere."""
    round_ = Round()
    round_.end(ChangeReason.LOST)
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            round_.store.get("k", 0.01)
        except RendezvousError as error:
            outcome = 0 if "before a fork" in str(error) else 2
        finally:
            os._exit(outcome)
    assert os.waitpid(child, 0)[1] == 0


def test_a_value_that_is_not_bytes_is_refused_with_what_to_give(nodes: Any) -> None:
    """`set(key, "text")` says what it wants, and so does whatever else takes a value."""
    (info,) = nodes.meet(nodes.make("a", 1, 1))
    for call in (
        lambda value: info.store.set("k", value),
        lambda value: info.store.multi_set({"k": value}),
        lambda value: info.store.compare_set("k", None, value),
        lambda value: info.store.compare_set("k", value, b""),
    ):
        with pytest.raises(TypeError, match=r"the value of key 'k' has to be bytes, not 'text' \(str\): encode it"):
            call("text")
        with pytest.raises(TypeError, match=r"the value of key 'k' has to be bytes, not 3 \(int\)"):
            call(3)
    assert info.store.num_keys() == 1  # the port of rank 0
    info.store.set("k", bytearray(b"1"))
    info.store.set("l", memoryview(b"2"))
    assert info.store.multi_get(["k", "l"]) == [b"1", b"2"]


def test_a_key_that_is_not_text_and_a_text_for_a_list_of_keys_are_refused() -> None:
    """`wait("ready")` would wait for r, e, a, d and y."""
    store: Any = Round().store
    for call in (lambda: store.get(b"k", 0), lambda: store.set(3, b""), lambda: store.wait(["a", None], 0)):
        with pytest.raises(TypeError, match="a key of a store is text, not"):
            call()
    for call in (lambda: store.wait("ready", 0), lambda: store.check("ready"), lambda: store.multi_get(b"ready", 0)):
        with pytest.raises(TypeError, match=r"expected a list of keys, not the single key b?'ready'"):
            call()
