"""Which etcds are killed, and which are told to end."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from rdzv_conformance import Sandbox
from rdzv_etcd._server.versions import answers_before_its_log, ending_signal, may_differ_after_a_kill
from rdzv_etcd.conformance import own_store


@pytest.mark.parametrize("version", ["3.4.0", "3.4.20", "3.5.0", "3.5.1", "3.5.4"])
def test_a_version_that_loses_writes_at_a_sigkill_is_told_to_end(version: str) -> None:
    """etcd issue 14370."""
    assert answers_before_its_log(version)
    assert ending_signal(version) is signal.SIGTERM


@pytest.mark.parametrize("version", ["3.4.21", "3.4.23", "3.5.5", "3.5.21", "3.6.0", "4.0.0", "3.6.0-rc.1", "unknown"])
def test_another_version_is_killed(version: str) -> None:
    """What is not known to lose anything gets what the suite asks for."""
    assert not answers_before_its_log(version)
    assert ending_signal(version) is signal.SIGKILL


@pytest.mark.parametrize("version", ["3.5.0", "3.5.2"])
def test_a_version_whose_killed_member_may_differ_is_known(version: str) -> None:
    """etcd issue 13766."""
    assert may_differ_after_a_kill(version)


@pytest.mark.parametrize("version", ["3.4.2", "3.5.3", "3.5.21", "3.6.0", "unknown"])
def test_another_version_keeps_its_members_alike(version: str) -> None:
    """3.4 never had that fault."""
    assert not may_differ_after_a_kill(version)


def test_the_certificate_tells_the_version_and_how_it_was_ended(tmp_path: Path) -> None:
    """Who reads "durable" sees what that was tried on."""
    with own_store(Sandbox(tmp_path)) as store:
        version = store.what.split()[2]
        assert store.what.startswith(f"an etcd {version} with TLS, a user and a password")
        assert ("ended by SIGTERM" in store.what) == answers_before_its_log(version)
