"""RDZV-CONN-7 to 9: a client killed or stopped in the middle of a call, answers in part, late, or from nobody."""

# ruff: noqa: N802 - a test's name carries its clause
from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from rdzv_conformance.contract.labels import clause, early
from rdzv_conformance.harness.backend_under_test import BackendUnderTest
from rdzv_conformance.harness.expect import Untested, equal, shown, that
from rdzv_conformance.harness.proxy import Proxy
from rdzv_conformance.harness.register import Register
from rdzv_conformance.harness.writing import Writings, write_despite_the_dead, write_once
from rdzv_conformance.suite.outages import await_return, through_proxy
from rdzv_conformance.suite.processes import Worker, once_ready
from rdzv_core import RendezvousConnectionError, StateSnapshot

SIZE = 16 * 1024
KILLS = 4
POINTS = 4
"""Answers of a writer that starts, one after the other: of its read, of its write, and of what else it may ask for."""
STOPS = 5
ENOUGH_HELD_UP = 2
MOST_ANSWERS = 9
MOST_UNKNOWN = 5
HELD_WITHIN = 10.0
MOST_ACKNOWLEDGED = 25
MEANWHILE = 3
CUTS = (1, 6, 30, 200)


class Faults:
    """Whatever happens to one client, or to one answer, the others go on and nothing half done is seen."""

    @clause("RDZV-CONN-7")
    def test_RDZV_CONN_7_a_killed_client_holds_up_nobody(self, under_test: BackendUnderTest) -> None:
        """Processes are killed while they write: what they were told is there, whole, and others write on."""
        under_test.needs_other_processes()
        kill_writers(under_test, KILLS, SIZE)

    @clause("RDZV-CONN-7")
    def test_RDZV_CONN_7_a_client_killed_between_request_and_answer_holds_up_nobody(
        self, under_test: BackendUnderTest
    ) -> None:
        """The store has the request, the client is dead before its answer: the others go on."""
        with through_proxy(under_test) as (register, proxy):
            told = Writings()
            direct = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
            for after in range(POINTS):
                with _writer(under_test, proxy, hold=after) as writer:
                    proxy.await_held(under_test.paced(HELD_WITHIN))
                    told.take(writer.kill())
                    proxy.release_answers()
                told.unknown += 1
                told.check(direct, SIZE, "after a client was killed between request and answer")
                that(write_despite_the_dead(direct, SIZE, told), "after a client was killed a write was refused")
            await_return(under_test, register)

    @early
    @clause("RDZV-CONN-8")
    def test_RDZV_CONN_8_a_stopped_client_undoes_nothing_when_it_goes_on(self, under_test: BackendUnderTest) -> None:
        """A process is stopped while it writes: others work, or are told in time; no write is lost to it later."""
        under_test.needs_other_processes()
        told, held_up = Writings(), 0
        with ExitStack() as stack:
            network = under_test.target.network_endpoint()
            proxy = None if network is None else stack.enter_context(Proxy(network.host, network.port))
            register = under_test.open(**under_test.target.as_client(), **under_test.target.impatient())
            writer = stack.enter_context(_writer(under_test, proxy))
            for _ in range(STOPS):
                _take(writer, told, under_test.random.randint(1, MOST_ACKNOWLEDGED))
                if proxy is None:
                    _a_moment(under_test)
                else:
                    proxy.hold_answers(under_test.random.randint(0, MOST_ANSWERS))
                    proxy.await_held(under_test.paced(HELD_WITHIN))  # so that it is stopped within a call for sure
                writer.signal(signal.SIGSTOP)
                if proxy is not None:
                    proxy.release_answers()
                held_up += not _work_meanwhile(under_test, register, told)
                writer.signal(signal.SIGCONT)
                if held_up == ENOUGH_HELD_UP:
                    break  # a store that one process can hold up tells no more by another stop
            told.take(writer.kill())
        told.unknown += 1
        told.check(under_test.open(), SIZE, "after a process was stopped in the middle of a call and went on")

    @clause("RDZV-CONN-9")
    def test_RDZV_CONN_9_an_answer_in_pieces_is_put_together(self, under_test: BackendUnderTest) -> None:
        """Requests and answers that come in pieces, slowly, are read whole."""
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"first")
            proxy.dribble(100, 0.002)
            state = bytes(range(256)) * 4
            token = register.write(state, token)
            register.holds(state, token, "where everything comes in pieces")

    @clause("RDZV-CONN-9", "RDZV-CONN-3")
    def test_RDZV_CONN_9_an_answer_cut_within_is_not_taken_for_a_whole_one(self, under_test: BackendUnderTest) -> None:
        """The connection ends in the middle of an answer: the call raises, or tells the truth."""
        cuts = 0
        state = b"whole " * 100
        with through_proxy(under_test) as (register, proxy):
            token = register.write(state)
            for length in CUTS:
                proxy.cut_within_answer(length)
                try:
                    found = register.get_state()
                except RendezvousConnectionError:
                    pass
                else:
                    that(
                        found == (state, token),
                        f"get_state() whose answer was cut after {length} bytes gave {shown(found)}: it must raise",
                    )
                cuts = proxy.cuts
                await_return(under_test, register)
                register.holds(state, token, "after an answer was cut")
        if not cuts:
            raise Untested("the suite's proxy saw no answer that it could have cut")

    @clause("RDZV-CONN-9", "RDZV-CAS-14")
    def test_RDZV_CONN_9_a_request_cut_within_is_done_whole_or_not_at_all(self, under_test: BackendUnderTest) -> None:
        """The connection ends in the middle of a write: it is resolved, or raises, and nothing half is stored."""
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"old")
            for length in CUTS:
                new = b"%d" % length * 500
                proxy.cut_within_request(length)
                try:
                    answer = register.set_state(new, token)
                except RendezvousConnectionError:
                    answer = None
                else:
                    that(
                        answer is not None and answer.has_set,
                        f"a write that was cut after {length} bytes gave {shown(answer)}: it must be done, or raise",
                    )
                await_return(under_test, register)
                found = register.get_state()
                allowed = (new,) if answer else (new, b"old")
                that(
                    found is not None and found.state in allowed,
                    f"after a write that was cut after {length} bytes the state is {shown(found and found.state)}",
                )
                token = register.write(b"old", found and found.token)

    @clause("RDZV-CONN-9")
    def test_RDZV_CONN_9_a_late_answer_is_not_taken_for_the_next_calls(self, under_test: BackendUnderTest) -> None:
        """A call gave up on its answer; when that comes at last, the next call does not take it for its own."""
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"old")
            direct = under_test.open()
            proxy.hold_answers()
            limit = under_test.target.impatience()
            try:
                register.get_state(limit)
            except RendezvousConnectionError:
                pass
            newer = direct.write(b"new", token)
            proxy.release_answers()
            # The first answer counts, not the second: an instance that is one answer behind stays behind.
            equal("the state after an answer came late", _first_answer(under_test, register), (b"new", newer))

    @clause("RDZV-CONN-5", "RDZV-CONN-9")
    def test_RDZV_CONN_5_an_instance_works_again_on_a_half_open_connection(self, under_test: BackendUnderTest) -> None:
        """The store has forgotten the connection and nobody told the client: it notices in time, and goes on."""
        with through_proxy(under_test) as (register, proxy):
            token = register.write(b"before")
            proxy.half_open()
            limit = under_test.target.impatience()
            began = time.monotonic()
            try:
                register.get_state(limit)
            except RendezvousConnectionError:
                pass
            took = time.monotonic() - began
            that(took <= limit, f"get_state() on a half-open connection took {took:.1f} s: the limit is {limit:.0f} s")
            await_return(under_test, register)
            register.holds(b"before", token, "after a connection was half open")


