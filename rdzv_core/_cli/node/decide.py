"""What a node does on which event. Pure: no processes, threads or store.

    MEETING --met--> WORKING --the round changed--> STOPPING --ended--> MEETING
                        |---- one of several workers failed ---^  (restarts left)
                        |---- the command failed, restarts left -----------^
                        |---- the command ended well, or no restarts left --> LINGERING --others gone--> OVER
                        '---- told to end ----------------------------------> OVER

Only failures of the command count against `max_restarts`: one, however many of this node's workers fail in a round. A
restart because the round changed costs nothing: it is what an elastic job is for. A node lingers only if it hosts the
store that the others use.
"""

from __future__ import annotations

import signal
from enum import Enum, auto

from rdzv_core._cli.node.events import (
    Effect,
    Ended,
    Exit,
    Finish,
    Kill,
    Leave,
    Linger,
    Meet,
    Met,
    NodeEvent,
    NotMet,
    OneFailed,
    OthersGone,
    Pause,
    RoundChanged,
    Say,
    Send,
    Signalled,
    Start,
    Stop,
)
from rdzv_core._cli.node.signals import ENDING, PAUSING, UNTOLD, name_of
from rdzv_core._errors import RendezvousGracefulExitError
from rdzv_core._handler.info import ChangeReason


class NodePhase(Enum):
    """Where a node is."""

    MEETING = auto()
    WORKING = auto()
    STOPPING = auto()
    LINGERING = auto()
    OVER = auto()


