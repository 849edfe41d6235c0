"""Mutants of RDZV-STORE-4: a run, a prefix and a key are put together, and are no longer three names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import Store
from rdzv_core.memory._store import MemoryStore


class _Joined(MemoryStore):
    """Every key of a run is in one map, behind its prefix and what is put between them."""

    between = ""

    def _full(self, key: str) -> str:
        return f"{self._prefix}{self.between}{key}"

    def _values(self) -> dict[str, bytes]:
        return self._backend.hub.stores[self._backend.run, ""]

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        super().multi_set({self._full(key): value for key, value in items.items()})

    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        return super().multi_get([self._full(key) for key in keys], timeout)

    def check(self, keys: Iterable[str]) -> bool:
        return super().check([self._full(key) for key in keys])

    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        return super().compare_set(self._full(key), expected, desired)

    def add(self, key: str, amount: int) -> int:
        return super().add(self._full(key), amount)

    def delete_key(self, key: str) -> bool:
        return super().delete_key(self._full(key))

    def num_keys(self) -> int:
        return sum(key.startswith(self._full("")) for key in self._look())


def _joined(between: str, name: str, sentence: str) -> Mutant:
    class Joined(_Joined):
        pass

    Joined.between = between

    class Joining(SoundMemory):
        def store(self, prefix: str) -> Store:
            super().store(prefix)
            return Joined(self, prefix)

    others = ("STORE-1", "STORE-6", "STORE-12")
    return mutant(name, sentence, "STORE-4", message="which nobody has set", may_break=others)(Joining)


def _of_runs(told: Callable[[str, str], tuple[str, str]], name: str, sentence: str, message: str) -> Mutant:
    """Return the one whose stores are those of what `told` makes of a run's id and a prefix."""

    class OfRuns(SoundMemory):
        def store(self, prefix: str) -> Store:
            super().store(prefix)
            return _Elsewhere(self, *told(self.params.run_id, prefix))

    return mutant(name, sentence, "STORE-4", message=message, may_break=("STORE-6",))(OfRuns)


class _Elsewhere(MemoryStore):
    def __init__(self, backend: SoundMemory, run: str, prefix: str) -> None:
        super().__init__(backend, prefix)
        self._run = run

    def _values(self) -> dict[str, bytes]:
        return self._backend.hub.stores[self._run, self._prefix]


MUTANTS = (
    _joined(".", "prefix-dot-key", "A key of a store is kept as prefix.key."),
    _joined("::", "prefix-colons-key", "A key of a store is kept as prefix::key."),
    _joined("", "prefix-key", "A key of a store is kept behind its prefix, and nothing is between them."),
    _of_runs(
        lambda run, prefix: ("", f"{run}:{prefix}"),
        "run-colon-prefix",
        "A store is found by run:prefix.",
        "which nobody has set",
    ),
    _of_runs(
        lambda run, prefix: ("", f"{run}-{prefix}"),
        "run-dash-prefix",
        "A store is found by run-prefix.",
        "which nobody has set",
    ),
    _of_runs(
        lambda run, prefix: (run.casefold(), prefix),
        "stores-of-runs-in-any-case",
        "A collation ignores the case of the run that a store is of.",
        "the value in the store of run",
    ),
    _of_runs(
        lambda run, prefix: (run[:120], prefix),
        "stores-of-runs-of-120-letters",
        "The run that a store is of is cut at 120 letters.",
        "the value in the store of run",
    ),
)
