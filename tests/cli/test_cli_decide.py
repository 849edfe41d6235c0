"""What a node does upon which event, decided without a process or a store."""

from __future__ import annotations

import signal

import pytest

from rdzv_core import RendezvousClosedError
from rdzv_core._cli.node.decide import Decider, NodePhase, exit_code
from rdzv_core._cli.node.events import (
    Effect,
    Ended,
    Exit,
    Finish,
    GraceOver,
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
from rdzv_core._handler.info import Change, ChangeReason

FIRST = Met(round=1, rank=0, world_size=2)
SECOND = Met(round=2, rank=0, world_size=2)
MEET_AGAIN = [reason for reason in ChangeReason if reason is not ChangeReason.CLOSED]


def _deeds(effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if not isinstance(effect, Say)]


def _working(max_restarts: int = 0) -> Decider:
    decider = Decider(max_restarts)
    assert _deeds(decider.on(FIRST)) == [Start(FIRST)]
    return decider


def _change(reason: ChangeReason, number: int = 1) -> RoundChanged:
    return RoundChanged(number, Change(reason, "because"))


def test_a_command_that_ends_well_finishes_the_node() -> None:
    """Status 0: the node is done, with status 0, and nobody is disturbed."""
    decider = _working()
    assert _deeds(decider.on(Ended(0))) == [Finish(), Linger()]
    assert decider.on(OthersGone()) == [Exit(0)]


def test_a_command_that_fails_without_restarts_left_makes_the_node_leave() -> None:
    """The exit status is the command's."""
    decider = _working()
    assert _deeds(decider.on(Ended(3))) == [Leave(), Linger()]
    assert decider.on(OthersGone()) == [Exit(3)]


@pytest.mark.parametrize("event", [Signalled(signal.SIGTERM), NotMet(RendezvousClosedError("gone"))])
def test_a_node_that_stays_for_the_others_can_be_ended(event: NodeEvent) -> None:
    """By a signal, or because its store cannot be asked any more; its status is the command's all the same."""
    decider = _working()
    decider.on(Ended(0))
    assert decider.on(event) == [Exit(0)]


def test_a_command_that_fails_is_restarted_as_often_as_allowed() -> None:
    """Every failure asks for a round of its own, until none is left."""
    decider = _working(max_restarts=1)
    assert _deeds(decider.on(Ended(3))) == [Meet()]
    assert _deeds(decider.on(SECOND)) == [Start(SECOND)]
    assert _deeds(decider.on(Ended(4))) == [Leave(), Linger()]


@pytest.mark.parametrize("reason", MEET_AGAIN)
def test_a_changed_round_stops_the_command_and_asks_again(reason: ChangeReason) -> None:
    """Whatever changed but closing: stop first, ask only once the command is gone."""
    decider = _working()
    assert _deeds(decider.on(_change(reason))) == [Stop(signal.SIGTERM)]
    assert _deeds(decider.on(Ended(-signal.SIGTERM))) == [Meet()]


def test_a_changed_round_costs_no_restart() -> None:
    """Only failures count against the restarts."""
    decider = _working(max_restarts=1)
    decider.on(_change(ChangeReason.LOST))
    decider.on(Ended(-signal.SIGTERM))
    decider.on(SECOND)
    assert _deeds(decider.on(Ended(1))) == [Meet()]


def test_a_command_that_will_not_stop_is_killed_before_the_next_round() -> None:
    """After the grace period SIGKILL follows, and asking still waits for the end."""
    decider = _working()
    decider.on(_change(ChangeReason.FENCED))
    assert _deeds(decider.on(GraceOver())) == [Kill()]
    assert _deeds(decider.on(Ended(-signal.SIGKILL))) == [Meet()]


def test_news_of_an_earlier_round_is_ignored() -> None:
    """A watcher that reports late stops no command of a later round."""
    decider = _working()
    decider.on(_change(ChangeReason.LOST))
    decider.on(Ended(0))
    decider.on(SECOND)
    assert decider.on(_change(ChangeReason.LOST, number=1)) == []
    assert decider.phase is NodePhase.WORKING


def test_closing_leaves_the_command_alone() -> None:
    """A closed run meets no more: the command goes on to its end, which is reported as ever."""
    decider = _working()
    assert _deeds(decider.on(_change(ChangeReason.CLOSED))) == []
    assert _deeds(decider.on(Ended(0))) == [Finish(), Linger()]


def test_a_failure_in_a_closed_run_is_not_restarted() -> None:
    """There is no round to restart it in."""
    decider = _working(max_restarts=5)
    decider.on(_change(ChangeReason.CLOSED))
    assert _deeds(decider.on(Ended(7))) == [Leave(), Linger()]


def test_a_fenced_node_stops_in_a_closed_run_too() -> None:
    """Closing does not make working without a lease safe."""
    decider = _working()
    decider.on(_change(ChangeReason.CLOSED))
    assert _deeds(decider.on(_change(ChangeReason.FENCED))) == [Stop(signal.SIGTERM)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_is_passed_on_and_the_node_leaves(number: signal.Signals) -> None:
    """The command gets the very signal, and its end is the node's."""
    decider = _working()
    assert _deeds(decider.on(Signalled(number))) == [Stop(number)]
    assert _deeds(decider.on(Ended(-number))) == [Leave(), Exit(128 + number)]


def test_a_command_that_ends_well_upon_a_signal_gives_status_0() -> None:
    """The exit status is the command's; but the node leaves, it has not finished."""
    decider = _working()
    decider.on(Signalled(signal.SIGTERM))
    assert _deeds(decider.on(Ended(0))) == [Leave(), Exit(0)]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCONT])
