"""What plugins may say, and what becomes of it when it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from rdzv_core.handler.head import Seat
from rdzv_core.hooks import Hooks, hookimpl

SEATS = [Seat(member="1", node="b", address="y"), Seat(member="2", node="a", address="x")]


def _ranks(said: Any) -> list[str]:
    class Plugin:
        @hookimpl
        def rdzv_assign_ranks(self, run_id: str, candidates: list[str], last: list[str]) -> Any:
            return said

    hooks = Hooks(load_installed=False)
    hooks.register(Plugin())
    return [seat.node for seat in hooks.rank_order("run")(SEATS, [])]


class Odd:
    """Iterating it fails as no list does."""

    def __repr__(self) -> str:
        return "<Odd>"

    def __iter__(self) -> Any:
        raise RuntimeError("odd")


@pytest.mark.parametrize("said", [["a", "b"], ["b", "a"], ("b", "a"), {"b": 1, "a": 2}])
def test_a_plugin_gives_the_ranks(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever holds the nodes in an order will do."""
    assert _ranks(said) == list(said)
    assert not caplog.records


def test_ranks_that_can_be_read_only_once_are_read_once() -> None:
    """A generator is no trap."""
    assert _ranks(iter(["b", "a"])) == ["b", "a"]


def test_none_leaves_the_ranks_to_others(caplog: pytest.LogCaptureFixture) -> None:
    """To natural order, where nobody else says anything."""
    assert _ranks(None) == ["a", "b"]
    assert not caplog.records


@pytest.mark.parametrize(
    "said",
    [
        5,
        True,
        "ba!",
        ["a", 1],
        [None, "a"],
        [["a"], ["b"]],
        ["a"],
        ["a", "a"],
        ["a", "b", "c"],
        ["a", "b", "b"],
        [],
        Odd(),
    ],
    ids=repr,
)
def test_what_is_no_permutation_is_logged_and_ignored(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever type it is: no plugin ends the meeting of a node."""
    assert _ranks(said) == ["a", "b"]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"a plugin assigned ranks {said!r} to nodes ['b', 'a']: no permutation, natural order is used"
    )
