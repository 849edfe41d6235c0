"""Mutants made mechanically: one small change at a time to the source of the reference backend.

Each is tried in a process of its own, which loads the changed module in place of the real one and runs the suite until
the first clause fails. One that survives must be explained as equivalent in `equivalent.txt`: a line that names it, a
tab, and the reason.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

MODULES = ("_backend", "_hub", "_members", "_registers", "_store")
LIMIT = 120.0
UNCHANGED = "unchanged"
SLOW = ("CAS_11", "CAS_12", "CONN", "PARAM", "PKG", "LIFE_4")

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_SWAPPED: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add}


def changes(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """Return every changed copy of a module, with words that say what was changed where."""
    nodes = list(ast.walk(tree))
    for number, node in enumerate(nodes):
        for what in _operators(node):
            changed = copy.deepcopy(tree)
            _apply(list(ast.walk(changed))[number], what)
            # By what stands there and not by line alone: a comment that is added elsewhere renames nothing.
            yield f"{what} {' '.join(ast.unparse(node).split())[:60]}", ast.fix_missing_locations(changed)


def _operators(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _FLIPPED:
        yield "flip"
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "not"
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield "plus one"
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _SWAPPED:
        yield "swap"
    if isinstance(node, (ast.If, ast.While, ast.IfExp)):
        yield "negate"
    if isinstance(node, ast.BoolOp):
        yield "and/or"
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "drop"
    if isinstance(node, ast.AugAssign) or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)):
        yield "forget"


def _apply(node: ast.AST, what: str) -> None:
    if what == "flip" and isinstance(node, ast.Compare):
        node.ops[0] = _FLIPPED[type(node.ops[0])]()
    elif what == "not" and isinstance(node, ast.Constant):
        node.value = not node.value
    elif what == "plus one" and isinstance(node, ast.Constant) and isinstance(node.value, int):
        node.value += 1
    elif what == "swap" and isinstance(node, (ast.BinOp, ast.AugAssign)):
        node.op = _SWAPPED[type(node.op)]()
    elif what == "negate" and isinstance(node, (ast.If, ast.While, ast.IfExp)):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif what == "and/or" and isinstance(node, ast.BoolOp):
        node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
    elif what == "drop" and isinstance(node, ast.Expr):
        node.value = ast.Constant(None)
    elif what == "forget" and isinstance(node, (ast.Assign, ast.AugAssign)):
        node.value = ast.Constant(0) if isinstance(node, ast.AugAssign) else _target(node)


def _target(node: ast.Assign) -> ast.expr:
    """The attribute as it was, None where it was not yet."""
    target = node.targets[0]
    assert isinstance(target, ast.Attribute)
    name, owner = ast.Constant(target.attr), copy.deepcopy(target.value)
    return ast.Call(ast.Name("getattr", ast.Load()), [owner, name, ast.Constant(None)], [])


def generated() -> dict[str, tuple[str, ast.Module]]:
    """Return every generated mutant by its name: the module, and its changed tree."""
    found: dict[str, tuple[str, ast.Module]] = {}
    for module in MODULES:
        spec = importlib.util.find_spec(f"rdzv_core.memory.{module}")
        assert spec is not None
        assert spec.origin is not None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        for words, changed in changes(tree):
            name = base = f"{module}: {words}"
            for again in range(2, 99):
                if name not in found:
                    break
                name = f"{base} ({again})"
            found[name] = (f"rdzv_core.memory.{module}", changed)
    return found


def explained() -> dict[str, str]:
    """Return the reasons why survivors are equivalent, by the mutant's name."""
    lines = (files(__package__) / "equivalent.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def caught() -> str:
    """Run the suite on the backend memory until a clause fails; return the finding, "" if it survives."""
    from rdzv_conformance.harness.installed_helpers import installed_helpers
    from rdzv_conformance.harness.target import Target
    from rdzv_conformance.run.anchor import Anchor
    from rdzv_conformance.run.runner import run_test, select_tests

    target = Target("memory", "generated", {}, installed_helpers("memory"), (), 3.0)
    tests = select_tests(("core", "watch", "membership", "store"))
    late = [test for test in tests if any(part in test for part in SLOW)]
    with Anchor(target):
        for test in [*(test for test in tests if test not in late), *late]:
            result = run_test(target, test)
            if result.status in ("fail", "error"):
                return f"{result.clauses[0]}: {result.message}"
    return ""


def _try(name: str) -> str:
    command = [sys.executable, "-c", _CHILD, name]
    try:
        ran = subprocess.run(  # noqa: S603 - this interpreter, our own line
            command, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the process had not ended after {LIMIT:.0f} s"
    if ran.returncode == 0:
        return ran.stdout.strip()
    return f"status {ran.returncode}: {(ran.stderr.strip().splitlines() or [''])[-1]}"


_CHILD = """
import os, sys
from rdzv_conformance.mutants._generated import caught, load
load(sys.argv[1])
print(caught(), flush=True)
os._exit(0)
"""


def load(name: str) -> None:
    """Put a mutant in the place of its module, before anything else has imported that."""
    if name == UNCHANGED:
        return
    module, tree = generated()[name]
    # Whatever has the real one already is loaded again: two reference backends in one process would not meet.
    for loaded in [each for each in sys.modules if each.startswith(("rdzv_core.memory", "rdzv_conformance"))]:
        del sys.modules[loaded]
    code = compile(tree, f"<{name}>", "exec")

    class Finder:
        @staticmethod
        def find_spec(wanted: str, path: object = None, target: object = None) -> object:  # noqa: ARG004
            loader: Any = Loader()
            return importlib.util.spec_from_loader(wanted, loader) if wanted == module else None

    class Loader:
        @staticmethod
        def create_module(spec: object) -> None:  # noqa: ARG004
            return None

        @staticmethod
        def exec_module(made: object) -> None:
            exec(code, vars(made))  # noqa: S102 - our own source, changed

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]


def run_generated(names: list[str], seed: int, most: int, jobs: int) -> int:
    """Try generated mutants, print those that survive; the status is 1 if one of them is not explained."""
    everything, reasons = generated(), explained()
    wanted = names or list(everything)
    if most:
        wanted = sorted(random.Random(seed).sample(wanted, min(most, len(wanted))))
    finding = _try(UNCHANGED)
    if finding:
        print(f"the reference backend itself is caught: {finding}")
        return 1
    found: dict[str, str] = {}
    unexplained = 0
    with ThreadPoolExecutor(jobs) as pool:
        for name, finding in zip(wanted, pool.map(_try, wanted), strict=True):
            found[name] = finding
            print(f"[{len(found)}/{len(wanted)}] {name}: {finding[:120] or 'survived'}", file=sys.stderr, flush=True)
            if not finding:
                unexplained += name not in reasons
                print(f"survived  {name}  {reasons.get(name, 'NOT EXPLAINED')}", flush=True)
    caught = sum(bool(finding) for finding in found.values())
    print(f"{len(found)} generated mutants: {caught} caught, {len(found) - caught} survived, {unexplained} unexplained")
    return 1 if unexplained else 0