def test_a_signal_that_ends_nothing_is_passed_on_and_the_command_goes_on(number: signal.Signals) -> None:
    """Also while it is being stopped: a command that saves its state may wait for it."""
    decider = _working()
    assert _deeds(decider.on(Signalled(number))) == [Send(number)]
    decider.on(Signalled(signal.SIGTERM))
    assert _deeds(decider.on(Signalled(number))) == [Send(number)]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_for_a_command_is_dropped_where_there_is_none(number: signal.Signals) -> None:
    """With a line, while the node meets and while it stays for the others; it goes on."""
    decider = Decider(0)
    dropped = [Say(f"got {number.name}; dropped: no command runs")]
    assert decider.on(Signalled(number)) == dropped
    decider.on(FIRST)
    decider.on(Ended(0))
    assert decider.on(Signalled(number)) == dropped
    assert decider.on(OthersGone()) == [Exit(0)]


def test_a_signal_that_comes_by_itself_is_not_told() -> None:
    """A resized window is not news."""
    assert Decider(0).on(Signalled(signal.SIGWINCH)) == []
    assert _working().on(Signalled(signal.SIGWINCH)) == [Send(signal.SIGWINCH)]


def test_a_node_pauses_with_its_command() -> None:
    """Ctrl-Z: the command is stopped for sure, then the node; without a command the node alone."""
    assert _deeds(_working().on(Signalled(signal.SIGTSTP))) == [Send(signal.SIGSTOP), Pause()]
    assert _deeds(Decider(0).on(Signalled(signal.SIGTSTP))) == [Pause()]


@pytest.mark.parametrize(
    ("status", "said"),
    [(-9, "was killed by SIGKILL (out of memory? see dmesg); no"), (-11, "was killed by SIGSEGV; no"), (3, "status 3")],
)
def test_a_line_says_what_ended_the_command(status: int, said: str) -> None:
    """A signal by its name; SIGKILL that this node did not send with the usual cause."""
    says = [effect.text for effect in _working().on(Ended(status)) if isinstance(effect, Say)]
    assert said in says[0]


def test_a_command_that_was_killed_by_its_node_did_not_run_out_of_memory() -> None:
    """After reading that line there is no need to look into dmesg."""
    decider = _working()
    decider.on(Signalled(signal.SIGTERM))
    decider.on(GraceOver())
    says = [effect.text for effect in decider.on(Ended(-9)) if isinstance(effect, Say)]
    assert says == ["the command was killed by SIGKILL, as it had not stopped; leaving"]


def test_a_second_signal_kills() -> None:
    """A second signal does not wait for the grace period."""
    decider = _working()
    decider.on(Signalled(signal.SIGINT))
    assert _deeds(decider.on(Signalled(signal.SIGINT))) == [Kill()]


def test_a_signal_while_stopping_turns_the_restart_into_leaving() -> None:
    """The command is being stopped already: it gets the signal, and no next round is asked for."""
    decider = _working()
    decider.on(_change(ChangeReason.LOST))
    assert _deeds(decider.on(Signalled(signal.SIGTERM))) == [Stop(signal.SIGTERM)]
    assert _deeds(decider.on(Ended(-signal.SIGTERM))) == [Leave(), Exit(143)]


SEVERAL = Met(1, 1, 2, 0.0, {}, range(2, 4), 4)


def _of_several(max_restarts: int = 0) -> Decider:
    decider = Decider(max_restarts, signal.SIGINT)
    assert _deeds(decider.on(SEVERAL)) == [Start(SEVERAL)]
    return decider


def test_of_several_workers_one_that_fails_stops_the_others() -> None:
    """By the signal that was chosen; when all are gone that is one failure."""
    decider = _of_several(1)
    assert _deeds(decider.on(OneFailed(1, 3, 5))) == [Stop(signal.SIGINT)]
    assert decider.failures == 0
    assert _deeds(decider.on(_change(ChangeReason.ASKED))) == []
    assert _deeds(decider.on(GraceOver())) == [Kill()]
    assert _deeds(decider.on(Ended(5, rank=3))) == [Meet()]
    assert decider.failures == 1
    assert _deeds(decider.on(OneFailed(1, 3, 5))) == []


