"""`rdzv backends`: what is installed, and what one of them takes."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import click

from rdzv_core._cli.check import run_check
from rdzv_core._cli.completion import backend_names
from rdzv_core._cli.options import json_option
from rdzv_core._cli.output import show_json, show_table
from rdzv_core._cli.probe import import_errors
from rdzv_core._environment import variable_of
from rdzv_core._handler.settings import HANDLER_OPTIONS
from rdzv_core._secrets import with_files
from rdzv_core.abc import (
    RendezvousBackend,
    SupportsDelete,
    SupportsListing,
    SupportsMembership,
    SupportsStore,
    SupportsSubmit,
    SupportsWatch,
)
from rdzv_core.compat import explain_alias, resolved_name
from rdzv_core.options import Option, options_of
from rdzv_core.registry import BackendFactory, BackendInfo, BackendRegistry, default_registry, normalize

_CAPABILITIES = {
    "watch": SupportsWatch,
    "membership": SupportsMembership,
    "store": SupportsStore,
    "delete": SupportsDelete,
    "listing": SupportsListing,
    "submit": SupportsSubmit,
}

_HOW = (
    "Give an option as --option NAME=VALUE, or as the environment variable RDZV_OPTION_ and the name in capitals: "
    "RDZV_OPTION_JOIN_TIMEOUT=60. The command line wins."
)


@click.command()
@click.argument("name", required=False, shell_complete=backend_names)
@click.option(
    "--check",
    "endpoints",
    multiple=True,
    metavar="ENDPOINT",
    help="Test whether a store can do what NAME relies on; exits with 1 if not. May be repeated, for one store under "
    "several names (a directory at two mounts).",
)
@json_option
def backends(name: str | None, endpoints: tuple[str, ...], as_json: bool) -> int | None:
    """List the installed backends, or show one.

    With NAME: what it is, what it can do, and which options it takes. With --check: whether a store is fit for it.
    PyTorch's names c10d and etcd-v2 stand for tcp (or file) and etcd.

    The list is made from the installed metadata. Each backend is imported in a process of its own to
    see whether it works: a broken plugin is shown as broken, with the reason, and does not affect the others.
    """
    registry = default_registry()
    if endpoints:
        if name is None:
            raise click.UsageError("--check needs the NAME of a backend, as in `rdzv backends file --check /shared`")
        return run_check(name, registry.load(name), endpoints, as_json)
    if name is None:
        _show_list(registry.list(), as_json)
    else:
        _show_one(name, registry, as_json)
    return None


def _show_list(found: list[BackendInfo], as_json: bool) -> None:
    described = [
        {
            "name": info.name,
            "distribution": info.distribution,
            "version": info.version,
            "target": info.target,
            "status": "broken" if reason else "ok",
            "reason": reason,
        }
        for info, reason in zip(found, import_errors(found), strict=True)
    ]
    if as_json:
        show_json(described)
        return
    rows = [
        [str(entry[key] or "") for key in ("name", "distribution", "version", "status", "reason")]
        for entry in described
    ]
    columns = ("backend", "distribution", "version", "status", "why")
    broken = any(row[-1] for row in rows)
    show_table(columns if broken else columns[:-1], rows if broken else [row[:-1] for row in rows])


def _show_one(name: str, registry: BackendRegistry, as_json: bool) -> None:
    factory = registry.load(name)
    distribution, _, plain = resolved_name(name).rpartition(":")
    info = next(
        each
        for each in registry.list()
        if each.name == normalize(plain) and normalize(distribution) in ("", normalize(each.distribution))
    )
    alias, table = explain_alias(name), with_files(options_of(factory))
    about = _about(info, factory)
    capabilities = _capabilities(factory)
    if as_json:
        show_json(
            {
                "name": info.name,
                "alias": alias,
                "distribution": info.distribution,
                "version": info.version,
                "target": info.target,
                "about": about,
                "capabilities": capabilities,
                "options": [_describe(option) for option in table],
                "handler_options": [_describe(option) for option in HANDLER_OPTIONS],
            }
        )
        return
    if alias:
        click.echo(f"{alias}.\n")
    click.echo(f"{info.name} ({info.distribution} {info.version}, {info.target})")
    if about:
        click.echo(about)
    click.echo(f"Capabilities of its own: {_listed(capabilities)}\n")
    _show_options(f"Options of {info.name}", table)
    click.echo()
    _show_options("Options of the handler, on every backend", HANDLER_OPTIONS)
    click.echo(f"\n{_HOW}")
    if secret := [option.name for option in table if option.secret]:
        first, *_ = secret
        click.echo(
            f"Secret: {', '.join(secret)}. Any user can read a command line with ps: give {first}_file=PATH, or "
            f"{variable_of(first)}."
        )


def _show_options(title: str, table: tuple[Option[Any], ...]) -> None:
    if not table:
        click.echo(f"{title}: none")
        return
    rows = [[option.name, _type(option), _default(option), option.help] for option in table]
    show_table(("option", "type", "default", "what it is"), rows, title)


def _describe(option: Option[Any]) -> dict[str, Any]:
    return {
        "name": option.name,
        "type": option.type.__name__,
        "choices": list(option.choices),
        "default": None if option.secret else option.default,
        "help": option.help,
        "secret": option.secret,
        "variable": variable_of(option.name),
    }


def _type(option: Option[Any]) -> str:
    return "|".join(option.choices) or option.type.__name__


def _default(option: Option[Any]) -> str:
    if option.default is None or option.secret:
        return "-"
    return str(option.default).lower() if option.type is bool else str(option.default)


def _about(info: BackendInfo, factory: BackendFactory) -> str:
    """Return the distribution's summary, which is written for users; core's own backend has only its docstring."""
    summary = "" if info.distribution == "rdzv-core" else info.summary  # an author need not write one
    return summary or inspect.cleandoc((_class_of(factory) or factory).__doc__ or "").partition("\n\n")[0]


def _capabilities(factory: BackendFactory) -> list[str] | None:
    made = _class_of(factory)
    if made is None:
        return None
    return [word for word, capability in _CAPABILITIES.items() if issubclass(made, capability)]


def _class_of(factory: BackendFactory) -> type | None:
    """Return the class of what the factory makes; None if that is not known without calling it."""
    plain = inspect.unwrap(factory)
    owner = getattr(plain, "__self__", plain)
    if not inspect.isclass(owner):
        try:
            owner = typing.get_type_hints(plain).get("return")
        except Exception:  # noqa: BLE001 - an annotation that cannot be read says nothing, and harms nothing
            return None
    known = inspect.isclass(owner) and issubclass(owner, RendezvousBackend) and owner is not RendezvousBackend
    return owner if known else None


def _listed(capabilities: list[str] | None) -> str:
    if capabilities is None:
        return "not known until it is created"
    return ", ".join(capabilities) or "none: core's fallbacks stand in"
