"""Every command of `rdzv` in Markdown, from what `--help` prints."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from rdzv_core._cli.group import command_line


def commands() -> dict[str, click.Command]:
    """Return the installed commands by name, in the order of their names."""
    group = command_line()
    ctx = click.Context(group, info_name="rdzv")
    found = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: command for name, command in found.items() if command is not None}


def commands_page() -> list[str]:
    """Return a section for each command: usage, help, options."""
    return [line for name, command in commands().items() for line in _section(name, command)]


def _section(name: str, command: click.Command) -> Iterator[str]:
    ctx = click.Context(command, info_name=f"rdzv {name}")
    yield from (f"## rdzv {name}", "", "```text", *command.get_usage(ctx).splitlines(), "```", "")
    yield from (*_prose(inspect.cleandoc(command.help or "")), "")
    for param in command.params:
        record = param.get_help_record(ctx)
        if record is not None and record[1]:  # an argument stands in the usage
            spelled, text = record
            yield from (f"`{spelled}`", f": {_escaped(text)}", "")


def _prose(text: str) -> list[str]:
    """Return help as Markdown: click marks a paragraph that is to keep its lines with a backspace."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\n+", text.replace("\f", "")):
        kept = paragraph.startswith("\b")
        lines += ["```text", *paragraph.splitlines()[1:], "```", ""] if kept else [_escaped(paragraph), ""]
    return "\n".join(lines).splitlines()


def _escaped(text: str) -> str:
    """Escape what Markdown would read as HTML or a link, but for what is in `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([<>\[\]*_])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
