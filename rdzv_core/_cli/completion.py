"""What a shell completes: names of backends and options; and `rdzv completion`, which sets a shell up for it."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from rdzv_core._secrets import with_files
from rdzv_core.compat import resolved_name
from rdzv_core.options import options_of
from rdzv_core.registry import default_registry

SHELLS = ("bash", "zsh", "fish")


def backend_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the installed backends that begin so. Imports none of them."""
    return [
        CompletionItem(info.name, help=f"{info.distribution} {info.version}".strip())
        for info in default_registry().list()
        if info.name.startswith(incomplete)
    ]


def option_names(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the options that begin so, of the handler and of the backend that the line names, if it can be loaded."""
    # Imported late: every command names this function, and few have a use for the handler.
    from rdzv_core._handler.settings import HANDLER_OPTIONS

    options = [*HANDLER_OPTIONS, *_options_of(ctx.params.get("backend"))]
    return [
        CompletionItem(f"{option.name}=", help=option.help)
        for option in sorted(with_files(options), key=lambda option: option.name)
        if option.name.startswith(incomplete)
    ]


def _options_of(backend: str | None) -> tuple[Any, ...]:
    if not backend:
        return ()
    try:
        return tuple(options_of(default_registry().load(resolved_name(backend))))
    except Exception:  # noqa: BLE001 - a shell completes what it can, and says nothing
        return ()


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options, backends and the options of a backend.

    \b
    bash, in ~/.bashrc:    eval "$(rdzv completion bash)"
    zsh, in ~/.zshrc:      eval "$(rdzv completion zsh)"
    fish, once:            rdzv completion fish > ~/.config/fish/completions/rdzv.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, f"click knows no completion for {shell}"
    click.echo(kind(ctx.find_root().command, {}, "rdzv", "_RDZV_COMPLETE").source())
