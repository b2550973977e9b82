"""Gather the labelled dataset of a project as one frozen value; `adapters.formats` writes it out as COCO
and masks.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from loop.errors import BadRequest
from loop.ports import UnitOfWork
from loop.records import Arm, Decision, Frame, MaskVersion
from loop.splits import is_for_validation
from loop.unreadable import UnreadableLabel, unreadable_labels

VAL_FRACTION = 0.15


class Part(StrEnum):
    """The part of an exported dataset that a frame belongs to; held-out clips are the test part, but for the
    frames that were labelled over a proposal: these would favour the model that made it.
    """

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    PROPOSED = "proposed"


@dataclass(frozen=True)
class ExportFrame:
    """One labelled frame and where its mask came from.

    `mask_digest` None is an empty mask; `reader` is a pseudonym, None when unknown; `seconds` is None for a
    simulated reader; `arm` says why the frame was asked for (None: no queue held it); `proposed_by` names
    the model version whose proposal was shown; `may_be_outdated`: a label of the frame cannot be read in its
    newest state.
    """

    digest: str
    width: int
    height: int
    clip: str
    patient: str | None
    part: Part
    mask_digest: str | None
    decision: Decision
    reader: str | None
    seconds: float | None
    is_simulated: bool
    labelled_at: datetime
    proposed_by: str | None
    dice_to_proposal: float | None
    may_be_outdated: bool = False
    arm: Arm | None = None

    @property
    def group(self) -> str:
        """What no two parts share: the patient where known, else the clip."""
        return self.patient or self.clip


@dataclass(frozen=True)
class ExportSet:
    """A dataset ready to be written: frames sorted by digest, classes in drawing order (class i is value i
    + 1). `unreadable`: labels whose newest state is not in it.
    """

    title: str
    classes: tuple[str, ...]
    champion: str | None
    champion_digest: str | None
    frames: tuple[ExportFrame, ...]
    unlabelled: int
    unreadable: tuple[UnreadableLabel, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over classes, frames, masks and parts: equal labels give one digest."""
        lines = [json.dumps(self.classes)]
        lines += [f"{frame.digest} {frame.mask_digest or '-'} {frame.part}" for frame in self.frames]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def of_part(self, part: Part) -> tuple[ExportFrame, ...]:
        """The frames of one part, sorted by digest; an unused part gives none."""
        return tuple(frame for frame in self.frames if frame.part is part)

    def counts(self) -> dict[str, int]:
        """How many frames each part holds; PROPOSED only where it holds any."""
        counts = {part: len(self.of_part(part)) for part in Part}
        return {part.value: count for part, count in counts.items() if count or part is not Part.PROPOSED}

    def outdated(self) -> tuple[ExportFrame, ...]:
        """The frames whose mask may be an older one."""
        return tuple(frame for frame in self.frames if frame.may_be_outdated)

    def decisions(self) -> dict[str, int]:
        """How many frames each decision of a reader gave."""
        return dict(sorted(Counter(exported_decision(frame.decision) for frame in self.frames).items()))


def exported_decision(decision: Decision) -> str:
    """What a decision is called outside, where the classes may be others than veins."""
    return "empty" if decision is Decision.NO_VEIN else decision.value


def gather_export(
    uow: UnitOfWork, project_id: int, *, val_fraction: float = VAL_FRACTION, seed: int = 0
) -> ExportSet:
    """Read the current trainable masks of a project; the bytes stay in storage until they are written.

    Held-out clips are the test part, as far as they were read blind; of the others, about `val_fraction` of
    the groups (patients, else clips) are the validation part, each by its own hash. Raises BadRequest when
    nothing is labelled, NotFound for an unknown project.
    """
    project = uow.projects.get(project_id)
    masks = [version for version in uow.masks.current(project_id) if version.decision.is_trainable]
    if not masks:
        raise BadRequest("no labelled frame", "at least one", "label some frames first", project=project_id)
    frames = uow.frames.get_many([version.frame_id for version in masks])
    parts = assign_parts(list(frames.values()), val_fraction, seed)
    proposers = _proposers(uow, project_id)
    champion = uow.models.get(project.champion_id) if project.champion_id is not None else None
    arms = uow.selections.arms(project_id)
    unreadable = unreadable_labels(uow, project_id)
    outdated = {label.frame.id for label in unreadable}
    exported = [
        replace(
            _export_frame(frames[mask.frame_id], mask, parts, proposers),
            may_be_outdated=mask.frame_id in outdated,
            arm=arms.get(mask.frame_id),
        )
        for mask in masks
    ]
    return ExportSet(
        title=project.title,
        classes=project.classes,
        champion=champion.name if champion else None,
        champion_digest=champion.digest if champion else None,
        frames=tuple(sorted(exported, key=lambda frame: frame.digest)),
        unlabelled=uow.frames.count(project_id) - len(masks),
        unreadable=tuple(unreadable),
    )


def assign_parts(frames: Sequence[Frame], val_fraction: float, seed: int) -> dict[str, Part]:
    """Give each group its part: test where any of its frames is held out, else val or train by hash."""
    held_out = {frame.group for frame in frames if frame.is_held_out}
    others = {frame.group for frame in frames} - held_out
    parts = {
        group: Part.VAL if is_for_validation(group, val_fraction, seed) else Part.TRAIN for group in others
    }
    return parts | dict.fromkeys(held_out, Part.TEST)


def _proposers(uow: UnitOfWork, project_id: int) -> dict[int, str]:
    return {
        prediction.id: version.name
        for version in uow.models.list(project_id)
        for prediction in uow.predictions.for_version(project_id, version.id)
    }


def _export_frame(
    frame: Frame,
    mask: MaskVersion,
    parts: Mapping[str, Part],
    proposers: Mapping[int, str],
) -> ExportFrame:
    part = parts[frame.group]
    is_blind = mask.proposal_id is None
    return ExportFrame(
        digest=frame.digest,
        width=frame.width,
        height=frame.height,
        clip=frame.clip,
        patient=frame.patient,
        part=part if is_blind or part is not Part.TEST else Part.PROPOSED,
        mask_digest=mask.mask_digest,
        decision=mask.decision,
        reader=f"reader-{mask.reader_id}" if mask.reader_id is not None else None,
        seconds=None if mask.is_simulated else mask.seconds,
        is_simulated=mask.is_simulated,
        labelled_at=mask.updated_at,
        proposed_by=proposers.get(mask.proposal_id) if mask.proposal_id is not None else None,
        dice_to_proposal=mask.dice_to_proposal,
    )
