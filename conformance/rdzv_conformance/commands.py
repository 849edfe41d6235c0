"""The command `rdzv certify`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from rdzv_conformance.certify import CouldNotRunError, Progress
from rdzv_conformance.certify import certify as run_suite
from rdzv_conformance.clauses import PROFILES
from rdzv_conformance.results import ClauseResult, Report, Status, count

CERTIFIED, NOT_CERTIFIED, COULD_NOT_RUN = 0, 1, 2

_STYLES: dict[Status, str] = {
    "pass": "green",
    "fail": "bold red",
    "error": "bold magenta",
    "untested": "yellow",
    "unsupported": "dim",
}


class _CouldNotRun(click.ClickException):
    exit_code = COULD_NOT_RUN

    def format_message(self) -> str:
        return " ".join(self.message.split())


def _read_options(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{text!r} is not name=value", ctx, param)
        options[name.strip()] = value
    return options


@click.command()
@click.argument("name")
@click.option("--endpoint", required=True, metavar="E", help="Where the store is, as the backend reads it.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_read_options,
    help="An option of the backend. May be repeated.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(PROFILES),
    help="What to certify; without it, all that the backend claims. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, for machines.")
@click.option(
    "--report",
    "directory",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the report to DIR/NAME.json as well.",
)
@click.pass_context
def certify(
    ctx: click.Context,
    name: str,
    endpoint: str,
    options: dict[str, str],
    profiles: tuple[str, ...],
    as_json: bool,
    directory: Path | None,
) -> None:
    """Test a backend against every clause of the contract.

    The exit status is 0 if it is certified, 1 if it is not, 2 if the suite could not run: no such backend, no store at
    the endpoint, a bad option. Every run that the suite makes has an id of its own; it changes no other.
    """
    try:
        with _progress() as progress:
            report = run_suite(name, endpoint, options, profiles, progress)
        if directory is not None:
            _write(report, directory / f"{name.replace(':', '-')}.json")
    except CouldNotRunError as error:
        raise _CouldNotRun(str(error)) from error
    except OSError as error:
        raise _CouldNotRun(f"the report could not be written: {error}") from error
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        _show(report)
    ctx.exit(CERTIFIED if report.certified else NOT_CERTIFIED)


def _write(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")


@contextmanager
def _progress() -> Iterator[Progress]:
    """Say on stderr which test runs: one line that changes on a terminal, one line each elsewhere."""
    if not sys.stderr.isatty():
        yield lambda test, done, total: click.echo(f"[{done + 1}/{total}] {_words(test)}", err=True)
        return
    from rich.console import Console

    with Console(stderr=True).status("starting the suite") as line:
        yield lambda test, done, total: line.update(f"{done + 1}/{total} {_words(test)}")


def _words(test: str) -> str:
    """Turn `test_RDZV_CAS_4_a_stale_token` into `RDZV-CAS-4 a stale token`."""
    section, number, *rest = test.removeprefix("test_RDZV_").split("_")
    return f"RDZV-{section}-{number} {' '.join(rest)}"


def _show(report: Report) -> None:
    if sys.stdout.isatty():
        _draw(report)
    else:
        for each in report.clauses:
            click.echo(f"{each.clause:<14}  {each.status:<11}  {_remark(each)}".rstrip())
    counts = ", ".join(f"{number} {status}" for status, number in count(report.clauses).items() if number)
    of = f"{report.subject.distribution} {report.subject.version}".strip()
    click.echo(f"{report.subject.backend}{f' ({of})' if of else ''} at {report.subject.endpoint!r}: {counts}")
    click.echo(report.verdict)


def _draw(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("clause", "status", "what it says, or what was found"):
        table.add_column(column, overflow="fold")
    for each in report.clauses:
        # Text, not markup: what a backend says is shown as it is.
        table.add_row(each.clause, Text(each.status, style=_STYLES[each.status]), Text(_remark(each) or each.text))
    Console().print(table)


def _remark(result: ClauseResult) -> str:
    return " ".join(result.message.split())
