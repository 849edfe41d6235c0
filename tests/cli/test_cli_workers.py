"""`rdzv run` with several workers a node, end to end: real nodes, real commands, real stores."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.awaiting import runs, until

Start = Callable[..., Any]

WAIT = "while :; do sleep 0.05; done"


def _on(count: int, *flags: str) -> dict[str, Any]:
    return {"flags": ("--nproc-per-node", str(count), *flags)}


def _ids(folder: Path) -> list[int]:
    """Return the process ids that commands have written there, each to a file of its own."""
    return [int(file.read_text()) for file in folder.glob("pid.*[0-9]")]


def _notes_its_id(folder: Path, then: str) -> tuple[str, ...]:
    return "sh", "-c", f"echo $$ > {folder}/new.$RANK; mv {folder}/new.$RANK {folder}/pid.$RANK; {then}"


def test_workers_are_ranked_over_all_nodes(node: Start) -> None:
    """Nodes may have different numbers of them; torchrun's names are there too."""
    names = (
        "RANK LOCAL_RANK ROLE_RANK WORLD_SIZE LOCAL_WORLD_SIZE GROUP_RANK GROUP_WORLD_SIZE ROLE_WORLD_SIZE ROLE_NAME "
        "RDZV_RESTART_COUNT RESTART_COUNT TORCHELASTIC_RESTART_COUNT TORCHELASTIC_MAX_RESTARTS TORCHELASTIC_RUN_ID "
        "TORCHELASTIC_USE_AGENT_STORE OMP_NUM_THREADS MASTER_ADDR MASTER_PORT RDZV_ROUND"
    )
    show = f"""printf '%s\\n' "$(for name in {names}; do printenv $name || echo; done | tr '\\n' ' ')" """
    counts = (2, 3, 1)
    nodes = [
        node("3", "sh", "-c", show, node_id=f"n{place}", **_on(count, "--local-addr", f"10.0.0.{place}"))
        for place, count in enumerate(counts)
    ]
    told = []
    for each in nodes:
        status, output = each.ends()
        assert status == 0, each.lines
        told += [dict(zip(names.split(), line.split(" "), strict=False)) for line in output.splitlines()]
    told.sort(key=lambda each: int(each["RANK"]))
    assert [each["RANK"] for each in told] == ["0", "1", "2", "3", "4", "5"]
    assert [each["LOCAL_RANK"] for each in told] == ["0", "1", "0", "1", "2", "0"]
    assert [each["GROUP_RANK"] for each in told] == ["0", "0", "1", "1", "1", "2"]
    assert [each["LOCAL_WORLD_SIZE"] for each in told] == ["2", "2", "3", "3", "3", "1"]
    assert [each["OMP_NUM_THREADS"] for each in told] == ["1"] * 5 + [os.environ.get("OMP_NUM_THREADS", "")]
    for each in told:
        assert each["ROLE_RANK"] == each["RANK"]
        assert each["WORLD_SIZE"] == each["ROLE_WORLD_SIZE"] == "6"
        assert (each["GROUP_WORLD_SIZE"], each["ROLE_NAME"], each["RDZV_ROUND"]) == ("3", "default", "1")
        assert each["RDZV_RESTART_COUNT"] == each["RESTART_COUNT"] == each["TORCHELASTIC_RESTART_COUNT"] == "0"
        assert (each["TORCHELASTIC_MAX_RESTARTS"], each["TORCHELASTIC_RUN_ID"]) == ("0", "job")
        assert each["TORCHELASTIC_USE_AGENT_STORE"] == "False"
        assert (each["MASTER_ADDR"], each["MASTER_PORT"]) == ("10.0.0.0", told[0]["MASTER_PORT"])
    nodes[1].says("joined round 1 as node 1 of 3")
    nodes[1].says("its workers are ranks 2 to 4 of 6")


