"""The command `rdzv certify`."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from rdzv_conformance.contract.clauses import PROFILES
from rdzv_conformance.harness.installed_helpers import installed_helpers
from rdzv_conformance.reports import UnreadableReportError, read_report, verify, write_matrix, write_report
from rdzv_conformance.reports._text import plain
from rdzv_conformance.reports.live import showing_progress
from rdzv_conformance.reports.terminal import show_matrix, show_report
from rdzv_conformance.run.certify import CouldNotRunError
from rdzv_conformance.run.certify import certify as run_suite
from rdzv_conformance.run.results import Report
from rdzv_core import BackendConflictError, BackendLoadError, BackendNotFoundError, BackendRegistry

CERTIFIED, NOT_CERTIFIED, COULD_NOT_RUN = 0, 1, 2

LARGEST_SEED = 2**32 - 1
JOBS = 10


class _CouldNotRun(click.ClickException):
    exit_code = COULD_NOT_RUN

    def format_message(self) -> str:
        return plain(self.message)


@dataclass(frozen=True)
class _Job:
    """One backend to certify."""

    name: str
    endpoint: str | None
    """None: the suite starts one of its own."""
    options: dict[str, str]
    profiles: tuple[str, ...]
    processes: int = 1
    cluster: bool = False


def _read_options(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not name=value", ctx, param)
        options[name.strip()] = value
    return options


@click.command()
@click.argument("backends", nargs=-1, metavar="NAME | NAME=ENDPOINT…")
@click.option("--endpoint", metavar="E", help="Where the store is, as the backend reads it.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="[NAME.]OPTION=VALUE",
    callback=_read_options,
    help="An option of the backend; with several backends, of the one that is NAMEd. May be repeated.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(PROFILES),
    help="What to certify; without it, all that the backend claims. May be repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    metavar="N",
    help="What the suite draws its random numbers from; without it a new one, which the report names.",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Run the suite N times, with seeds that count up, until one run fails.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=JOBS,
    show_default=True,
    metavar="N",
    help="Run the tests in N processes side by side: most of what they take is waiting. A store at an endpoint that "
    "the suite stops or kills, and a cluster, are used by one; one in the memory of its process by half as many again.",
)
@click.option(
    "--cluster",
    is_flag=True,
    help="Of one backend, without an endpoint: start a store of several servers, one of which is lost in each test.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, for machines.")
@click.option(
    "--report",
    "directory",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.json, report.md, junit.xml, badge.svg and index.html to DIR; of several backends, each to a "
    "directory in it, and the comparison to README.md.",
)
@click.option(
    "--verify",
    "written",
    metavar="REPORT",
    type=click.Path(path_type=Path),
    help="Run nothing: hold a report.json against what is installed. Exit status 1 if that is something else.",
)
@click.pass_context
def certify(
    ctx: click.Context,
    backends: tuple[str, ...],
    endpoint: str | None,
    options: dict[str, str],
    profiles: tuple[str, ...],
    seed: int | None,
    repeat: int,
    jobs: int,
    cluster: bool,
    as_json: bool,
    directory: Path | None,
    written: Path | None,
) -> None:
    """Test a backend, or several, against every clause of the contract.

    One backend: NAME --endpoint E. Several: NAME=ENDPOINT for each; a comparison of them is printed at the end.
    Without an endpoint the suite starts a store of its own, where the backend lends it one: that is stopped, killed,
    and started again, as is done to no store that others may use.

    The exit status is 0 if it is certified, 1 if it is not, 2 if the suite could not run: no such backend, no store at
    the endpoint, a bad option. Every run that the suite makes has an id of its own; it changes no other.
    """
    if written is not None:
        if backends or endpoint is not None:
            raise click.UsageError("--verify takes a report and no backend: it runs nothing", ctx)
        ctx.exit(_verify(written, as_json))
    _end_in_order(ctx)
    asked = [replace(each, processes=jobs) for each in _jobs(ctx, backends, endpoint, options, profiles)]
    if cluster:
        if len(asked) > 1 or asked[0].endpoint is not None:
            raise click.UsageError("--cluster is for one NAME without an endpoint: the suite starts the cluster", ctx)
        asked = [replace(asked[0], cluster=True, processes=1)]
    first = secrets.randbelow(LARGEST_SEED) if seed is None else seed
    if len(asked) == 1:
        ctx.exit(_certify_one(asked[0], first, repeat, as_json, directory))
    ctx.exit(_certify_several(asked, first, repeat, as_json, directory))


def _end_in_order(ctx: click.Context) -> None:
    """Let SIGTERM end what the suite has started, and its directories, before it ends the command."""
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        ctx.call_on_close(lambda: signal.signal(signal.SIGTERM, before))


def _jobs(
    ctx: click.Context,
    backends: Sequence[str],
    endpoint: str | None,
    options: dict[str, str],
    profiles: tuple[str, ...],
) -> list[_Job]:
    if not backends:
        raise click.UsageError("which backend? Give NAME --endpoint E, or NAME=ENDPOINT…", ctx)
    if len(backends) == 1 and "=" not in backends[0]:
        if endpoint is None and not _starts_a_store(backends[0]):
            _check_installed(backends[0], ctx)
            raise click.UsageError(f"--endpoint is required for {backends[0]!r}: it starts no store itself", ctx)
        return [_Job(backends[0], endpoint, options, profiles)]
    if endpoint is not None:
        raise click.UsageError("--endpoint is for one NAME: with several give each as NAME=ENDPOINT", ctx)
    without = [text for text in backends if "=" not in text and not _starts_a_store(text)]
    if without:
        raise click.UsageError(f"an endpoint is required for {without[0]!r}: give {without[0]}=ENDPOINT", ctx)
    pairs = [(text.partition("=")[0], text.partition("=")[2] if "=" in text else None) for text in backends]
    if len(pairs) == 1:
        return [_Job(*pairs[0], options, profiles)]
    names = {name for name, _ in pairs}
    for option in options:
        if option.partition(".")[0] not in names or "." not in option:
            raise click.UsageError(
                f"the option {option!r} is whose? With several backends write it as NAME.{option}=VALUE", ctx
            )
    return [
        _Job(name, there, {k.partition(".")[2]: v for k, v in options.items() if k.partition(".")[0] == name}, profiles)
        for name, there in pairs
    ]


def _check_installed(backend: str, ctx: click.Context) -> None:
    """Raise `UsageError` for a name that no distribution provides: the name is wrong then, not the endpoint."""
    try:
        BackendRegistry().load(backend)
    except (BackendNotFoundError, BackendConflictError, BackendLoadError) as error:
        raise click.UsageError(str(error), ctx) from error


def _starts_a_store(backend: str) -> bool:
    """Return whether a backend lends the suite a store; what is wrong with its helpers the suite's process tells."""
    try:
        return installed_helpers(backend).own_store is not None
    except Exception:  # noqa: BLE001 - an import of somebody else's
        return True


