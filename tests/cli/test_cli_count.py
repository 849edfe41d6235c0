"""How many workers a node runs, and what is started: what the words of the command line mean."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rdzv_core._cli.node.command import command_line
from rdzv_core._cli.node.count import count_of


def test_a_number_and_the_processors_are_counted(tmp_path: Path) -> None:
    """Those that this process may use."""
    assert count_of("3", {}, tmp_path) == 3
    assert count_of("cpu", {}, tmp_path) == count_of("auto", {}, tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("variables", "devices", "count"),
    [
        ({}, ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], 2),
        ({"CUDA_VISIBLE_DEVICES": "3,1,0"}, ["nvidia0"], 3),
        ({"CUDA_VISIBLE_DEVICES": "MIG-a/b/c"}, [], 1),
        ({}, ["kfd", "dri/renderD128", "dri/renderD129", "dri/card0"], 2),
        ({"HIP_VISIBLE_DEVICES": "0"}, ["kfd"], 1),
    ],
    ids=str,
)
def test_gpus_are_counted_as_the_system_shows_them(
    variables: dict[str, str], devices: list[str], count: int, tmp_path: Path
) -> None:
    """Or as the variable for them says."""
    (tmp_path / "dri").mkdir()
    for device in devices:
        (tmp_path / device).touch()
    assert count_of("gpu", variables, tmp_path) == count_of("auto", variables, tmp_path) == count


@pytest.mark.parametrize("variables", [{}, {"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}], ids=str)
def test_no_gpu_is_an_error_where_one_was_asked_for(variables: dict[str, str], tmp_path: Path) -> None:
    """Nobody wants one worker on a processor in place of eight."""
    with pytest.raises(ValueError, match="this node has no GPU"):
        count_of("gpu", variables, tmp_path)


@pytest.mark.parametrize("text", ["", "-1", "two", "1.5", "GPU"])
def test_anything_else_is_an_error(text: str) -> None:
    """That names it."""
    with pytest.raises(ValueError, match=f"'{text}' is not a number"):
        count_of(text)


def test_a_module_and_a_script_are_run_by_this_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under torchrun; anything else is a program."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").touch()
    Path("ready.py").touch(0o755)
    assert command_line(["train.py", "-x"], False) == [sys.executable, "-u", "train.py", "-x"]
    assert command_line(["a.b", "-x"], True) == [sys.executable, "-u", "-m", "a.b", "-x"]
    for words in (["./ready.py"], ["missing.py"], ["sh", "train.py"]):
        assert command_line(words, False) == words