def test_a_worker_that_fails_ends_its_node_and_the_round(node: Start, tmp_path: Path) -> None:
    """All of them start again, in the next round; that is one failure, of the node with that worker only."""
    script = (
        f"trap 'touch {tmp_path}/stopped.$RANK; exit 0' TERM; touch {tmp_path}/ready.$RDZV_ROUND.$RANK; "
        f"while [ $RDZV_ROUND = 1 -a $(ls {tmp_path} | grep -c ready) -lt 4 ]; do sleep 0.05; done; "
        f"test $RDZV_ROUND = 2 && {{ echo $TORCHELASTIC_RESTART_COUNT $RDZV_RESTART_COUNT; exit 0; }}; "
        f"test $RANK = 1 && exit 5; {WAIT}"
    )
    nodes = [node("2", "sh", "-c", script, node_id=f"n{place}", **_on(2, "--max-restarts", "1")) for place in range(2)]
    assert nodes[0].ends() == (0, "1 1\n1 1\n"), nodes[0].lines
    assert nodes[1].ends() == (0, "0 1\n0 1\n"), nodes[1].lines
    assert sorted(file.name for file in tmp_path.glob("stopped.*")) == ["stopped.0", "stopped.2", "stopped.3"]
    nodes[0].says("rank 1 ended with status 5; stopping this node's other workers")
    nodes[0].says("the command has stopped: rank 1 had failed; asking for the next round (0 more restarts left)")


def test_the_first_failure_of_many_workers_is_the_end_that_all_tell_of(
    node: Start, rdzv: Start, tmp_path: Path
) -> None:
    """The node's status is that worker's, and its rank and node are named by every node."""
    script = (
        f"touch {tmp_path}/$RANK; while [ ! -e {tmp_path}/3 ]; do sleep 0.05; done; test $RANK = 3 && exit 9; {WAIT}"
    )
    nodes = [node("2", "sh", "-c", script, node_id=f"n{place}", join_timeout="5", **_on(2)) for place in range(2)]
    assert nodes[1].ends()[0] == 9, nodes[1].lines
    assert nodes[0].ends()[0] == 1, nodes[0].lines
    for each in nodes:
        assert any("first failure: node n1 (" in line and ", rank 3 in round 1" in line for line in each.lines)
    found = json.loads(rdzv("status", "--json").stdout)["last_failure"]
    assert (found["node_id"], found["rank"], found["status"]) == ("n1", 3, 9)


def test_a_worker_that_does_not_stop_for_a_failed_one_is_killed(node: Start, tmp_path: Path) -> None:
    """After the grace period; the status is that of the one that failed."""
    script = f"trap '' TERM; touch {tmp_path}/$RANK; while [ ! -e {tmp_path}/0 ]; do sleep 0.05; done; "
    each = node("1", *_notes_its_id(tmp_path, f"{script} test $RANK = 1 && exit 6; {WAIT}"), **_on(2))
    assert each.ends()[0] == 6, each.lines
    assert not any(map(runs, _ids(tmp_path)))


def test_a_worker_that_is_done_lets_the_others_go_on(node: Start, tmp_path: Path) -> None:
    """The node is done when all of them are."""
    script = f"test $LOCAL_RANK = 0 && exit 0; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo $RANK"
    each = node("1", *_notes_its_id(tmp_path, script), **_on(3))
    until(lambda: len(_ids(tmp_path)) == 3, "all have started")
    until(lambda: sum(map(runs, _ids(tmp_path))) == 2, "one has ended")
    (tmp_path / "go").touch()
    status, output = each.ends()
    assert (status, sorted(output.split())) == (0, ["1", "2"])
    assert not any("stopping" in line for line in each.lines)


def test_a_signal_reaches_every_worker(node: Start, tmp_path: Path) -> None:
    """And the node leaves with the status of one of them."""
    script = f"trap 'touch {tmp_path}/got.$RANK; exit 7' TERM; touch {tmp_path}/ready.$RANK; {WAIT}"
    each = node("1", "sh", "-c", script, **_on(3))
    until(lambda: len(list(tmp_path.glob("ready.*"))) == 3, "all are ready")
    each.process.terminate()
    assert each.ends()[0] == 7, each.lines
    assert len(list(tmp_path.glob("got.*"))) == 3


