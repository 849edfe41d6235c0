"""`rdzv backends file --check`: what a file system does of what the store relies on."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from rdzv_file import _check
from rdzv_file._check import check_path

from rdzv_core._cli.backends import backends


def _failed(*endpoints: str) -> dict[str, str]:
    return {finding.subject: finding.detail for finding in check_path(endpoints) if not finding.passed}


@pytest.mark.parametrize("what", ["a directory", "a file", "a missing path", "two names"])
def test_a_local_file_system_passes_and_keeps_no_trace(tmp_path, what):
    """Tested in a directory of the check's own, which is removed."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    names = {"a file": ["file"], "a missing path": ["missing"], "two names": ["", "link"]}.get(what, [""])
    assert _failed(*(str(tmp_path / name) for name in names)) == {}
    assert {each.name for each in tmp_path.iterdir()} == {"file", "link"}


def test_locks_that_exclude_nobody_are_found(tmp_path, monkeypatch):
    """The second process and this one hold the lock at once."""
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    assert "held the lock at once" in _failed(str(tmp_path))["flock excludes"]


def test_two_directories_are_not_one_store(tmp_path):
    """Two endpoints that should be the same and are not."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    found = _failed(str(tmp_path / "one"), str(tmp_path / "other"))
    assert "does not show what was written" in found["all names are one directory"]


def test_a_file_that_is_missing_while_it_is_replaced_is_found(tmp_path, monkeypatch):
    """A reader would take it for "no state"."""
    read, left = _check.read_file, [3]

    def missing_once(path, *rest):
        if not path.endswith("replaced"):
            return read(path, *rest)
        left[0] -= 1
        return None if left[0] == 0 else read(path, *rest)

    monkeypatch.setattr(_check, "read_file", missing_once)
    assert "missing for a moment" in _failed(str(tmp_path))["rename is atomic"]


def test_times_that_are_not_kept_are_found(tmp_path, monkeypatch):
    """As on a mount that shows the server's time and not the one that was set: nobody would be seen to refresh."""
    monkeypatch.setattr(os, "utime", lambda *_: None)
    assert "members would be taken for dead" in _failed(str(tmp_path))["times are kept"]


def test_a_path_that_cannot_be_used_is_one_failed_test_with_the_way_out(tmp_path):
    """No parent directory: nothing further is tried."""
    (finding,) = check_path([f"{tmp_path}/missing/store"])
    assert not finding.passed
    assert "create its parent directory" in finding.detail


def test_the_command_prints_a_table_with_a_verdict_and_exits_with_0_or_1(tmp_path, monkeypatch):
    """For people and, with --json, for machines."""

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(backends, ["file", *arguments], standalone_mode=False)
        return result.return_value, result.output

    status, output = run("--check", str(tmp_path))
    assert (status, output.splitlines()[-1]) == (0, "verdict: fit: all tests passed")
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    status, output = run("--check", str(tmp_path))
    assert (status, output.splitlines()[-1]) == (1, "verdict: not fit: 1 of 7 tests failed")
    status, output = run("--check", str(tmp_path), "--json")
    shown = json.loads(output)
    assert (status, shown["fit"], shown["endpoints"]) == (1, False, [str(tmp_path)])
    assert [each["test"] for each in shown["tests"] if not each["passed"]] == ["flock excludes"]


def test_nothing_is_left_where_a_test_fails(tmp_path, monkeypatch):
    """The check's directory goes all the same."""
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    _failed(str(tmp_path))
    assert list(Path(tmp_path).iterdir()) == []
