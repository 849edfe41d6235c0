"""The modules of core: which are public, and that none of them, directly or not, imports one that imports it."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import rdzv_core

ROOT = Path(rdzv_core.__file__).parent

PUBLIC = {
    "abc",
    "addresses",
    "aio",
    "authoring",
    "backoff",
    "checking",
    "clock",
    "compat",
    "endpoint",
    "envelope",
    "events",
    "hooks",
    "inspection",
    "memory",
    "options",
    "registry",
    "forking",
    "submitting",
    "validation",
}
"""The modules that are documented and kept, as the docstring of `rdzv_core` lists them."""


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


def test_the_public_modules_are_those_that_the_docstring_lists() -> None:
    """A module without an underscore is a promise: it is made in one place, and nowhere by accident."""
    there = {name.split(".")[1] for name in modules() if "." in name}
    assert {name for name in there if not name.startswith("_")} == PUBLIC
    assert rdzv_core.__doc__ is not None
    listed = rdzv_core.__doc__.partition("The other public modules are")[2].partition("`__all__`")[0]
    assert set(re.findall("`([a-z]+)`", listed)) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_module_lists_what_is_public_in_it(name: str) -> None:
    """All of it is there and none of it private; nothing else that it defines is without an underscore."""
    module = importlib.import_module(f"rdzv_core.{name}")
    listed = set(module.__all__)

    assert all(hasattr(module, each) and not each.startswith("_") for each in listed)
    assert sorted(listed) == sorted(module.__all__)
    assert defined(f"rdzv_core.{name}") <= listed


def defined(name: str) -> set[str]:
    """The functions, classes and constants without an underscore that a module's own text defines."""
    found = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.col_offset == 0:
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.col_offset == 0:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {each for each in found if not each.startswith("_") and each not in ("T", "F", "R", "log")}
