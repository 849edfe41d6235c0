"""The options of the handler and of a backend as a Markdown table, from their declarations."""

from __future__ import annotations

from typing import Any

from rdzv_core import default_registry
from rdzv_core._handler.settings import HANDLER_OPTIONS
from rdzv_core.options import Option, options_of

HANDLER = "handler"


def declared(owner: str) -> tuple[Option[Any], ...]:
    """Return the options of the handler (`handler`) or of the backend of that name."""
    return HANDLER_OPTIONS if owner == HANDLER else options_of(default_registry().load(owner))


def options_table(owner: str) -> list[str]:
    """Return the lines of the table: each option with what it is, its type and its default."""
    rows = [
        f"| [`{option.name}`](#{option.name.lower()}) | {_cell(option.help)} *({_type(option)}{_default(option)})* |"
        for option in declared(owner)
    ]
    return ["| option | is |", "|---|---|", *rows]


def _type(option: Option[Any]) -> str:
    words = {"str": "text", "bool": "boolean", "int": "integer", "float": "number"}
    kind = " or ".join(f"`{choice}`" for choice in option.choices) or words[option.type.__name__]
    return f"{kind}, secret" if option.secret else kind


def _default(option: Option[Any]) -> str:
    if option.default is None:
        return ""
    shown = f"{option.default:g}" if isinstance(option.default, float) else str(option.default)
    return f"; default `{shown.lower() if option.type is bool else shown}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
