"""Column types that give Python values back as they went in, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from loop.errors import BadRequest
from loop.training_records import Verdict


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: timezone-aware in, UTC out. A naive one raises BadRequest: its zone would be a guess."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """To UTC; SQLite then stores the fields as text, which sorts by time."""
        if value is not None and value.tzinfo is None:
            raise BadRequest("a datetime without a time zone", "timezone-aware UTC", "take it from the clock")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """SQLite gives the fields back without a zone, PostgreSQL with the session's."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class OneOf(TypeDecorator[StrEnum]):
    """A member of one StrEnum, stored as its word."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: StrEnum | None, _dialect: Dialect) -> str | None:
        """The member's word; ValueError for a word that is no member."""
        return self.members(value).value if value is not None else None

    def process_result_value(self, value: str | None, _dialect: Dialect) -> StrEnum | None:
        """The member again."""
        return self.members(value) if value is not None else None


class JsonTuple(TypeDecorator[tuple[Any, ...]]):
    """A tuple of numbers or words, stored as a JSON list."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, _dialect: Dialect) -> list[Any] | None:
        """As a list, in order."""
        return list(value) if value is not None else None

    def process_result_value(self, value: list[Any] | None, _dialect: Dialect) -> tuple[Any, ...] | None:
        """As a tuple again."""
        return tuple(value) if value is not None else None


class VerdictJson(TypeDecorator[Verdict]):
    """The gate's Verdict, stored as one JSON object."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Verdict | None, _dialect: Dialect) -> dict[str, Any] | None:
        """By field name."""
        return asdict(value) if value is not None else None

    def process_result_value(self, value: dict[str, Any] | None, _dialect: Dialect) -> Verdict | None:
        """The Verdict again, with plain lists and dicts in its figures."""
        return Verdict(**value) if value is not None else None


def dump_json(value: object) -> str:
    """Text of a JSON column. NaN and infinities become null, because JSON has no word for them.

    Raises TypeError for a value that JSON does not know, such as a NumPy integer.
    """
    return json.dumps(_without_non_finite(value), ensure_ascii=False, allow_nan=False)


def _without_non_finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_non_finite(item) for item in value]
    return value
