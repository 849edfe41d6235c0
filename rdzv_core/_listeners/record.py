"""An event as what JSON, a line of log or a span can hold. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

from rdzv_core.events import Event, name_of


def record(event: Event) -> dict[str, Any]:
    """Return an event as what JSON can hold: its name first; an error as its type and its message."""
    fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return {"event": name_of(event), "time": fields.pop("time"), **fields}


def attributes(event: Event) -> dict[str, Any]:
    """Return what an event says, without its name and time: flat, nested names joined by dots, nothing that is None."""
    return {key: value for key, value in _flat(record(event)) if key not in ("event", "time")}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, BaseException):
        return {"type": type(value).__name__, "message": str(value)}
    return round(value, 6) if isinstance(value, float) else value


def _flat(fields: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    flat: list[tuple[str, Any]] = []
    for key, value in fields.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat.append((f"{prefix}{key}", value))
    return flat
