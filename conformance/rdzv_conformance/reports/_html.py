"""One page for a person, which loads nothing from anywhere: verdict first, then what it rests on."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from importlib.resources import files
from itertools import groupby

from rdzv_conformance.reports._plot import latency_plot
from rdzv_conformance.reports._text import in_html, lines
from rdzv_conformance.run.progress import words
from rdzv_conformance.run.results import ClauseResult, Condition, Report, Status, Tested, count

OTHER_FORMS = ("report.json", "report.md", "junit.xml", "badge.svg")

MARKS: dict[Status, str] = {"pass": "✓", "fail": "✗", "error": "!", "untested": "?", "unsupported": "–"}  # noqa: RUF001

_SECTIONS = {
    "STATE": "what the register holds",
    "CAS": "compare and set, and fencing",
    "RUN": "isolation",
    "CONN": "the connection",
    "LIFE": "the life of an instance",
    "PARAM": "parameters",
    "PKG": "packaging",
    "SUBMIT": "submitted calls",
    "LIST": "the registers of a store",
    "WATCH": "waiting for a change",
    "MEMBER": "memberships",
    "STORE": "the key-value store",
    "DURABLE": "durability",
    "SECURE": "security",
}


def page(report: Report) -> str:
    """Return the whole page as HTML."""
    style = (files("rdzv_conformance.reports") / "page.css").read_text(encoding="utf-8")
    title = f"{report.subject.backend}: {'certified' if report.certified else 'not certified'}"
    body = "\n".join(
        part
        for part in (
            _header(report),
            _broken(report),
            _profiles(report),
            _conditions(report),
            _capabilities(report),
            _clauses(report),
            _latency(report),
            _reproduce(report),
        )
        if part
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{in_html(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
<footer>Written by rdzv-conformance {in_html(report.suite_version)} on {in_html(report.made)}, in
{report.seconds:.0f} s. The same in other forms: {_other_forms()}.</footer>
</main>
</body>
</html>
"""


def _other_forms() -> str:
    """Link what `write_report` writes beside the page."""
    return ", ".join(f'<a href="{name}"><code>{name}</code></a>' for name in OTHER_FORMS)


def _header(report: Report) -> str:
    of = f"{report.subject.distribution} {report.subject.version}".strip()
    verdict = "certified" if report.certified else "not certified"
    what = f"{in_html(of)} at " if of else "at "
    return f"""<header class="{"pass" if report.certified else "fail"}">
<p class="kicker">rdzv backend contract {report.contract_version}</p>
<h1><span class="mark">{MARKS["pass" if report.certified else "fail"]}</span>
{in_html(report.subject.backend)}: {in_html(verdict)}</h1>
<p>{in_html(_summary(report))}</p>
<p class="scope">{in_html(_sentence(report.scope))}</p>
{_untested(report)}
<p class="what">{what}<code>{in_html(report.subject.endpoint)}</code>, {in_html(report.python)},
{in_html(report.os)}</p>
</header>"""


def _summary(report: Report) -> str:
    counts = count(report.clauses)
    said = f"{counts['pass']} of {len(report.clauses)} clauses hold"
    others = [f"{number} {_predicate(status)}" for status, number in counts.items() if number and status != "pass"]
    held = ", ".join(profile for profile in report.profiles if report.holds(profile))
    before = f"{'Profiles' if ',' in held else 'Profile'} {held}. " if held else "No profile holds. "
    return f"{before}{', '.join([said, *others])}."


def _predicate(status: Status) -> str:
    return {"fail": "failed", "error": "could not be judged", "unsupported": "do not apply"}.get(status, status)


def _untested(report: Report) -> str:
    in_part = [each for each in report.clauses if each.in_part]
    said = (("Untested", report.of("untested")), ("In part untested", in_part))
    return "\n".join(f'<p class="scope">{words}: {_links(clauses)}.</p>' for words, clauses in said if clauses)


