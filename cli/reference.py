"""The tables of commands, settings and metrics in the documents; `python -m cli.reference` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import SecretStr
from typer.main import get_group

from adapters.home_files import variable_name
from adapters.metrics.catalogue import CATALOGUE
from adapters.settings import Settings
from cli.app import app

EVERYWHERE = ("--home", "--help")


def commands_table() -> str:
    """Every command with its arguments, its one-line help and its own options."""
    rows = [(_usage(name, each), each.help or "", _options(each)) for name, each in _commands(get_group(app))]
    return _table(("command", "what it does", "options"), rows)


def settings_table() -> str:
    """Every setting by its variable, with its default and what it means."""
    rows = [
        (f"`{variable_name(name)}`", _default(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return _table(("variable", "default", "meaning"), rows)


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Each command by all its words; a group stands for those in it."""
    for name, each in group.commands.items():
        words = f"{before}{name}"
        yield from _commands(each, f"{words} ") if hasattr(each, "commands") else [(words, each)]


def metrics_table() -> str:
    """Every figure that Prometheus may read, in the order of the catalogue."""
    rows = [
        (f"`{name}`", spec.kind, ", ".join(f"`{label}`" for label in spec.labels), spec.shown, spec.meaning)
        for name, spec in CATALOGUE.items()
    ]
    return _table(("metric", "kind", "labels", "shown by", "meaning"), rows)


def _usage(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    words = [each.name.upper() if each.required else f"[{each.name.upper()}]" for each in arguments]
    return f"`{' '.join([name, *words])}`"


def _options(command: Any) -> str:
    options = [each.opts[-1] for each in command.params if each.param_type_name == "option"]
    return " ".join(f"`{name}`" for name in options if name not in EVERYWHERE)


def _default(value: object) -> str:
    if isinstance(value, SecretStr):
        return "drawn once"
    return f"`{value}`" if str(value) else "empty"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(f"{commands_table()}\n\n{settings_table()}\n\n{metrics_table()}\n")
