"""What can happen to a node, and what it can do: the vocabulary of `decide`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rdzv_core._handler.info import Change


@dataclass(frozen=True)
class Met:
    """A round formed with this node in it; `environment` is what the command is told of it."""

    round: int
    rank: int
    world_size: int
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ranks: range = range(1)
    """The ranks of this node's workers, out of `workers` of all nodes; 0: one for each node."""
    workers: int = 0


@dataclass(frozen=True)
class NotMet:
    """The round that was asked for did not form, or cannot be watched any more."""

    error: Exception


@dataclass(frozen=True)
class RoundChanged:
    """The round is not what it was, or the run was closed."""

    round: int
    change: Change


@dataclass(frozen=True)
class OneFailed:
    """One of this node's workers failed, the first one to do so, while others are left; `status` as of `Ended`."""

    round: int
    rank: int
    status: int


@dataclass(frozen=True)
class Ended:
    """All workers and their process groups are gone; `status` is the exit status, or minus the signal's number.

    Of several workers it is that of the one that failed first, whose `rank` this is. `fenced` where a watchdog killed
    them because this node's lease had ended.
    """

    status: int
    fenced: bool = False
    rank: int | None = None


@dataclass(frozen=True)
class Signalled:
    """This process was sent a signal: to end, or one that concerns the command."""

    number: int


@dataclass(frozen=True)
class GraceOver:
    """The command was told to stop, and its grace period is over."""


@dataclass(frozen=True)
class OthersGone:
    """Nobody needs this process any more: it hosts no store, or the run is over."""


NodeEvent: TypeAlias = Met | NotMet | RoundChanged | OneFailed | Ended | Signalled | GraceOver | OthersGone


@dataclass(frozen=True)
class Say:
    """Tell the user."""

    text: str


@dataclass(frozen=True)
class Meet:
    """Ask for the next round."""


@dataclass(frozen=True)
class Start:
    """Start the command for the round that formed, and watch the round."""

    met: Met


@dataclass(frozen=True)
class Stop:
    """Send the signal to all workers' process groups, and begin the grace period unless it has begun."""

    number: int


@dataclass(frozen=True)
class Send:
    """Send the signal to all workers' process groups, which go on."""

    number: int


@dataclass(frozen=True)
class Pause:
    """Stop this process until it is sent SIGCONT."""


@dataclass(frozen=True)
class Kill:
    """Send SIGKILL to all workers' process groups."""


@dataclass(frozen=True)
class Finish:
    """Tell the others that this node is done, successfully."""


@dataclass(frozen=True)
class Leave:
    """Tell the others that this node goes."""


@dataclass(frozen=True)
class Linger:
    """Stay until the others are gone, if the store that they use ends with this process.

    Where this node failed, and `why`, only for other runs: its own may wait for it to be started again.
    """

    why: str = ""


@dataclass(frozen=True)
class Exit:
    """End with the exit status, or with the error where there is one."""

    status: int
    error: Exception | None = None


Effect: TypeAlias = Say | Meet | Start | Stop | Send | Pause | Kill | Finish | Leave | Linger | Exit
