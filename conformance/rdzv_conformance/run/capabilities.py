"""What a backend may claim beside a register: what it claims, what is there, and what was found to be true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rdzv_conformance.run.results import Capability, ClauseResult
from rdzv_core import (
    RendezvousBackend,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsWatch,
)

CAPABILITIES: dict[str, type] = {
    "watch": SupportsWatch,
    "membership": SupportsMembership,
    "store": SupportsStore,
    "delete": SupportsDelete,
    "listing": SupportsListing,
}


def claims_of(backend: RendezvousBackend) -> dict[str, Any]:
    """Return for each capability whether the backend claims it and whether its methods are there; fit for JSON."""
    return {
        name: {
            "claimed": isinstance(backend, kind),
            "there": all(callable(getattr(backend, method, None)) for method in kind.__abstractmethods__),  # type: ignore[attr-defined]
        }
        for name, kind in CAPABILITIES.items()
    }


def capabilities(claims: Mapping[str, Mapping[str, bool]], clauses: Iterable[ClauseResult]) -> tuple[Capability, ...]:
    """Hold what is claimed against what was found."""
    found = list(clauses)
    return tuple(_capability(name, claim["claimed"], claim["there"], found) for name, claim in claims.items())


def _capability(name: str, claimed: bool, there: bool, clauses: list[ClauseResult]) -> Capability:
    if not claimed:
        remark = f"it has the methods, but does not derive from {CAPABILITIES[name].__name__}: they are never used"
        return Capability(name, False, there, remark if there else "")
    mine = [each for each in clauses if (each.clause == "RDZV-CAS-8" if name == "delete" else each.profile == name)]
    broken = [f"{each.clause} {each.status}" for each in mine if each.status in ("fail", "error")]
    if broken:
        return Capability(name, True, False, ", ".join(broken))
    tested = any(each.status == "pass" for each in mine)
    return Capability(name, True, True if tested else None, "" if tested else "not tested in this run")
