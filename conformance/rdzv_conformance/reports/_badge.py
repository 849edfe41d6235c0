"""A small picture for a README."""

from __future__ import annotations

from rdzv_conformance.reports._text import in_html
from rdzv_conformance.run.results import Report

_LETTER, _PAD = 6.6, 9


def badge(report: Report) -> str:
    """Return the badge as SVG: `rdzv | certified: core, watch`."""
    left = f"rdzv {report.subject.backend}"
    held = ", ".join(profile for profile in report.profiles if report.holds(profile))
    right = f"certified: {held}" if report.certified else "not certified"
    first, second = (round(len(text) * _LETTER + 2 * _PAD) for text in (left, right))
    width, colour = first + second, "#1a7f4b" if report.certified else "#c0282d"
    title = in_html(f"{left}: {right}")
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="round"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#round)"><rect width="{first}" height="20" fill="#4a4f55"/>
<rect x="{first}" width="{second}" height="20" fill="{colour}"/></g>
<g fill="#ffffff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{first / 2}" y="14" textLength="{first - 2 * _PAD}">{in_html(left)}</text>
<text x="{first + second / 2}" y="14" textLength="{second - 2 * _PAD}">{in_html(right)}</text></g>
</svg>
"""
