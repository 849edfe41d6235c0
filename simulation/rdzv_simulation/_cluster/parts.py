"""The parts of a cluster that can be replaced."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdzv_core._handler.machine import Machine
from rdzv_core._handler.rules import Rules
from rdzv_simulation._cluster.network import Network
from rdzv_simulation._cluster.node import Node
from rdzv_simulation._cluster.store import SimStore


@dataclass(frozen=True)
class Parts:
    """What a cluster is made of; a mutant replaces one of these."""

    rules: Rules = field(default_factory=Rules)
    machine: type[Machine] = Machine
    store: type[SimStore] = SimStore
    node: type[Node] = Node
    network: type[Network] = Network
