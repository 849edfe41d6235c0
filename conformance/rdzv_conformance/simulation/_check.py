"""The promises, held against what the nodes do after every step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rdzv_core.handler.head import decode_head
from rdzv_core.handler.io import Held


class Violation(AssertionError):  # noqa: N818 - that is what it is called
    """A promise was broken; the message has the seed and the end of the trace."""


@dataclass
class Checker:
    """Knows every roster that anybody was given."""

    rosters: dict[tuple[str, int], tuple[object, ...]] = field(default_factory=dict)
    ranks: dict[tuple[str, int, int], str] = field(default_factory=dict)
    rounds: int = 0
    last_formed: float = 0.0

    def written(self, before: bytes | None, after: bytes) -> None:
        """A closed run stays closed; rounds and fences of an epoch never go back."""
        old, new = None if before is None else decode_head(before), decode_head(after)
        if old is None or old.epoch != new.epoch:
            return
        if old.closed:
            raise Violation(f"the closed run of epoch {old.epoch} was written again")
        if new.round < old.round or new.fence < old.fence or new.round > old.round + 1:
            raise Violation(f"round {old.round} of epoch {old.epoch} was followed by {new.round}")

    def joined(self, held: Held, now: float) -> None:
        """At most one roster a round; ranks 0..n-1, the same for everybody; one fence number a roster."""
        key = (held.epoch, held.round)
        roster = (held.digest, held.roster, held.size, held.fence)
        if self.rosters.setdefault(key, roster) != roster:
            raise Violation(f"two rosters for round {held.round} of epoch {held.epoch}")
        named = held.roster[held.rank].member if held.roster else held.member
        if not 0 <= held.rank < held.size or self.ranks.setdefault((*key, held.rank), held.member) != named:
            raise Violation(f"rank {held.rank} of round {held.round} is not who it says")
        if len(self.rosters) > self.rounds:
            self.rounds, self.last_formed = len(self.rosters), now

    def working(self, groups: Iterable[Held]) -> None:
        """Never two groups at work at once."""
        seen = {(held.epoch, held.round) for held in groups}
        if len(seen) > 1:
            raise Violation(f"two groups work at once: {sorted(seen)}")
