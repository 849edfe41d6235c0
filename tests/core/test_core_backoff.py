"""The pauses between attempts, which core and its plugins share."""

from __future__ import annotations

import random

import pytest

from rdzv_core.backoff import Backoff


def test_pauses_double_from_the_first_up_to_the_longest() -> None:
    """Without jitter a pause is twice the one before, until it is the longest."""
    pauses = Backoff(0.25, 1.5, jitter=0)

    assert [0.25, 0.5, 1.0, 1.5, 1.5] == [pauses.next() for _ in range(5)]


def test_they_grow_by_another_factor_where_one_is_given() -> None:
    """The factor is the caller's choice; 1 lets them not grow at all."""
    slower, level = Backoff(1, 100, factor=1.5, jitter=0), Backoff(1, 100, factor=1, jitter=0)

    assert [1, 1.5, 2.25] == [slower.next() for _ in range(3)]
    assert [1, 1, 1] == [level.next() for _ in range(3)]


def test_jitter_takes_off_up_to_its_share_at_random() -> None:
    """A pause is never longer than without jitter, nor shorter than the share that is left of it."""
    pauses = Backoff(8, 8, jitter=0.25)
    drawn = [pauses.next() for _ in range(200)]

    assert all(6 <= pause <= 8 for pause in drawn)
    assert len(set(drawn)) > 100


def test_a_success_starts_with_the_first_pause_again() -> None:
    """After `reset` it is as new."""
    pauses = Backoff(1, 8, jitter=0)
    assert [1, 2] == [pauses.next(), pauses.next()]

    pauses.reset()

    assert [1, 2] == [pauses.next(), pauses.next()]


def test_a_pause_can_be_lifted_with_all_that_follow() -> None:
    """Where the last attempt took long, the caller asks for more; the longest pause remains the longest."""
    pauses = Backoff(1, 50, jitter=0)

    assert [1, 10, 20, 50] == [pauses.next(), pauses.next(at_least=10), pauses.next(), pauses.next(at_least=70)]


def test_a_longest_pause_below_the_first_one_holds_for_all() -> None:
    """The cap wins over the first pause."""
    pauses = Backoff(4, 1, jitter=0)

    assert [1, 1] == [pauses.next(), pauses.next()]


def test_each_pause_is_one_draw_from_the_given_generator() -> None:
    """A simulation repeats itself to the digit: one `uniform` for each pause, and none in between."""
    expected, rng = random.Random(7), random.Random(7)
    pauses = Backoff(0.04, 1.0, rng=rng)

    assert [most * expected.uniform(0.5, 1.0) for most in (0.04, 0.08, 0.16)] == [pauses.next() for _ in range(3)]
    assert expected.getstate() == rng.getstate()


@pytest.mark.parametrize(
    ("first", "options"), [(0, {}), (-1, {}), (1, {"factor": 0.5}), (1, {"jitter": 1.5}), (1, {"jitter": -0.1})]
)
def test_what_cannot_be_a_schedule_is_refused(first: float, options: dict[str, float]) -> None:
    """The error names the values and their bounds."""
    with pytest.raises(ValueError, match=rf"Backoff\({first}, 1, .*factor at least 1, and jitter between 0 and 1"):
        Backoff(first, 1, **options)


def test_its_repr_tells_where_it_is() -> None:
    """The next pause and the longest, before jitter."""
    pauses = Backoff(1, 8)
    pauses.next()

    assert "<Backoff: 2 s next, 8 s at most>" == repr(pauses)
