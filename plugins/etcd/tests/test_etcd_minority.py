"""One of three members is killed, stopped or cut off: nobody waits for it longer than it takes to ask another."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rdzv_etcd import EtcdBackend, EtcdCluster
from rdzv_etcd._client.endpoints import Endpoints

from rdzv_core import RendezvousConnectionError, SetStateResult
from rdzv_core.endpoint import HostPort

Connect = Callable[..., EtcdBackend]
Eventually = Callable[[Callable[[], object]], None]

LOSSES = {"kill": "restart", "pause": "resume", "cut": "heal"}
LEADS = pytest.mark.parametrize("leads", [True, False], ids=["leader", "follower"])
LOST = pytest.mark.parametrize("loss", list(LOSSES))


def _set(backend: EtcdBackend, state: bytes, token: Any = None) -> SetStateResult:
    result = backend.set_state(state, token)
    assert result is not None
    return result


def _prefer(backend: EtcdBackend, endpoint: str) -> None:
    endpoints = backend.client.endpoints
    endpoints.answered(next(each for each in endpoints.all if str(each) == endpoint), 0.001, time.monotonic())


def _victim(cluster: EtcdCluster, leads: bool) -> int:
    leader = cluster.leader()
    return leader if leads else (leader + 1) % cluster.size


@pytest.fixture
def waiting(eventually: Eventually) -> Iterator[Callable[..., Future[Any]]]:
    """Starts a wait in a thread and returns when its watch stands."""
    with ThreadPoolExecutor(4) as pool:

        def start(backend: EtcdBackend, token: Any) -> Future[Any]:
            future = pool.submit(backend.wait_state, token, 60)
            eventually(lambda: future.done() or any(call.sent for call in backend.client.calls))
            return future

        yield start


@LOST
@LEADS
def test_reads_writes_and_waits_go_on_at_the_other_members(
    cluster: EtcdCluster, connect: Connect, waiting: Callable[..., Future[Any]], loss: str, leads: bool
) -> None:
    """Each of them used the member that was lost, which had answered last; a silent watch is noticed."""
    victim = _victim(cluster, leads)
    watcher, reader, writer = (connect(cluster.endpoints) for _ in range(3))
    token = _set(writer, b"x").token
    for backend in (watcher, reader, writer):
        _prefer(backend, cluster.endpoint(victim))
    wait = waiting(watcher, token)
    getattr(cluster, loss)(victim)
    _prefer(writer, cluster.endpoint(victim))
    times = [time.monotonic()]
    assert reader.get_state() == (b"x", token)
    times.append(time.monotonic())
    changed = _set(writer, b"y", token)
    assert changed.has_set
    times.append(time.monotonic())
    assert wait.result(20) == (True, (b"y", changed.token))
    times.append(time.monotonic())
    for what, begin, end in zip(("get", "compare-and-set", "wake-up after it"), times, times[1:], strict=False):
        print(f"{loss} {'leader' if leads else 'follower'}: {what} {end - begin:.2f} s")
    assert times[-1] - times[0] < 20  # a third of read_timeout, which a silent member cost before for each of them
    assert reader.client.endpoints.preferred != victim
    getattr(cluster, LOSSES[loss])(victim)


def test_a_wake_up_is_not_lost_when_the_silent_watch_was_compacted_away(
    cluster: EtcdCluster, connect: Connect, waiting: Callable[..., Future[Any]], oracle: Callable[..., Any]
) -> None:
    """While the watched member is silent the key is written and its revisions are compacted: the wait ends."""
    victim = _victim(cluster, leads=False)
    other = cluster.endpoint(cluster.leader())
    watcher, writer = connect(cluster.endpoints), connect(other)
    token = _set(writer, b"0").token
    _prefer(watcher, cluster.endpoint(victim))
    wait = waiting(watcher, token)
    cluster.pause(victim)
    for number in range(5):
        last = _set(writer, b"%d" % number, writer.get_state().token)  # type: ignore[union-attr]
    revision = writer.client.read(writer.key).revision
    oracle(other).post("/v3/kv/compaction", {"revision": str(revision)})
    changed, snapshot = wait.result(20)
    assert changed
    assert snapshot is not None
    assert watcher.wait_state(snapshot.token, 0.1)[1] == (b"4", last.token)


def test_a_silent_member_is_avoided_from_then_on(cluster: EtcdCluster, connect: Connect) -> None:
    """One call pays for it; all others of this process, siblings' too, ask another member at once."""
    victim = _victim(cluster, leads=False)
    backend = connect(cluster.endpoints)
    _prefer(backend, cluster.endpoint(victim))
    cluster.cut(victim)
    assert backend.get_state() is None
    endpoints = backend.client.endpoints
    assert str(endpoints.order(time.monotonic())[-1]) == cluster.endpoint(victim)
    sibling = backend.sibling("other")
    assert sibling.client.endpoints is endpoints
    assert _set(sibling, b"x").has_set
    sibling.close()