class Decider:
    """The decisions of one node: takes every event in order, returns the effects to carry out in order."""

    def __init__(self, max_restarts: int, stop_signal: int = signal.SIGTERM) -> None:
        self.phase = NodePhase.MEETING
        self._max_restarts = self._restarts_left = max_restarts
        self._stop_signal = stop_signal
        self._round = 0
        self._closed = False
        self._leaving = self._killed = False
        self._status = 0
        self._failed: int | None = None
        self._one_failed = self._several = False
        self._lost_sight: Exception | None = None
        self._error: Exception | None = None

    @property
    def status(self) -> int:
        """The exit status, as far as it is decided: 0 before."""
        return self._status

    @property
    def failures(self) -> int:
        """How often the command has failed and was restarted."""
        return self._max_restarts - self._restarts_left

    def on(self, event: NodeEvent) -> list[Effect]:
        """Return what to do on `event`; nothing once the node is over."""
        if self.phase is NodePhase.OVER:
            return []
        if isinstance(event, Signalled) and event.number not in ENDING:
            return self._on_passing(event.number)
        if self.phase is NodePhase.LINGERING:
            return self._on_lingering(event)
        return self._on_other(event)

    def _on_other(self, event: NodeEvent) -> list[Effect]:
        if isinstance(event, Met):
            return self._on_met(event)
        if isinstance(event, NotMet):
            return self._on_not_met(event.error)
        if isinstance(event, RoundChanged):
            return self._on_changed(event)
        if isinstance(event, OneFailed):
            return self._on_one_failed(event)
        if isinstance(event, Ended):
            return self._on_ended(event)
        if isinstance(event, Signalled):
            return self._on_signalled(event.number)
        return self._kill() if self.phase is NodePhase.STOPPING else []

    def _on_met(self, met: Met) -> list[Effect]:
        self.phase, self._round, self._failed, self._killed = NodePhase.WORKING, met.round, None, False
        self._one_failed, self._several = False, len(met.ranks) > 1
        return [Say(_joined(met)), Start(met)]

    def _on_not_met(self, error: Exception) -> list[Effect]:
        if self.phase is NodePhase.STOPPING:
            return []
        if isinstance(error, RendezvousGracefulExitError):
            return self._over(Say(str(error)), Leave(), Exit(0))
        if self.phase is NodePhase.WORKING:
            # Working on without a view of the round could be working beside a second group.
            self._leaving, self._lost_sight = True, error
            return [Say(f"the round cannot be watched any more ({error}); stopping the command"), *self._stop()]
        if self._failed is not None:
            why = f"could not meet again: {error}"
            return self._linger(self._failed, Say(why), Leave(), why=why)
        self._error = error
        return self._linger(1, Leave(), why=str(error))

    def _on_changed(self, changed: RoundChanged) -> list[Effect]:
        closed = changed.change.reason is ChangeReason.CLOSED
        if changed.round != self._round:
            return []
        if self.phase is not NodePhase.WORKING:
            self._closed |= closed
            return []
        if closed:
            self._closed = True
            return [Say("the run is closed: the command goes on to its end and is not restarted")]
        return [Say(f"{_sentence(changed)}; stopping the command to meet again"), *self._stop()]

    def _on_one_failed(self, failed: OneFailed) -> list[Effect]:
        """End the node's other workers too: they wait for one that will not come, and a restart is of all."""
        if self.phase is not NodePhase.WORKING or failed.round != self._round:
            return []
        self._one_failed = True
        how = f"rank {failed.rank} {self._outcome(failed.status)}"
        return [Say(f"{how}; stopping this node's other workers"), *self._stop()]

    def _on_ended(self, ended: Ended) -> list[Effect]:
        status = ended.status
        if ended.fenced and (self.phase is NodePhase.WORKING or self._one_failed) and not self._leaving:
            # Not the command's failure: this process was stopped or too slow to keep its lease. A worker whose peers
            # on this node were killed for that may have failed before it was killed itself.
            return self._meet(Say("the command was killed as this node's lease had ended; asking for the next round"))
        if self.phase is NodePhase.STOPPING and not self._leaving and not self._one_failed:
            return self._meet(Say("the command has stopped; asking for the next round"))
        how = Say(f"{self._end_of(ended)}; leaving")
        if self._lost_sight is not None:
            return self._over(how, Leave(), Exit(1, self._lost_sight))
        if self._leaving:
            return self._over(how, Leave(), Exit(exit_code(status)))
        if status == 0:
            return self._linger(0, Say("the command ended well; this node is done"), Finish())
        return self._on_failed(ended)

    def _on_failed(self, ended: Ended) -> list[Effect]:
        status, how = ended.status, self._end_of(ended)
        if self._closed or self._restarts_left == 0:
            why = "the run is closed" if self._closed else "no restarts are left"
            return self._linger(status, Say(f"{how}; {why}, leaving"), Leave())
        self._restarts_left -= 1
        self._failed = status
        left = f"{self._restarts_left} more restart{'' if self._restarts_left == 1 else 's'} left"
        return self._meet(Say(f"{how}; asking for the next round ({left})"))

    def _on_signalled(self, number: int) -> list[Effect]:
        name = name_of(number)
        if self.phase is NodePhase.MEETING:
            return self._over(Say(f"got {name}; leaving"), Leave(), Exit(128 + number))
        if self._leaving:
            return [Say(f"got {name} as well; killing the command"), *self._kill()]
        self._leaving = True
        return [Say(f"got {name}; passing it on to the command, then leaving"), *self._stop(number)]

    def _on_passing(self, number: int) -> list[Effect]:
        works = self.phase in (NodePhase.WORKING, NodePhase.STOPPING)
        if number == PAUSING:
            # SIGSTOP: a group of a session of its own does not stop on SIGTSTP.
            said = Say(f"got {name_of(number)}; pausing until SIGCONT: the others go on when this node's lease ends")
            return [said, *([Send(signal.SIGSTOP)] if works else []), Pause()]
        if works:
            said = Say(f"got {name_of(number)}; passing it on to the command")
            return [*([] if number in UNTOLD else [said]), Send(number)]
        return [] if number in UNTOLD else [Say(f"got {name_of(number)}; dropped: no command runs")]

    def _kill(self) -> list[Effect]:
        self._killed = True
        return [Kill()]

    def _stop(self, number: int | None = None) -> list[Effect]:
        self.phase = NodePhase.STOPPING
        return [Stop(self._stop_signal if number is None else number)]

    def _meet(self, said: Say) -> list[Effect]:
        self.phase = NodePhase.MEETING
        return [said, Meet()]

    def _linger(self, status: int, *effects: Effect, why: str = "") -> list[Effect]:
        self.phase, self._status = NodePhase.LINGERING, exit_code(status)
        return [*effects, Linger(why)]

    def _on_lingering(self, event: NodeEvent) -> list[Effect]:
        # A signal ends the wait; so does a store that cannot be asked: there is nothing left to serve.
        over = isinstance(event, (OthersGone, Signalled, NotMet))
        return self._over(Exit(self._status, self._error)) if over else []

    def _over(self, *effects: Effect) -> list[Effect]:
        self.phase = NodePhase.OVER
        self._status = next(effect.status for effect in effects if isinstance(effect, Exit))
        return list(effects)

    def _end_of(self, ended: Ended) -> str:
        """Return in words how the command ended: of several workers, unless told to end, as the first one to fail."""
        if not self._several or ended.rank is None or ended.status == 0 or (self._leaving and not self._one_failed):
            return f"the command {self._outcome(ended.status)}"
        if self._one_failed:
            return f"the command has stopped: rank {ended.rank} had failed"
        return f"rank {ended.rank} {self._outcome(ended.status)}"

    def _outcome(self, status: int) -> str:
        if status >= 0:
            return f"ended with status {status}"
        if -status != signal.SIGKILL:
            return f"was killed by {name_of(-status)}"
        why = ", as it had not stopped" if self._killed else " (out of memory? see dmesg)"
        return f"was killed by SIGKILL{why}"


def exit_code(status: int) -> int:
    """Turn a process's end into an exit status as a shell reports it: 128 + n for death by signal n."""
    return 128 - status if status < 0 else status


def _joined(met: Met) -> str:
    if met.workers in (0, met.world_size):
        return f"joined round {met.round} as rank {met.rank} of {met.world_size} in {met.seconds:.3f} s"
    mine = f"rank {met.ranks[0]}" if len(met.ranks) == 1 else f"ranks {met.ranks[0]} to {met.ranks[-1]}"
    return (
        f"joined round {met.round} as node {met.rank} of {met.world_size} in {met.seconds:.3f} s: its "
        f"worker{' is' if len(met.ranks) == 1 else 's are'} {mine} of {met.workers}"
    )


def _sentence(changed: RoundChanged) -> str:
    change = changed.change
    return f"round {changed.round}, {change.reason.name}: {change.detail or change.reason.value}"