def test_killing_a_node_leaves_none_of_its_workers(node: Start, tmp_path: Path) -> None:
    """Each has a watchdog that goes by its owner."""
    each = node("1", *_notes_its_id(tmp_path, "trap '' TERM; " + WAIT), **_on(4))
    until(lambda: len(_ids(tmp_path)) == 4, "all have started")
    each.process.kill()
    until(lambda: not any(map(runs, _ids(tmp_path))), "all are gone")


def test_a_stopped_node_leaves_none_of_its_workers_at_work(node: Start, tmp_path: Path) -> None:
    """They end with the lease and the grace period; it meets again when it wakes."""
    each = node(
        "1", *_notes_its_id(tmp_path, f"test $RDZV_ROUND -gt 1 || exec sleep 600; touch {tmp_path}/again"), **_on(2)
    )
    until(lambda: len(_ids(tmp_path)) == 2, "all have started")
    first = _ids(tmp_path)
    each.process.send_signal(signal.SIGSTOP)
    until(lambda: not any(map(runs, first)), "all are gone")
    each.process.send_signal(signal.SIGCONT)
    assert each.ends()[0] == 0, each.lines
    assert not any("failed" in line for line in each.lines)


def test_workers_are_stopped_by_the_signal_that_was_chosen(node: Start, tmp_path: Path) -> None:
    """When the round is over; the node's own signals are passed on as they come."""
    script = f"trap 'touch {tmp_path}/got.$RANK; exit 0' USR2; touch {tmp_path}/ready.$RANK; {WAIT}"
    first = node("1:2", "sh", "-c", script, node_id="a", last_call_timeout="0.5", **_on(2, "--stop-signal", "usr2"))
    until(lambda: len(list(tmp_path.glob("ready.*"))) == 2, "all are ready")
    second = node("1:2", "true", node_id="b", last_call_timeout="0.5")
    first.says("WAITING")
    until(lambda: len(list(tmp_path.glob("got.*"))) == 2, "both got it")
    assert second.ends()[0] == 0, second.lines
    first.process.terminate()
    first.ends()


def test_a_node_that_fails_its_health_check_does_not_join(node: Start, tmp_path: Path) -> None:
    """It says so, with the status of the check; what the check wrote is on its stderr."""
    each = node("1", "touch", f"{tmp_path}/ran", flags=("--health-check", "echo a disk is full; exit 3"))
    assert each.ends() == (1, "")
    each.says("a disk is full")
    each.says("this node does not join: its health check 'echo a disk is full; exit 3' exited with status 3")
    assert not (tmp_path / "ran").exists()
    late = node("1", "true", run_id="late", flags=("--health-check", "sleep 600", "--health-check-timeout", "0.3"))
    assert late.ends()[0] == 1
    late.says("had not ended after 0.3 s (--health-check-timeout)")


def test_a_node_that_falls_ill_leaves_and_the_others_go_on(node: Start, tmp_path: Path) -> None:
    """The check runs before each time it joins, not before the first one only."""
    script = f'echo "$WORLD_SIZE" >> {tmp_path}/sizes; test $RDZV_ROUND = 1 || exit 0; test $RANK = 1 && exit 4; {WAIT}'
    flags = ("--max-restarts", "3")
    well = node("1:2", "sh", "-c", script, node_id="a", flags=(*flags, "--health-check", f"echo >> {tmp_path}/checks"))
    ill = node("1:2", "sh", "-c", script, node_id="b", flags=(*flags, "--health-check", f"mkdir {tmp_path}/once"))
    assert ill.ends()[0] == 4, ill.lines
    ill.says("could not meet again: this node does not join: its health check")
    assert well.ends()[0] == 0, well.lines
    assert (tmp_path / "sizes").read_text().split() == ["2", "2", "1"]
    assert (tmp_path / "checks").read_text() == "\n\n"


