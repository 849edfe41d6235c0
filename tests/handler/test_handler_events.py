"""What happens is reported to all listeners: in order, with what it took, and without holding the handler up."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from rdzv_core import RendezvousHandler, RendezvousParameters, RendezvousTimeoutError, create_handler, events
from rdzv_core.hooks import Hooks, hookimpl
from rdzv_core.memory import MemoryBackend

FAST = {"last_call_timeout": 0.3, "keep_alive_interval": 1.0, "fence_delay": 0.1, "join_timeout": 20}


class Ear:
    """A plugin that hears events."""

    def __init__(self) -> None:
        self.heard: list[events.Event] = []

    @hookimpl
    def rdzv_event(self, event: events.Event) -> None:
        self.heard.append(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


class Run:
    """Makes handlers of one run that a plugin listens to."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex
        self.made: list[RendezvousHandler] = []

    def params(self, name: str, least: int = 1, most: int = 2, **config: Any) -> RendezvousParameters:
        return RendezvousParameters(
            "memory", self.name, self.name, least, most, local_addr=name, **{**FAST, "node_id": name, **config}
        )

    def make(self, name: str, plugin: object = None, **given: Any) -> RendezvousHandler:
        hooks = Hooks(load_installed=False)
        if plugin is not None:
            hooks.register(plugin)
        self.made.append(create_handler(self.params(name, **given), hooks=hooks))
        return self.made[-1]


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    for handler in made.made:
        handler.close()


def _names(heard: list[events.Event]) -> list[str]:
    return [events.name_of(event) for event in heard if not isinstance(event, events.RegisterWritten)]


def test_a_nodes_life_is_told_in_order(run: Run) -> None:
    """From asking to having gone; when a method returns, what happened in it has been told."""
    ear = Ear()
    handler = run.make("a", ear)
    handler.next_rendezvous()
    assert _names(ear.heard) == ["joining", "entered", "last_call", "joined"]
    handler.finish()
    assert _names(ear.heard)[4:] == ["departing", "departed"]
    assert {(event.run_id, event.node_id) for event in ear.heard} == {(run.name, "a")}
    times = [event.time for event in ear.heard]
    assert times == sorted(times)


@pytest.mark.parametrize("say_goodbye", ["finish", "leave", "shutdown"])
def test_a_goodbye_is_told_once(say_goodbye: str, run: Run) -> None:
    """A node that leaves a `with` block with nothing left to leave reports nothing, and nothing fails."""
    ear = Ear()
    with run.make("a", ear) as handler:
        handler.next_rendezvous()
        getattr(handler, say_goodbye)()
        said = len(ear.heard)
    assert len(ear.heard) == said
    assert [event.how for event in ear.of(events.Departed)] == {"finish": ["done"], "leave": ["left"]}.get(
        say_goodbye, []
    )


def test_every_round_has_a_goodbye_of_its_own(run: Run) -> None:
    """A node that asked again leaves again; a run that this node closed is left too."""
    ear = Ear()
    with run.make("a", ear) as handler:
        handler.next_rendezvous()
        handler.leave()
        handler.next_rendezvous()
        handler.close_run()
    assert [event.how for event in ear.of(events.Departed)] == ["left", "left"]


def test_a_node_that_never_asked_tells_nothing(run: Run) -> None:
    """There is nothing to leave."""
    ear = Ear()
    with run.make("a", ear) as handler:
        handler.leave()
    assert ear.heard == []


def test_joining_is_told_with_what_it_took(run: Run) -> None:
    """The phases add up to the whole, the last call took its time, and every write of the register is counted."""
    ear = Ear()
    info = run.make("a", ear).next_rendezvous()
    (joined,) = ear.of(events.Joined)
    assert (joined.round, joined.rank, joined.world_size) == (1, 0, 1)
    assert (joined.epoch, joined.fence) == (info.epoch, info.fence)
    phases = joined.phases
    parts = (phases.entering, phases.gathering, phases.last_call, phases.announcing)
    assert sum(parts) == pytest.approx(phases.total)
    assert phases.last_call >= FAST["last_call_timeout"]
    assert joined.attempts == events.Attempts(writes=len(ear.of(events.RegisterWritten)), refused=0, errors=0)
    assert [written.world_size for written in ear.of(events.RegisterWritten)] == [0, 0, 1]


