"""The nouns of training as frozen values: a round, what it learns from, and what the gate says of it.

See `loop.records` for ids, times and digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class RoundState(StrEnum):
    """Where a round is; the legal moves are one table in `loop.policy`."""

    PLANNED = "planned"
    TRAINING = "training"
    GATING = "gating"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_live(self) -> bool:
        """Whether the round still holds the project's one place for a live round."""
        return self in (RoundState.PLANNED, RoundState.TRAINING, RoundState.GATING)


class Split(StrEnum):
    """The part of a training set that a frame belongs to."""

    TRAIN = "train"
    INNER = "inner"
    HELD_OUT = "held-out"


@dataclass(frozen=True)
class TrainingEntry:
    """One line of a frozen manifest."""

    frame_id: int
    frame_digest: str
    mask_version_id: int
    mask_digest: str
    group: str
    split: Split


@dataclass(frozen=True)
class TrainingSet:
    """The frozen input of a round; `digest` is the SHA-256 of the sorted entries, so equal labels give one
    set.
    """

    digest: str
    entries: tuple[TrainingEntry, ...]


@dataclass(frozen=True)
class Verdict:
    """The gate's decision with its figures (see `loop.policy.judge`)."""

    is_promoted: bool
    is_unproven: bool
    reason: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Round:
    """One training round. `attempt` rises with each claim; a write of an older attempt is refused."""

    id: int
    project_id: int
    number: int
    state: RoundState
    reason: str
    seed: int
    attempt: int
    lease_until: datetime | None
    label_count: int
    training_set_digest: str | None
    candidate_id: int | None
    base: str | None
    is_cancel_requested: bool
    progress: Mapping[str, Any]
    verdict: Verdict | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None
