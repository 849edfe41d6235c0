"""What runs beside what, and when a channel may be used again after an error."""

from __future__ import annotations

import random

import pytest

from rdzv_core._handler.channels import Channels
from rdzv_core._handler.operations import Channel, ReadHead, ReadMembers, WaitHead


@pytest.fixture
def channels() -> Channels:
    return Channels(random.Random(1), 1.0)


def test_one_operation_at_a_time(channels: Channels) -> None:
    """The next one begins when the first has ended; other channels are free."""
    first = channels.start(ReadHead(1.0))
    assert not channels.ready(Channel.HEAD_READ, 1.0)
    assert channels.ready(Channel.MEMBERS_READ, 1.0)
    assert first is channels.under_way(Channel.HEAD_READ)
    assert channels.retire(first)
    assert channels.ready(Channel.HEAD_READ, 1.0)


def test_the_answer_to_what_was_given_up_is_discarded(channels: Channels) -> None:
    """R3: also when the next one is under way by then."""
    first = channels.start(ReadHead(1.0))
    channels.give_up(Channel.HEAD_READ)
    second = channels.start(ReadHead(2.0))
    assert not channels.retire(first)
    assert channels.retire(second)
    assert not channels.retire(second)


def test_the_oldest_request_is_no_wait(channels: Channels) -> None:
    """A wait may take as long as nothing changes; whatever else is not answered tells that the store is away."""
    assert channels.oldest_request == float("inf")
    channels.start(WaitHead(1.0, None, 30.0))
    channels.start(ReadMembers(3.0))
    channels.start(ReadHead(2.0))
    assert channels.oldest_request == 2.0


def test_errors_in_a_row_make_the_pauses_longer(channels: Channels) -> None:
    """From 20 ms to the longest, each jittered by up to a half; a success ends it."""
    ends = []
    for _ in range(12):
        channels.back_off(Channel.HEAD_READ, 100.0)
        channels.wake_at = float("inf")
        assert not channels.ready(Channel.HEAD_READ, 100.0)
        ends.append(channels.wake_at - 100.0)
    for number, pause in enumerate(ends, 1):
        most = min(1.0, 0.02 * 2**number)
        assert most / 2 <= pause <= most
    assert channels.ready(Channel.HEAD_READ, 101.0)
    channels.succeeded(Channel.HEAD_READ)
    channels.back_off(Channel.HEAD_READ, 200.0)
    assert channels.ready(Channel.HEAD_READ, 200.05)


def test_the_earliest_wake_up_counts(channels: Channels) -> None:
    """A request for a later tick changes nothing."""
    channels.wake(5.0)
    channels.wake(7.0)
    assert channels.wake_at == 5.0
