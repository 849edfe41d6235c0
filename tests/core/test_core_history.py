"""The history of a run: the first failure counts, it stays small, and nothing depends on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rdzv_core import RendezvousBackend, RendezvousParameters, create_backend
from rdzv_core._handler.head import Head, encode_head
from rdzv_core._history import MOST_ROUNDS, MOST_STDERR_BYTES, PURPOSE, Failure, History, HistoryReader, PastRound, note
from rdzv_core._removal import remove_run


@pytest.fixture
def store() -> Iterator[RendezvousBackend]:
    """Return a register of a run."""
    made = create_backend(RendezvousParameters("memory", "history", "job", 1, 1))
    yield made
    made.close()


def _failure(node: str, number: int, stderr: str = "") -> Failure:
    return Failure(node, f"at-{node}", number, 0, 1, 1.0, stderr)


def test_of_the_failures_of_a_round_the_first_is_kept(store: RendezvousBackend) -> None:
    """And the first of the run; a later one of the same round is mostly its consequence."""
    for node, number in (("a", 1), ("b", 1), ("c", 4), ("d", 4), ("e", 2)):
        there = note(store, "e", lambda history, node=node, number=number: history.failed(_failure(node, number)))
    assert there.first_failure is not None
    assert there.last_failure is not None
    assert (there.first_failure.node_id, there.last_failure.node_id) == ("a", "c")


def test_many_that_fail_at_once_write_one_failure(store: RendezvousBackend) -> None:
    """Compare and set: who comes later reads that a first one is there."""
    found: list[History] = []

    def fail(number: int) -> None:
        found.append(note(store, "e", lambda history: history.failed(_failure(f"n{number}", 1))))

    threads = [threading.Thread(target=fail, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.first_failure for each in found}) == 1


def test_the_history_stays_small(store: RendezvousBackend) -> None:
    """However many rounds there are, and however much a command and a change say."""
    for number in range(1, 100):
        note(store, "e", lambda history, number=number: history.formed(PastRound(number, 9, 1.0, "x" * 9999)))
        note(store, "e", lambda history, number=number: history.failed(_failure("é" * 64, number, "é" * 99999)))
    snapshot = store.get_state()
    assert snapshot is not None
    assert len(snapshot[0]) < 16 * 1024
    there = note(store, "e", lambda _: None)
    assert [each.round for each in there.rounds] == list(range(100 - MOST_ROUNDS, 100))
    assert there.last_failure is not None
    assert len(there.last_failure.stderr.encode()) <= MOST_STDERR_BYTES


def test_a_new_epoch_begins_a_new_history(store: RendezvousBackend) -> None:
    """What is of another epoch, or cannot be read, is written over."""
    note(store, "e1", lambda history: history.failed(_failure("a", 7)))
    assert note(store, "e2", lambda history: history.formed(PastRound(1, 2, 1.0))).last_failure is None
    snapshot = store.get_state()
    assert snapshot is not None
    store.set_state(b"not json", snapshot[1])
    assert note(store, "e2", lambda history: history.formed(PastRound(2, 2, 1.0))).rounds[-1].round == 2


def test_a_history_that_cannot_be_read_is_empty(store: RendezvousBackend) -> None:
    """A store that fails here does not fail the look."""
    reader = HistoryReader(store)
    assert reader.read("e") == History("e")
    reader.close()
    store.close()
    assert HistoryReader(store).read("e") == History("e")


def test_with_a_run_its_history_is_removed() -> None:
    """A run that is over leaves no register: the head's and this one are two."""
    made = create_backend(RendezvousParameters("memory", "over", "job", 1, 1))
    made.set_state(encode_head(Head("e", closed=True, run="job")))
    note(made.sibling(PURPOSE), "e", lambda history: history.failed(_failure("a", 1)))
    assert remove_run(made) == 2
    assert made.list_keys() == []  # type: ignore[attr-defined]
    made.close()
