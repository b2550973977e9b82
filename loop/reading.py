"""What a reader did with a frame, decided by comparing masks, never by what the page says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from loop.masks import Mask, dice, union
from loop.records import Decision
from loop.remote import RemoteAnnotation


@dataclass(frozen=True)
class Reading:
    """The decision, and the Dice between what was shown and what came back.

    `dice_to_proposal` is over all classes OR-ed, None when both are empty or nothing was shown.
    """

    decision: Decision
    dice_to_proposal: float | None


SKIPPED = Reading(Decision.SKIPPED, None)


def classify(mask: Mask, proposal: Mask | None) -> Reading:
    """Compare a submitted mask, bool (C, H, W), with the proposal that was shown (None: nothing was)."""
    if proposal is None:
        return Reading(Decision.FROM_SCRATCH if mask.any() else Decision.NO_VEIN, None)
    similarity = dice(union(mask), union(proposal))
    if np.array_equal(mask, proposal):
        return Reading(Decision.ACCEPTED, similarity)
    return Reading(Decision.FIXED if mask.any() else Decision.NO_VEIN, similarity)


def began_at(annotation: RemoteAnnotation) -> datetime:
    """When the reader opened the frame: the creation (or that of the draft it was restored from) less the
    time spent, as far as that is known.
    """
    first_saved = annotation.draft_created_at or annotation.created_at
    return first_saved - timedelta(seconds=max(0.0, annotation.lead_time or 0.0))


def version_in_service(history: Sequence[tuple[int, datetime]], at: datetime) -> int | None:
    """Which version served at a moment, from (version id, since when) in order; None before the first."""
    served = [version for version, since in history if since <= at]
    return served[-1] if served else None
