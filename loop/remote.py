"""What Label Studio's API gives and takes, as frozen values.

Ids are Label Studio's. Times are timezone-aware UTC datetimes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class RemoteAnnotation:
    """An annotation as Label Studio's API gives it; `result` is raw and unchecked.

    `draft_created_at` is when the draft that it was restored from was first saved (None: no draft),
    `brings_back` the id of a deleted annotation in whose place it was made (None: of none).
    """

    id: int
    task_id: int
    user_id: int | None
    result: Sequence[Mapping[str, Any]]
    was_cancelled: bool
    created_at: datetime
    updated_at: datetime
    lead_time: float | None
    parent_prediction: int | None
    draft_created_at: datetime | None = None
    brings_back: int | None = None


@dataclass(frozen=True)
class RemoteTask:
    """A task as Label Studio's API gives it, with all its annotations."""

    id: int
    data: Mapping[str, Any]
    updated_at: datetime
    annotations: tuple[RemoteAnnotation, ...]


@dataclass(frozen=True)
class RemotePrediction:
    """What Label Studio holds of one prediction."""

    id: int
    task_id: int
    model_version: str
    score: float | None


@dataclass(frozen=True)
class NewPrediction:
    """A prediction to be pushed: `score` is the place (rank / n), lowest served first."""

    task_id: int
    model_version: str
    score: float
    result: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class LostAnnotation:
    """An annotation to be made again in the place of the deleted one `brings_back`; `key` is a UUID of which
    there is one at most.

    `user_id` None: the first account; `began_at`: when the deleted one was first saved.
    """

    task_id: int
    user_id: int | None
    result: Sequence[Mapping[str, Any]]
    was_cancelled: bool
    began_at: datetime
    lead_time: float | None
    parent_prediction: int | None
    brings_back: int
    key: str
