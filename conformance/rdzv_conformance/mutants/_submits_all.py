"""A sound backend, every call of which can be submitted, by a way that a mutant may change: `submitted_…` methods."""

from __future__ import annotations

import time
from typing import Any

from rdzv_conformance.mutants._submit import Errand, Runner, SubmittingMemory
from rdzv_conformance.mutants._submit_waits import StoreRunner, SubmittingStore
from rdzv_core import (
    Store,
)


class _ItsOwnWay:
    """What its runner calls: the method with `submitted_` before its name, where there is one."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, f"submitted_{name}", None) or getattr(self._target, name)


class ItsOwnWay(Runner):
    """It calls a submitted method by a way of its own."""

    def __init__(self, backend: object) -> None:
        super().__init__(_ItsOwnWay(backend))


class StoresOwnWay(StoreRunner):
    def __init__(self, backend: object) -> None:
        super().__init__(_ItsOwnWay(backend))

    def submit(self, method: str, arguments: tuple[Any, ...], done: Any) -> None:
        if method not in ("multi_get", "wait"):
            super().submit(method, arguments, done)
            return
        try:
            keys, timeout = arguments if len(arguments) != 1 else (*arguments, None)
            errand = Errand(method, ([*keys], 0.0), done, time.monotonic() + self.seconds(timeout))
        except (TypeError, ValueError) as error:
            done(None, error)
            return
        self.add(errand)


class SubmitsAll(SubmittingMemory):
    """The reference, of which every call can be submitted, those of its stores too."""

    submittable = SubmittingMemory.submittable | {"set_state", "delete_state", "count"}
    runner_type = ItsOwnWay
    store_type: type[SubmittingStore]

    def store(self, prefix: str) -> Store:
        with self.opened():
            return self.store_type(self, prefix, StoresOwnWay)


class SubmitsAllStore(SubmittingStore):
    """Its store."""

    submittable = frozenset(
        ("get", "multi_get", "wait", "check", "num_keys", "set", "multi_set", "add", "compare_set", "delete_key")
    )


SubmitsAll.store_type = SubmitsAllStore
