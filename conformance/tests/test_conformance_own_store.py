"""`rdzv certify NAME` without an endpoint: a store that the suite starts, and may therefore kill."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from click.testing import CliRunner
from rdzv_conformance.commands import certify as command
from rdzv_conformance.harness.helpers import Helpers
from rdzv_conformance.harness.installed_helpers import StoreNotStartedError, installed_helpers, store_of_its_own
from rdzv_conformance.harness.sandbox import Sandbox
from rdzv_conformance.harness.target import Target
from rdzv_conformance.run.certify import CouldNotRunError, certify
from rdzv_conformance.run.provenance import version_of


@pytest.mark.cases  # in `make test` the plugins' own classes hold them to the same
@pytest.mark.parametrize("backend", ["tcp", "etcd"])
def test_a_backend_that_lends_a_store_is_certified_durable_and_secure(backend: str) -> None:
    """No server, no option, no certificate is given: nothing is untested, and nothing of it is there afterwards."""
    report = certify(backend, None, {}, ("durable", "secure"))
    assert report.verdict == "certified: durable, secure"
    assert report.of("pass") == list(report.clauses)
    assert report.subject.endpoint.endswith(", started by the suite)")
    assert "--endpoint" not in report.command
    host, port = report.subject.endpoint.partition(" ")[0].split(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=20)


def test_no_secret_of_the_store_is_in_the_report() -> None:
    """The suite knows the secret that it was lent, and hides it like one that was given."""
    report = certify("etcd", None, {}, ("secure",))
    assert "password" not in report.subject.options
    assert [each.status for each in report.clauses] == ["pass"] * 4


def test_a_backend_that_lends_none_needs_an_endpoint() -> None:
    """The command says so before it starts anything, and the suite's process if it is asked all the same."""
    ran = CliRunner().invoke(command, ["memory"])
    assert ran.exit_code == 2
    assert "--endpoint is required for 'memory'" in " ".join(ran.output.split())
    with pytest.raises(CouldNotRunError, match="--endpoint is required for 'memory'"):
        certify("memory", None, {})


def test_a_cluster_is_asked_for_alone() -> None:
    """With an endpoint there is nothing to start, and a backend that lends none says so."""
    for arguments in (["etcd", "--cluster", "--endpoint", "x:1"], ["etcd=x:1", "tcp=x:2", "--cluster"]):
        ran = CliRunner().invoke(command, arguments)
        assert ran.exit_code == 2
        assert "--cluster is for one NAME without an endpoint" in " ".join(ran.output.split())
    with pytest.raises(CouldNotRunError, match="'tcp': the backend starts no cluster itself"):
        certify("tcp", None, {}, cluster=True)


def test_a_service_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The command and its last words are in the error."""
    service = Sandbox(tmp_path).service(["/bin/sh", "-c", "echo no disk >&2; exit 3"])
    with pytest.raises(OSError, match=r"/bin/sh .* did not start \(status 3\): no disk"):
        service.start()


def test_a_service_that_says_nothing_is_ended_in_time(tmp_path: Path) -> None:
    """One that logs to stderr alone is not waited for without end; the error says what to do."""
    service = Sandbox(tmp_path).service(["/bin/sh", "-c", "echo 'ready to accept' >&2; exec sleep 60"])
    with pytest.raises(OSError, match=r"wrote no line on stdout \(give start\(\) an `answers`[\s\S]*ready to accept"):
        service.start(limit=0.3)


def test_a_service_that_says_nothing_is_asked(tmp_path: Path) -> None:
    """It serves as soon as what is called raises nothing and is not False."""
    there = tmp_path / "there"
    service = Sandbox(tmp_path).service(["/bin/sh", "-c", f"sleep 0.1; echo > {there}; exec sleep 60"])
    assert service.start(there.stat) == ""
    service.kill()
    there.unlink()
    assert service.start(there.exists) == ""
    assert there.exists()
    service.kill()
    with pytest.raises(OSError, match=r"answered nothing within 0\.2 s"):
        service.start(lambda: False, limit=0.2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_started_ends_with_the_command(number: int, tmp_path: Path) -> None:
    """Whether the command is asked to end or killed: its store, and the suite's process, are gone soon."""
    words = [sys.executable, "-m", "rdzv_core", "certify", "tcp", "--profile", "core"]
    command = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert command.stderr is not None
    with command.stderr as progress:
        while not progress.readline().startswith("[2/"):
            pass
        started = [*psutil.Process(command.pid).children(recursive=True)]
        assert len(started) >= 2
        command.send_signal(number)
        progress.read()
    command.wait(20)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []


def test_a_service_is_stopped_continued_killed_and_started_again(tmp_path: Path) -> None:
    """`start` gives its first line; `kill` may be called whatever it is doing."""
    service = Sandbox(tmp_path).service(["/bin/sh", "-c", "echo ready; exec sleep 60"])
    for _ in range(2):
        assert service.start() == "ready"
        service.pause()
        service.resume()
        service.pause()
        service.kill()
        service.kill()


def test_certificates_are_of_two_authorities(tmp_path: Path) -> None:
    """Each has a certificate, and a key, of its own; a file that is there already is an error."""
    sandbox = Sandbox(tmp_path)
    ours, theirs = sandbox.authority("ours"), sandbox.authority("theirs")
    contents = [Path(file).read_text(encoding="ascii") for file in (*ours, *theirs)]
    assert len(set(contents)) == 6
    assert all("-----BEGIN" in each for each in contents)
    with pytest.raises(FileExistsError):
        sandbox.authority("ours")


def test_an_alias_is_lent_what_the_backend_it_stands_for_is() -> None:
    """`rdzv certify c10d` starts a store as `rdzv certify tcp` does."""
    assert installed_helpers("c10d") == installed_helpers("tcp")
    assert installed_helpers("c10d").own_store is not None
    names = [
        {option.name for option in Target(*backend).option_table()}
        for backend in (("c10d", "x"), ("tcp", "x"), ("c10d", "x", {"store_type": "file"}), ("file", "x"))
    ]
    assert names[0] == names[1] != names[2] == names[3]


def test_the_version_is_that_of_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not of the empty directory that an interrupted pip left behind."""
    (tmp_path / "rdzv_tcp-0.0.9.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert version_of("rdzv-tcp") == version("rdzv-core")
    assert version_of("rdzv-nothing") == version_of("") == ""


def test_a_store_that_cannot_be_started_says_whose_it_is(tmp_path: Path) -> None:
    """The author reads whose helper failed, and why."""

    def own_store(_: Sandbox) -> NoReturn:
        raise OSError("no such program: storage-server")

    helpers = Helpers(own_store=own_store)
    said = "own_store of the helpers of backend 'mine' started none: no such"
    with pytest.raises(StoreNotStartedError, match=said), store_of_its_own("mine", helpers, tmp_path):
        pass
