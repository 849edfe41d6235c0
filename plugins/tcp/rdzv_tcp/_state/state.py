"""All that a server remembers, and what a write does to it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import msgspec

from rdzv_tcp._protocol import Answer
from rdzv_tcp._state.members import Memberships
from rdzv_tcp._state.stores import Stores
from rdzv_tcp._state.table import Table


class State(NamedTuple):
    """Registers, the stores of rounds, and memberships."""

    table: Table
    stores: Stores
    members: Memberships


class Effect(msgspec.Struct, gc=False):  # one for each write: a NamedTuple takes three times as long to make
    """What a write did: the answer, the topics that it changed, and all topics below `dropped` if there is one."""

    answer: Answer
    topics: Sequence[Hashable] = ()
    dropped: tuple[str, ...] | None = None


def new_state() -> State:
    """Return the state of a server that remembers nothing."""
    return State(Table(), Stores(), Memberships())


def members_topic(run: str) -> Hashable:
    """Return the topic of those who wait for the members of `run` to change."""
    return ("members", run)
