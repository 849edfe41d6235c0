"""A database that was truncated, deleted, or is not ours, is an error and never "no state"."""

import os

import pytest

from rdzv_core import RendezvousConnectionError, RendezvousParameters, RendezvousStateError, create_backend


def _open(path, **config):
    return create_backend(RendezvousParameters("sqlite", str(path), "run", 1, 2, **config))


@pytest.mark.parametrize("length", [0, 1, 4096])
def test_a_truncated_database_is_a_state_error_for_old_instances_and_new_ones(tmp_path, length):
    """RDZV-STATE-6 and 7: at 0 bytes too, and a write without a token does not win."""
    path = tmp_path / "rdzv.db"
    backend = _open(path)
    assert backend.set_state(b"x").has_set
    os.truncate(path, length)
    for each in (backend, _open(path)):
        with pytest.raises(RendezvousStateError):
            each.get_state()
        with pytest.raises(RendezvousStateError):
            each.set_state(b"y")
    assert path.stat().st_size == length


def test_a_database_that_vanishes_is_a_lost_connection(tmp_path):
    """An unmounted disk must not read as "no state"."""
    path = tmp_path / "rdzv.db"
    backend = _open(path)
    backend.set_state(b"x")
    path.rename(tmp_path / "away")
    with pytest.raises(RendezvousConnectionError, match="unable to open"):
        backend.get_state()
    (tmp_path / "away").rename(path)
    assert backend.get_state()[0] == b"x"


def test_only_the_database_is_left_when_several_create_it(tmp_path):
    """Of nodes that start at once one makes it, and no other's attempt stays."""
    for _ in range(3):
        assert _open(tmp_path / "rdzv.db").get_state() is None
    assert [each.name for each in tmp_path.iterdir()] == ["rdzv.db"]
