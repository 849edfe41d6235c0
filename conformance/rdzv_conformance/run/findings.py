"""What one run of the suite was asked and has found so far, and the secrets that must not be in its report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rdzv_conformance.run.results import Latency, TestResult

HIDDEN = "…"
CREDENTIALS = re.compile(r"(?:(?<=://)|^)([^@/]*)@")
"""The credentials in an endpoint, before its host."""

_SECRET_NAMES = ("password", "passwd", "token", "secret", "credential")
_SHORTEST = 4


@dataclass
class Findings:
    """What a run was asked, and what it has said so far."""

    backend: str
    endpoint: str | None
    """None: a store of the suite's own."""
    options: dict[str, str]
    seed: int = 0
    cluster: bool = False
    """Whether the store of the suite's own has several servers."""
    asked: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    lent: tuple[str, ...] = ()
    own: str = ""
    writes: bool = True
    """Whether to write before the first test: not where that has killed the process."""
    module: str = ""
    claims: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    tests: list[TestResult] = field(default_factory=list)
    latency: tuple[Latency, ...] = ()

    def take_plan(self, event: Mapping[str, Any]) -> None:
        """Take in what the suite's process said about the backend."""
        self.profiles, self.secret = tuple(event["profiles"]), tuple(event["secret"])
        self.own = event["own"]
        self.module, self.claims = event["module"], event["claims"]

    def add(self, result: TestResult) -> TestResult:
        """Keep a test's result, and give it, without secrets."""
        hide = Secrets.of(self).hide
        left = tuple(hide(text) for text in result.left)
        kept = replace(result, clauses=tuple(result.clauses), message=hide(result.message), left=left)
        self.tests.append(kept)
        return kept


@dataclass(frozen=True)
class Secrets:
    """What must not be written: values of secret options, given or lent, and credentials within the endpoint."""

    names: frozenset[str]
    values: tuple[str, ...]

    @classmethod
    def of(cls, findings: Findings) -> Secrets:
        """Find out which options are secrets: the backend says so of some, and the names of others do."""
        names = frozenset(
            name
            for name in findings.options
            if name in findings.secret or any(word in name.lower() for word in _SECRET_NAMES)
        )
        values = [*(findings.options[name] for name in names), *findings.lent]
        for found in CREDENTIALS.finditer(findings.endpoint or ""):
            values += [found[1], found[1].partition(":")[2]]
        longest_first = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
        return cls(names, tuple(longest_first))

    def hide(self, text: str) -> str:
        """Return `text` without them. One of under four characters is hidden where it is given, and not in prose."""
        for value in self.values:
            for form in (value, repr(value)[1:-1]):
                text = text.replace(form, HIDDEN)
        return text

    def shown(self, options: Mapping[str, str]) -> dict[str, str]:
        """Return the options as they may be shown."""
        return {name: HIDDEN if name in self.names else self.hide(value) for name, value in sorted(options.items())}
