"""The anchor: an instance that stays open from the first test to the last, and the store's latency."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.kept import Kept
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.target import Target
from rdzv_conformance.harness.watchdog import run_guarded
from rdzv_core import RendezvousBackend, StateSnapshot

T = TypeVar("T")

READS = 5
WRITES = 3
CREATION_WEIGHS = 20


class Anchor:
    """An instance that stays open while the tests come and go: a store that its first user hosts outlives them.

    Raises what creating it and a first read raise: without a store there is nothing to certify. It also writes, to see
    how long that takes, unless not to. A context manager.
    """

    backend: RendezvousBackend
    target: Target
    """The target with limits that fit the store's latency, the median of a few reads and of a few writes."""

    def __init__(self, target: Target, writes: bool = True) -> None:
        self._under_test = BackendUnderTest(target)
        self._latency = 0.0
        self._kept: Kept | None = None
        try:
            run_guarded(self._reach, self._under_test.calls, READS * target.patience + 1)
        except BaseException:
            self.close()
            raise
        try:
            if writes:
                run_guarded(self._write, self._under_test.calls, WRITES * target.patience + 1)
        except Exception:  # noqa: BLE001, S110 - that a backend cannot write is for the clauses about it
            pass
        self.target = replace(target.paced(self._latency), kept=self._kept)

    def _reach(self) -> None:
        created, self._register = _took(self._open)
        self.backend = self._register.backend
        reads = statistics.median(_took(self._register.get_state)[0] for _ in range(READS))
        # Instances are not made one after the other as calls are.
        self._latency = max(reads, created / CREATION_WEIGHS)

    def _open(self) -> Register:
        return self._under_test.open()

    def _write(self) -> None:
        took = []
        token = answer = None
        for number in range(WRITES):
            seconds, answer = _took(self._register.set_state, b"%d" % number, token)
            took.append(seconds)
            token = answer and answer.token
        if answer is not None and answer.has_set:
            self._kept = Kept(self._under_test.run_id, StateSnapshot(answer.state, answer.token))
        self._latency = max(self._latency, statistics.median(took))
        if self._kept is not None:
            self._kept.keep_more(self.backend)

    def close(self) -> None:
        """Let the store go."""
        self._under_test.clean_up()

    def __enter__(self) -> Anchor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _took(call: Callable[..., T], *arguments: object) -> tuple[float, T]:
    began = time.monotonic()
    answer = call(*arguments)
    return time.monotonic() - began, answer


class AnchorHolder:
    """Keeps one anchor open: another one as soon as the target is another."""

    def __init__(self) -> None:
        self._held: tuple[Target, Anchor] | None = None

    def hold(self, target: Target) -> Target:
        """Make sure that the anchor of `target`, and no other, is open; return the target as paced by it."""
        if self._held is None or self._held[0] != target:
            self.release()
            self._held = (target, Anchor(target))
        assert self._held is not None
        return self._held[1].target

    def release(self) -> None:
        """Close the anchor."""
        if self._held is not None:
            self._held[1].close()
            self._held = None
