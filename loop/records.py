"""The nouns of the loop as frozen values: what the use cases pass around and the repositories store.

Ids are database ids unless the name says otherwise (`task_id`, `annotation_id`, `remote_id` are Label
Studio's). Times are timezone-aware UTC datetimes. Digests are lower-case SHA-256 hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Purpose(StrEnum):
    """What a prediction is for: drawn for the reader, or only a place in the queue with nothing drawn."""

    PROPOSAL = "proposal"
    ORDER_ONLY = "order-only"


class Arm(StrEnum):
    """Why a frame stands where it stands in a Selection."""

    SAMPLER = "sampler"
    RANDOM = "random"
    BLIND = "blind"
    HELD_OUT = "held-out"


class Decision(StrEnum):
    """What the reader did with a frame, read by comparing masks; DELETED is an annotation's tombstone."""

    ACCEPTED = "accepted"
    FIXED = "fixed"
    NO_VEIN = "no vein"
    SKIPPED = "skipped"
    FROM_SCRATCH = "from scratch"
    DELETED = "deleted"

    @property
    def is_trainable(self) -> bool:
        """Whether the mask of this decision may teach a model."""
        return self not in (Decision.SKIPPED, Decision.DELETED)


@dataclass(frozen=True)
class Project:
    """One labelling project: its classes in drawing order and the version that serves (the champion)."""

    id: int
    title: str
    classes: tuple[str, ...]
    label_studio_id: int | None = None
    champion_id: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """One imported frame; `digest` is the SHA-256 of its pixels, `clip` its recording, `patient` the clip's
    group.
    """

    id: int
    project_id: int
    digest: str
    width: int
    height: int
    clip: str
    patient: str | None
    is_held_out: bool
    task_id: int | None
    imported_at: datetime

    @property
    def group(self) -> str:
        """What a split must keep together: the patient where known, else the clip."""
        return self.patient or self.clip


@dataclass(frozen=True)
class NewFrame:
    """A frame about to be stored: checked, normalised, not yet in the database."""

    digest: str
    width: int
    height: int
    clip: str
    patient: str | None
    is_held_out: bool


@dataclass(frozen=True)
class Reader:
    """Someone who annotates, by Label Studio's user id; a simulated one never enters reports of seconds."""

    id: int
    user_id: int
    is_simulated: bool


@dataclass(frozen=True)
class ModelVersion:
    """A trained network: `name` is what Label Studio shows, `digest` the SHA-256 of the weight file.

    `config` holds network, size, classes, normalisation and prior class; `metrics` what was measured;
    `origin` says where the base weights came from ("phantoms", "scratch", "file", "imagenet").
    `withdrawn_at`: when its predictions were removed from Label Studio; None: they may be there.
    """

    id: int
    project_id: int
    number: int
    name: str
    digest: str
    round_id: int | None
    origin: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    created_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True)
class Drawn:
    """What a model version drew on a frame, to be stored as a Prediction; see there."""

    frame_id: int
    purpose: Purpose
    mask_digest: str | None
    uncertainty: float | None
    place: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What one model version drew on one frame; unique per (frame, model version).

    `mask_digest` names the stored mask (None: order-only), `uncertainty` is the score that ranked it,
    `remote_id` Label Studio's key once pushed, `place` its rank / n there.
    """

    id: int
    frame_id: int
    model_version_id: int
    purpose: Purpose
    mask_digest: str | None
    uncertainty: float | None
    place: float | None
    remote_id: int | None


@dataclass(frozen=True)
class MaskVersion:
    """One state of one annotation, append-only.

    `updated_at` is Label Studio's; `seconds` the reader's time (None: unknown); `proposal_id` the Prediction
    that was shown; `dice_to_proposal` per (all classes OR-ed) mask, None when both are empty or nothing was
    shown.
    """

    id: int
    frame_id: int
    annotation_id: int
    updated_at: datetime
    reader_id: int | None
    decision: Decision
    mask_digest: str | None
    seconds: float | None
    proposal_id: int | None
    dice_to_proposal: float | None
    is_simulated: bool
    recorded_at: datetime


@dataclass(frozen=True)
class SelectionEntry:
    """One frame's place in a Selection: rank 0 is served first."""

    frame_id: int
    rank: int
    arm: Arm
    uncertainty: float | None


@dataclass(frozen=True)
class Selection:
    """A seeded, replayable ordering of the unlabelled pool for one model version."""

    id: int
    project_id: int
    model_version_id: int
    strategy: str
    seed: int
    entries: tuple[SelectionEntry, ...]
    created_at: datetime


@dataclass(frozen=True)
class FrameCounts:
    """How the frames of a project stand. `labels`: by the decision that gave their current mask, SKIPPED
    those skipped that have none; a decision of no frame is left out. `unread`: those that Label Studio holds
    a prediction of one version for and nobody has annotated usably.
    """

    labels: Mapping[Decision, int]
    unread: int
