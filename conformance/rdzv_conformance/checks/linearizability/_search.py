"""The search for an order in which everything that clients saw makes sense: exact, and quick for unique tokens.

The register is moved only when an answer that is due cannot be explained where it is ("just in time"); where it is,
whatever is under way and can be seen there is taken as seen. Both lose nothing: what is possible now stays possible
while nobody moves the register, and to look changes nothing. Since each token has one acknowledged successor there is
hardly ever more than one way to go on, so that the work grows with the number of operations, times how many are under
way at once. Only creations, deletions and unanswered writes that overlap leave a choice; all ways are then followed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from rdzv_conformance.checks.linearizability._moves import ABSENT, ANYWHERE, UNSEEN, Fog, Moves, Place
from rdzv_conformance.checks.linearizability.history import Operation

CALLED, ANSWERED = 0, 1
MANY_USED = 16


class TooHardError(Exception):
    """The search took more steps than it was allowed."""


class _Way(NamedTuple):
    """One way how it may have been so far.

    The register is at `place`. Of the operations under way the moves in `moved` and the looks in `seen` have been
    taken. `used` is what cannot be used again: unanswered moves by index, and ~place of a token that was entered.
    """

    place: Place
    moved: frozenset[int]
    seen: frozenset[int]
    used: frozenset[int]


NOTHING: frozenset[int] = frozenset()


def first_unexplained(
    history: Sequence[Operation],
    moves: Moves,
    kept: Collection[int] | None = None,
    until: int | None = None,
    steps: int | None = None,
) -> int | None:
    """Return the index of the first answer, in time, for which no order is left; None if there is one for all.

    Of the operations only `kept` are looked at, with fog in place of the others; time ends with the answer of the
    operation `until`. `TooHardError` after `steps` moves of the search.
    """
    indexes = range(len(history)) if kept is None else sorted(kept)
    fog = Fog() if kept is None else moves.fog_without(kept)
    events = [
        event
        for index in indexes
        if index in moves.moves or index in moves.looks
        for event in _events(history[index], index)
    ]
    # At one instant calls come before answers: two operations that touch may have been in either order.
    events.sort()
    search = _Search(moves, fog, steps)
    for _, what, index in events:
        if what == CALLED:
            search.called(index)
        elif not search.answered(index):
            return index
        elif index == until:
            return None
    return None


def _events(operation: Operation, index: int) -> Iterator[tuple[int, int, int]]:
    yield operation.call, CALLED, index
    if operation.answer is not None:
        yield operation.answer, ANSWERED, index


class _Search:
    def __init__(self, moves: Moves, fog: Fog, steps: int | None) -> None:
        self._moves = moves.moves
        self._looks = moves.looks
        self._fog = fog
        self._steps = steps
        self._ways = [_Way(ABSENT, NOTHING, NOTHING, NOTHING)]
        self._open_looks: set[int] = set()
        self._open_moves: defaultdict[Place, set[int]] = defaultdict(set)
        self._unanswered: defaultdict[Place, list[int]] = defaultdict(list)
        self._entered: set[Place] = set()

    def called(self, index: int) -> None:
        look = self._looks.get(index)
        if look is not None:
            self._open_looks.add(index)
            self._ways = [way._replace(seen=way.seen | {index}) if look.holds(way.place) else way for way in self._ways]
        elif self._moves[index].certain:
            self._open_moves[self._moves[index].needs].add(index)
        else:
            self._unanswered[self._moves[index].needs].append(index)

    def answered(self, index: int) -> bool:
        """Go on only with the ways in which `index` has been taken; False if there are none."""
        ways: list[_Way] = []
        if index in self._looks:
            for way in self._ways:
                ways += [way] if index in way.seen else self._onward(way, lambda later: index in later.seen)
            self._open_looks.remove(index)
            ways = [way._replace(seen=way.seen - {index}) for way in ways]
        else:
            for way in self._ways:
                ways += [way] if index in way.moved else self._onward(way, lambda later: index in later.moved)
            needs = self._moves[index].needs
            self._open_moves[needs].remove(index)
            if not self._open_moves[needs]:
                del self._open_moves[needs]
            ways = [way._replace(moved=way.moved - {index}) for way in ways]
        self._ways = _best(ways) if len(ways) > 1 else ways
        if len(self._ways) == 1 and len(self._ways[0].used) >= MANY_USED:
            self._settle()
        return bool(ways)

    def _settle(self) -> None:
        """Where only one way is left, what it has used is out of the question for good."""
        way = self._ways[0]
        self._entered.update(~gone for gone in way.used if gone < 0)
        for needs in (ABSENT, ANYWHERE):
            if needs in self._unanswered:
                self._unanswered[needs] = [index for index in self._unanswered[needs] if index not in way.used]
        self._ways = [way._replace(used=NOTHING)]

    def _onward(self, way: _Way, enough: Callable[[_Way], bool]) -> list[_Way]:
        """Return the ways on from `way`, each just long enough."""
        found: list[_Way] = []
        known = _Best()
        known.add(way)
        todo = [way]
        while todo:
            before = todo.pop()
            for place, moved, used in self._next(before):
                if self._steps is not None:
                    self._steps -= 1
                    if self._steps < 0:
                        raise TooHardError
                seen = {index for index in self._open_looks if self._looks[index].holds(place)}
                later = _Way(place, moved, before.seen | seen if seen else before.seen, used)
                if known.add(later):
                    (found if enough(later) else todo).append(later)
        return found

    def _next(self, way: _Way) -> Iterator[tuple[Place, frozenset[int], frozenset[int]]]:
        """Return where one more move can lead, with `moved` and `used` after it."""
        for needs in (way.place,) if way.place == ABSENT else (way.place, ANYWHERE):
            for index in self._open_moves.get(needs, ()):
                if index not in way.moved:
                    yield self._moves[index].leads[0], way.moved | {index}, way.used
            if needs in self._unanswered:
                yield from self._next_unanswered(way, needs)
        if self._fog:
            yield from self._next_in_fog(way)

    def _next_unanswered(self, way: _Way, needs: Place) -> Iterator[tuple[Place, frozenset[int], frozenset[int]]]:
        alike: set[tuple[Place, ...]] = set()
        for index in self._unanswered[needs]:
            leads = self._moves[index].leads
            if leads in alike or index in way.used:
                continue
            alike.add(leads)  # another one that could do the same may be left for later
            # A token's moves are over when it is left; those from absent, and from anywhere, must not come again.
            used = way.used | {index} if needs in (ABSENT, ANYWHERE) else way.used
            for place in leads:
                if place < 0:
                    yield place, way.moved, used
                elif ~place not in used and place not in self._entered:
                    yield place, way.moved, used | {~place}

    def _next_in_fog(self, way: _Way) -> Iterator[tuple[Place, frozenset[int], frozenset[int]]]:
        fog = self._fog
        if way.place == UNSEEN:
            if fog.deleted:
                yield ABSENT, way.moved, way.used
            for place in self._wanted() & fog.entered:
                if ~place not in way.used and place not in self._entered:
                    yield place, way.moved, way.used | {~place}
            return
        if way.place in fog.left:
            yield UNSEEN, way.moved, way.used
        if way.place != ABSENT and fog.deleted & {way.place, ANYWHERE}:
            yield ABSENT, way.moved, way.used

    def _wanted(self) -> frozenset[Place]:
        """Return the places where something that is under way would go on."""
        looked_for = {self._looks[index].place for index in self._open_looks}
        return frozenset(looked_for.union(self._open_moves, self._unanswered))


class _Best:
    """Ways, without those that can do nothing that another cannot: at the same place, with less seen, more used."""

    def __init__(self) -> None:
        self._groups: defaultdict[tuple[Place, frozenset[int]], list[_Way]] = defaultdict(list)

    def add(self, way: _Way) -> bool:
        """Take a way in; False if there is one already that is as good."""
        rivals = self._groups[way.place, way.moved]
        if any(way.seen <= rival.seen and way.used >= rival.used for rival in rivals):
            return False
        rivals[:] = [r for r in rivals if not (r.seen <= way.seen and r.used >= way.used)]
        rivals.append(way)
        return True

    def all(self) -> list[_Way]:
        """Return those that are left."""
        return [way for rivals in self._groups.values() for way in rivals]


def _best(ways: list[_Way]) -> list[_Way]:
    best = _Best()
    for way in ways:
        best.add(way)
    return best.all()