def test_the_first_write_of_a_process_goes_to_a_member_that_answers(cluster: EtcdCluster, connect: Connect) -> None:
    """A write that creates cannot be sent to two members, so after a pause a read finds out which one is there."""
    victim = _victim(cluster, leads=False)
    backend = connect(cluster.endpoints)
    _prefer(backend, cluster.endpoint(victim))
    backend.client.endpoints.doubt()
    cluster.pause(victim)
    assert _set(backend, b"x").has_set


def test_connecting_to_a_machine_that_is_gone_is_given_up_after_a_second(
    cluster: EtcdCluster, connect: Connect
) -> None:
    """A listener whose queue is full drops every packet, as a machine that is off does."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as two:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for sock in (one, two):
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        gone = f"127.0.0.1:{full.getsockname()[1]}"
        backend = connect(f"{gone},{cluster.endpoints}")
        _prefer(backend, gone)
        assert backend.get_state() is None
        assert str(backend.client.endpoints.preferred) != gone


def test_a_cluster_without_a_majority_is_an_error_in_time_and_the_instance_goes_on_after_it(
    cluster: EtcdCluster, connect: Connect
) -> None:
    """Two of three members killed: calls fail within read_timeout; started again, the same instance works."""
    backend = connect(cluster.endpoints, read_timeout=3)
    token = _set(backend, b"x").token
    for member in (0, 1):
        cluster.kill(member)
    for call in (backend.get_state, lambda: backend.set_state(b"y", token), lambda: backend.wait_state(token, 0.1)):
        started = time.monotonic()
        with pytest.raises(RendezvousConnectionError):
            call()
        assert time.monotonic() - started < 20
    for member in (0, 1):
        cluster.restart(member)
    cluster.wait_ready(60)
    snapshot = backend.get_state()
    assert snapshot is not None
    assert _set(backend, b"z", snapshot.token).has_set


# --- which member is asked ---

ONE, TWO, THREE = (HostPort("h", port) for port in (1, 2, 3))


def test_the_first_endpoint_is_drawn_at_random() -> None:
    """The processes of a job must not all ask the first endpoint in the list."""
    assert {Endpoints([ONE, TWO, THREE]).preferred for _ in range(200)} == {ONE, TWO, THREE}


def test_who_did_not_answer_is_asked_last_for_a_while_and_then_again() -> None:
    """No endpoint is avoided for ever; one that answers again is preferred."""
    endpoints = Endpoints([ONE, TWO, THREE])
    endpoints.answered(ONE, 0.01, 100.0)
    endpoints.failed(ONE, 101.0)
    assert [endpoints.order(102.0)[-1] for _ in range(20)] == [ONE] * 20
    assert endpoints.order(112.0)[0] == ONE
    endpoints.answered(TWO, 0.01, 113.0)
    assert endpoints.order(114.0)[0] == TWO


def test_an_attempt_is_short_while_others_are_untried_and_longer_each_time() -> None:
    """Where all members are slow, each gets more time; one that is known to be slow gets it at once."""
    endpoints = Endpoints([ONE, TWO, THREE])
    assert [endpoints.read_limit(ONE, turn, 60) for turn in range(5)] == [0.75, 1.5, 3, 5, 5]
    assert endpoints.read_limit(ONE, 0, 1) == 0.2
    endpoints.answered(ONE, 1.0, 0.0)
    assert endpoints.read_limit(ONE, 0, 60) == 4
    endpoints.answered(ONE, 7.0, 0.0)  # a write that an election held up, say
    assert endpoints.read_limit(ONE, 0, 60) == 5


def test_the_only_endpoint_may_be_slow() -> None:
    """There is no other endpoint to try: a write may take all the time of the call."""
    endpoints = Endpoints([ONE])
    assert endpoints.read_limit(ONE, 0, 60) == 5
    assert endpoints.write_limit(resumable=False) == float("inf")
    assert endpoints.connect_limit == 5


# --- a job ---


class Job:
    """Four `rdzv run` on a cluster, with what their commands said."""

    def __init__(self, directory: Path, endpoint: str, *options: str) -> None:
        self._logs = [directory / f"{number}.log" for number in range(4)]
        where = ["--backend", "etcd", "--endpoint", endpoint, "--run-id", "job", "--nodes", "4"]
        flags = [word for option in options for word in ("--option", option)]
        command = ["--", "sh", "-c", "echo began round $RDZV_ROUND; exec sleep 1000"]
        self.nodes = []
        for log in self._logs:
            with log.open("w") as out:
                run = [sys.executable, "-m", "rdzv_core", "run", *where, *flags, *command]
                self.nodes.append(subprocess.Popen(run, stdout=out, stderr=out))

    def began(self) -> list[list[str]]:
        """The rounds in which each node's command was started."""
        return [re.findall("^began round (.*)$", log.read_text(), re.MULTILINE) for log in self._logs]

    def said(self) -> str:
        return "\n".join(log.read_text() for log in self._logs)

    def close(self) -> None:
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.wait(60)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Starts a job; ended after the test."""
    jobs: list[Job] = []

    def start(endpoint: str, *options: str) -> Job:
        jobs.append(Job(tmp_path, endpoint, *options))
        return jobs[-1]

    yield start
    for each in jobs:
        each.close()


def _stays(job: Job, seconds: float) -> None:
    """Check for so long that no command is stopped or started: a lease must have had the time to end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert job.began() == [["1"]] * 4, job.said()
        assert all(node.poll() is None for node in job.nodes), job.said()
        time.sleep(0.5)


