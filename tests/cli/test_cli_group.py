"""The group `rdzv`: commands by entry point, errors in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import importlib_metadata
import pytest

from rdzv_core import BackendLoadError, BackendNotFoundError, RendezvousClosedError
from rdzv_core._cli.errors import exit_status
from rdzv_core._cli.group import command_line


def _rdzv(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rdzv_core", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def _group(*points: tuple[str, str]) -> click.Group:
    found = [importlib_metadata.EntryPoint(name, value, "rdzv_core.commands") for name, value in points]
    return command_line(lambda: found)


def _run(group: click.Group, *arguments: str) -> int:
    return exit_status(lambda: group.main(list(arguments), prog_name="rdzv", standalone_mode=False))


def test_help_lists_every_command_and_a_broken_one_with_why(capsys: pytest.CaptureFixture[str]) -> None:
    """`rdzv --help` does not fail because one command does."""
    group = _group(("good", "rdzv_core._cli.backends:backends"), ("bad", "no_such_module_at_all:command"))
    assert _run(group, "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "good List the installed" in shown
    assert "bad (broken: " in shown
    assert "No module named 'no_such_module_at_all'" in shown


def test_a_broken_command_says_why_and_the_others_work(capsys: pytest.CaptureFixture[str]) -> None:
    """Invoking it is one line with the reason; the others are not touched."""
    group = _group(("good", "rdzv_core._cli.backends:backends"), ("bad", "no_such_module_at_all:command"))
    assert _run(group, "bad", "--any", "thing") == 1
    assert "'bad' is installed but broken" in capsys.readouterr().err
    assert _run(group, "good", "--json") == 0


def test_what_is_no_command_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """An entry point that names something else is said to."""
    assert _run(_group(("odd", "json:dumps")), "odd") == 1
    assert "is not a click.Command" in capsys.readouterr().err


def test_two_distributions_with_one_command_are_a_conflict(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither is picked silently."""
    group = _group(("twin", "rdzv_core._cli.backends:backends"), ("twin", "rdzv_core._cli.run:run"))
    assert _run(group, "twin") == 1
    assert "several distributions provide it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "distribution"),
    [("certify", "rdzv-conformance"), ("simulate", "rdzv-simulation"), ("serve", "rdzv-tcp")],
)
def test_a_missing_first_party_command_names_what_to_install(
    command: str, distribution: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rdzv certify` without the suite ends in the `pip install` that helps."""
    assert _run(_group(), command) == 2
    assert f"command {command!r} is not installed: run `pip install {distribution}`" in capsys.readouterr().err


def test_only_the_invoked_command_is_imported() -> None:
    """`rdzv --version` loads no command, and `rdzv backends` not `run`."""
    code = (
        "import sys; from rdzv_core._cli import run_command_line as run; status = run(['backends', '--help']); "
        "print('rdzv_core._cli.run' in sys.modules, 'rdzv_core._cli.backends' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().endswith("False True")


def test_the_version_is_shown() -> None:
    """`rdzv --version` gives core's version."""
    done = _rdzv("--version")
    assert (done.returncode, done.stdout.strip()) == (0, "rdzv, version 0.1.0")


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_its_extra_the_command_line_says_what_to_install(package: str, tmp_path: Path) -> None:
    """`rdzv` without click or rich is one line that names `rdzv-core[cli]`."""
    (tmp_path / f"{package}.py").write_text(
        f'raise ModuleNotFoundError("No module named {package}", name="{package}")\n'
    )
    done = _rdzv("backends", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.strip() == f"rdzv: the command line needs {package}: run `pip install 'rdzv-core[cli]'`"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("bad\ninput"), 2),
        (BackendNotFoundError("no backend"), 2),
        (BackendLoadError("broken"), 1),
        (RendezvousClosedError("closed"), 1),
        (PermissionError(13, "Permission denied", "/x"), 1),
        (click.UsageError("wrong"), 2),
        (KeyError("a bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_one_line_and_a_status(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, whatever was raised: 2 for bad input, 1 for what failed, 130 for Ctrl-C."""

    def fail() -> None:
        raise error

    assert exit_status(fail) == status
    said = capsys.readouterr().err
    assert said.startswith("rdzv: ")
    assert said.count("\n") == 1


def test_a_traceback_is_shown_to_who_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`RDZV_TRACEBACK=1` is for finding a bug."""
    monkeypatch.setenv("RDZV_TRACEBACK", "1")

    def fail() -> None:
        raise KeyError("a bug")

    assert exit_status(fail) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_pipe_that_broke_elsewhere_than_at_stdout_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """A store's connection, say: only who reads this program's output and goes need not be told."""

    def fail() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    assert exit_status(fail) == 1
    assert capfd.readouterr().err == "rdzv: error: [Errno 32] Broken pipe\n"


@pytest.mark.parametrize(
    ("where", "status", "said"),
    [
        ("| true", 1, ""),
        (">/dev/full", 1, "rdzv: error: [Errno 28] No space left on device\n"),
        ("2>/dev/full", 0, ""),
        ("--no-such-option 2>/dev/full", 2, ""),
        ("--no-such-option 2>&-", 2, ""),
    ],
)
def test_what_cannot_be_written_leaves_no_traceback_and_the_status(where: str, status: int, said: str) -> None:
    """Neither a reader that has gone nor a full disk is the interpreter's complaint and its status 120."""
    # The group waits for its reader's end, so that its first write is to a pipe that nobody reads.
    rdzv = f"{{ sleep 0.2; {sys.executable} -m rdzv_core backends"
    arguments, pipe, reader = where.partition("|")
    script = f"{rdzv} {arguments}; echo $? >&3; }} {pipe} {reader}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["sh", "-c", f"exec 3>&1; {script}"], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == (str(status), said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "4:2", "true"], "at most 2 nodes is fewer than at least 4"),
        (["--nodes", "x", "true"], "'x' is not MIN or MIN:MAX"),
        (["--nodes", "0", "true"], "at least 1 node"),
        (["--nodes", "1:2:3", "true"], "'1:2:3' is not MIN or MIN:MAX"),
        (["--nodes", "1:100001", "true"], "'1:100001': a round has at most 100000 nodes"),
        (["--nodes", "9" * 20, "true"], "a round has at most 100000 nodes"),
        (["--nodes", "1", "--local-addr", "a,b", "true"], "local_addr='a,b' is not an address"),
        (["--nodes", "1", "--local-addr", "a\nb", "true"], r"local_addr='a\nb' is not an address"),
        (["--nodes", "1"], "CMD"),
        (["--nodes", "1", "--option", "nothing", "true"], "'nothing' is not name=value"),
        (["--nodes", "1", "--option", "a=1", "--option", "a=2", "true"], "'a' is given twice"),
        (["--nodes", "1", "--option", "read_timout=3", "true"], "unknown option read_timout='3'"),
        (["--nodes", "1", "--option", "run_id=3", "true"], "unknown option run_id='3'"),
        (["--nodes", "1", "--option", "join_timeout=0", "true"], "join_timeout='0' must be a positive"),
        (["--nodes", "1", "--max-restarts", "-1", "true"], "--max-restarts"),
        (["--nodes", "1", "no-such-command-anywhere"], "'no-such-command-anywhere' is not found"),
        (["--nodes", "1", "--run-id", "", "true"], "run_id must be a non-empty string"),
        (["--nodes", "1", "--backend", "nosuch", "true"], "no backend 'nosuch' is installed"),
        (
            ["--nodes", "1", "--grace-period", "9", "true"],
            "--grace-period 9 does not fit inside the fence delay of 5 s",
        ),
        (["--nodes", "1", "--grace-period", "5.0000001", "true"], "give --option fence_delay=5.0000001 too"),
        (["--nodes", "1", "--grace-period", "nan", "true"], "'nan' is not a finite number"),
        (["--nodes", "1", "--grace-period", "inf", "true"], "'inf' is not a finite number"),
        (["--nodes", "1", "--grace-period", "1e999", "true"], "'1e999' is not a finite number"),
        (["--nodes", "1", "--option", "fence_delay=nan", "true"], "fence_delay='nan' is not a finite number"),
        (["--nodes", "1", "--option", "keep_alive_max_attempt=inf", "true"], "='inf' is not an integer"),
        (["--nodes", "1", "--max-restarts", "nan", "true"], "'nan' is not a valid integer"),
    ],
)
def test_bad_input_to_run_is_one_line_with_status_2(arguments: list[str], said: str) -> None:
    """What is wrong with the command line is said before anything is joined or started."""
    done = _rdzv("run", "--backend", "memory", "--endpoint", "here", "--run-id", "job", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_grace_period_fits_inside_the_fence_delay_that_a_plugin_gives(tmp_path: Path) -> None:
    """A default of a plugin's counts for the check as it does for the run."""
    _install_defaults(tmp_path, "return {'fence_delay': 0.5}")
    arguments = ["--backend", "memory", "--endpoint", "here", "--run-id", "job", "--nodes", "1"]
    done = _rdzv("run", *arguments, "--grace-period", "1", "true", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--grace-period 1 does not fit inside the fence delay of 0.5 s" in done.stderr


def test_a_run_asks_a_plugin_for_its_defaults_once(tmp_path: Path) -> None:
    """For the check of the grace period and for the node: what the plugin says counts for both."""
    asked = tmp_path / "asked"
    _install_defaults(
        tmp_path, f"open({str(asked)!r}, 'a').write(backend + ' ')\n    return {{'last_call_timeout': 0.1}}"
    )
    arguments = ["--backend", "memory", "--endpoint", "here", "--run-id", "job", "--nodes", "1:2"]
    done = _rdzv("run", *arguments, "true", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert asked.read_text() == "memory "


def _install_defaults(place: Path, body: str) -> None:
    """Install a plugin whose hook for parameter defaults has this body."""
    (place / "a_plugin.py").write_text(
        f"from rdzv_core.hooks import hookimpl\n\n\n@hookimpl\ndef rdzv_parameter_defaults(backend):\n    {body}\n"
    )
    information = place / "a_plugin-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: a-plugin\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[rdzv_core.plugins]\nmine = a_plugin\n")


@pytest.mark.parametrize("command", [["--help"], ["certify", "--help"], ["simulate", "--help"], ["backends", "memory"]])
def test_torn_metadata_of_a_stranger_breaks_no_command(command: list[str], tmp_path: Path) -> None:
    """Nor what a command imports: hypothesis looks for entry points of its own."""
    information = tmp_path / "stranger-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (information / "entry_points.txt").write_bytes(b"[console_scripts]\ncaf\xe9 = a:b\n")
    done = _rdzv(*command, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "(broken: " not in done.stdout
