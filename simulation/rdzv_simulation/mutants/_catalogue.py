"""All mutants by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rdzv_core._handler.machine import Machine
from rdzv_core._handler.rules import Rules
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.parts import Parts
from rdzv_simulation._cluster.store import SimStore
from rdzv_simulation._faults.kinds import FAULTS
from rdzv_simulation.mutants import _leaders, _leases, _machines, _rules, _surroundings

FOCUS = {
    "leads-without-a-memory": ("store_state", "cut"),
    "forgets-the-vanished": ("store_state", "cut"),
    "epochs-are-ignored": ("reset", "store_state", "leave", "join"),
    "decides-on-an-old-view": ("cut", "crash", "fail", "loss", "late", "close"),
    "lease-runs-from-the-answer": ("slow", "cut"),
    "late-renewal-counts-from-its-answer": ("slow", "cut"),
    "leads-a-closed-run": ("close", "fail", "freeze_leader"),
    "believes-in-its-writes": ("loss", "fail"),
    "ignores-its-end": ("store_members", "lease_early", "fail"),
    "believes-the-last-to-come": ("late", "fail"),
    "waits-though-lost": ("late", "fail", "stuck", "loss"),
    "holds-on-to-its-claim": ("late", "fail", "stuck"),
    "believes-a-late-answer": ("late", "reset", "store_state"),
    "trusts-the-wall-clock": ("wall_clock", "cut", "fail"),
}
"""The faults by which a mutant is found soon; all others are found soon under all faults."""

FIRST_SEED = {"remembers-an-earlier-eviction": 5960}
"""Where the hunt of a rare one begins: near the seed that found the fault among half a million rounds."""


@dataclass(frozen=True)
class Mutant:
    """A protocol that is wrong in one respect; `stands_for` is a sentence about the mistake.

    It is hunted under the `faults`, from `first_seed` on.
    """

    name: str
    stands_for: str
    parts: Parts
    faults: tuple[str, ...] = FAULTS
    first_seed: int = 0


def _all() -> Iterator[Mutant]:
    for module in (_rules, _leaders, _machines, _leases, _surroundings):
        for name, kind in vars(module).items():
            if isinstance(kind, type) and kind.__module__ == module.__name__ and not name.startswith("_"):
                called = _spaced(name)
                faults, first = FOCUS.get(called, FAULTS), FIRST_SEED.get(called, 0)
                yield Mutant(called, (kind.__doc__ or "").strip(), _parts(kind), faults, first)


def _parts(kind: type) -> Parts:
    if issubclass(kind, Rules):
        return Parts(rules=kind())
    if issubclass(kind, Machine):
        return Parts(machine=kind)
    if issubclass(kind, SimStore):
        return Parts(store=kind)
    assert issubclass(kind, Node)
    return Parts(node=kind)


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=A)(?=[A-Z][a-z])", "-", name).lower()


MUTANTS = {mutant.name: mutant for mutant in _all()}
"""Every mutant by its name."""
