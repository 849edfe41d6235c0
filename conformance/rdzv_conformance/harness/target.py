"""What is certified: a backend by name, where its store is, and what the suite may do to that store."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.kept import Kept
from rdzv_conformance.harness.network import NetworkEndpoint
from rdzv_core import RendezvousParameters
from rdzv_core.compat import resolve_alias
from rdzv_core.options import OptionTable, options_of
from rdzv_core.registry import default_registry

IMPATIENT_SECONDS = 2
FAST_ENOUGH = 0.05
"""Seconds that a call may take before the suite gives everything more time."""
MOST_PACE = 10.0
LEAST_PATIENCE = 5.0


@dataclass(frozen=True)
class Target:
    """A backend to be certified.

    `preload` names modules to import in every process of the suite (`module`, or `module:function` to call as well),
    for a backend that is registered in code instead of being installed. A call may take `patience` seconds. Whatever
    a test draws at random comes from `seed`: it takes its backend's `random`, so that a run can be repeated.
    """

    backend: str
    endpoint: str
    options: Mapping[str, Any] = field(default_factory=dict)
    helpers: Helpers = field(default_factory=Helpers)
    preload: tuple[str, ...] = ()
    patience: float = 20.0
    seed: int = 0
    pace: float = 1.0
    """How many times as long as usual a test may take; see `paced`."""
    kept: Kept | None = field(default=None, compare=False)
    """What was written before the first test."""

    def paced(self, latency: float) -> Target:
        """Return the target with limits that fit a store where a call takes `latency` seconds: slow is not broken.

        At least the usual limits, at most ten times those: a person waits for the verdict.
        """
        pace = min(max(1.0, latency / FAST_ENOUGH), MOST_PACE)
        return replace(self, patience=self.patience * pace / self.pace, pace=pace)

    def less_patient(self) -> Target:
        """Return the target with half the patience, for what is left once a call was found to hang.

        That a backend hangs is reported by then; and a call may still take many times as long as it was measured to.
        """
        return replace(self, patience=max(self.patience / 2, min(self.patience, LEAST_PATIENCE * self.pace)))

    def parameters(self, run_id: str, endpoint: str | None = None, **options: Any) -> RendezvousParameters:
        """Return the parameters of a run; `options` go over those of the target, and None takes one away."""
        there = self.endpoint if endpoint is None else endpoint
        params = RendezvousParameters(self.backend, there, run_id, 1, 2)
        # Not as keywords: an option that is named like a parameter is an unknown option, not a TypeError.
        params.config.update({name: value for name, value in {**self.options, **options}.items() if value is not None})
        return params

    def option_table(self) -> OptionTable:
        """Return the backend's own options."""
        return options_of(default_registry().load(resolve_alias(self.parameters("any")).backend))

    def network_endpoint(self) -> NetworkEndpoint | None:
        """Return the store's host and port, None if it has none or is said not to have one."""
        if self.helpers.network is False:
            return None
        return NetworkEndpoint.parse(self.endpoint)

    def as_client(self) -> dict[str, Any]:
        """Return the options with which an instance hosts no store itself."""
        return {"is_host": False} if "is_host" in {option.name for option in self.option_table()} else {}

    def impatient(self, seconds: float = IMPATIENT_SECONDS) -> dict[str, Any]:
        """Return the options with which a call on a store that does not answer gives up soon, where there are such."""
        timeouts = [o for o in self.option_table() if "timeout" in o.name and o.type in (int, float)]
        return {option.name: option.type(self._whole(seconds)) for option in timeouts}

    def impatience(self) -> float:
        """Return the seconds within which a call with the options `impatient` must have ended."""
        allowed = sum(self.impatient().values())
        return allowed + 4.0 * self.pace if allowed else self.patience

    def _whole(self, seconds: float) -> int:
        return math.ceil(seconds * self.pace)  # whole: an option may be one


def preload(modules: tuple[str, ...]) -> None:
    """Import modules, and call the function of a `module:function`."""
    for name in modules:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()