def _links(clauses: Iterable[ClauseResult]) -> str:
    return ", ".join(f'<a href="#{each.clause}">{each.clause}</a>' for each in clauses)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _broken(report: Report) -> str:
    broken = [*report.of("fail"), *report.of("error")]
    if not broken:
        return ""
    items = "\n".join(
        f'<div class="broken {each.status}"><p><span class="pill {each.status}">{each.status}</span> '
        f'<a href="#{each.clause}"><b>{each.clause}</b></a></p>\n'
        f'{_found_by(each)}\n<p class="asked">{_contract(each.text)}</p></div>'
        for each in broken
    )
    note = '<p class="note">What the backend did, and below it what the contract asks.</p>'
    return f"<h2>What is broken</h2>\n{note}\n{items}"


def _found_by(each: ClauseResult) -> str:
    """Return what each test found on its own; a drawing stays as it was drawn."""
    messages = dict.fromkeys(test.message for test in each.tests if test.status == each.status) or [each.message]
    return "\n".join(f'<p class="found">{in_html(lines(text)[0])}</p>{_drawing(text)}' for text in messages)


def _drawing(message: str) -> str:
    rest = "\n".join(html.escape(line) for line in lines(message)[1:])
    return f'<div class="scroll"><pre class="drawing">{rest}</pre></div>' if rest else ""


def _profiles(report: Report) -> str:
    cards = "\n".join(_card(report, profile) for profile in report.profiles)
    return f'<h2>Profiles</h2>\n<div class="cards">\n{cards}\n</div>'


def _card(report: Report, profile: str) -> str:
    counts = count(each for each in report.clauses if each.profile == profile)
    holds = report.holds(profile)
    bars = "".join(f'<i class="{status}" style="flex:{number}"></i>' for status, number in counts.items() if number)
    said = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    return (
        f'<div class="card {"pass" if holds else "fail"}"><b>{in_html(profile)}</b>'
        f'<span class="state">{"holds" if holds else "does not hold"}</span>'
        f'<div class="bar">{bars}</div><small>{said}</small></div>'
    )


def _conditions(report: Report) -> str:
    if not report.conditions:
        return ""
    parts = [
        "<h2>Tried under</h2>",
        '<p class="note">The certificate speaks for these topologies and these faults, and for no others.</p>',
    ]
    for kind, title in (("topology", "Topologies"), ("fault", "Faults")):
        chosen = [each for each in report.conditions if each.kind == kind]
        if chosen:
            items = "\n".join(_condition(each) for each in chosen)
            parts.append(f'<h3>{title}</h3>\n<ul class="conditions">\n{items}\n</ul>')
    return "\n".join(parts)


def _condition(each: Condition) -> str:
    tails = {"pass": "", "fail": ": did not hold", "error": ": could not be judged", "unsupported": ": does not apply"}
    tail = tails.get(each.status, f": {each.status}")
    return (
        f'<li class="{each.status}"><span class="mark">{MARKS[each.status]}</span>{in_html(each.what)}'
        f"{tail} <small>{in_html(each.clause)}</small></li>"
    )


def _capabilities(report: Report) -> str:
    if not report.capabilities:
        return ""
    rows = "\n".join(
        f"<tr><td><b>{in_html(each.name)}</b></td><td>{'claimed' if each.claimed else 'not claimed'}</td>"
        f"<td>{_found(each.found)}</td><td class=fold>{in_html(each.remark)}</td></tr>"
        for each in report.capabilities
    )
    return (
        "<h2>Capabilities</h2>\n"
        '<p class="note">What a backend does not claim, core does in its place.</p>\n'
        '<div class="scroll"><table><tr><th>capability</th><th>the backend</th><th>found</th><th></th></tr>\n'
        f"{rows}\n</table></div>"
    )


def _found(found: bool | None) -> str:
    return {True: "true", False: "not there", None: "not tested"}[found]


def _clauses(report: Report) -> str:
    parts = ["<h2>Clauses</h2>", '<p class="note">Each opens, and shows the tests that the status rests on.</p>']
    for section, clauses in groupby(report.clauses, key=lambda each: each.clause.split("-")[1]):
        about = _SECTIONS.get(section, "")
        parts.append(f"<h3>{section}{f': {about}' if about else ''}</h3>")
        parts.extend(_clause(each) for each in clauses)
    return "\n".join(parts)


