"""What can be wrong with a history, each with the clauses of the contract that forbid it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class _Meaning:
    says: str
    clauses: tuple[str, ...]


class Fault(Enum):
    """A kind of violation.

    `clauses` are those that it breaks with any number of clients; a fault that only many at once show has none.
    """

    OTHER_STATE_WRITTEN = _Meaning(
        "a write was told that it succeeded, and given another state than it wrote", ("RDZV-STATE-3",)
    )
    TOKEN_KEPT = _Meaning("a write succeeded and has the token that it used up", ("RDZV-CAS-7",))
    NOT_CREATED = _Meaning(
        "a write without a token was told that there is no state, and there was none", ("RDZV-CAS-1",)
    )
    STATE_NOT_GIVEN = _Meaning(
        "a write without a token was told that there is no state, and there was one", ("RDZV-CAS-2",)
    )
    STATE_NOT_GIVEN_TO_TOKEN = _Meaning(
        "a write with a token was told that there is no state, and there was one", ("RDZV-CAS-4",)
    )
    REFUSED_THOUGH_CURRENT = _Meaning(
        "a write was refused, and told that the current token is the one that it had given", ("RDZV-CAS-3",)
    )
    WOKE_FOR_NOTHING = _Meaning(
        "a wait was told of a change, and that the token is the one that it had given", ("RDZV-WATCH-1",)
    )
    EQUAL_BYTES_WON = _Meaning(
        "two writers of equal bytes were told that they had written, with one token between them", ("RDZV-CAS-9",)
    )
    TOKEN_REUSED = _Meaning("two writes have the same token", ("RDZV-CAS-7",))
    TOKEN_REUSED_AFTER_DELETION = _Meaning(
        "a state that was created again has a token that there was before", ("RDZV-CAS-8",)
    )
    TWO_VALUES = _Meaning("one token was seen with two states", ("RDZV-CAS-4",))
    OTHER_STATE_READ = _Meaning("a token was seen with another state than was written with it", ("RDZV-STATE-3",))
    OTHER_STATE_IN_REFUSAL = _Meaning(
        "a refused write was given another state than the one that has that token", ("RDZV-CAS-4",)
    )
    UNKNOWN_TOKEN = _Meaning("a token was seen that no write was given", ("RDZV-CAS-1",))
    FOREIGN_TOKEN_WON = _Meaning("a token that nobody was given was good for a write or a deletion", ("RDZV-CAS-5",))
    FOREIGN_TOKEN_CREATED = _Meaning(
        "a token that nobody was given was good for a write where there was no state", ("RDZV-CAS-6",)
    )
    TWO_WINNERS = _Meaning("one token was good for two: each token has one winner", ())
    STALE_TOKEN_WON = _Meaning("a token was used again after it had been used up", ("RDZV-CAS-4",))
    DEAD_TOKEN_WON = _Meaning("the token of a deleted state was used", ("RDZV-CAS-8",))
    CREATED_TWICE = _Meaning(
        "two writes without a token both created the state: each token, and none, has one winner",
        (),
    )
    OVERWRITTEN_WITHOUT_TOKEN = _Meaning("a write without a token succeeded where there was a state", ("RDZV-CAS-2",))
    LOST_UPDATE = _Meaning("a write was acknowledged, and the state is still the one before it", ())
    STALE_READ = _Meaning("a state was seen after it had been replaced", ("RDZV-STATE-8",))
    FROM_THE_FUTURE = _Meaning("a state was seen before anybody had called the write of it", ("RDZV-STATE-8",))
    VANISHED = _Meaning("there was a state, nobody deleted it, and then there was none", ("RDZV-STATE-2",))
    NO_ORDER = _Meaning("there is no order of these calls in which all answers are right", ())

    @property
    def says(self) -> str:
        """What is wrong, as a sentence without its full stop."""
        return self.value.says

    @property
    def clauses(self) -> tuple[str, ...]:
        """The clauses that it breaks."""
        return self.value.clauses
