"""Bringing labels back that were deleted in Label Studio: they are made there anew, and the mirror follows.

Label Studio is asked about each frame before anything is made in it, so that a run that was cut short goes on
and a second one makes nothing twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from loop.burials import BuriedLabel
from loop.errors import BadInput, BadRequest, NotFound
from loop.intake import import_missing
from loop.masks import check_mask, unpack
from loop.mirror import IngestPorts
from loop.planning import wake
from loop.ports import Job, Queue
from loop.records import Decision, Frame, MaskVersion, Project
from loop.regions import mask_to_result
from loop.remote import LostAnnotation, RemoteAnnotation, RemoteTask
from loop.serving import ServingPorts


class Return(StrEnum):
    """What became of a deleted label, in words that follow a number of them."""

    BACK = "brought back"
    THERE = "there already"
    NEWER = "left, since their frames have newer ones"
    REFUSED = "refused"


@dataclass(frozen=True)
class RestorePorts:
    """What bringing labels back needs."""

    ingest: IngestPorts
    queue: Queue

    @property
    def serving(self) -> ServingPorts:
        """For the tasks that are made again."""
        return ServingPorts(self.ingest.database, self.ingest.label_studio, self.ingest.clock)


@dataclass
class Restored:
    """How many labels had which end, how many tasks were made, how many labels stand under the first account
    because Label Studio does not know their reader, and why any was refused.
    """

    labels: Counter[Return] = field(default_factory=Counter)
    tasks: int = 0
    under_first_account: int = 0
    reasons: list[str] = field(default_factory=list)


OnFrame = Callable[[int, int], None]


def restore_labels(
    ports: RestorePorts, project_id: int, buried: Sequence[BuriedLabel], on_frame: OnFrame
) -> Restored:
    """Make deleted labels again, each as it was last drawn, on new tasks where theirs are gone.

    A label stays away whose frame has a newer one. `on_frame` hears (frames done, frames in all). Raises
    Unavailable, Denied (call again: it goes on), Conflict while frames are taken in.
    """
    of_frame: defaultdict[int, set[int]] = defaultdict(set)
    for each in buried:
        of_frame[each.frame.id].add(each.tombstone.annotation_id)
    with ports.ingest.database.read() as uow:
        project = uow.projects.get(project_id)
    restored = Restored()
    lacking = {each.frame.digest for each in buried if each.frame.task_id is None}
    if lacking:
        restored.tasks = import_missing(ports.serving, project, again=lacking)
    try:
        for number, (frame_id, annotation_ids) in enumerate(of_frame.items(), start=1):
            _FrameRestoration(ports.ingest, project, restored).restore(frame_id, annotation_ids)
            on_frame(number, len(of_frame))
    finally:
        if lacking:
            wake(ports.queue, Job.PREANNOTATE, project_id=project_id)
    return restored


@dataclass
class _FrameRestoration:
    ports: IngestPorts
    project: Project
    restored: Restored

    def restore(self, frame_id: int, annotation_ids: set[int]) -> None:
        """Oldest first, since Label Studio gives each the present as its time."""
        with self.ports.database.read() as uow:
            frame, history = uow.frames.get(frame_id), uow.masks.history(frame_id)
            readers = {each.reader_id for each in history if each.reader_id is not None}
            users: dict[int | None, int] = {each: uow.readers.get(each).user_id for each in readers}
        drawn = [each for each in history if each.decision is not Decision.DELETED]
        last = {each.annotation_id: each for each in drawn}  # the history is oldest first
        began = {each.annotation_id: each.updated_at for each in reversed(drawn)}
        try:
            task = self.ports.label_studio.get_task(frame.task_id or 0)
        except NotFound as error:
            self._refuse(error.message, len(annotation_ids))
            return
        wanted = [each for each in last.values() if each.annotation_id in annotation_ids]
        for version in sorted(wanted, key=lambda each: (each.updated_at, each.annotation_id)):
            outcome = _standing(task, version, users.get(version.reader_id), last)
            if outcome is Return.BACK:
                self._bring_back(frame, version, began[version.annotation_id])
            else:
                self.restored.labels[outcome] += 1

    def _bring_back(self, frame: Frame, version: MaskVersion, began_at: datetime) -> None:
        try:
            self.restored.labels[self._make(self._lost(frame, version, began_at))] += 1
        except (BadInput, BadRequest, NotFound) as error:
            self._refuse(error.message)

    def _refuse(self, reason: str, count: int = 1) -> None:
        self.restored.labels[Return.REFUSED] += count
        self.restored.reasons.append(reason)

    def _make(self, lost: LostAnnotation) -> Return:
        """As like the deleted one as Label Studio takes it: its prediction or reader may be gone there."""
        *likest, barest = _likenesses(lost)
        for each in likest:
            with suppress(BadRequest):
                return self._post(each)
        return self._post(barest)

    def _post(self, lost: LostAnnotation) -> Return:
        outcome = Return.BACK if self.ports.label_studio.bring_back(lost) else Return.THERE
        self.restored.under_first_account += lost.user_id is None
        return outcome

    def _lost(self, frame: Frame, version: MaskVersion, began_at: datetime) -> LostAnnotation:
        with self.ports.database.read() as uow:
            reader = None if version.reader_id is None else uow.readers.get(version.reader_id)
            shown = None if version.proposal_id is None else uow.predictions.get(version.proposal_id)
        name = f"{self.project.label_studio_id}/{version.annotation_id}/{version.id}"
        return LostAnnotation(
            task_id=frame.task_id or 0,
            user_id=reader.user_id if reader else None,
            result=self._result(frame, version),
            was_cancelled=version.decision is Decision.SKIPPED,
            began_at=began_at,
            lead_time=version.seconds,
            parent_prediction=shown.remote_id if shown else None,
            brings_back=version.annotation_id,
            key=str(uuid5(NAMESPACE_URL, name)),
        )

    def _result(self, frame: Frame, version: MaskVersion) -> list[dict[str, object]]:
        if version.mask_digest is None:
            return []
        mask = unpack(self.ports.storage.get("masks", version.mask_digest))
        check_mask(mask, len(self.project.classes), frame.height, frame.width)
        key = f"annotation {version.annotation_id}"
        return mask_to_result(mask, self.project.classes, self.ports.codec, key)


def _likenesses(lost: LostAnnotation) -> list[LostAnnotation]:
    """What may be made of it, the likest first; the last has neither prediction nor reader."""
    shown = [lost.parent_prediction, None] if lost.parent_prediction is not None else [None]
    readers = [lost.user_id, None] if lost.user_id is not None else [None]
    return [replace(lost, user_id=user, parent_prediction=key) for user in readers for key in shown]


def _standing(
    task: RemoteTask, version: MaskVersion, user_id: int | None, last: dict[int, MaskVersion]
) -> Return:
    """What is to be done for a deleted label of a reader: BACK, where it is missing and nothing newer stands
    there.
    """
    if any(version.annotation_id in (each.brings_back, each.id) for each in task.annotations):
        return Return.THERE
    for each in task.annotations:
        returned = _stands_for(each, last)
        # Another reader's skip puts no label aside, and one that was brought back is of another time.
        is_word = not each.was_cancelled or (returned is None and each.user_id == user_id)
        if is_word and (returned or each).updated_at > version.updated_at:
            return Return.NEWER
    return Return.BACK


def _stands_for(annotation: RemoteAnnotation, last: dict[int, MaskVersion]) -> MaskVersion | None:
    """The deleted one that it brought back; None: it brought none back, or was changed since."""
    deleted, mirrored = last.get(annotation.brings_back or 0), last.get(annotation.id)
    is_unchanged = mirrored is None or (deleted and mirrored.mask_digest == deleted.mask_digest)
    return deleted if is_unchanged else None
