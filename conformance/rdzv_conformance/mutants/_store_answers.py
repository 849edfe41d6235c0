"""Mutants of RDZV-STORE-1, 2, 8 and 14: answers and errors that are cut, and stores that are dropped too soon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._store_calls import store_mutant
from rdzv_core import RendezvousParameters, RendezvousTimeoutError, Store
from rdzv_core.memory._store import MemoryStore
from rdzv_core.validation import checked_key, checked_value


class _ShortErrors(MemoryStore):
    def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
        try:
            return super().multi_get(keys, timeout)
        except RendezvousTimeoutError as error:
            raise RendezvousTimeoutError(self.cut(str(error))) from None

    def cut(self, text: str) -> str:
        return text if len(text) < 1000 else f"{text[:1000]}…"


class _ErrorsInAscii(_ShortErrors):
    def cut(self, text: str) -> str:
        return text.encode("ascii", "replace").decode()


class _ComparesAndGivesAView(MemoryStore):
    def compare_set(self, key: str, expected: bytes | None, desired: bytes) -> bytes | None:
        found = super().compare_set(key, expected, desired)
        return None if found is None else memoryview(found)  # type: ignore[return-value]


class _StopsAtALongOne(MemoryStore):
    """Keys are set one after the other, up to one that is refused."""

    def multi_set(self, items: Mapping[str, bytes]) -> None:
        given = {checked_key(key): checked_value(key, value) for key, value in items.items()}
        for key, value in given.items():
            if len(value) > 512 * 1024:
                raise ValueError(f"{key!r} is too long")
            super().multi_set({key: value})


_OPEN: dict[tuple[str, str], int] = {}
"""How many instances of a run are open, by where it is and its name."""


@mutant(
    "stores-end-with-the-last",
    "The stores of a run are dropped when its last instance is closed.",
    "STORE-1",
    message="check of a key whose run was left by all for a moment",
    may_break=("STORE-4", "STORE-6", "STORE-12"),
)
class StoresEndWithTheLast(SoundMemory):
    def __init__(self, params: RendezvousParameters) -> None:
        super().__init__(params)
        here = (params.endpoint, self.run)
        _OPEN[here] = _OPEN.get(here, 0) + 1
        self._here: tuple[str, str] | None = here

    def close(self) -> None:
        here, self._here = self._here, None
        super().close()
        if here is not None:
            _OPEN[here] -= 1
            if not _OPEN[here]:
                for run, prefix in [*self.hub.stores]:
                    if run == self.run:
                        del self.hub.stores[run, prefix]


@mutant(
    "two-stores-of-a-run",
    "A run keeps the stores of its last two rounds.",
    "STORE-1",
    message="one of the three stores that were made and used last",
    may_break=("STORE-4", "STORE-6"),
)
class TwoStoresOfARun(SoundMemory):
    def store(self, prefix: str) -> Store:
        made = super().store(prefix)
        with self.opened():
            names: list[str] = vars(self.hub).setdefault("names", {}).setdefault(self.run, [])
            if prefix not in names:
                names.append(prefix)
            for outdated in names[:-2]:
                self.hub.stores.pop((self.run, outdated), None)
        return made


MUTANTS = (
    store_mutant(
        "errors-of-1000-letters",
        "The text of an error is cut at 1000 letters.",
        "STORE-2",
        message="missing keys",
        broken=_ShortErrors,
        may_break=("STORE-13",),
    ),
    store_mutant(
        "errors-in-ascii",
        "An error is written in ASCII: of a key in another script question marks are left.",
        "STORE-2",
        message="of 4 missing keys",
        broken=_ErrorsInAscii,
    ),
    store_mutant(
        "compares-and-gives-a-view",
        "compare_set gives the buffer into which the answer was read.",
        "STORE-8",
        message="compare_set gave a value as memoryview: it must be bytes",
        broken=_ComparesAndGivesAView,
        may_break=("STORE-3",),
    ),
    store_mutant(
        "stops-at-a-long-one",
        "multi_set sets one key after the other, and stops at one that is refused.",
        "STORE-14",
        message="whether the keys beside a value of",
        broken=_StopsAtALongOne,
        may_break=("STORE-3",),
    ),
    StoresEndWithTheLast,
    TwoStoresOfARun,
)
