"""A history in the terms of the search: who moves the register from where to where, who saw it where.

A register passes through *places*: absent, or one token after the other. Every write has a token of its own, so each
of those places is entered once; only absent comes again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rdzv_conformance.checks.linearizability.history import Operation

Place: TypeAlias = int
"""A token by its number; or one of the following."""

ABSENT: Place = -1
UNSEEN: Place = -2
"""A state whose token nobody was told."""
ANYWHERE: Place = -3
"""What a deletion without a token needs: any state."""

Sight = Literal["at", "not at"]


@dataclass(frozen=True)
class Move:
    """What may change the register: from the place `needs` to one of `leads`, at least once if it is `certain`."""

    needs: Place
    leads: tuple[Place, ...]
    certain: bool


@dataclass(frozen=True)
class Look:
    """What saw the register `at` a place, or `not at` it."""

    sight: Sight
    place: Place

    def holds(self, place: Place) -> bool:
        """Return whether this can be seen at `place`."""
        return (place == self.place) == (self.sight == "at")


@dataclass(frozen=True)
class Fog:
    """What operations that are left out may have done: anything, at any time, that one of them could have.

    So a history with some operations left out, and fog in their place, is linearizable if the whole is.
    """

    left: frozenset[Place] = frozenset()
    entered: frozenset[Place] = frozenset()
    deleted: frozenset[Place] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.left)


@dataclass(frozen=True)
class Moves:
    """The moves and looks of a history, by the index of the operation; who did neither is in neither."""

    moves: dict[int, Move] = field(default_factory=dict)
    looks: dict[int, Look] = field(default_factory=dict)
    unclaimed: frozenset[Place] = frozenset()

    def fog_without(self, kept: Collection[int]) -> Fog:
        """Return what all moves but those of `kept` may do."""
        left: set[Place] = set()
        entered: set[Place] = set()
        deleted: set[Place] = set()
        for index, move in self.moves.items():
            if index not in kept:
                left.add(move.needs)
                if move.leads == (ABSENT,):
                    deleted.add(move.needs)
                else:
                    entered.update(place for place in move.leads if place >= 0)
        return Fog(frozenset(left), frozenset(entered), frozenset(deleted))


def moves_of(history: Sequence[Operation]) -> Moves:
    """Number the tokens, and say what each operation moves or sees.

    The history must have been through the checks of `_claims`: every token has one value and one acknowledged writer.
    """
    places: dict[Hashable, Place] = {None: ABSENT}
    values: dict[Place, bytes] = {}
    written: set[Place] = set()
    for operation in history:
        token = operation.wrote
        if token is not None:
            written.add(places.setdefault(token, len(places)))
        if (operation.has_won or operation.is_indeterminate) and operation.token is not None:
            places.setdefault(operation.token, len(places))
        if operation.found is not None:
            values[places.setdefault(operation.found.token, len(places))] = operation.found.state
    unclaimed = frozenset(place for place in places.values() if place >= 0 and place not in written)
    by_value: defaultdict[bytes | None, list[Place]] = defaultdict(list)
    for place in sorted(unclaimed):
        by_value[values.get(place)].append(place)
    moves: dict[int, Move] = {}
    looks: dict[int, Look] = {}
    for index, operation in enumerate(history):
        if operation.has_won or operation.is_indeterminate:
            moves[index] = _move(operation, places, by_value)
        elif operation.answer is not None:
            look = _look(operation, places)
            if look is not None:
                looks[index] = look
    return Moves(moves, looks, unclaimed)


def _move(
    operation: Operation, places: dict[Hashable, Place], by_value: defaultdict[bytes | None, list[Place]]
) -> Move:
    needs = places[operation.token]
    if operation.kind == "delete":
        return Move(ANYWHERE if operation.token is None else needs, (ABSENT,), operation.has_won)
    if operation.has_won:
        return Move(needs, (places[operation.wrote],), certain=True)
    return Move(needs, (*by_value[operation.state], *by_value[None], UNSEEN), certain=False)


def _look(operation: Operation, places: dict[Hashable, Place]) -> Look | None:
    if operation.kind != "delete":
        return Look("at", ABSENT if operation.found is None else places[operation.found.token])
    if operation.token is None:
        return Look("at", ABSENT)
    known = places.get(operation.token)
    return None if known is None else Look("not at", known)  # None: that token was nowhere, so this sees nothing