def _clause(each: ClauseResult) -> str:
    opened = " open" if each.status in ("fail", "error") or each.in_part else ""
    tests = "\n".join(
        f'<li class="{test.status}"><span class="pill {test.status}">{test.status}</span> '
        f'{in_html(_test(test.test))} <span class="time">{test.seconds:.2f} s</span>{_message(test.message)}</li>'
        for test in each.tests
    )
    found = f"<ul>\n{tests}\n</ul>" if tests else f"<p>{in_html(each.message)}</p>"
    return (
        f'<details id="{in_html(each.clause)}"{opened}><summary>'
        f'<span><span class="pill {each.status}">{MARKS[each.status]} {each.status}</span></span>'
        f'<span class="id">{in_html(each.clause)}</span>'
        f'<span class="text">{_contract(each.text)}</span></summary>\n'
        f'<div class="evidence">{found}</div></details>'
    )


def _test(name: str) -> str:
    return words(name).partition(" ")[2] or name


def _message(message: str) -> str:
    return f'<span class="message">{in_html(lines(message)[0])}</span>{_drawing(message)}' if message else ""


def _contract(text: str) -> str:
    """Return a clause's text, with its code set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", in_html(text))


def _latency(report: Report) -> str:
    if not report.latency:
        return ""
    rows = "\n".join(
        f'<tr><td><code>{in_html(each.operation)}</code></td><td class="number">{each.median_ms:.3f} ms</td>'
        f'<td class="number">{each.p99_ms:.3f} ms</td><td class="number">{len(each.samples_ms)}</td></tr>'
        for each in report.latency
    )
    return (
        "<h2>Latency</h2>\n"
        '<p class="note">Single calls, one after the other, with a state of 64 bytes. What this machine and this store '
        "gave, and no promise.</p>\n"
        f"<figure>{latency_plot(report.latency)}<figcaption>Every stroke is a call; the axis is logarithmic."
        "</figcaption></figure>\n"
        '<div class="scroll"><table><tr><th>call</th><th class="number">median</th><th class="number">99th percentile'
        f'</th><th class="number">calls</th></tr>\n{rows}\n</table></div>'
    )


def _reproduce(report: Report) -> str:
    versions = [
        ("backend", f"{report.subject.distribution} {report.subject.version}".strip() or "registered in code"),
        ("suite", f"rdzv-conformance {report.suite_version}"),
        ("core", f"rdzv-core {report.core_version}"),
        ("contract", str(report.contract_version)),
        ("Python", report.python),
        ("system", report.os),
        ("machine", report.machine),
        ("seed", str(report.seed)),
        *(("option", f"{name}={value}") for name, value in report.subject.options.items()),
    ]
    rows = "\n".join(f"<tr><th>{in_html(a)}</th><td class=fold>{in_html(b)}</td></tr>" for a, b in versions)
    return (
        "<h2>How to see it again</h2>\n"
        f"<pre>{in_html(report.command)}</pre>\n"
        '<p class="note">Whether what is installed somewhere is what was tested here: '
        "<code>rdzv certify --verify report.json</code></p>\n"
        f"<table>\n{rows}\n</table>\n<h3>What was tested</h3>\n{_hashes(report.tested)}"
    )


def _hashes(tested: Iterable[Tested]) -> str:
    return "\n".join(_hashes_of(each) for each in tested)


def _hashes_of(tested: Tested) -> str:
    title = f"{tested.role} {tested.distribution or tested.module} {tested.version}"
    lines = "".join(f"<code>{in_html(digest[:16])}… {in_html(path)}</code>" for path, digest in tested.files.items())
    return (
        f'<details><summary class="plain">{in_html(title)}, {len(tested.files)} files, '
        f"<code>sha256 {in_html(tested.sha256[:16])}…</code></summary>\n"
        f'<div class="hashes">{lines}</div></details>'
    )