def kill_writers(under_test: BackendUnderTest, kills: int, size: int) -> None:
    """Kill processes that write, one after the other at points drawn at random; what they were told must be there."""
    told, register = Writings(), under_test.open()
    writers = [Worker(under_test, "write_on", size=size) for _ in range(kills)]
    with once_ready(writers):
        for writer in writers:
            writer.go()
            _take(writer, told, under_test.random.randint(1, MOST_ACKNOWLEDGED))
            _a_moment(under_test)
            told.take(writer.kill())
            told.unknown += 1
            await_return(under_test, register)
            told.check(register, size, "after a process that wrote was killed")
            went_on = write_despite_the_dead(register, size, told)
            that(went_on, "after a process that wrote was killed, a write was refused")


def _take(writer: Worker, told: Writings, acknowledged: int) -> None:
    """Take what the writer says until that many writes more were acknowledged."""
    until, unknown = len(told.got) + acknowledged, told.unknown
    while len(told.got) < until:
        answer = writer.answer()
        told.take([answer])
        that(
            told.unknown < unknown + MOST_UNKNOWN,
            f"{MOST_UNKNOWN} writes of another process failed one after the other; the "
            f"last one raised {answer.get('raised', 'nothing')}",
        )


def _a_moment(under_test: BackendUnderTest) -> None:
    """Let a moment pass, of a length drawn at random: to be at no point of a call more often than at others."""
    threading.Event().wait(under_test.random.uniform(0, 0.01))


def _first_answer(under_test: BackendUnderTest, register: Register) -> StateSnapshot | None:
    limit = under_test.paced(HELD_WITHIN)
    ends = time.monotonic() + limit
    while True:
        try:
            return register.get_state()
        except RendezvousConnectionError as error:
            that(time.monotonic() < ends, f"{limit:.0f} s after an answer came late get_state() raises {error}")
            threading.Event().wait(0.05)  # between two attempts; what is awaited tells nobody when it is there


def _work_meanwhile(under_test: BackendUnderTest, register: Register, told: Writings) -> bool:
    """Write while a process is stopped; return whether that works. Fail the clause if it takes too long to raise."""
    limit = under_test.target.impatience()
    for _ in range(MEANWHILE):
        began = time.monotonic()
        try:
            write_once(register, SIZE, told, limit)
        except RendezvousConnectionError:
            took = time.monotonic() - began
            that(took <= 2 * limit, f"while a client was stopped a call took {took:.1f} s to raise: over {limit:.0f} s")
            return False
    return True


@contextmanager
def _writer(under_test: BackendUnderTest, proxy: Proxy | None, hold: int | None = None) -> Iterator[Worker]:
    """Another process that writes on and on, through the proxy if there is one; that may `hold` an answer by number."""
    target, network = under_test.target, under_test.target.network_endpoint()
    there = BackendUnderTest(
        target if proxy is None or network is None else replace(target, endpoint=network.at(proxy.port))
    )
    there.run_id = under_test.run_id
    with once_ready([Worker(there, "write_on", size=SIZE)]) as (writer,):
        if proxy is not None and hold is not None:
            proxy.hold_answers(hold)  # before it begins: so it is known which answer that is
        writer.go()
        yield writer
