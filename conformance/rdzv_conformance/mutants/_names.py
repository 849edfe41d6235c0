"""Mutants of RDZV-RUN-2 and 3, MEMBER-12 and STORE-6: names that become one."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Callable, Iterable, Mapping

from rdzv_conformance.mutants._memory import SoundMemory, mutant
from rdzv_conformance.mutants._mutant import Mutant
from rdzv_core import RendezvousParameters, Store, register_key
from rdzv_core.memory._store import MemoryStore

Bend = Callable[[str], str]

MOVED = ("RUN-4", "PARAM-3", "STATE-6", "STATE-7", "LIFE-6")
"""What a run may break whose register is not where the helpers look for it."""


def _folded(name: str) -> str:
    """Fold what is not ASCII: there the case is kept apart."""
    return "".join(letter if letter.isascii() else letter.casefold() for letter in name)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _compatible(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", letter) for letter in name)


def _first_bytes(most: int) -> Bend:
    return lambda name: name.encode()[:most].decode("utf-8", "replace")


def _last_bytes(most: int) -> Bend:
    return lambda name: name.encode()[-most:].decode("utf-8", "replace")


def _seen(name: str) -> str:
    return "".join(letter for letter in name if unicodedata.category(letter) != "Cf")


def _hashed(name: str) -> str:
    # Names of the suite begin alike: what is hashed is what comes behind.
    return name[:28] + f"{zlib.crc32(name[28:].encode()):08x}" if len(name) == 36 else name


def _stripped(name: str) -> str:
    return name.rstrip(" .")


def _kept(bend: Bend, is_run: bool) -> type[SoundMemory]:
    class Bent(SoundMemory):
        def __init__(self, params: RendezvousParameters) -> None:
            super().__init__(params)
            run, purpose = (bend(params.run_id), params.purpose) if is_run else (params.run_id, bend(params.purpose))
            self.key = register_key(run or "-", purpose)

    return Bent


def _run(bend: Bend, name: str, sentence: str) -> Mutant:
    make = mutant(name, sentence, "RUN-2", message="does another run share its key?", may_break=MOVED)
    return make(_kept(bend, is_run=True))


def _purpose(bend: Bend, name: str, sentence: str) -> Mutant:
    make = mutant(name, sentence, "RUN-3", message="does another purpose share its key?", may_break=("RUN-4",))
    return make(_kept(bend, is_run=False))


def _members(bend: Bend, name: str, sentence: str) -> Mutant:
    class Bent(SoundMemory):
        def __init__(self, params: RendezvousParameters) -> None:
            super().__init__(params)
            self.run = register_key(bend(params.run_id) or "-")

    return mutant(name, sentence, "MEMBER-12", message="into which one has entered")(Bent)


def _store(bend: Bend, name: str, sentence: str) -> Mutant:
    class Bends(MemoryStore):
        def multi_set(self, items: Mapping[str, bytes]) -> None:
            super().multi_set({bend(key): value for key, value in items.items()})

        def multi_get(self, keys: Iterable[str], timeout: float | None = None) -> list[bytes]:
            return super().multi_get([bend(key) for key in keys], timeout)

        def check(self, keys: Iterable[str]) -> bool:
            return super().check([bend(key) for key in keys])

        def delete_key(self, key: str) -> bool:
            return super().delete_key(bend(key))

    class Bent(SoundMemory):
        def store(self, prefix: str) -> Store:
            super().store(prefix)
            return Bends(self, prefix)

    return mutant(name, sentence, "STORE-6", message="keys that are nearly alike", may_break=("STORE-1",))(Bent)


def _prefix(bend: Bend, name: str, sentence: str) -> Mutant:
    class Bent(SoundMemory):
        def store(self, prefix: str) -> Store:
            return super().store(bend(prefix))

    return mutant(name, sentence, "STORE-6", message="in the store", may_break=("STORE-4",))(Bent)


def _beginning(between: str, name: str, sentence: str) -> Mutant:
    """Return the one that counts the keys that begin with its prefix and what is between that and a key."""

    class Counts(MemoryStore):
        def num_keys(self) -> int:
            with self._backend.opened():
                begins = f"{self._prefix}{between}"
                stores = self._backend.hub.stores.items()
                run = {prefix: values for (run, prefix), values in stores if run == self._backend.run}
                return sum(len(values) for prefix, values in run.items() if f"{prefix}{between}".startswith(begins))

    class Counting(SoundMemory):
        def store(self, prefix: str) -> Store:
            super().store(prefix)
            return Counts(self, prefix)

    return mutant(name, sentence, "STORE-6", message="num_keys() of the store", may_break=("STORE-4",))(Counting)


MUTANTS = (
    _run(_folded, "runs-in-any-case-of-any-script", "A collation ignores the case of ä and Ä."),
    _run(_composed, "runs-composed", "A file system keeps names in a normal form."),
    _run(_compatible, "runs-compatible", "An identifier is normalised to NFKC: ﬁ is fi."),
    _run(_seen, "runs-as-they-are-seen", "Characters that nobody sees are taken out of names."),
    _run(_first_bytes(255), "runs-of-255-bytes", "A name of a file is cut at 255 bytes."),
    _run(_last_bytes(255), "runs-of-the-last-255-bytes", "A long name is cut at its beginning."),
    _run(_hashed, "runs-by-their-checksum", "A run is found by the CRC-32 of its name."),
    _run(_stripped, "runs-stripped", "Spaces and dots at the end of a name are dropped, as Windows does it."),
    _purpose(_folded, "purposes-in-any-case", "A collation ignores the case of purposes."),
    _purpose(_first_bytes(64), "purposes-of-64-bytes", "A purpose is cut at 64 bytes."),
    _members(_folded, "members-in-any-case", "A collation ignores the case of the run that members are of."),
    _members(_first_bytes(128), "members-of-128-bytes", "The run that members are of is cut at 128 bytes."),
    _store(_folded, "keys-in-any-case", "A collation ignores the case of a store's keys."),
    _store(_composed, "keys-composed", "A store's keys are kept in a normal form."),
    _store(_first_bytes(255), "keys-of-255-bytes", "A store's keys are cut at 255 bytes."),
    _store(str.strip, "keys-stripped", "A store's keys are stripped of white space."),
    _prefix(_folded, "prefixes-in-any-case", "A collation ignores the case of a store's prefix."),
    _beginning("/", "counts-what-is-below", "num_keys counts what is below a path: of a store below it as well."),
    _beginning(":", "counts-what-begins", "num_keys counts the keys that begin with the prefix and a colon."),
    _prefix(_first_bytes(32), "prefixes-of-32-bytes", "A store's prefix is cut at 32 bytes."),
)
