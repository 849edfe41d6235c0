"""A node's events as Prometheus metrics."""

from __future__ import annotations

import socket
import sys
import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rdzv_core._listeners.chosen import listeners
from rdzv_core._listeners.prometheus import PrometheusListener
from rdzv_core.events import (
    Changed,
    CommandEnded,
    CommandStarted,
    Departed,
    Event,
    Joined,
    JoiningFailed,
    Phases,
    StoreBack,
    StoreFailing,
)

RUN, NODE = "run", "node"
WHO = {"run_id": RUN, "node_id": NODE}
JOINED = Joined(RUN, NODE, round=3, rank=1, world_size=4, phases=Phases(total=2.0))


def _read(listener: PrometheusListener) -> dict[tuple[str, str], float]:
    """Return the samples by name and what distinguishes them beside run and node."""
    with urllib.request.urlopen(f"http://{listener.where}/metrics", timeout=20) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found = {}
    for sample in (each for family in families for each in family.samples if not each.name.endswith("_created")):
        assert {name: sample.labels[name] for name in WHO} == WHO
        further = ",".join(value for name, value in sample.labels.items() if name not in WHO)
        found[sample.name, further] = sample.value
    return found


def _after(*events: Event) -> dict[tuple[str, str], float]:
    listener = PrometheusListener("127.0.0.1:0")
    try:
        for event in events:
            listener.rdzv_event(event)
        return _read(listener)
    finally:
        listener.close()


def test_a_node_in_a_round() -> None:
    """Its place, how many rounds it was in, and how long it took."""
    found = _after(JOINED)
    assert found["rdzv_in_round", ""] == 1
    assert found["rdzv_round", ""] == 3
    assert found["rdzv_rank", ""] == 1
    assert found["rdzv_world_size", ""] == 4
    assert found["rdzv_rounds_total", ""] == 1
    assert found["rdzv_rendezvous_seconds_sum", ""] == 2.0
    assert found["rdzv_rendezvous_seconds_bucket", "1.0"] == 0
    assert found["rdzv_rendezvous_seconds_bucket", "2.5"] == 1


@pytest.mark.parametrize(
    ("events", "sample", "value"),
    [
        ([JOINED, Changed(RUN, NODE, 3, "LOST", "node-2 was lost")], ("rdzv_in_round", ""), 0),
        ([Changed(RUN, NODE, 3, "LOST", "")] * 2, ("rdzv_round_changes_total", "LOST"), 2),
        ([JoiningFailed(RUN, NODE, TimeoutError("none"))], ("rdzv_rendezvous_failures_total", ""), 1),
        ([StoreFailing(RUN, NODE, "refresh", OSError("gone"))], ("rdzv_store_up", ""), 0),
        ([StoreFailing(RUN, NODE, "refresh", OSError("gone"))], ("rdzv_store_failures_total", ""), 1),
        ([StoreFailing(RUN, NODE, "refresh", OSError("")), StoreBack(RUN, NODE, 2.0, 1)], ("rdzv_store_up", ""), 1),
        ([CommandStarted(RUN, NODE, 1, 0, 4711)], ("rdzv_command_starts_total", ""), 1),
        ([CommandEnded(RUN, NODE, 1, 3, False, 1.0)], ("rdzv_command_failures_total", ""), 1),
        ([JOINED, Departed(RUN, NODE, "left", 0.1)], ("rdzv_in_round", ""), 0),
    ],
)
def test_what_an_event_counts_for(events: list[Event], sample: tuple[str, str], value: float) -> None:
    """Each event moves the metric that is named after it."""
    assert _after(*events)[sample] == value


def test_a_command_that_succeeds_or_is_stopped_has_not_failed() -> None:
    """Status 0, and a signal, which is how rdzv stops one."""
    ended = [CommandEnded(RUN, NODE, 1, status, False, 1.0) for status in (0, -15)]
    assert ("rdzv_command_failures_total", "") not in _after(*ended)


def test_metrics_stand_beside_other_listeners(tmp_path: Any) -> None:
    """`metrics:ADDRESS` is one of the listeners that `events` names."""
    both = listeners(f"{tmp_path / 'events.jsonl'}, metrics:127.0.0.1:0")
    try:
        assert [type(each).__name__ for each in both] == ["JsonLines", "PrometheusListener"]
    finally:
        for each in both:
            each.close()


def test_a_port_that_is_taken_is_named() -> None:
    """And nothing else that was asked for stays open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"metrics cannot be served at '{where}': Address already in use"):
            listeners(f"metrics:{where}")


def test_without_prometheus_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra."""
    monkeypatch.delitem(sys.modules, "rdzv_core._listeners.prometheus")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ValueError, match=r"pip install 'rdzv-core\[metrics\]'"):
        listeners("metrics:127.0.0.1:0")
