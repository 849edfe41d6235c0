"""When a wake-up is one: what "as soon as" allows, and from when on nobody was told."""

from __future__ import annotations

import pytest
from rdzv_conformance.harness.wakes import AS_SOON, allowed, found_by_looks


def test_a_fast_store_has_half_a_second_and_a_slow_one_five_reads() -> None:
    """The typical read counts: one that took long says nothing about the store."""
    assert allowed([0.001, 0.001, 3.0]) == AS_SOON
    assert allowed([0.03, 0.04, 0.03]) == AS_SOON
    assert allowed([0.3, 0.2, 0.4]) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("took", "looks"),
    [
        ([0.0, 0.0, 0.0], False),
        ([0.13, 0.25, 0.2], False),  # looks, and often enough
        ([0.9, 0.0, 1.4, 0.0, 0.8, 2.0, 0.7, 0.9, 0.1], False),  # is told, on a machine with far too much to do
        ([0.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], True),  # once a second; the first was luck
        ([0.9, 0.9, 0.9], True),
        ([2.4], True),
    ],
)
def test_a_quarter_of_the_wake_ups_in_time_is_enough(took: list[float], looks: bool) -> None:
    """Who is told is late now and then; who looks is late nearly every time."""
    assert found_by_looks(took, AS_SOON) is looks
