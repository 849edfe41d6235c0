"""Write the man pages, one for `rdzv` and one for each command, into the `man` folder of the distribution that has it.

`python -m release.man`; `make man` runs it. The texts are those of `--help`, the variables and exit statuses those of
`docs/reference`. The pages are kept in the tree, so that a wheel is built without what the commands import; a test
holds them equal to what this makes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from rdzv_core._cli.group import command_line
from release.projects import PROJECTS, ROOT

_REFERENCE = ROOT / "docs" / "reference"
_ALL = "every command"
_GROUP_USAGE = "[OPTIONS] [COMMAND] [ARGS]..."


def commands() -> dict[str, click.Command]:
    """Return the commands of this repository by name."""
    group = command_line()
    ctx = click.Context(group, info_name="rdzv")
    found = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: command for name, command in found.items() if command is not None and _package(command) in PROJECTS}


def pages() -> dict[Path, str]:
    """Return what each file is to hold."""
    found = {ROOT / "man" / "rdzv.1": _page("rdzv", command_line(), _overview())}
    for name, command in commands().items():
        rest = [*_statuses(name), *_see_also(name)]
        found[PROJECTS[_package(command)] / "man" / f"rdzv-{name}.1"] = _page(f"rdzv {name}", command, rest)
    return found


def _package(command: click.Command) -> str:
    return command.callback.__module__.partition(".")[0].replace("_", "-") if command.callback else ""


def _page(name: str, command: click.Command, rest: list[str]) -> str:
    group = command_line()
    parent = click.Context(group, info_name="rdzv", **group.context_settings)
    ctx = click.Context(command, info_name=name, parent=parent)
    title, text = name.replace(" ", "-"), inspect.cleandoc(command.help or "")
    summary, *paragraphs = re.split(r"\n\n+", text.replace("\f", ""))
    lines = [
        f'.TH "{title.upper()}" "1" "" "rdzv" "rdzv manual"',
        *(".nh", ".ad l"),  # a variable or a path is not hyphenated, and gaps are not stretched
        *(".SH NAME", rf"{_code(title)} \- {_inline(summary.rstrip('.'))}"),
        *(".SH SYNOPSIS", rf"\fB{_plain(name)}\fR {_plain(_usage(command, ctx))}"),
        *([".SH DESCRIPTION", *_prose(paragraphs)] if paragraphs else []),
        *(".SH OPTIONS", *_options(command, ctx)),
        *rest,
    ]
    return "\n".join(lines) + "\n"


def _usage(command: click.Command, ctx: click.Context) -> str:
    """Return what follows the name. How click shows a group differs from version to version."""
    return _GROUP_USAGE if isinstance(command, click.Group) else " ".join(command.collect_usage_pieces(ctx))


def _prose(paragraphs: list[str]) -> Iterator[str]:
    """Yield help: click marks a paragraph that is to keep its lines with a backspace."""
    for paragraph in paragraphs:
        if paragraph.startswith("\b"):
            yield from (".PP", ".nf", *map(_line, paragraph.splitlines()[1:]), ".fi")
        else:
            yield from (".PP", _line(" ".join(paragraph.split())))


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and record[1]:  # an argument stands in the synopsis
            spelled, text = record
            yield from (".TP", rf"\fB{_code(spelled)}\fR", _line(text))


def _overview() -> list[str]:
    lines = [".SH COMMANDS"]
    for name, command in commands().items():
        summary = inspect.cleandoc(command.help or "").split("\n\n")[0]
        lines += [".TP", rf"\fB{_code(f'rdzv-{name}')}\fR(1)", _line(" ".join(summary.split()))]
    lines.append(".SH ENVIRONMENT")
    for variables, text in _table("environment.md", "Read by every command"):
        lines += [".TP", _inline(variables), _line(text)]
    return [*lines, *_statuses(), *_see_also("")]


def _statuses(name: str = "") -> list[str]:
    """Return the exit statuses of a command; of all, with the commands named, without a name."""
    lines = [".SH EXIT STATUS"]
    for status, whose, text in _table("exit-status.md", "Exit statuses"):
        if name and f"`{name}`" not in whose and f"`{name} " not in whose and whose != _ALL:
            continue
        told = text if name and whose in (_ALL, f"`{name}`") else f"{whose}: {text}"
        lines += [".TP", _inline(status), _line(told)]
    return lines


def _see_also(name: str) -> list[str]:
    others = ["rdzv", *(f"rdzv-{each}" for each in commands())]
    told = ", ".join(rf"\fB{_code(each)}\fR(1)" for each in others if each != f"rdzv-{name}".rstrip("-"))
    return [".SH SEE ALSO", told]


def _table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading of a page of the reference."""
    text = (_REFERENCE / page).read_text("utf-8").split(f"# {heading}\n", 1)[1]
    rows = text.partition("\n| ")[2].partition("\n\n")[0].splitlines()[2:]
    return [[_unlinked(cell.strip()) for cell in row.strip("| ").split(" | ")] for row in rows]


def _unlinked(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


def _line(text: str) -> str:
    """Return a line of text, which begins with no character that roff reads as a request."""
    made = _inline(text)
    return rf"\&{made}" if made.startswith((".", "'")) else made


def _inline(text: str) -> str:
    """Return text with what is in `code` bold."""
    parts = re.split(r"`([^`]*)`", " ".join(text.split()) if "\n" in text else text)
    return "".join(rf"\fB{_code(part)}\fR" if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    """Escape what roff would read. Hyphens of options and paths stay as they are typed, and no line ends there."""
    return re.sub(r"(?<!\S)\W?-\S*|\S*[/_=]\S*", lambda word: word[0].replace("-", r"\-"), text.replace("\\", r"\e"))


def _code(text: str) -> str:
    """Escape what is to be typed as it stands."""
    return text.replace("\\", r"\e").replace("-", r"\-")


def main() -> None:
    """Write all; remove those of commands that are gone."""
    made = pages()
    for directory in {file.parent for file in made}:
        directory.mkdir(exist_ok=True)
        for old in directory.glob("*.1"):
            if old not in made:
                old.unlink()
    for file, text in made.items():
        file.write_text(text, "utf-8")
        print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
