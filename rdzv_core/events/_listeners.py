"""The built-in listeners: standard logging, a file of JSON lines, OpenTelemetry; and the text that chooses them."""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import os
from typing import Any, Protocol

from rdzv_core.events._types import Event, JoiningFailed, StoreFailing, name_of

VARIABLE = "RDZV_EVENTS"

log = logging.getLogger("rdzv.events")


class Listener(Protocol):
    """Takes events, one at a time and in order, on a thread where it may take its time."""

    def hear(self, event: Event) -> None:
        """Take note of an event; what this raises is logged and harms nobody."""

    def close(self) -> None:
        """Release what is held; nothing is heard after it."""


class LogListener:
    """Writes events to the logger `rdzv.events`: failures as warnings, everything else as information."""

    def hear(self, event: Event) -> None:
        """Log it: its name, then `key=value` for what it says."""
        level = logging.WARNING if isinstance(event, (JoiningFailed, StoreFailing)) else logging.INFO
        if log.isEnabledFor(level):
            said = " ".join(f"{key}={value!r}" for key, value in _flat(record(event)) if key not in ("event", "time"))
            log.log(level, "%s %s", name_of(event), said)

    def close(self) -> None:
        """Hold nothing."""


class JsonLines:
    """Appends events to a file, each as one line of JSON and one `write`: several nodes may share the file."""

    def __init__(self, path: str) -> None:
        """Open it, creating it if need be; raises `ValueError` if that cannot be done.

        A named pipe must have a reader: none is waited for.
        """
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        except OSError as error:
            why = "nobody reads this pipe; start its reader first" if error.errno == errno.ENXIO else error.strerror
            raise ValueError(f"events cannot be written to {path!r}: {why or error}") from error
        os.set_blocking(self._file, True)
        self._path, self._torn = path, False

    def __repr__(self) -> str:
        return f"<JsonLines {self._path!r}>"

    def hear(self, event: Event) -> None:
        """Write it; raises `OSError` if it cannot be written in whole, and what comes next begins a new line."""
        line = json.dumps(record(event), separators=(",", ":")).encode() + b"\n"
        whole = b"\n" * self._torn + line
        written = os.write(self._file, whole)
        self._torn = written < len(whole)
        if self._torn:
            raise OSError(errno.ENOSPC, f"only {written} of {len(whole)} bytes could be written")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def record(event: Event) -> dict[str, Any]:
    """Give an event as what JSON can hold: its name first, an error as its type and its message."""
    fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return {"event": name_of(event), "time": fields.pop("time"), **fields}


def listeners(wanted: str) -> list[Listener]:
    """Make the listeners that a text names, separated by commas: `log`, `otel`, or the path of a file for JSON lines.

    Raises `ValueError` for a file that cannot be written, and for `otel` where OpenTelemetry's API is not installed.
    """
    made: list[Listener] = []
    try:
        for name in filter(None, map(str.strip, wanted.split(","))):
            made.append(_listener(name))
    except ValueError:
        for each in made:
            each.close()
        raise
    return made


def _listener(name: str) -> Listener:
    if name == "log":
        return LogListener()
    if name != "otel":
        return JsonLines(name)
    try:
        from rdzv_core.events._otel import OpenTelemetryListener
    except ImportError as error:
        raise ValueError(
            "events=otel needs OpenTelemetry's API, which cannot be imported: run `pip install 'rdzv-core[otel]'`"
        ) from error
    return OpenTelemetryListener()


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
