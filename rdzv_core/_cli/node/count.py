"""How many workers a node runs: a number, or one for each of its processors or GPUs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
"""Variables that name the GPUs that this process may use, separated by commas."""


def count_of(text: str, environment: Mapping[str, str] | None = None, devices: Path = Path("/dev")) -> int:
    """Return how many workers `text` asks for: a number, `cpu`, `gpu`, or `auto` (GPUs, or processors without any).

    A GPU is what a variable such as CUDA_VISIBLE_DEVICES names, else each of the system's `/dev/nvidia0`, … or
    `/dev/dri/renderD128`, … next to `/dev/kfd` (AMD). Raises `ValueError` for anything else, and where there is no GPU.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    if text not in ("cpu", "gpu", "auto"):
        raise ValueError(f"{text!r} is not a number of processes, nor cpu, gpu or auto")
    gpus = 0 if text == "cpu" else _gpus(os.environ if environment is None else environment, devices)
    if text == "gpu" and not gpus:
        raise ValueError(
            f"'gpu': this node has no GPU: none of {', '.join(_VISIBLE)} names one, and there is neither "
            f"{devices}/nvidia0 nor {devices}/kfd; give a number"
        )
    return gpus or _processors()


def _gpus(environment: Mapping[str, str], devices: Path) -> int:
    for variable in _VISIBLE:
        if (named := environment.get(variable)) is not None:
            return len([each for each in named.split(",") if each.strip() and each.strip() != "-1"])
    cards = [path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    if not cards and (devices / "kfd").exists():
        cards = list(devices.glob("dri/renderD*"))
    return len(cards)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):  # what this process may use, as in a container with fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
