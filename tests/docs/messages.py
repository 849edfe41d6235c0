"""Every text that `rdzv` prints when something is wrong, found in the source: what is raised, said or logged.

A text with values in it becomes a template with `…` in their places. A text is followed from where it is raised to
where it is made: through variables and parameters, both branches of a condition, and functions of the tree that return
it. What is still unknown then is what somebody else's error says.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.docs.pages import ROOT

PACKAGES = (
    "rdzv_core",
    "plugins/tcp/rdzv_tcp",
    "plugins/file/rdzv_file",
    "plugins/etcd/rdzv_etcd",
    "integrations/torchrun/rdzv_torchrun",
    "conformance/rdzv_conformance",
    "simulation/rdzv_simulation",
)
NOT_PRINTED = (
    "conformance/rdzv_conformance/suite",  # the findings of a certificate, which are about a backend
    "conformance/rdzv_conformance/checks",
    "conformance/rdzv_conformance/mutants",
    "conformance/rdzv_conformance/harness",
    "conformance/rdzv_conformance/_mixin",
    "simulation/rdzv_simulation/mutants",
    "simulation/rdzv_simulation/_cluster",  # the simulated store's errors, which only a trace shows
    "simulation/rdzv_simulation/_checks",
)
ANY = "…"
_SAID = {"say", "Say", "_say", "tell", "_tell", "fail", "told", "Notice", "Change"}
_LOGGED = {"warning", "error", "exception", "critical"}
_RAISED = re.compile(r"[A-Z]\w*(Error|Exception|BadParameter)$|^(BadParameter|Rejected|Refused|TlsRefused)$")
_FORMAT = re.compile(r"%[-+ #0]*[\d.*]*[a-zA-Z]")
_DEPTH = 5


@dataclass(frozen=True)
class Message:
    """A template, and where it is raised or said."""

    text: str
    where: str


class Module:
    """A file: its functions by name, and the calls in it that raise or say something."""

    def __init__(self, path: Path) -> None:
        self.name = path.relative_to(ROOT).as_posix()
        self.package = next(package for package in PACKAGES if self.name.startswith(f"{package}/"))
        self.tree = ast.parse(path.read_text("utf-8"))

    @cached_property
    def functions(self) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
        """All functions and methods, by name."""
        found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(node.name, []).append(node)
        return found

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """The module's own names."""
        return {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    @cached_property
    def imported(self) -> set[str]:
        """The names that it takes from other modules."""
        imports = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        return {name.asname or name.name for node in imports for name in node.names}

    @cached_property
    def calls(self) -> dict[str, list[tuple[ast.Call, ast.AST]]]:
        """All calls by the name of what is called, each with the function around it."""
        found: dict[str, list[tuple[ast.Call, ast.AST]]] = {}
        for call, function in self._within(self.tree, self.tree):
            found.setdefault(_called(call), []).append((call, function))
        return found

    def _within(self, node: ast.AST, function: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            inner = child if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, ast.Call):
                yield child, function
            yield from self._within(child, inner)

    def sinks(self) -> Iterator[tuple[ast.Call, ast.AST]]:
        """Yield each call that raises or says something, and the function around it."""
        for calls in self.calls.values():
            yield from (each for each in calls if _is_sink(each[0]))


def _is_sink(call: ast.Call) -> bool:
    name = _called(call)
    if not call.args:
        return False
    if isinstance(call.func, ast.Attribute) and name in _LOGGED:
        return isinstance(call.func.value, ast.Name) and call.func.value.id in ("log", "_log", "logger")
    return name in _SAID or bool(_RAISED.search(name))


def _called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


class Source:
    """All files that can print something, together."""

    def __init__(self) -> None:
        paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
        self.modules = [Module(p) for p in paths if not p.relative_to(ROOT).as_posix().startswith(NOT_PRINTED)]

    def messages(self) -> list[Message]:
        """Return every template with where it is raised or said, in the order of the files."""
        found: dict[Message, None] = {}
        for module in self.modules:
            for call, function in module.sinks():
                for argument in call.args:
                    texts = {_tidy(text) for text in self._texts(argument, module, function, _DEPTH)}
                    for text in sorted(filter(_says_something, texts)):
                        found[Message(text, f"{module.name}:{call.lineno}")] = None
        return list(found)

    def _texts(self, node: ast.expr, module: Module, function: ast.AST, depth: int) -> set[str]:
        """Return the texts that an expression may have, `…` being what is not known of it."""
        match node:
            case ast.Constant():
                return {node.value if isinstance(node.value, str) else ANY}
            case ast.JoinedStr():
                text = "".join(str(v.value) if isinstance(v, ast.Constant) else ANY for v in node.values)
                inner = [v.value for v in node.values if isinstance(v, ast.FormattedValue)]
                return {text} if _says_something(text) else {text, *self._of_all(inner, module, function, depth)}
            case ast.BoolOp():
                return self._of_all(node.values, module, function, depth)
            case ast.IfExp():
                return self._of_all([node.body, node.orelse], module, function, depth)
            case ast.BinOp(left, ast.Add(), right):
                ends = self._texts(right, module, function, depth)
                return {a + b for a in self._texts(left, module, function, depth) for b in ends}
            case ast.BinOp(left, ast.Mod()):
                return self._texts(left, module, function, depth)
            case _ if depth:
                return self._followed(node, module, function, depth - 1)
            case _:
                return {ANY}

    def _followed(self, node: ast.expr, module: Module, function: ast.AST, depth: int) -> set[str]:
        """Return what a name, an attribute or a call stands for."""
        match node:
            case ast.Name(name):
                values = [value for target, value in _assignments(function) if target == name]
                if not values and (given := self._given(name, module, function)):
                    return set().union(*(self._texts(*each, depth) for each in given))
                values = values or self._constants(name, module)
            case ast.Attribute(attr=name):
                values = [value for target, value in _assignments(module.tree) if target == f".{name}"]
            case ast.Call():
                return self._returned(node, module, function, depth)
            case _:
                values = []
        return self._of_all(values, module, function, depth)

    def _of_all(self, nodes: Iterable[ast.expr], module: Module, function: ast.AST, depth: int) -> set[str]:
        return set().union(*(self._texts(node, module, function, depth) for node in nodes)) or {ANY}

    def _given(self, name: str, module: Module, function: ast.AST) -> list[tuple[ast.expr, Module, ast.AST]]:
        """Return what the calls of a function give to its parameter of that name, and where each call stands."""
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return []
        names = [argument.arg for argument in function.args.args if argument.arg not in ("self", "cls")]
        if name not in names:
            return []
        at, found = names.index(name), []
        for home in self.modules:
            if home.package == module.package:
                for call, around in home.calls.get(function.name, []):
                    given = [*call.args[at : at + 1], *(word.value for word in call.keywords if word.arg == name)]
                    found += [(each, home, around) for each in given]
        return found

    def _constants(self, name: str, module: Module) -> list[ast.expr]:
        return [home.constants[name] for home in self._homes(name, module) if name in home.constants]

    def _homes(self, name: str, module: Module) -> list[Module]:
        """Return where a name that a module uses may be defined."""
        here = name in module.constants or name in module.functions
        if here or name not in module.imported:
            return [module] if here else []
        return [each for each in self.modules if each.package in (module.package, "rdzv_core")]

    def _returned(self, call: ast.Call, module: Module, function: ast.AST, depth: int) -> set[str]:
        """Return what a function of the tree may return, or else the texts that it is given."""
        name = _called(call)
        homes = self._homes(name, module)
        texts: set[str] = set()
        for home in homes:
            for made in home.functions.get(name, []):
                for node in ast.walk(made):
                    if isinstance(node, ast.Return) and node.value is not None:
                        texts |= self._texts(node.value, home, made, depth)
        if any(map(_says_something, texts)):
            return texts
        return self._of_all(call.args, module, function, depth)


def _assignments(scope: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield what is assigned in a function or module: names as they are, attributes with a dot before them."""
    for node in ast.walk(scope):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
                elif isinstance(target, ast.Attribute):
                    yield f".{target.attr}", node.value


def _tidy(text: str) -> str:
    return re.sub(rf"{ANY}+", ANY, _FORMAT.sub(ANY, " ".join(text.split())))


def _says_something(text: str) -> bool:
    words = re.findall(r"(?<![\w.])[A-Za-z]{2,}(?![\w.])", text)
    return (" " in text and len(words) >= 2) or bool(re.fullmatch(rf"[a-z]{{5,}}: {ANY}", text))


def covers(pattern: str, text: str) -> bool:
    """Return whether a message on the page is that template: its words are there in order, and make most of it."""
    pieces = [piece.strip() for piece in pattern.split(ANY) if piece.strip()]
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return sum(map(len, pieces)) * 2 >= len(text.replace(ANY, "").replace(" ", ""))