def test_a_node_that_is_told_to_end_ends_its_health_check(node: Start, tmp_path: Path) -> None:
    """It does not wait for it."""
    each = node(
        "1",
        "true",
        flags=("--health-check", f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid.0; sleep 600"),
    )
    until(lambda: bool(_ids(tmp_path)), "the check runs")
    each.process.terminate()
    assert each.ends()[0] == 143, each.lines
    until(lambda: not any(map(runs, _ids(tmp_path))), "the check is gone")


def test_all_of_it_can_be_said_by_variables(node: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And what CMD runs is a node of another run, to which they do not apply."""
    for name, value in {"NPROC_PER_NODE": "2", "MODULE": "1", "LOG_DIR": str(tmp_path), "REDIRECT": "stdout"}.items():
        monkeypatch.setenv(f"RDZV_{name}", value)
    code = "import os; print(os.environ['RDZV_NPROC_PER_NODE'] or 'unset')"
    each = node("1", "timeit", "-n1", "-r1", code)
    assert each.ends() == (0, ""), each.lines
    for rank in range(2):
        (log,) = tmp_path.glob(f"job-*/round-1/rank-{rank}.stdout.log")
        assert log.read_text().startswith("unset\n")


def test_a_worker_that_cannot_be_started_leaves_none(node: Start, tmp_path: Path) -> None:
    """The node says why, and ends."""
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF but not really")
    script.chmod(0o755)
    each = node("1", str(script), **_on(3))
    assert each.ends()[0] == 1
    each.says("cannot be started")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--nproc-per-node", "x"), "'--nproc-per-node': 'x' is not a number of processes, nor cpu, gpu or auto"),
        (("--nproc-per-node", "0"), "'0': a node runs 1 to 10,000 processes"),
        (("--stop-signal", "HURRY"), "'HURRY' is not a signal"),
        (("--stop-signal", "STOP"), "SIGSTOP ends no process"),
        (("--tee", "0:all"), "'0:all' is neither stdout, stderr, both or none"),
        (("--tee", "0:1,0:2"), "is neither"),
        (("--redirect", "3"), "--redirect needs a directory for its files: give --log-dir too"),
        (("--log-dir", "/dev/null/logs"), "--log-dir '/dev/null/logs' cannot be made"),
        (("--standalone",), "--standalone is a run of its own on this node: leave out --backend, --endpoint, --run-id"),
        (("--option", "workers=0"), "workers"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(bare_node: Start, flags: tuple[str, ...], said: str) -> None:
    """Before anything is started, with the value and the way out."""
    where = ("--backend", "memory", "--endpoint", "e", "--run-id", "r", "--nodes", "1")
    each = bare_node(*where, *flags, "true")
    assert each.ends()[0] == 2
    each.says(said)


def test_a_job_on_one_node_needs_no_store(bare_node: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What variables say of a store is for other jobs."""
    monkeypatch.setenv("RDZV_ENDPOINT", "nowhere:1")
    monkeypatch.setenv("RDZV_NODES", "7")
    each = bare_node(
        "--standalone", "--nproc-per-node", "2", "sh", "-c", "echo $RANK $WORLD_SIZE $MASTER_ADDR $RDZV_ENDPOINT"
    )
    status, output = each.ends()
    assert status == 0, each.lines
    told = sorted(line.split() for line in output.splitlines())
    assert [each[:3] for each in told] == [["0", "2", "127.0.0.1"], ["1", "2", "127.0.0.1"]]
    assert told[0][3].startswith("127.0.0.1:")
    fails = bare_node("--standalone", "sh", "-c", "exit 3")
    assert fails.ends()[0] == 3
    assert not any("stays" in line for line in fails.lines)
