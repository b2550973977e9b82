"""What all models share: which Python type is stored how, and how constraints are named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from sqlalchemy import JSON, BigInteger, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

from db.types import JsonTuple, OneOf, UtcDateTime, VerdictJson
from loop.records import Arm, Decision, Purpose
from loop.training_records import RoundState, Split, Verdict

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Fixed names, so that a migration can name what it changes."""

RowId = Annotated[int, mapped_column(primary_key=True)]
LongInteger = Annotated[int, mapped_column(BigInteger)]
"""Ids that Label Studio gives, and seeds."""


class Base(DeclarativeBase):
    """Root of the models."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        datetime: UtcDateTime(),
        Mapping[str, Any]: JSON(),
        tuple[str, ...]: JsonTuple(),
        tuple[int, ...]: JsonTuple(),
        Verdict: VerdictJson(),
        **{members: OneOf(members) for members in (Arm, Decision, Purpose, RoundState, Split)},
    }
