"""Real torchrun agents with real workers on gloo, killed, frozen, joined and told to stop."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks._torchrun_job import Job, on_c10d, on_rdzv

STORES = ["tcp", "etcd", "file", "sqlite"]

# Importing torch takes a worker several seconds where the machine is busy.
pytestmark = pytest.mark.timeout(600)


def test_a_job_meets_trains_and_ends_well(torchrun: Callable[..., Job], tmp_path: Path) -> None:
    """Two agents of two workers find the handler by its entry point, train together, and end with status 0."""
    job = torchrun(on_rdzv("file", str(tmp_path / "store"), "2"))
    job.start("a", "b")
    job.await_training("a", "b")
    assert [0, 0] == job.end("a", "b"), job.report()
    ended = [each for each in job.records() if each["what"] == "ended"]
    assert [0, 1, 2, 3] == sorted(each["rank"] for each in ended)
    assert {"a": 1, "b": 1} == {each["node"]: each["rdzv_fence"] for each in ended}
    assert 0 == job.restarts()


def test_without_a_server_the_agent_that_hosts_the_store_stays_until_all_are_done(
    torchrun: Callable[..., Job], free_endpoint: str
) -> None:
    """On tcp an agent serves the store, as with c10d: all agents end with status 0, whichever is done first."""
    job = torchrun(on_rdzv("tcp", free_endpoint, "2"), workers=1)
    job.start("a", "b")
    job.await_training("a", "b")
    assert [0, 0] == job.end("a", "b"), job.report()


@pytest.mark.cases
@pytest.mark.parametrize("store", STORES)
def test_a_killed_node_is_gone_on_without_and_a_late_one_is_let_in(store: str, elastic: Callable[..., Job]) -> None:
    """kill -9 of an agent and its workers: the others train without it, then with a node that comes later."""
    job = elastic(store)
    job.start("a", "b", "c", "d")
    job.await_training("a", "b", "c", "d")
    killed = job.agents["b"].kill()
    job.await_training("a", "c", "d", since=killed)
    (late,) = job.start("e")
    job.await_training("a", "c", "d", "e", since=killed)
    assert [0, 0, 0, 0] == job.end("a", "c", "d", "e"), job.report()
    # On tcp a death is told of before a worker has failed of it, mostly; elsewhere it fails once, in gloo.
    assert job.restarts() <= 1
    assert late.process.returncode == 0


@pytest.mark.cases
@pytest.mark.parametrize("store", STORES)
def test_a_frozen_node_is_gone_on_without_and_is_let_in_again(store: str, elastic: Callable[..., Job]) -> None:
    """SIGSTOP of a node: its peers hang in a collective, and are freed by the lease; nobody uses up a restart."""
    job = elastic(store)
    job.start("a", "b", "c", "d")
    job.await_training("a", "b", "c", "d")
    frozen = job.agents["c"].freeze()
    job.await_training("a", "b", "d", since=frozen)
    assert 0 == job.restarts()
    thawed = job.agents["c"].thaw()
    job.await_training("a", "b", "c", "d", since=thawed)
    assert [0, 0, 0, 0] == job.end("a", "b", "c", "d"), job.report()


@pytest.mark.cases
@pytest.mark.parametrize("store", STORES)
def test_a_node_that_is_told_to_stop_leaves_at_once(store: str, elastic: Callable[..., Job]) -> None:
    """SIGTERM of an agent: it stops its workers and leaves; the others, with a ttl of minutes, go on without it."""
    job = elastic(store)
    job.torchrun = [option.replace("ttl=3.0", "ttl=600") for option in job.torchrun]
    job.start("a", "b", "c", "d")
    job.await_training("a", "b", "c", "d")
    told = job.agents["d"].terminate()
    job.await_training("a", "b", "c", since=told)
    assert 0 != job.agents["d"].process.wait(60)
    assert [0, 0, 0] == job.end("a", "b", "c"), job.report()


@pytest.mark.cases
def test_two_jobs_on_one_store_do_not_meet(torchrun: Callable[..., Job], tmp_path: Path) -> None:
    """Each has its own run id."""
    jobs = [
        torchrun(on_rdzv("file", str(tmp_path / "store"), "2", run_id=name), folder=name, workers=1)
        for name in ("one", "two")
    ]
    for job in jobs:
        job.start("a", "b")
    for job in jobs:
        job.await_training("a", "b")
    for job in jobs:
        assert [0, 0] == job.end("a", "b"), job.report()
        assert {2} == {each["world_size"] for each in job.records()}


@pytest.mark.cases
def test_torchs_own_rendezvous_works_beside_it(torchrun: Callable[..., Job], free_endpoint: str) -> None:
    """`torchrun --standalone`, and c10d with an endpoint, in a Python that has the plugin."""
    alone = torchrun(["--standalone"], folder="standalone")
    alone.start("a")
    alone.await_training("a")
    assert [0] == alone.end("a"), alone.report()
    job = torchrun(on_c10d(free_endpoint, "2"), folder="c10d", workers=1)
    job.start("a", "b")
    job.await_training("a", "b")
    assert [0, 0] == job.end("a", "b"), job.report()


@pytest.mark.cases
def test_a_broken_plugin_of_torchs_harms_nothing(torchrun: Callable[..., Job], tmp_path: Path) -> None:
    """An entry point of the same group that cannot be imported is a warning of torch's, and the job runs."""
    site = tmp_path / "site"
    metadata = site / "torch_broken-1.5.dist-info"
    metadata.mkdir(parents=True)
    (site / "torch_broken.py").write_text("raise ImportError('libbroken.so.3 is missing')\n")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torch-broken\nVersion: 1.5\n")
    (metadata / "entry_points.txt").write_text("[torchrun.handlers]\naaa = torch_broken:make\nrdzzz = torch_broken:m\n")
    job = torchrun(on_rdzv("file", str(tmp_path / "store"), "1"), workers=1)
    job.environment = {"PYTHONPATH": f"{site}:{job.environment['PYTHONPATH']}"}
    (agent,) = job.start("a")
    job.await_training("a")
    assert [0] == job.end("a"), job.report()
    assert "libbroken.so.3 is missing" in agent.said()


@pytest.mark.cases
def test_a_node_whose_workers_fail_for_good_leaves_the_others_alone(elastic: Callable[..., Job]) -> None:
    """Out of restarts, its agent ends with status 1; the run stays open, and the others go on without it."""
    job = elastic("file", workers=1)
    job.start("a", "b")
    job.await_training("a", "b")
    job.torchrun = [*job.torchrun, "--max-restarts=0"]
    job.start("c")
    at = job.await_training("a", "b", "c")
    worker = next(pid for pid in job.agents["c"].pids()[1:])
    subprocess.run(["kill", "-9", str(worker)], check=True)
    job.await_training("a", "b", since=at)
    assert 1 == job.agents["c"].process.wait(60)
    assert [0, 0] == job.end("a", "b"), job.report()


@pytest.mark.cases
def test_an_unknown_option_ends_the_agent_with_what_was_meant(torchrun: Callable[..., Job], tmp_path: Path) -> None:
    """A mistyped option is the usual error with a near match."""
    job = torchrun(on_rdzv("file", str(tmp_path / "store"), "1", last_cal_timeout=5), workers=1)
    (agent,) = job.start("a")
    assert 1 == agent.process.wait(120)
    assert "unknown option last_cal_timeout='5'" in agent.said()
    assert "did you mean 'last_call_timeout'?" in agent.said()
