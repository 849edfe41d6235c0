"""`rdzv run`, end to end: real nodes, real commands, real stores."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.awaiting import runs, until

Start = Callable[..., Any]

STAY = "sleep 600"


def _writes_its_id(file: Path, then: str = STAY) -> tuple[str, ...]:
    new = shlex.quote(f"{file}.new")
    return "sh", "-c", f"echo $$ > {new}; mv {new} {shlex.quote(str(file))}; {then}"


def test_a_command_is_told_of_its_round(node: Start) -> None:
    """Every command finds its rank, the size, and what all have in common in its environment."""
    names = "RANK WORLD_SIZE RDZV_ROUND RDZV_RUN_ID RDZV_EPOCH RDZV_FENCE RDZV_PEERS MASTER_ADDR MASTER_PORT"
    show = f"for name in {names}; do printenv $name; done"
    nodes = [node("2", "sh", "-c", show, flags=("--local-addr", f"10.0.0.{number}")) for number in (1, 2)]
    told = []
    for each in nodes:
        status, output = each.ends()
        assert status == 0, each.lines
        told.append(dict(zip(names.split(), output.splitlines(), strict=True)))
    assert sorted(each["RANK"] for each in told) == ["0", "1"]
    first, second = ({name: value for name, value in each.items() if name != "RANK"} for each in told)
    assert first == second
    assert (first["WORLD_SIZE"], first["RDZV_ROUND"], first["RDZV_RUN_ID"]) == ("2", "1", "job")
    assert sorted(first["RDZV_PEERS"].split(",")) == ["10.0.0.1", "10.0.0.2"]
    assert first["MASTER_ADDR"] == first["RDZV_PEERS"].split(",")[0]
    assert 0 < int(first["MASTER_PORT"]) < 65536
    assert int(first["RDZV_FENCE"]) >= 1


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137)])
def test_the_exit_status_is_the_commands(node: Start, script: str, status: int) -> None:
    """As a shell gives it: 128 + n for death by signal n."""
    each = node("1", "sh", "-c", script)
    assert each.ends() == (status, "")


def test_survivors_of_a_killed_node_meet_again(node: Start, tmp_path: Path) -> None:
    """kill -9 of a node: nothing of its command is left, and the others go on with a smaller world."""
    report = 'echo "$WORLD_SIZE" > {0}.new; mv {0}.new {0}.$RDZV_ROUND; test $WORLD_SIZE = 2 || exec sleep 600'
    nodes = [
        node("2:3", *_writes_its_id(tmp_path / f"pid{number}", report.format(tmp_path / f"size{number}")))
        for number in range(3)
    ]
    for each in nodes:
        each.says(" of 3 in ")
    until(lambda: all((tmp_path / f"pid{number}").exists() for number in range(3)), "all commands have started")
    victim = int((tmp_path / "pid2").read_text())
    nodes[2].process.kill()
    for number in range(2):
        nodes[number].says(" of 2 in ")
        assert nodes[number].ends()[0] == 0, nodes[number].lines
    last = [max(tmp_path.glob(f"size{number}.*"), key=lambda file: int(file.suffix[1:])) for number in range(2)]
    assert [file.read_text().strip() for file in last] == ["2", "2"]
    until(lambda: not runs(victim), "the killed node's command is gone")


def test_killing_a_node_leaves_nothing_of_its_command(node: Start, tmp_path: Path) -> None:
    """Not the command, and not what it started."""
    each = node(
        "1",
        *_writes_its_id(
            tmp_path / "leader", f"sleep 600 & echo $! > {tmp_path}/c; mv {tmp_path}/c {tmp_path}/child; wait"
        ),
    )
    until((tmp_path / "child").exists, "the command started its child")
    each.process.kill()
    for file in ("leader", "child"):
        until(lambda file=file: not runs(int((tmp_path / file).read_text())), f"the {file} is gone")  # type: ignore[misc]


def test_a_node_that_is_done_does_not_disturb_the_others(node: Start, tmp_path: Path) -> None:
    """The others' commands are neither stopped nor restarted when one ends well."""
    go_on = f"test $RANK = 0 && exit 0; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    nodes = [node("2", "sh", "-c", go_on) for _ in range(2)]
    for each in nodes:
        each.says("joined round 1")
    done, other = sorted(nodes, key=lambda each: "as rank 1" in "".join(each.lines))
    assert done.ends()[0] == 0
    # Longer than a lease runs: what would be taken for a loss has been by then.
    time.sleep(0.4 * 3 + 1)
    (tmp_path / "go").touch()
    assert other.ends()[0] == 0
    assert "stopping the command" not in " ".join(other.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on(node: Start, tmp_path: Path, number: signal.Signals) -> None:
    """The command gets the very signal, and its exit status is the node's."""
    name = number.name.removeprefix("SIG")
    catch = f"trap 'exit {10 + number}' {name}; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    each = node("1", "sh", "-c", catch)
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    each.process.send_signal(number)
    assert each.ends()[0] == 10 + number, each.lines


def test_a_command_that_ignores_the_signal_is_killed(node: Start, tmp_path: Path) -> None:
    """After the grace period, and the status tells of it."""
    each = node("1", "sh", "-c", f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done")
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    each.process.terminate()
    assert each.ends()[0] == 137, each.lines


def test_a_signal_while_waiting_for_a_round_ends_the_node(node: Start) -> None:
    """Nobody waits for the join timeout to stop a node."""
    each = node("2", "true")
    each.says("asking for a round")
    each.process.terminate()
    assert each.ends()[0] == 143, each.lines


def test_a_failed_command_is_restarted_with_the_others(node: Start, tmp_path: Path) -> None:
    """One fails in round 1: all meet in round 2, and the restart is counted for the one that failed only."""
    script = "test $RDZV_ROUND = 1 || exit 0; test $RANK = 0 && exit 3; sleep 600"
    nodes = [node("2", "sh", "-c", script, flags=("--max-restarts", "1")) for _ in range(2)]
    assert [each.ends()[0] for each in nodes] == [0, 0]
    said = sorted(" ".join(each.lines).count("ended with status 3") for each in nodes)
    assert said == [0, 1]
    for each in nodes:
        assert "joined round 2" in " ".join(each.lines)


def test_a_command_that_keeps_failing_uses_up_its_restarts(node: Start) -> None:
    """--max-restarts 2: three runs in all, then the node leaves with the command's status."""
    each = node("1", "sh", "-c", "echo run $RDZV_RESTART_COUNT; exit 4", flags=("--max-restarts", "2"))
    assert each.ends() == (4, "run 0\nrun 1\nrun 2\n")


def test_a_late_node_is_let_in(node: Start) -> None:
    """A node that comes when the round has formed makes all meet again."""
    stay_until_three = "test $WORLD_SIZE = 3 && exit 0; sleep 600"
    nodes = [node("2:3", "sh", "-c", stay_until_three) for _ in range(2)]
    for each in nodes:
        each.says("joined round 1")
    nodes.append(node("2:3", "sh", "-c", stay_until_three))
    assert [each.ends()[0] for each in nodes] == [0, 0, 0], [each.lines for each in nodes]


def test_two_runs_on_one_store_do_not_touch_each_other(node: Start) -> None:
    """Run ids separate them, also when one name is the start of the other."""
    runs = [node("1", "sh", "-c", "echo $RDZV_RUN_ID $WORLD_SIZE", run_id=name) for name in ("job", "job/0")]
    assert [each.ends() for each in runs] == [(0, "job 1\n"), (0, "job/0 1\n")]


def test_a_run_that_is_done_is_closed_until_it_is_reset(node: Start, rdzv: Start) -> None:
    """The second `rdzv run` of a finished run says so, and how to begin again; after `rdzv reset` it works."""
    assert node("1", "true").ends()[0] == 0
    again = node("1", "true")
    assert again.ends()[0] == 1
    error = again.lines[-1]
    assert "closed" in error
    assert "rdzv reset" in error
    assert rdzv("reset").returncode == 0
    assert node("1", "true").ends()[0] == 0


def test_quiet_says_nothing_but_errors(node: Start) -> None:
    """--quiet leaves stderr to the command."""
    each = node("1", "sh", "-c", "echo mine >&2", flags=("--quiet",))
    assert each.ends()[0] == 0
    assert each.lines == ["mine"]


def _alone(*flags: str) -> list[str]:
    where = ["--backend", "memory", "--endpoint", "here", "--run-id", "job", "--nodes", "1"]
    return [sys.executable, "-m", "rdzv_core", "run", *where, *flags, "--events", "log", "--"]


def _buffered() -> dict[str, str]:
    """Return an environment in which Python's stderr keeps what it could not write."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "2>&1 | true"])
def test_a_line_of_progress_that_cannot_be_written_is_lost_and_nothing_else(where: str, tmp_path: Path) -> None:
    """A full disk, a stderr that is closed, a reader that has gone: the command works to its end, with its status."""
    run = shlex.join([*_alone(), "sh", "-c", f"sleep 0.2; touch {tmp_path}/done; exit 3"])
    redirected, pipe, reader = where.partition("|")
    script = f"{{ sleep 0.2; {run} {redirected}; echo $? >{tmp_path}/status; }} {pipe} {reader}"
    done = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, check=True, timeout=60, env=_buffered())
    assert done.stdout == b"", "stdout is the command's own"
    assert (tmp_path / "done").exists()
    assert (tmp_path / "status").read_text() == "3\n"


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="another process's limits are changed with Linux's prlimit"
)
def test_a_full_disk_that_has_room_again_shows_no_traceback_of_the_lines_it_missed(tmp_path: Path) -> None:
    """Logging would tell of each line that it could not write, in the same place and at length."""
    import resource

    wait = f"touch {tmp_path}/began; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 3"
    full = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh"]
    with (tmp_path / "stderr").open("wb") as stderr:
        node = subprocess.Popen([*full, *_alone(), "sh", "-c", wait], stderr=stderr, env=_buffered())
    until((tmp_path / "began").exists, "the command has started")
    assert (tmp_path / "stderr").read_bytes() == b""
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE))
    (tmp_path / "go").touch()
    assert node.wait(60) == 3
    said = (tmp_path / "stderr").read_text()
    assert "the command ended with status 3" in said
    assert "Traceback" not in said


def test_a_grace_period_beyond_any_clock_is_waited_for(node: Start, tmp_path: Path) -> None:
    """It is finite, so it is taken; that no timer takes so much is nobody's fault."""
    tidy = f"trap 'exit 3' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    each = node("1", "sh", "-c", tidy, fence_delay="1e300")
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    each.process.terminate()
    assert each.ends()[0] == 3, each.lines


def test_a_script_without_its_interpreter_is_refused_before_anybody_is_asked(node: Start, tmp_path: Path) -> None:
    """With status 2, naming what its first line wants."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    each = node("1", str(script))
    assert each.ends()[0] == 2
    (line,) = each.lines
    assert f"command '{script}' cannot be started: its first line names the interpreter '/no/such/interpreter'" in line


def test_a_command_that_the_system_refuses_is_one_line_with_what_to_do(node: Start, tmp_path: Path) -> None:
    """Which is known only when it is started: the node leaves with status 1."""
    text = tmp_path / "text"
    text.write_text("echo no first line\n")
    text.chmod(0o755)
    each = node("1", str(text))
    assert each.ends()[0] == 1
    assert f"error: command '{text}' cannot be started: it is not a program for this system" in each.lines[-1]


def test_nodes_of_different_settings_do_not_meet(node: Start) -> None:
    """The second node is told what differs, with status 2; the first one keeps waiting."""
    nodes = [node("2", "true"), node("3", "true")]
    until(lambda: any(each.process.poll() is not None for each in nodes), "one of the nodes gave up")
    refused, waiting = sorted(nodes, key=lambda each: each.process.poll() is None)
    assert refused.ends()[0] == 2, refused.lines
    assert "min_nodes" in refused.lines[-1]
    assert waiting.process.poll() is None


def test_no_progress_line_is_a_traceback(node: Start) -> None:
    """A command that cannot be executed is one line."""
    each = node("1", sys.executable + "-no-such")
    assert each.ends()[0] == 2
    assert len(each.lines) == 1
    assert Path(sys.executable).name in each.lines[0]


def test_a_node_that_hosts_the_store_stays_for_the_others(free_port: int, tmp_path: Path, bare_node: Start) -> None:
    """Without `rdzv serve` one of the nodes hosts: done first, it goes last, and the other never notices."""
    where = ["--backend", "tcp", "--endpoint", f"127.0.0.1:{free_port}", "--run-id", "job", "--nodes", "2"]
    fast = ["--option", "keep_alive_interval=0.4"]
    host = bare_node(*where, *fast, "--option", "is_host=true", "--", "true")
    other = bare_node(
        *where,
        *fast,
        "--option",
        "is_host=false",
        "--",
        "sh",
        "-c",
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done",
    )
    host.says("this node hosts the store")
    assert host.process.poll() is None
    (tmp_path / "go").touch()
    assert other.ends()[0] == 0, other.lines
    assert "stopping the command" not in " ".join(other.lines)
    assert host.ends()[0] == 0, host.lines


def test_a_stopped_node_leaves_no_command_beside_the_next_round(node: Start, tmp_path: Path) -> None:
    """SIGSTOP of a node: its command is killed when its lease is over, the others meet, and thawed it joins them."""
    report = "exec sleep 600"
    nodes = [node("1:2", *_writes_its_id(tmp_path / f"pid{number}", report)) for number in range(2)]
    for each in nodes:
        each.says(" of 2 in ")
    until(lambda: all((tmp_path / f"pid{number}").exists() for number in range(2)), "both commands have started")
    stopped = int((tmp_path / "pid0").read_text())
    nodes[0].process.send_signal(signal.SIGSTOP)
    nodes[1].says("joined round 2 as rank ")
    assert not runs(stopped)
    assert " of 1 in " in nodes[1].lines[-1]
    nodes[0].process.send_signal(signal.SIGCONT)
    for each in nodes:
        each.says(" of 2 in ", count=2)
    assert "no restarts are left" not in " ".join(nodes[0].lines)


def test_a_watchdog_that_is_killed_takes_the_command_along(node: Start, tmp_path: Path) -> None:
    """Nothing works without its watchdog: it counts as a failure of the command, which is restarted."""
    each = node("1", *_writes_its_id(tmp_path / "pid"), flags=("--max-restarts", "1"))
    until((tmp_path / "pid").exists, "the command has started")
    first = int((tmp_path / "pid").read_text())
    (watchdog,) = map(int, Path(f"/proc/{each.process.pid}/task/{each.process.pid}/children").read_text().split())
    os.kill(watchdog, signal.SIGKILL)
    each.says("joined round 2")
    assert not runs(first)
    each.says("was killed by SIGKILL (out of memory? see dmesg); asking for the next round (0 more restarts left)")


def test_a_second_signal_kills_the_command(node: Start, tmp_path: Path) -> None:
    """A second signal does not wait for the grace period."""
    deaf = f"trap '' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    each = node("1", "sh", "-c", deaf, fence_delay="300")
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    each.process.terminate()
    each.says("passing it on")
    each.process.terminate()
    assert each.ends()[0] == 137, each.lines


def test_a_signal_to_everything_leaves_the_command_its_grace(node: Start, tmp_path: Path) -> None:
    """A scheduler that signals the watchdog too, as systemd does, does not cut the command's clean-up short."""
    tidy = f"trap 'sleep 0.2; echo tidied; exit 3' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    each = node("1", "sh", "-c", tidy, fence_delay="30")
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    (watchdog,) = map(int, Path(f"/proc/{each.process.pid}/task/{each.process.pid}/children").read_text().split())
    os.kill(watchdog, signal.SIGTERM)
    each.process.terminate()
    assert each.ends() == (3, "tidied\n"), each.lines


def test_a_node_that_is_cut_off_from_its_store_stops_its_command(
    served: tuple[subprocess.Popen[str], str], bare_node: Start, tmp_path: Path
) -> None:
    """The store is stopped: within the lease the command is told to stop, by this node's own clock."""
    server, endpoint = served
    where = ["--backend", "tcp", "--endpoint", endpoint, "--run-id", "job", "--nodes", "1"]
    fast = [word for name in ("keep_alive_interval", "fence_delay") for word in ("--option", f"{name}=0.4")]
    catch = f"trap 'touch {tmp_path}/told; exit 3' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    each = bare_node(*where, *fast, "--option", "read_timeout=30", "--", "sh", "-c", catch)
    until((tmp_path / "ready").exists, "the command is ready for the signal")
    server.send_signal(signal.SIGSTOP)
    until((tmp_path / "told").exists, "the command was told to stop")
    each.says("FENCED")
    server.send_signal(signal.SIGCONT)
    each.says("joined round ", count=2)


def test_a_spare_stands_by_until_it_is_needed(node: Start) -> None:
    """More nodes than a round takes: the spare waits and disturbs nobody, and takes the place of one that is killed."""
    nodes = [node("2", *STAY.split()) for _ in range(2)]
    for each in nodes:
        each.says("joined round 1 ")
    spare = node("2", *STAY.split())
    spare.says("asking for a round")
    nodes[0].process.kill()
    spare.says("joined round 2 ")
    nodes[1].says("joined round 2 ")
    assert "WAITING" not in " ".join(nodes[1].lines)


def test_a_job_shrinks_to_its_minimum_and_grows_to_its_maximum(node: Start) -> None:
    """2:4 nodes: two leave, and two come; every round has all that are there."""
    nodes = [node("2:4", *STAY.split()) for _ in range(4)]
    for each in nodes:
        each.says(" of 4 in ")
    for each in nodes[2:]:
        each.process.terminate()
        assert each.ends()[0] == 143
    for each in nodes[:2]:
        each.says(" of 2 in ")
    nodes[2:] = [node("2:4", *STAY.split()) for _ in range(2)]
    for each in nodes:
        each.says(" of 4 in ", count=2 if each in nodes[:2] else 1)


def test_a_restarted_node_keeps_its_rank(node: Start) -> None:
    """The same node_id: killed and started again it is who it was."""
    nodes = [node("2", *STAY.split(), node_id=name, flags=("--local-addr", name)) for name in ("host1", "host2")]
    nodes[0].says("as rank 0 of 2")
    nodes[1].says("as rank 1 of 2")
    nodes[0].process.kill()
    nodes[1].says("LOST")
    again = node("2", *STAY.split(), node_id="host1", flags=("--local-addr", "host9"))
    again.says("joined round 2 as rank 0 of 2")
    nodes[1].says("joined round 2 as rank 1 of 2")


def test_events_are_written_with_the_commands_part(node: Start, tmp_path: Path) -> None:
    """--events FILE: a line of JSON for what happened to the node, and to its command."""
    each = node("1", "sh", "-c", "exit 3", flags=("--events", str(tmp_path / "events")))
    assert each.ends()[0] == 3
    told = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    names = [line["event"] for line in told if line["event"] != "register_written"]
    assert names[:3] == ["joining", "entered", "joined"]
    assert [name for name in names if name.startswith("command")] == ["command_started", "command_ended"]
    assert names[-1] == "departed"
    (ended,) = (line for line in told if line["event"] == "command_ended")
    assert (ended["round"], ended["status"], ended["fenced"]) == (1, 3, False)


def test_a_full_disk_for_events_is_said_once(node: Start) -> None:
    """One line that names the file, one with how many were lost; the job goes on."""
    each = node("1", "sh", "-c", "exit 3", flags=("--events", "/dev/full"))
    assert each.ends()[0] == 3
    said = [line for line in each.lines if "/dev/full" in line or "Traceback" in line]
    said = [re.sub(r"^rdzv [0-9:]{8} \w+(\[rank 0\])?:", "rdzv:", line) for line in said]
    fails = "fails and misses events; everything else goes on: [Errno 28] No space left on device"
    assert said[0] == f"rdzv: the listener <JsonLines '/dev/full'> {fails}"
    assert len(said) == 2, said
    assert re.fullmatch(r"rdzv: the listener <JsonLines '/dev/full'> is closed: it missed \d+ events", said[-1])


def test_events_can_be_logged_to_stderr(node: Start) -> None:
    """--events log: beside the lines of progress."""
    each = node("1", "true", flags=("--events", "log"))
    assert each.ends()[0] == 0
    assert any(": joined run_id='job'" in line for line in each.lines), each.lines


def test_a_file_for_events_that_cannot_be_written_is_bad_input(node: Start, tmp_path: Path) -> None:
    """Said before anything is joined, with status 2."""
    each = node("1", "true", flags=("--events", str(tmp_path / "no" / "such")))
    assert each.ends()[0] == 2
    assert "events cannot be written" in each.lines[-1]


def test_a_command_that_is_slow_to_stop_is_waited_for(node: Start, tmp_path: Path) -> None:
    """No round forms beside a command that still cleans up, however quick the other nodes are."""
    tidy = (
        f"trap 'sleep 1; touch {tmp_path}/stopped; exit 0' TERM; touch {tmp_path}/ready; while :; do sleep 0.05; done"
    )
    slow = node("1:2", "sh", "-c", f"test $RDZV_ROUND = 1 || exec sleep 600; {tidy}", fence_delay="30")
    until((tmp_path / "ready").exists, "the slow command is ready for the signal")
    quick = node("1:2", "sh", "-c", f"touch {tmp_path}/began; exec sleep 600", fence_delay="30")
    quick.says("joined round 2 ")
    slow.says("joined round 2 ")
    until((tmp_path / "began").exists, "the quick command has started")
    assert (tmp_path / "stopped").stat().st_mtime <= (tmp_path / "began").stat().st_mtime


def test_each_line_says_when_and_who(node: Start) -> None:
    """Four nodes on one terminal: the time, the node, and its rank while it works in a round."""
    each = node("1", "sh", "-c", "exit 3", node_id="node-1")
    assert each.ends()[0] == 3
    form = re.compile(r"rdzv \d\d:\d\d:\d\d node-1(\[rank 0\])?: (.*)")
    lines = [form.fullmatch(line) for line in each.lines]
    assert all(lines), each.lines
    ranked = [found.group(2).partition(" ")[0] for found in lines if found and found.group(1)]
    assert ranked[:1] == ["joined"], each.lines


@pytest.mark.parametrize(
    ("flags", "environment", "port"),
    [
        (("--master-port", "29501"), {"RDZV_MASTER_PORT": "29502"}, "29501"),
        ((), {"RDZV_MASTER_PORT": "29502", "MASTER_PORT": "29503"}, "29502"),
        ((), {"MASTER_PORT": "29503"}, "29503"),
    ],
)
def test_the_port_of_rank_0_may_be_given(
    node: Start, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], environment: dict[str, str], port: str
) -> None:
    """Where a firewall lets only one through; the option counts before the variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert node("1", "printenv", "MASTER_PORT", flags=flags).ends() == (0, f"{port}\n")


def test_metrics_of_a_node_are_served_while_it_runs(node: Start, free_port: int, tmp_path: Path) -> None:
    """`--metrics` beside `--events`: the round, and the command that was started."""
    events, go_on = tmp_path / "events.jsonl", tmp_path / "go-on"
    wait = f"until [ -e {go_on} ]; do sleep 0.05; done"
    flags = ("--metrics", f"127.0.0.1:{free_port}", "--events", str(events))
    one = node("1", "sh", "-c", wait, flags=flags)
    one.says(f"metrics at http://127.0.0.1:{free_port}/metrics")
    one.says("rank 0 of 1")
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    go_on.touch()
    assert one.ends()[0] == 0
    assert re.search(r'^rdzv_world_size{.*run_id="job".*} 1\.0$', text, re.MULTILINE)
    assert events.exists()
