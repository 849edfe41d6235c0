"""The modules of core: which are public, and that none of them, directly or not, imports one that imports it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import rdzv_core

ROOT = Path(rdzv_core.__file__).parent


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Every module of core by its name, parsed; a package's face by that of the package."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = ["rdzv_core", *file.relative_to(ROOT).with_suffix("").parts]
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imported(name: str) -> Iterator[str]:
    """What a module imports of core, anywhere in its text: in functions and for type checkers only as well."""
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module in modules():
            yield from (origin(node.module, alias.name) for alias in node.names)


def origin(module: str, name: str) -> str:
    """Where a name that is imported from a module is from: behind a package's face, if that only passes it on."""
    if f"{module}.{name}" in modules():
        return f"{module}.{name}"
    if (ROOT.parent / module.replace(".", "/")).is_dir():
        for node in modules()[module].body:
            if isinstance(node, ast.ImportFrom) and node.module in modules() and name in {a.name for a in node.names}:
                return origin(node.module, name)
    return module


def cycles() -> list[list[str]]:
    """The groups of modules that import each other, by Tarjan's algorithm; the faces of packages do not count."""
    faces = {name for name in modules() if (ROOT.parent / name.replace(".", "/")).is_dir()}
    arrows = {name: sorted(set(imported(name)) - faces - {name}) for name in modules().keys() - faces}
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in arrows[name]:
            if other not in index:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == index[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            found.extend([sorted(group)] if len(group) > 1 else [])

    for name in sorted(arrows):
        if name not in index:
            visit(name)
    return found


def test_no_modules_of_core_import_each_other() -> None:
    """Not for type checkers only either: data flows one way."""
    assert [] == cycles()
