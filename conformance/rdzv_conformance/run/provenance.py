"""What exactly was tested: the files of a distribution, and a hash over each."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import importlib_metadata

from rdzv_conformance.contract.clauses import contract_page
from rdzv_conformance.run.results import Tested

_SKIPPED = ("__pycache__", ".pyc", ".pyo", ".pth")
_MUTANTS = "rdzv_conformance/mutants/"
"""What the suite is tested with; it judges no backend, so a certificate does not depend on it."""


def examine(role: str, distribution: str, module: str) -> Tested:
    """Hash what is installed of `distribution`, or, where it lists no modules (an editable install), of `module`.

    `module` is not imported; one that is not found has no files. Metadata and compiled files are left out,
    so that a wheel and the tree that it was built from have the same hashes; so are the suite's mutants.
    """
    top = module.partition(".")[0]
    found = dict(_files_of_distribution(distribution)) or dict(_files_of_module(module))
    files = {path: file for path, file in found.items() if not path.startswith(_MUTANTS)}
    if files and role == "suite":
        files["rdzv_conformance/contract/contract.md"] = contract_page()  # an editable install keeps it elsewhere
    listed = {path: _sha256(file.read_bytes()) for path, file in sorted(files.items()) if file.is_file()}
    over_all = _sha256("".join(f"{digest}  {path}\n" for path, digest in listed.items()).encode()) if listed else ""
    return Tested(role, distribution, version_of(distribution), top, over_all, listed)  # type: ignore[arg-type]


def version_of(distribution: str) -> str:
    """Return the installed version, nothing if it is not installed."""
    found = _installed(distribution)
    return found.version if found else ""


def _installed(name: str) -> Any:
    """Return the distribution of that name, or None; one without metadata is what an interrupted pip left behind."""
    if not name:
        return None
    found = importlib_metadata.distributions(name=name)
    return next((each for each in found if each.read_text("METADATA") or each.read_text("PKG-INFO")), None)


def _files_of_distribution(distribution: str) -> Iterator[tuple[str, Path]]:
    found = _installed(distribution)
    listed = (found.files if found else None) or []
    for path in listed:
        # Scripts lie outside of the packages and hold the interpreter's path.
        name = PurePosixPath(str(path))
        if ".dist-info/" in str(path) or name.parts[0] == ".." or any(each in str(path) for each in _SKIPPED):
            continue
        if not name.name.startswith(("__editable__", "_editable_impl_")):
            yield str(name), Path(str(path.locate()))


def _files_of_module(module: str) -> Iterator[tuple[str, Path]]:
    top = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
        if spec is not None and spec.origin is None:
            spec = importlib.util.find_spec(module)  # a namespace is nobody's in particular
    except (ImportError, ValueError):
        return
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    if not spec.submodule_search_locations or spec.name != top:
        yield f"{spec.name.replace('.', '/')}{origin.suffix}", origin
        return
    for file in origin.parent.rglob("*"):
        path = f"{top}/{file.relative_to(origin.parent).as_posix()}"
        if not any(each in path for each in _SKIPPED):
            yield path, file


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