def test_a_round_without_a_last_call_has_none(run: Run) -> None:
    """All are there at once: that phase is None, not 0."""
    ear = Ear()
    run.make("a", ear, most=1).next_rendezvous()
    (joined,) = ear.of(events.Joined)
    assert joined.phases.last_call is None
    assert ear.of(events.LastCall) == []


def test_a_member_that_meets_again_need_not_enter(run: Run) -> None:
    """Its membership goes on: entering takes it no time, and is not told."""
    ear = Ear()
    handler = run.make("a", ear)
    handler.next_rendezvous()
    handler.next_rendezvous()
    first, second = ear.of(events.Joined)
    assert second.round == first.round + 1
    assert second.phases.entering == 0
    assert len(ear.of(events.Entered)) == 1


def test_the_end_of_a_round_is_told_with_its_reason(run: Run) -> None:
    """What the job is told when it looks, a listener hears when it happens."""
    ear, news = Ear(), threading.Event()

    class Alarm:
        @hookimpl
        def rdzv_event(self, event: events.Event) -> None:
            if isinstance(event, events.Changed):
                news.set()

    hooks = Hooks(load_installed=False)
    hooks.register(Alarm())
    hooks.register(ear)
    run.made.append(create_handler(run.params("a"), hooks=hooks))
    run.made[0].next_rendezvous()
    late = threading.Thread(target=run.make("b").next_rendezvous)
    late.start()
    assert news.wait(20)
    change = run.made[0].wait_for_change(0)
    assert change is not None
    run.made[0].next_rendezvous()
    late.join(20)
    (changed,) = ear.of(events.Changed)
    assert (changed.round, changed.reason, changed.detail) == (1, "WAITING", change.detail)


def test_a_round_that_did_not_form_is_told_with_the_error(run: Run) -> None:
    """And with how far it came. The timeout counts from the call, a moment before the meeting begins."""
    ear = Ear()
    with pytest.raises(RendezvousTimeoutError) as raised:
        run.make("a", ear, least=2, join_timeout=0.3).next_rendezvous()
    (failed,) = ear.of(events.JoiningFailed)
    assert failed.error is raised.value
    assert failed.phases.entering is not None
    assert failed.phases.announcing is None
    assert 0.2 < failed.phases.total


class Flaky(MemoryBackend):
    """Its first keep-alive fails."""

    left = 1

    def refresh(self, member: Any) -> bool:
        if type(self).left:
            type(self).left -= 1
            raise OSError("no route to the store")
        return super().refresh(member)


def test_a_store_that_fails_and_comes_back_is_told_once_each(run: Run) -> None:
    """With how many calls had failed by then."""
    ear, back = Ear(), threading.Event()

    class Alarm:
        @hookimpl
        def rdzv_event(self, event: events.Event) -> None:
            if isinstance(event, events.StoreBack):
                back.set()

    hooks = Hooks(load_installed=False)
    hooks.register(Alarm())
    hooks.register(ear)
    params = run.params("a")
    handler = RendezvousHandler(Flaky.from_params(params), params, hooks=hooks)
    run.made.append(handler)
    handler.next_rendezvous()
    assert back.wait(20)
    handler.leave()
    (failing,) = ear.of(events.StoreFailing)
    assert (failing.operation, str(failing.error)) == ("Refresh", "no route to the store")
    assert [each.errors for each in ear.of(events.StoreBack)] == [1]


