"""What a run costs each node does not depend on how many there are."""

from __future__ import annotations

from rdzv_simulation._scale.costs import MOST_SPREAD, grown, spread
from rdzv_simulation._scale.measure import measure


def test_what_a_node_sends_does_not_grow_with_the_number_of_nodes() -> None:
    """From 100 to 1,000 nodes messages and bytes for each node stay within a tenth; the head is written twice."""
    measured = [measure(nodes) for nodes in (100, 1000)]
    assert grown(measured) == []
    for costs in ([one.meeting for one in measured], [one.round for one in measured]):
        assert spread([cost.messages for cost in costs]) <= MOST_SPREAD
        assert all(cost.writes <= 3 for cost in costs)


def test_what_grows_with_the_number_of_nodes_is_named() -> None:
    """A cost that doubles from one size to the next is no constant."""
    few, many = measure(10), measure(20)
    found = grown([few, type(many)(20, few.meeting, many.round, type(few.round)(9e9, 9e9, 0, 1.0), 0.0)])
    assert any(text.startswith("interval") and "messages" in text for text in found)
    assert any(text.startswith("interval") and "bytes" in text for text in found)