def test_of_several_workers_the_first_failure_is_the_nodes_status() -> None:
    """Without restarts left; and where the run is closed meanwhile."""
    for closing in ([], [_change(ChangeReason.CLOSED)]):
        decider = _of_several(len(closing))
        for event in (OneFailed(1, 3, -9), *closing):
            decider.on(event)
        effects = decider.on(Ended(-9, rank=3))
        assert _deeds(effects) == [Leave(), Linger()]
        why = "the run is closed" if closing else "no restarts are left"
        assert effects[0] == Say(f"the command has stopped: rank 3 had failed; {why}, leaving")
        assert decider.status == 137


def test_a_worker_that_failed_as_the_lease_ended_costs_no_restart() -> None:
    """Its peers on this node were killed by their watchdogs a moment before it was."""
    decider = _of_several(0)
    decider.on(OneFailed(1, 3, 1))
    assert _deeds(decider.on(Ended(1, True, rank=3))) == [Meet()]
    assert decider.failures == 0


def test_a_failure_of_another_round_stops_nobody() -> None:
    """Its news may come when the next round has begun."""
    decider = _of_several()
    assert decider.on(OneFailed(0, 3, 5)) == []


def test_a_node_that_is_told_to_end_while_its_workers_stop_leaves() -> None:
    """The failure before that is its status."""
    decider = _of_several(3)
    decider.on(OneFailed(1, 2, 5))
    assert _deeds(decider.on(Signalled(signal.SIGTERM))) == [Stop(signal.SIGTERM)]
    assert _deeds(decider.on(Ended(5, rank=2))) == [Leave(), Exit(5)]


@pytest.mark.parametrize(
    ("met", "said"),
    [
        (SECOND, "joined round 2 as rank 0 of 2 in 0.000 s"),
        (SEVERAL, "joined round 1 as node 1 of 2 in 0.000 s: its workers are ranks 2 to 3 of 4"),
        (Met(1, 1, 2, 0.0, {}, range(3, 4), 4), "joined round 1 as node 1 of 2 in 0.000 s: its worker is rank 3 of 4"),
    ],
    ids=["one-each", "several", "one-beside-several"],
)
def test_a_line_says_which_ranks_a_node_has(met: Met, said: str) -> None:
    """Its own alone where every node has one worker."""
    assert Decider(0).on(met)[0] == Say(said)


@pytest.mark.parametrize(
    ("ended", "said"),
    [(Ended(3, rank=2), "rank 2 ended with status 3"), (Ended(0, rank=2), "the command ended well")],
    ids=["failed", "well"],
)
def test_a_line_says_which_of_several_workers_ended_the_command(ended: Ended, said: str) -> None:
    """The last one that was left may be the one that failed."""
    effect = _of_several().on(ended)[0]
    assert isinstance(effect, Say)
    assert effect.text.startswith(said)


def test_a_signal_while_meeting_leaves_at_once() -> None:
    """There is no command to wait for."""
    assert _deeds(Decider(0).on(Signalled(signal.SIGTERM))) == [Leave(), Exit(143)]


def test_a_first_round_that_cannot_be_had_is_the_nodes_error() -> None:
    """The error goes to the user as it is."""
    error = RendezvousClosedError("the run is closed")
    decider = Decider(0)
    assert _deeds(decider.on(NotMet(error))) == [Leave(), Linger("the run is closed")]
    assert decider.on(OthersGone()) == [Exit(1, error)]


def test_a_failed_commands_status_outlives_a_failed_meeting() -> None:
    """A command failed and no next round can be had: the exit status stays the command's."""
    decider = _working(max_restarts=1)
    decider.on(Ended(9))
    meet_again = decider.on(NotMet(RendezvousClosedError("closed")))
    assert _deeds(meet_again) == [Leave(), Linger("could not meet again: closed")]
    assert decider.on(OthersGone()) == [Exit(9)]


def test_a_round_that_cannot_be_watched_stops_the_command() -> None:
    """Nobody works blindly beside what may be a second group."""
    decider = _working(max_restarts=1)
    error = RuntimeError("no view")
    assert _deeds(decider.on(NotMet(error))) == [Stop(signal.SIGTERM)]
    assert _deeds(decider.on(Ended(-signal.SIGTERM))) == [Leave(), Exit(1, error)]


def test_nothing_happens_after_the_end() -> None:
    """What is reported late is ignored."""
    decider = _working()
    decider.on(Ended(0))
    decider.on(OthersGone())
    assert decider.on(Signalled(signal.SIGTERM)) == []
    assert decider.on(_change(ChangeReason.LOST)) == []


@pytest.mark.parametrize(("status", "code"), [(0, 0), (7, 7), (-9, 137), (-15, 143)])
def test_exit_codes_are_those_of_a_shell(status: int, code: int) -> None:
    """Death by signal n is 128 + n."""
    assert exit_code(status) == code