def test_a_listener_that_raises_harms_neither_the_handler_nor_the_next_listener(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Its error is logged."""
    ear = Ear()

    class Broken:
        @hookimpl
        def rdzv_event(self, event: events.Event) -> None:
            raise RuntimeError("broken listener")

    hooks = Hooks(load_installed=False)
    hooks.register(ear)
    hooks.register(Broken())
    run.made.append(create_handler(run.params("a"), hooks=hooks))
    run.made[0].next_rendezvous()
    assert "joined" in _names(ear.heard)
    assert "broken listener" in caplog.text


def test_a_listener_that_hangs_does_not_stop_the_keep_alives(run: Run) -> None:
    """The lease of several ttls is kept, and the handler can be closed."""
    free = threading.Event()

    class Stuck:
        @hookimpl
        def rdzv_event(self, event: events.Event) -> None:
            free.wait(60)

    handler = run.make("a", Stuck(), keep_alive_interval=0.3)
    handler.next_rendezvous()
    assert handler.wait_for_change(2.0) is None
    handler.leave()
    handler.close()
    free.set()


def test_nobody_listens_and_nothing_is_done(run: Run) -> None:
    """No thread for events, no narrated machine."""
    run.make("a").next_rendezvous()
    assert [thread.name for thread in threading.enumerate() if "events" in thread.name] == []


def test_events_are_appended_to_a_file_as_lines_of_json(run: Run, tmp_path: Any) -> None:
    """Several nodes may share it; every line says which event it is, when, of whom."""
    file = tmp_path / "events.jsonl"
    for name in ("a", "b"):
        handler = run.make(name, events=str(file))
        handler.next_rendezvous()
        handler.leave()
        handler.close()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["node_id"] for line in lines} == {"a", "b"}
    joined = next(line for line in lines if line["event"] == "joined")
    assert joined["phases"]["total"] > 0
    assert joined["attempts"]["writes"] >= 2
    assert list(joined)[:2] == ["event", "time"]


def test_the_environment_can_choose_the_listeners(run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RDZV_EVENTS, unless the option is given; the option may also turn them off."""
    monkeypatch.setenv("RDZV_EVENTS", str(tmp_path / "env"))
    run.make("a").next_rendezvous()
    run.make("b", events="").close()
    run.make("c", events=str(tmp_path / "option")).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env", "option"]
    assert '"node_id":"a"' in (tmp_path / "env").read_text()


def test_events_can_be_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """To the logger rdzv.events, one line each."""
    caplog.set_level(logging.INFO, "rdzv.events")
    run.make("a", events="log").next_rendezvous()
    said = [record.getMessage() for record in caplog.records if record.name == "rdzv.events"]
    assert said[0].startswith("joining ")
    assert any(line.startswith("joined ") and "world_size=1" in line and "phases.total=" in line for line in said)


def test_a_file_that_cannot_be_written_is_said_at_once(run: Run, tmp_path: Any) -> None:
    """As a bad option, naming the path; no thread is left behind."""
    before = threading.active_count()
    with pytest.raises(ValueError, match="no/such"):
        run.make("a", events=f"log,{tmp_path}/no/such/file")
    assert threading.active_count() == before


def test_an_event_is_frozen() -> None:
    """Listeners share it."""
    event = events.Joined("r", "n", 1, 0, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.rank = 5  # type: ignore[misc]


def test_opentelemetry_gets_a_span_of_every_meeting(run: Run) -> None:
    """With its attributes and its steps; a failed one has the error; and rounds are counted."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from rdzv_core._listeners.otel import OpenTelemetryListener

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader])
    listener = OpenTelemetryListener(tracers.get_tracer("test"), meters.get_meter("test"))

    class Plugin:
        @hookimpl
        def rdzv_event(self, event: events.Event) -> None:
            listener.rdzv_event(event)

    handler = run.make("a", Plugin())
    handler.next_rendezvous()
    handler.report(events.CommandStarted(run.name, "a", 1, 0, 77))
    handler.report(events.CommandEnded(run.name, "a", 1, 3, False, 0.5))
    handler.leave()
    with pytest.raises(RendezvousTimeoutError):
        run.make("b", Plugin(), least=1, most=2, join_timeout=0.05).next_rendezvous()
    listener.close()
    joined, command, failed = exporter.get_finished_spans()
    assert (joined.name, command.name, failed.name) == ("rdzv.rendezvous", "rdzv.command", "rdzv.rendezvous")
    assert joined.attributes is not None
    assert (joined.attributes["rdzv.rank"], joined.attributes["rdzv.world_size"]) == (0, 1)
    assert "last_call" in [event.name for event in joined.events]
    assert command.attributes is not None
    assert command.attributes["rdzv.status"] == 3
    assert not failed.status.is_ok
    metrics = reader.get_metrics_data()
    assert metrics is not None
    counted = {metric.name for metric in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert {"rdzv.rounds", "rdzv.rendezvous.duration"} <= counted
    meters.shutdown()
    tracers.shutdown()


def test_events_of_opentelemetry_need_its_api(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing, the error says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "rdzv_core._listeners.otel", raising=False)
    with pytest.raises(ValueError, match=r"pip install 'rdzv-core\[otel\]'"):
        run.make("a", events="otel")
