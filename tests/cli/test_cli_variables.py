"""Options from the environment: the command line wins, and an error names the variable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from rdzv_core import RendezvousParameters, create_backend
from rdzv_core._cli.errors import exit_status
from rdzv_core._cli.group import command_line
from rdzv_core._environment import for_command, options_in

Rdzv = Callable[..., tuple[int, str]]
WHERE = {"RDZV_BACKEND": "memory", "RDZV_ENDPOINT": "here", "RDZV_RUN_ID": "job"}


@pytest.fixture
def rdzv(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rdzv:
    """Run `rdzv` in this process: `rdzv(*arguments, **environment)`; gives its status and all it said, on one line."""
    for name in [name for name in os.environ if name.startswith("RDZV_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            status = exit_status(lambda: command_line().main(list(arguments), prog_name="rdzv", standalone_mode=False))
        said = capsys.readouterr()
        return status, " ".join((said.out + said.err).split())

    return run


def _job(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RDZV_")}
    command = [sys.executable, "-m", "rdzv_core", "run", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**clean, **environment}
    )


def test_all_that_is_missing_is_named_at_once(rdzv: Rdzv) -> None:
    """Not one at a time; and what would give it from the environment."""
    status, said = rdzv("run")
    assert status == 2
    assert (
        "missing: --backend (or RDZV_BACKEND), --endpoint (or RDZV_ENDPOINT), --run-id (or RDZV_RUN_ID), "
        "--nodes (or RDZV_NODES), CMD (see `rdzv run --help`)"
    ) in said
    assert "missing: --endpoint (or RDZV_ENDPOINT), --run-id" in rdzv("status", "--backend", "memory")[1]
    assert "missing: --run-id (or RDZV_RUN_ID) (see" in rdzv("explain", "--backend", "memory", "--endpoint", "x")[1]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("statsu", "no command 'statsu': did you mean 'status'?"),
        ("RUN", "did you mean 'run'?"),
        ("xyzzy", "no command 'xyzzy': The commands are backends,"),
    ],
)
def test_a_misspelt_command_gets_the_near_match(command: str, said: str, rdzv: Rdzv) -> None:
    """One line, status 2."""
    status, text = rdzv(command, "--any", "thing")
    assert (status, said in text) == (2, True), text


@pytest.mark.parametrize("command", ["status", "explain", "reset"])
def test_a_run_is_named_by_the_environment(command: str, rdzv: Rdzv) -> None:
    """A command needs no option then: that there is no such run is not bad input."""
    status, said = rdzv(command, **WHERE)
    assert (status, "no such run" in said or "there is no run 'job' here" in said) == (1, True), said


def test_the_command_line_goes_over_the_environment(rdzv: Rdzv) -> None:
    """Option by option."""
    assert "run 'other': no such run on memory at 'here'" in rdzv("status", "--run-id", "other", **WHERE)[1]
    given = ["--option", "join_timeout=1", *("--nodes", "1", "/no/such/program")]
    assert "'/no/such/program' is not found" in rdzv("run", *given, **WHERE, RDZV_OPTION_JOIN_TIMEOUT="x")[1]


def test_an_empty_variable_counts_as_unset(rdzv: Rdzv) -> None:
    """That is what clearing a variable in a script means."""
    assert "missing: --backend" in rdzv("status", **{**WHERE, "RDZV_BACKEND": ""})[1]
    assert rdzv("status", **WHERE, RDZV_OPTION_READ_TIMOUT="")[0] == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RDZV_NODES", "x", "Invalid value for 'RDZV_NODES': 'x' is not MIN"),
        ("RDZV_MAX_RESTARTS", "-1", "Invalid value for 'RDZV_MAX_RESTARTS'"),
        ("RDZV_GRACE_PERIOD", "nan", "Invalid value for 'RDZV_GRACE_PERIOD'"),
        ("RDZV_GRACE_PERIOD", "9", "RDZV_GRACE_PERIOD 9 does not fit"),
        ("RDZV_QUIET", "perhaps", "Invalid value for 'RDZV_QUIET'"),
        ("RDZV_LOCAL_ADDR", "a b", "local_addr='a b' is not an address"),
        ("RDZV_BACKEND", "nosuch", "no backend 'nosuch' is installed"),
        ("RDZV_RUN_ID", "x" * 1025, "run_id"),
        ("RDZV_OPTION_JOIN_TIMEOUT", "x", "option join_timeout='x'"),
        ("RDZV_OPTION_JOIN_TIMOUT", "3", "unknown option join_timout='3'"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, said: str, rdzv: Rdzv) -> None:
    """The user did not type the value: the error says where it comes from."""
    status, text = rdzv("run", "true", **{**WHERE, "RDZV_NODES": "1", variable: value})
    assert (status, said in text, variable in text) == (2, True, True), text


def test_a_bad_value_of_the_command_line_is_not_blamed_on_a_variable(rdzv: Rdzv) -> None:
    """Also where other options come from variables, this one too."""
    given = ["--nodes", "1", "--option", "join_timeout=y", "true"]
    assert "environment" not in rdzv("run", *given, **WHERE, RDZV_OPTION_JOIN_TIMEOUT="3")[1]
    assert "'--nodes'" in rdzv("run", "--nodes", "y", "true", **WHERE, RDZV_NODES="3")[1]


def test_help_names_the_variables(rdzv: Rdzv) -> None:
    """Each beside its option; and those of the options of backend and handler."""
    said = rdzv("run", "--help")[1]
    for name in (
        "BACKEND",
        "ENDPOINT",
        "RUN_ID",
        "NODES",
        "LOCAL_ADDR",
        "MAX_RESTARTS",
        "GRACE_PERIOD",
        "OPTION_<NAME>",
    ):
        assert f"RDZV_{name}" in said.replace("env var: ", "")


def test_another_store_is_not_reached_with_what_belongs_to_this_one(rdzv: Rdzv) -> None:
    """An endpoint and options go with their backend: a `file` named like a host would be made, a secret be told."""
    tcp = {"RDZV_BACKEND": "tcp", "RDZV_ENDPOINT": "127.0.0.1:1", "RDZV_OPTION_AUTH_TOKEN": "hunter2"}
    tcp["RDZV_OPTION_CONNECT_TIMEOUT"] = "0.1"
    status, said = rdzv("status", "--backend", "memory", "--run-id", "job", **tcp)
    assert (status, "RDZV_ENDPOINT goes with RDZV_BACKEND='tcp', and --backend names another" in said) == (2, True)
    status, said = rdzv("status", "--backend", "memory", "--endpoint", "here", "--run-id", "job", **tcp)
    assert (status, "no such run" in said) == (1, True)
    assert "could not reach a store within 0.1 s" in rdzv("status", "--backend", "c10d", "--run-id", "job", **tcp)[1]


def test_options_that_differ_in_case_are_an_error() -> None:
    """There is no order among variables by which one could win."""
    assert options_in({"RDZV_OPTION_A": "a,b=c", "RDZV_OPTION_b": "", "RDZV_OPTIONS": "x"}) == {"a": "a,b=c"}
    with pytest.raises(ValueError, match="option a is given by two variables that differ in case: give RDZV_OPTION_A"):
        options_in({"RDZV_OPTION_A": "1", "RDZV_OPTION_a": "2"})


def test_a_secret_may_come_by_either_form(rdzv: Rdzv, tmp_path: Path) -> None:
    """The command line's goes over the environment's, whichever form each has; neither is ever shown."""
    tcp = {"RDZV_BACKEND": "tcp", "RDZV_ENDPOINT": "127.0.0.1:1", "RDZV_RUN_ID": "job"}
    tcp["RDZV_OPTION_CONNECT_TIMEOUT"] = "0.1"
    for given in (["--option", "auth_token_file=/no/such"], ["--option", "auth_token_file=/no/such2"]):
        status, said = rdzv("status", *given, **tcp, RDZV_OPTION_AUTH_TOKEN="hunter2")
        assert (status, "auth_token_file='/no/such" in said, "hunter2" in said) == (2, True, False)
    status, said = rdzv("status", **tcp, RDZV_OPTION_AUTH_TOKEN_FILE="/no/such")
    assert (status, "variable RDZV_OPTION_AUTH_TOKEN_FILE" in said) == (2, True)
    assert rdzv("status", "--option", "auth_token=x", **tcp, RDZV_OPTION_AUTH_TOKEN_FILE="/no/such")[0] == 1


def test_a_command_is_told_how_to_reach_the_store(tmp_path: Path) -> None:
    """A program opens the store by its environment alone, with options and secret, and as a client of its host."""
    program = (
        "import os; from rdzv_core import RendezvousParameters, create_backend\n"
        "params = RendezvousParameters.from_environment()\n"
        "backend = create_backend(params); snapshot = backend.get_state()\n"
        "print(backend.hosts_store, len(snapshot.state) > 0, params.config); backend.close()"
    )
    where = ["--backend", "tcp", "--endpoint", "127.0.0.1:0", "--run-id", "job", "--nodes", "1", "--quiet"]
    options = ["--option", "is_host=true", "--option", "join_timeout=20", "--option", "fence_delay=1"]
    done = _job({"RDZV_OPTION_AUTH_TOKEN": "hunter2"}, *where, *options, sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "False True {'auth_token': …}".replace("…", "'hunter2', 'is_host': 'false'")


def test_a_run_within_a_run_is_one_of_its_own(tmp_path: Path) -> None:
    """It takes the store from the outer one, and nothing that says how the outer node takes part."""
    inner = f"{sys.executable} -m rdzv_core run --quiet"
    script = f"{inner} true; {inner} --run-id inner --nodes 1 -- sh -c 'echo $RDZV_RUN_ID on $RDZV_BACKEND'"
    outer = {"RDZV_BACKEND": "file", "RDZV_ENDPOINT": str(tmp_path / "store"), "RDZV_RUN_ID": "outer"}
    more = {"RDZV_NODES": "1:2", "RDZV_OPTION_LAST_CALL_TIMEOUT": "0.1", "RDZV_OPTION_NODE_ID": "a"}
    done = _job({**outer, **more}, "--quiet", "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    assert "missing: --run-id (or RDZV_RUN_ID), --nodes (or RDZV_NODES); RDZV_RUN_ID='outer' is the run" in done.stderr
    assert done.stdout == "inner on file\n"


def test_what_is_told_of_the_store_goes_over_what_was_inherited() -> None:
    """Of a secret in its other form nothing is left, and what a variable cannot name is left out."""
    inherited = {"RDZV_OPTION_AUTH_TOKEN": "old", "RDZV_NODES": "2", "RDZV_MAX_RESTARTS": "", "HOME": "/"}
    assert for_command("tcp", "x:1", {"auth_token_file": "/f", "odd-name": 1, "fsync": False}, inherited) == {
        "RDZV_BACKEND": "tcp",
        "RDZV_ENDPOINT": "x:1",
        "RDZV_OPTION_AUTH_TOKEN": "",
        "RDZV_OPTION_AUTH_TOKEN_FILE": "/f",
        "RDZV_OPTION_FSYNC": "False",
        "RDZV_NODES": "",
    }


def test_parameters_from_an_environment_without_a_job_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is started by hand learns what `rdzv run` would have set."""
    for name in WHERE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RDZV_BACKEND", "memory")
    with pytest.raises(ValueError, match="not set in the environment: RDZV_ENDPOINT, RDZV_RUN_ID"):
        RendezvousParameters.from_environment()
    monkeypatch.setenv("RDZV_ENDPOINT", "here")
    create_backend(RendezvousParameters.from_environment("mine")).close()


def test_every_option_that_describes_a_run_has_its_variable() -> None:
    """What is about one call alone (--json, --watch, --yes) has none: a variable would change every call."""
    for name in ("run", "status", "explain", "reset"):
        command = command_line().get_command(click.Context(click.Command("x")), name)
        assert command is not None
        bare = {param.name for param in command.params if not param.envvar} - {"command", "config", "events"}
        assert bare <= {"as_json", "watch", "yes"}
