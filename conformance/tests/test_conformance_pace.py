"""The suite takes as much more time as the store does: slow is not broken."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from rdzv_conformance.harness import backend_under_test
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import ClauseFailed
from rdzv_conformance.harness.target import Target
from rdzv_conformance.mutants._memory import SoundAndSlow
from rdzv_conformance.run.anchor import Anchor, AnchorHolder
from rdzv_conformance.run.certify import certify

from rdzv_core import register_backend


class SlowerStill(SoundAndSlow):
    """A store where a read takes 0.5 s."""

    SECONDS = 0.5


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    register_backend("slower-still", SlowerStill.from_params)


def test_limits_grow_with_the_latency_between_a_floor_and_a_cap() -> None:
    """A call of 0.05 s or less changes nothing, one of 0.2 s makes it four times as long, and ten times is the most."""
    target = Target("memory", "x", patience=20.0)
    assert target.paced(0.001) == target == target.paced(0.05)
    assert (target.paced(0.2).patience, target.paced(0.2).pace) == (80.0, 4.0)
    assert (target.paced(1000.0).patience, target.paced(1000.0).pace) == (200.0, 10.0)
    assert target.paced(1.0).paced(1.0) == target.paced(1.0)
    assert target.paced(1.0).paced(0.0) == target


def test_the_latency_is_measured_before_the_first_test() -> None:
    """The anchor reads a few times; a fast store keeps the usual limits, a slow one is given more."""
    with Anchor(Target("memory", "pace")) as anchor:
        assert anchor.target == Target("memory", "pace")
    holder = AnchorHolder()
    try:
        target = holder.hold(Target("slower-still", "pace"))
        assert target.pace >= 2.0
        assert target.patience >= 40.0
        assert holder.hold(Target("slower-still", "pace")) is target
    finally:
        holder.release()


def test_a_test_on_a_slow_store_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over the limit on a fast store is within it on one that is measured to be slow."""
    monkeypatch.setattr(backend_under_test, "TEST_LIMIT", 0.2)
    never = threading.Event()
    usual = Target("memory", "pace")
    with pytest.raises(ClauseFailed, match="the check has not ended"):
        BackendUnderTest(usual).run(lambda: never.wait(0.7) and None)
    BackendUnderTest(usual.paced(100.0)).run(lambda: never.wait(0.7) and None)


@pytest.mark.cases
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("milliseconds", [30, 300])
def test_a_sound_store_that_is_slow_fails_no_clause(
    milliseconds: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it 30 or 300 ms a call, with jitter. Only that it is not installed by a distribution is held against it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    name = f"slow-{kind}-{milliseconds}"
    report = certify(name, str(tmp_path / "db"), {}, preload=("slow_stores:install",), jobs=4)
    failed = {each.clause: each.message for each in report.clauses if each.status in ("fail", "error")}
    assert set(failed) <= {"RDZV-PKG-1", "RDZV-PKG-4"}, failed
