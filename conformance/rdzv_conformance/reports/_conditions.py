"""Under which topologies and faults a backend was tried: a certificate speaks for those and for no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rdzv_conformance.results import Capability, ClauseResult, Condition
from rdzv_core import RendezvousBackend, SupportsDelete, SupportsMembership, SupportsStore, SupportsWatch

CAPABILITIES: dict[str, type] = {
    "watch": SupportsWatch,
    "membership": SupportsMembership,
    "store": SupportsStore,
    "delete": SupportsDelete,
}

_TOPOLOGIES = {
    "RDZV-CAS-11": "threads on one instance",
    "RDZV-CAS-12": "instances in one process",
    "RDZV-CAS-13": "processes on one machine",
}
_FAULTS = {
    "RDZV-STATE-7": "storage spoiled behind the backend's back",
    "RDZV-CAS-8": "a register deleted and created anew",
    "RDZV-CAS-14": "the answer to a write lost",
    "RDZV-CONN-1": "a store that is not there",
    "RDZV-CONN-4": "a store that stops answering",
    "RDZV-CONN-5": "a connection lost and made again",
    "RDZV-CONN-6": "a fork with an open instance",
    "RDZV-CONN-7": "a process killed in the middle of a call",
    "RDZV-CONN-8": "a process stopped in the middle of a call",
    "RDZV-CONN-9": "an answer that comes late, in pieces or in part",
    "RDZV-LIFE-3": "an instance closed while it is waited on",
    "RDZV-MEMBER-4": "a member that falls silent",
    "RDZV-MEMBER-9": "a store that lost its memberships",
    "RDZV-MEMBER-10": "an observer or server that was stalled",
    "RDZV-DURABLE-1": "kill -9 of the store or of a writer",
    "RDZV-SECURE-1": "a peer without credentials",
    "RDZV-SECURE-2": "plain text, and a foreign authority, against TLS",
}


def conditions(clauses: Iterable[ClauseResult]) -> tuple[Condition, ...]:
    """Read from the clauses what the backend was tried under."""
    status = {each.clause: each.status for each in clauses}
    tables: tuple[tuple[Literal["topology", "fault"], dict[str, str]], ...] = (
        ("topology", _TOPOLOGIES),
        ("fault", _FAULTS),
    )
    return tuple(
        Condition(kind, what, clause, status[clause])
        for kind, table in tables
        for clause, what in table.items()
        if clause in status
    )


def claims_of(backend: RendezvousBackend) -> dict[str, Any]:
    """Say of each capability whether the backend claims it, and whether its methods are there; fit for JSON."""
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
        remark = f"it has the methods, but does not derive from {CAPABILITIES[name].__name__}: nobody uses them"
        return Capability(name, False, there, remark if there else "")
    mine = [each for each in clauses if (each.clause == "RDZV-CAS-8" if name == "delete" else each.profile == name)]
    broken = [f"{each.clause} {each.status}" for each in mine if each.status in ("fail", "error")]
    if broken:
        return Capability(name, True, False, ", ".join(broken))
    tested = any(each.status == "pass" for each in mine)
    return Capability(name, True, True if tested else None, "" if tested else "not tested in this run")
