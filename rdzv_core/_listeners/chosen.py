"""The text that chooses listeners: `log,otel,metrics:localhost:29464,events.jsonl`."""

from __future__ import annotations

from typing import Protocol

from rdzv_core._listeners.json_lines import JsonLines
from rdzv_core._listeners.log import LogListener
from rdzv_core.events import Event


class Listener(Protocol):
    """A plugin that listens to events, and holds something that has to be released."""

    def rdzv_event(self, event: Event) -> None:
        """Take note of an event."""

    def close(self) -> None:
        """Release what is held; nothing is heard after that."""


def listeners(wanted: str) -> list[Listener]:
    """Make the listeners that a text names, separated by commas.

    `log`, `otel`, `metrics:HOST[:PORT]` (Prometheus), or the path of a file for JSON lines. Raises `ValueError` for a
    file that cannot be written, an address that cannot be bound, and where the package that is needed is missing.
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
    kind, _, where = name.partition(":")
    if name == "log":
        return LogListener()
    if name == "otel":
        return _open_telemetry()
    return _prometheus(where) if kind == "metrics" else JsonLines(name)


def _open_telemetry() -> Listener:
    try:
        from rdzv_core._listeners.otel import OpenTelemetryListener
    except ImportError as error:
        raise ValueError(
            "events=otel needs OpenTelemetry's API, which cannot be imported: run `pip install 'rdzv-core[otel]'`"
        ) from error
    return OpenTelemetryListener()


def _prometheus(address: str) -> Listener:
    try:
        from rdzv_core._listeners.prometheus import PrometheusListener
    except ImportError as error:
        raise ValueError(
            "metrics need prometheus-client, which cannot be imported: run `pip install 'rdzv-core[metrics]'`"
        ) from error
    return PrometheusListener(address)
