"""`rdzv runs`, and what a mistyped run id is told: what a store holds, by the keys of its registers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rdzv_core import RendezvousError, RendezvousParameters, create_backend, create_handler, register_backend
from rdzv_core._keys import is_run_key, register_key, run_of
from rdzv_core._runs import list_runs, similar_runs
from rdzv_core.abc import RendezvousBackend

Start = Callable[..., Any]

ODD = ["a run/with ünicode", "x" * 900, "0a6ff5fe-3b0f-4dd0-9c38-0d4dd4a7c2a1", "UPPER", "upper", "nul\0" * 50]


def test_the_runs_of_a_store_are_listed(node: Start, rdzv: Start) -> None:
    """Each with its phase, its round and its nodes, for people and for machines; no sibling is a run."""
    works, waits = node("1", "sleep", "600", run_id="works"), node("2", "true", run_id="waits")
    works.says("joined round 1 ")
    waits.says("asking for a round")
    while not json.loads(rdzv("status", "--json", run_id="waits").stdout)["waiting"]:
        assert waits.process.poll() is None, waits.lines
    found = json.loads(_runs(rdzv, "--json"))["runs"]
    assert [(each["run_id"], each["phase"], each["round"]) for each in found] == [
        ("waits", "forming", 0),
        ("works", "working", 1),
    ]
    lines = [line.split() for line in _runs(rdzv).splitlines()]
    assert lines[0] == ["run", "phase", "round", "nodes", "formed"]
    assert lines[1][:7] == ["waits", "forming", "0", "1", "joining,", "1", "missing"]
    assert lines[2][:5] == ["works", "working", "1", "1", "working"]


def _runs(rdzv: Start, *flags: str) -> str:
    """Run `rdzv runs`, which takes no run id, on the store of the fixture."""
    done = rdzv("status", "--json")
    where = done.args[4:8]
    found = subprocess.run(
        [sys.executable, "-m", "rdzv_core", "runs", *where, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_mistyped_run_id_names_the_ones_that_are_meant(node: Start, rdzv: Start) -> None:
    """In status, explain and reset."""
    each = node("1", "sleep", "600", run_id="train-7")
    each.says("joined round 1 ")
    for command in ("status", "explain", "reset"):
        done = rdzv(command, run_id="trian-7")
        assert done.returncode == 1
        assert "did you mean 'train-7'?" in done.stdout + done.stderr
    assert json.loads(rdzv("status", "--json", run_id="trian-7").stdout)["similar"] == ["train-7"]


@pytest.fixture
def odd_runs() -> Iterator[str]:
    """Return the endpoint of a store with runs whose ids their keys do not tell."""
    handlers = []
    for run_id in ODD:
        handlers.append(create_handler(RendezvousParameters("memory", "odd", run_id, 1, 1, last_call_timeout=0.1)))
        handlers[-1].next_rendezvous()
    yield "odd"
    for handler in handlers:
        handler.close()


def test_runs_are_listed_by_whatever_id_they_have(odd_runs: str) -> None:
    """Of a long or odd one the head tells it; one that is too long for that is shown by how it begins."""
    found = list_runs(RendezvousParameters("memory", odd_runs, "any", 1, 1))
    assert sorted(each.run_id for each in found) == sorted(ODD)
    assert {each.phase for each in found} == {"working"}


def test_a_key_tells_a_run_id_only_if_it_is_that_runs_key() -> None:
    """Short ones of plain characters; never that of a register for a purpose, nor a foreign one."""
    assert run_of(register_key("train-7")) == "train-7"
    for run_id in ("train 7", "x" * 33, "train.7"):
        assert run_of(register_key(run_id)) is None
        assert is_run_key(register_key(run_id))
    assert not is_run_key(register_key("train-7", "history"))
    assert run_of(register_key("train-7").replace("train", "tryin")) is None
    for foreign in ("", "rdzv", "rdzv.a", "other.a." + "0" * 40):
        assert not is_run_key(foreign)


class _TwoMethods(RendezvousBackend):
    name = "two"

    def get_state(self) -> None:
        return None

    def set_state(self, state: bytes, token: object = None) -> None:
        raise NotImplementedError


def test_a_backend_that_cannot_list_its_runs_says_so() -> None:
    """Listing is optional; near names are left out."""
    register_backend("two", lambda _: _TwoMethods())
    with pytest.raises(RendezvousError, match="backend 'two' cannot list its runs: name one with --run-id"):
        list_runs(RendezvousParameters("two", "", "any", 1, 1))
    assert similar_runs(_TwoMethods(), "job") == []


def test_a_register_that_is_no_run_harms_no_listing() -> None:
    """It is shown with the reason why it cannot be looked at."""
    store = create_backend(RendezvousParameters("memory", "foreign", "foreign-run", 1, 1))
    store.set_state(b"not a head")
    (found,) = list_runs(RendezvousParameters("memory", "foreign", "any", 1, 1))
    assert (found.run_id, found.phase) == ("foreign-run", "unknown")
    assert "holds no rdzv state" in found.reasons[0]
    store.close()
