"""What of a frozen value is of its own: for digests that shall outlive a new version."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any


def changed_from_defaults(value: Any) -> dict[str, Any]:
    """Give the fields of a dataclass that do not hold their default, nested ones as well, in JSON's types.

    A field that a newer version has, and whose default stands for how things were before, changes nothing
    here. So a default must never be given another meaning. Equal values give equal answers: 1 and 1.0 too.
    """
    own = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return {
        field.name: own[field.name] for field in fields(value) if own[field.name] != _plain(field.default)
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return changed_from_defaults(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return float(value) if type(value) is int else value
