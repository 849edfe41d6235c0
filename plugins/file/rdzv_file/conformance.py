"""What the conformance suite may do to a file store; found by an entry point."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdzv_core import RendezvousParameters
from rdzv_file._layout import unpack
from rdzv_file._run_files import RunFiles
from rdzv_file._store import FileStore

network = False
unreachable_endpoint: str = f"{os.devnull}/rdzv"

expires = False
"""It lets no key expire: the suite need not wait for a minute to see that."""


def corrupt(params: RendezvousParameters) -> None:
    """Damage the last byte of a run's register, or write something foreign there if it has none."""
    store = FileStore(params.endpoint)
    sealed = store.get(params.key)
    store.set(params.key, b"foreign" if sealed is None else sealed[:-1] + bytes([sealed[-1] ^ 1]))


@contextmanager
def truncated(params: RendezvousParameters) -> Iterator[None]:
    """Truncate the file that holds a run's register (in one file those of all runs) to 0 bytes, and restore it."""
    path = Path(params.endpoint)
    file = path / params.key if path.is_dir() else path
    whole = file.read_bytes()
    os.truncate(file, 0)
    try:
        yield
    finally:
        file.write_bytes(whole)


def lose_members(params: RendezvousParameters) -> None:
    """Delete what a run keeps besides its registers."""
    runs = FileStore(params.endpoint).runs()
    assert runs is not None, "a store that is created is there"
    shutil.rmtree(RunFiles(runs, params.for_purpose("").key).directory)


def keys(params: RendezvousParameters) -> list[str]:
    """List the keys in the file, or, in a directory, the files: temporary ones too, but neither locks nor members."""
    path = Path(params.endpoint)
    if path.is_dir():
        return [each.name for each in path.iterdir() if not each.name.startswith(".rdzv-")]
    beside = [each for each in path.parent.glob(f"{path.name}.*") if each.suffix not in (".lock", ".runs")]
    aside = [each for each in beside if each.suffix == ".last"]
    found = [key for each in (path, *aside) for key in unpack(each.read_bytes())]
    return [*found, *(f"{each.name} with {params.key}" for each in beside if each not in aside)]


class OwnStore:
    """A store that can be taken away for a while, as when its file system stands still or is not mounted."""

    options: Mapping[str, Any] = {}

    def __init__(self, path: Path, *, one_file: bool = False) -> None:
        self.what = "one file" if one_file else "a directory"
        self.endpoint: str = str(path) if one_file else f"{path}/"
        self._path = path
        self._away = path.with_name(f"{path.name}-away")

    def pause(self) -> None:
        """Take it away: every call is a lost connection."""
        for file in self._path.parent.glob(f"{self._path.name}*"):
            file.rename(f"{self._away}{str(file).removeprefix(str(self._path))}")

    def resume(self) -> None:
        """Bring it back as it was."""
        for file in self._away.parent.glob(f"{self._away.name}*"):
            file.rename(f"{self._path}{str(file).removeprefix(str(self._away))}")


@contextmanager
def own_store(sandbox: Any) -> Iterator[OwnStore]:
    """Lend a directory for the suite alone; `sandbox` is a `rdzv_conformance.Sandbox`."""
    yield OwnStore(sandbox.directory / "store")