@pytest.mark.cases
@pytest.mark.timeout(600)
@LOST
def test_no_command_is_stopped_by_the_loss_of_a_minority(
    cluster: EtcdCluster, job: Callable[..., Job], eventually: Eventually, loss: str
) -> None:
    """With default options, each member in turn is away for longer than a lease, the leader first."""
    started = job(cluster.endpoints)
    eventually(lambda: started.began() == [["1"]] * 4)
    for _ in range(2):
        victim = cluster.leader()
        getattr(cluster, loss)(victim)
        _stays(started, 18)
        getattr(cluster, LOSSES[loss])(victim)
        cluster.wait_ready(60)
    _stays(started, 5)


@pytest.mark.cases
@pytest.mark.timeout(600)
@LOST
def test_a_lease_of_a_minute_outlives_half_a_minute_without_any_member(
    cluster: EtcdCluster, job: Callable[..., Job], eventually: Eventually, loss: str
) -> None:
    """All three members are away for 30 s and come back with their data: no command is stopped, the round stays."""
    started = job(cluster.endpoints, "keep_alive_interval=20")
    eventually(lambda: started.began() == [["1"]] * 4)
    for member in range(3):
        getattr(cluster, loss)(member)
    _stays(started, 30)
    for member in range(3):
        getattr(cluster, LOSSES[loss])(member)
    cluster.wait_ready(60)
    _stays(started, 70)


def test_one_slow_answer_makes_no_slow_endpoint() -> None:
    """An election held it up: the next attempt is given up as soon as before."""
    endpoints = Endpoints((ONE, TWO))
    endpoints.answered(ONE, 0.01, 0.0)
    before = endpoints.read_limit(ONE, 0, 60)
    endpoints.answered(ONE, 1.1, 2.0)
    assert endpoints.read_limit(ONE, 0, 60) == before


def test_an_endpoint_that_stays_slow_is_given_more_time() -> None:
    """Answer by answer twice as much, up to four times what it takes."""
    endpoints = Endpoints((ONE, TWO))
    endpoints.answered(ONE, 0.01, 0.0)
    for number in range(8):
        endpoints.answered(ONE, 1.0, number)
    assert endpoints.read_limit(ONE, 0, 60) == 4.0
