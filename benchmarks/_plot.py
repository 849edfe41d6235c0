"""A picture of the time by number of nodes, on two logarithmic axes."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

COLOURS = {"tcp": "#0b6e4f", "file": "#b5651d", "etcd": "#3f51b5", "sqlite": "#8e44ad", "torch": "#c0392b"}
NAMES = {"torch": "torch c10d"}
LABEL_POINTS = 9
"""How high a label is."""


def draw(rows: list[dict[str, Any]], path: Path, command: str) -> None:
    """Write the picture of `rows` from `benchmarks/rendezvous.py`; the suffix of `path` selects the format.

    Needs matplotlib, which this project does not depend on: without it raises `SystemExit` with what to install.
    """
    try:
        from matplotlib import pyplot  # type: ignore[import-not-found]
        from matplotlib.ticker import ScalarFormatter  # type: ignore[import-not-found]
    except ImportError as error:
        raise SystemExit(f"{error}: pip install matplotlib, or leave out --plot") from error

    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        lines.setdefault(row["backend"], []).append((row["nodes"], row["seconds"]))
        if "torch_seconds" in row and (row["nodes"], row["torch_seconds"]) not in lines.setdefault("torch", []):
            lines["torch"].append((row["nodes"], row["torch_seconds"]))
    pyplot.rcParams["svg.hashsalt"] = "rdzv"
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for name, points in lines.items():
        nodes, seconds = zip(*sorted(points), strict=True)
        axes.loglog(nodes, seconds, "o-", color=COLOURS.get(name), label=NAMES.get(name, f"rdzv on {name}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
    ticks = sorted({row["nodes"] for row in rows})
    axes.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.margins(x=0.08, y=0.1)
    axes.set_xlabel("nodes, all started at once (min = max)")
    axes.set_ylabel("seconds until the last one has its rank")
    axes.set_title("How long a round takes to form")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    figure.text(0.01, -0.01, fill(command, 110), fontsize=7, family="monospace", color="#666666", va="top")
    label_ends(axes, [(*max(points), COLOURS.get(name, "black")) for name, points in lines.items()])
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, bbox_inches="tight")


def label_ends(axes: Any, ends: list[tuple[int, float, str]]) -> None:
    """Label the last point of each line with its seconds; labels do not overlap."""
    lowest: dict[int, float] = {}
    points_per_pixel = 72 / axes.figure.dpi
    for nodes, seconds, colour in sorted(ends):
        height = axes.transData.transform((nodes, seconds))[1] * points_per_pixel
        free = max(height, lowest.get(nodes, height))
        lowest[nodes] = free + LABEL_POINTS
        offset = {"xytext": (6, free - height), "textcoords": "offset points", "va": "center"}
        axes.annotate(f"{seconds:.2g} s", (nodes, seconds), color=colour, fontsize=8, **offset)