def _run(job: _Job, seed: int, repeat: int) -> Report:
    """Run the suite, again and again if that was asked, and give the last report: the first that is no certificate."""
    for run in range(repeat):
        with showing_progress(f"{job.name}, run {run + 1} of {repeat}" if repeat > 1 else job.name) as progress:
            report = run_suite(
                job.name,
                job.endpoint,
                job.options,
                job.profiles,
                progress,
                seed=seed + run,
                jobs=job.processes,
                cluster=job.cluster,
            )
        if repeat > 1:
            held = "certified" if report.certified else "NOT certified"
            said = f"run {run + 1} of {repeat}, seed {report.seed}: {held} in {report.seconds:.1f} s"
            click.echo(said, err=True)
        if not report.certified:
            break
    return report


def _certify_one(job: _Job, seed: int, repeat: int, as_json: bool, directory: Path | None) -> int:
    try:
        report = _run(job, seed, repeat)
        if directory is not None:
            write_report(report, directory)
    except CouldNotRunError as error:
        raise _CouldNotRun(str(error)) from error
    except OSError as error:
        raise _CouldNotRun(f"the report could not be written: {error}") from error
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        show_report(report)
    return CERTIFIED if report.certified else NOT_CERTIFIED


def _certify_several(jobs: Sequence[_Job], seed: int, repeat: int, as_json: bool, directory: Path | None) -> int:
    reports, missing = [], []
    for job in jobs:
        try:
            reports.append(_run(job, seed, repeat))
        except CouldNotRunError as error:
            missing.append(f"{job.name} could not be tested: {plain(str(error))}")
            click.echo(missing[-1], err=True)
    if directory is not None and reports:
        try:
            write_matrix(reports, directory)
        except OSError as error:
            raise _CouldNotRun(f"the reports could not be written: {error}") from error
    if as_json:
        click.echo(json.dumps([report.as_dict() for report in reports], indent=2))
    elif reports:
        show_matrix(reports)
    if missing:
        raise _CouldNotRun("; ".join(missing))
    return CERTIFIED if all(report.certified for report in reports) else NOT_CERTIFIED


def _verify(written: Path, as_json: bool) -> int:
    try:
        report = read_report(written)
    except UnreadableReportError as error:
        raise _CouldNotRun(str(error)) from error
    differences = verify(report)
    if as_json:
        click.echo(json.dumps({"same": not differences, "differences": differences}, indent=2))
        return NOT_CERTIFIED if differences else CERTIFIED
    for each in differences:
        click.echo(plain(each))
    what = f"the report about {report.subject.backend} of {report.made} ({report.verdict})"
    if differences:
        click.echo(f"different: {plain(what)} is about other files than those installed here")
        return NOT_CERTIFIED
    click.echo(f"same: what is installed here is what {plain(what)} is about")
    return CERTIFIED
