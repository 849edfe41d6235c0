"""What every node of a cluster stands on."""

from __future__ import annotations

from dataclasses import dataclass, field

from rdzv_core._handler.machine import Machine
from rdzv_core._handler.rules import Rules
from rdzv_core._handler.settings import HandlerSettings
from rdzv_simulation._cluster.network import Network
from rdzv_simulation._cluster.observer import Observer
from rdzv_simulation._cluster.timeline import Timeline


@dataclass
class Environment:
    """What the nodes share. Their work takes up to `stop_time` seconds to stop once it was told to."""

    timeline: Timeline
    network: Network
    settings: HandlerSettings
    rules: Rules = field(default_factory=Rules)
    machine: type[Machine] = Machine
    stop_time: float = 0.0
    observer: Observer = field(default_factory=Observer)
