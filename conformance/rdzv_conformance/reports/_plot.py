"""Latencies drawn as SVG: a row for each operation, a stroke for each call."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rdzv_conformance.reports._text import in_html
from rdzv_conformance.run.results import Latency

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 90, 24, 74, 8


def latency_plot(latencies: Sequence[Latency]) -> str:
    """Return an `<svg>`; its colours come from the page."""
    samples = [max(sample, 1e-4) for each in latencies for sample in each.samples_ms]
    low, high = math.floor(math.log10(min(samples))), math.ceil(math.log10(max(samples)))
    high = max(high, low + 1)

    def across(ms: float) -> float:
        share = (math.log10(max(ms, 1e-4)) - low) / (high - low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    bottom = TOP + ROW * len(latencies)
    grid = "".join(_tick(across(10.0**power), bottom, power) for power in range(low, high + 1))
    rows = "".join(_row(each, TOP + ROW * place, across) for place, each in enumerate(latencies))
    label = "; ".join(
        f"{each.operation}: median {each.median_ms:.3f} ms, 99th percentile {each.p99_ms:.3f} ms" for each in latencies
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + 28}" role="img" aria-label="{in_html(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{grid}{rows}</svg>'
    )


def _tick(x: float, bottom: float, power: int) -> str:
    text = f"{10**power} ms" if power >= 0 else f"{10.0**power:.{-power}f} ms"
    if power >= 3:
        text = f"{10 ** (power - 3)} s"
    return (
        f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>'
        f'<text class="soft" x="{x}" y="{bottom + 18}" text-anchor="middle">{text}</text>'
    )


def _row(each: Latency, top: float, across: object) -> str:
    place = across
    assert callable(place)
    middle = top + ROW / 2 + 8
    strokes = "".join(f"M{place(sample)} {middle - 14}v28" for sample in each.samples_ms)
    median, p99 = place(each.median_ms), place(each.p99_ms)
    # The two labels are set apart where they would lie on each other.
    apart = p99 - median > 150
    return (
        f'<g class="{in_html(each.operation)}"><text x="0" y="{middle + 4}">{in_html(each.operation)}</text>'
        f'<path d="{strokes}" stroke="currentColor" stroke-opacity=".3" stroke-width="1.5" fill="none"/>'
        f'<path d="M{median} {middle - 20}v40" stroke="currentColor" stroke-width="3"/>'
        f'<path d="M{p99} {middle - 20}v40" stroke="currentColor" stroke-width="1.5" stroke-dasharray="3 3"/>'
        f'<text x="{median}" y="{middle - 25}" text-anchor="{"middle" if apart else "end"}">'
        f"median {each.median_ms:.3f} ms</text>"
        f'<text x="{p99 if apart else p99 + 6}" y="{middle - 25}" text-anchor="{"middle" if apart else "start"}">'
        f"99 %: {each.p99_ms:.3f} ms</text></g>"
    )
