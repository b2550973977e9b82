"""The mirror of one annotation: append-only, and by comparing masks with the proposal that was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from loop.errors import BadInput, NotFound
from loop.masks import Mask, check_mask, mask_digest, pack, unpack
from loop.messages import BAD_ANNOTATION
from loop.ports import BrushCodec, Clock, Database, LabelStudio, Storage, UnitOfWork
from loop.reading import SKIPPED, Reading, began_at, classify, version_in_service
from loop.records import Decision, Frame, MaskVersion, Prediction, Project, Purpose
from loop.regions import result_to_mask
from loop.remote import RemoteAnnotation, RemoteTask
from loop.returns import find_returned, note_return
from loop.serving import served_history

MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class IngestPorts:
    """What mirroring needs."""

    database: Database
    storage: Storage
    label_studio: LabelStudio
    codec: BrushCodec
    clock: Clock


class Ingested(StrEnum):
    """What became of one annotation."""

    STORED = "stored"
    KNOWN = "known"
    BURIED = "buried"
    SET_ASIDE = "set aside"


Tally = Counter[Ingested]


def ingest_annotation(ports: IngestPorts, frame: Frame | None, annotation: RemoteAnnotation) -> Ingested:
    """Mirror one annotation as the API gave it; the same state twice changes nothing.

    One that cannot be read is set aside with its reason, until it can, and gets no mask version, so that what
    was drawn before stays (see `loop.unreadable`); `frame` None: its task is not ours.
    """
    with ports.database.read() as uow:
        latest = uow.masks.latest(annotation.id)
    is_buried = latest is not None and latest.decision is Decision.DELETED
    if latest is not None and not is_buried and is_state_of(latest.updated_at, annotation.updated_at):
        return Ingested.KNOWN
    try:
        if frame is None:
            raise BadInput("an annotation of a task that belongs to no frame", task=annotation.task_id)
        if latest is not None and (is_buried or latest.updated_at > annotation.updated_at):
            return _store_later(ports, frame, latest, annotation.id)
        return _store(ports, frame, annotation)
    except (BadInput, NotFound) as error:
        return _set_aside(ports, annotation, error.message)


def is_mirrored(task: RemoteTask, state: Mapping[int, datetime | None] | None) -> bool:
    """Whether nothing is to be done for a task as it was listed; `state` is what `Masks.states` says of it.

    That is so for nearly every task of a look, which goes back over what webhooks told of.
    """
    if state is None:
        return False
    listed = {annotation.id: annotation.updated_at for annotation in task.annotations}
    living = {annotation_id: updated_at for annotation_id, updated_at in state.items() if updated_at}
    return living.keys() == listed.keys() and all(
        is_state_of(living[annotation_id], updated_at) for annotation_id, updated_at in listed.items()
    )


def is_state_of(mirrored: datetime, listed: datetime) -> bool:
    """Whether the mirror holds the state that is listed; one that came back to life has the next moment."""
    return mirrored - listed in (timedelta(0), MOMENT)


def bury_annotation(ports: IngestPorts, annotation_id: int) -> Ingested:
    """Append the tombstone of an annotation that Label Studio lost; one never mirrored needs none."""
    with ports.database.write() as uow:
        is_new = append_tombstone(uow, annotation_id, ports.clock())
        uow.marks.resolve(BAD_ANNOTATION, str(annotation_id))
        uow.commit()
    return Ingested.BURIED if is_new else Ingested.KNOWN


def append_tombstone(uow: UnitOfWork, annotation_id: int, now: datetime) -> bool:
    """The same within a unit of work; False when it has its tombstone already or was never mirrored."""
    latest = uow.masks.latest(annotation_id)
    if latest is None or latest.decision is Decision.DELETED:
        return False
    buried = uow.masks.append(
        frame_id=latest.frame_id,
        annotation_id=annotation_id,
        updated_at=latest.updated_at,
        reader_id=latest.reader_id,
        decision=Decision.DELETED,
        mask_digest=None,
        seconds=None,
        proposal_id=None,
        dice_to_proposal=None,
        is_simulated=latest.is_simulated,
        now=now,
    )
    return buried is not None


def _store_later(ports: IngestPorts, frame: Frame, latest: MaskVersion, annotation_id: int) -> Ingested:
    """Mirror what seems older than the mirror, or deleted: as a rule a stale listing, of which nothing is to
    be kept.

    Label Studio is asked anew. Where it holds the annotation and another state than the mirror, its clock was
    turned back, or its database was for a while an older one: the state is kept as the next moment after the
    mirror's.
    """
    try:
        annotation = ports.label_studio.get_annotation(annotation_id)
    except NotFound:
        return Ingested.KNOWN  # deleted meanwhile, which the next look sees
    if annotation.updated_at == latest.updated_at and latest.decision is not Decision.DELETED:
        return Ingested.KNOWN
    if is_held(ports, frame, latest, annotation):
        return Ingested.KNOWN
    later = max(annotation.updated_at, latest.updated_at + MOMENT)
    return _store(ports, frame, replace(annotation, updated_at=later))


def is_held(ports: IngestPorts, frame: Frame, version: MaskVersion, annotation: RemoteAnnotation) -> bool:
    """Whether the mirror's version says the same as an annotation that was changed no later: a clock that was
    turned back may have given it an earlier time. Raises BadInput for one that cannot be read.
    """
    if annotation.updated_at > version.updated_at or version.decision is Decision.DELETED:
        return False
    if annotation.was_cancelled or version.decision is Decision.SKIPPED:
        return annotation.was_cancelled and version.decision is Decision.SKIPPED
    with ports.database.read() as uow:
        project = uow.projects.get(frame.project_id)
    return version.mask_digest == mask_digest(_drawn(ports, project, frame, annotation))


def _drawn(ports: IngestPorts, project: Project, frame: Frame, annotation: RemoteAnnotation) -> Mask:
    return result_to_mask(annotation.result, project.classes, frame.height, frame.width, ports.codec)


def _store(ports: IngestPorts, frame: Frame, annotation: RemoteAnnotation) -> Ingested:
    with ports.database.read() as uow:
        project = uow.projects.get(frame.project_id)
        proposal = _proposal(uow, frame, annotation)
    shown = _proposal_mask(ports.storage, proposal, project, frame)
    reading, digest = SKIPPED, None
    if not annotation.was_cancelled:
        mask = _drawn(ports, project, frame, annotation)
        reading, digest = classify(mask, shown), mask_digest(mask)
        ports.storage.put("masks", digest, pack(mask))
    is_new = _append(ports, frame, annotation, reading, digest, proposal)
    return Ingested.STORED if is_new else Ingested.KNOWN


def _append(
    ports: IngestPorts,
    frame: Frame,
    annotation: RemoteAnnotation,
    reading: Reading,
    digest: str | None,
    proposal: Prediction | None,
) -> bool:
    with ports.database.write() as uow:
        reader = None if annotation.user_id is None else uow.readers.ensure(annotation.user_id)
        appended = uow.masks.append(
            frame_id=frame.id,
            annotation_id=annotation.id,
            updated_at=annotation.updated_at,
            reader_id=reader.id if reader else None,
            decision=reading.decision,
            mask_digest=digest,
            seconds=annotation.lead_time,
            proposal_id=proposal.id if proposal else None,
            dice_to_proposal=reading.dice_to_proposal,
            is_simulated=reader.is_simulated if reader else False,
            now=ports.clock(),
        )
        if returned := find_returned(uow, frame.id, annotation.brings_back):
            note_return(uow, returned.annotation_id, annotation.id)
        uow.marks.resolve(BAD_ANNOTATION, str(annotation.id))
        uow.commit()
    return appended is not None


def _proposal(uow: UnitOfWork, frame: Frame, annotation: RemoteAnnotation) -> Prediction | None:
    """What the reader saw: by the key that the page sent, else by what was served when the reader began.

    For one that was brought back what the deleted one's reader saw, since Label Studio may have lost the key.
    """
    if returned := find_returned(uow, frame.id, annotation.brings_back):
        return None if returned.proposal_id is None else uow.predictions.get(returned.proposal_id)
    key = annotation.parent_prediction
    found = None if key is None else uow.predictions.find_by_remote(key)
    found = found or _served_then(uow, frame, annotation)
    is_shown = found is not None and found.frame_id == frame.id and found.purpose is Purpose.PROPOSAL
    return found if is_shown else None


def _served_then(uow: UnitOfWork, frame: Frame, annotation: RemoteAnnotation) -> Prediction | None:
    """For a restored draft, whose page lost the key, and for a live answer, whose key we never learned."""
    history = served_history(uow, frame.project_id) or uow.models.service_history(frame.project_id)
    version = version_in_service(history, began_at(annotation))
    found = None if version is None else uow.predictions.find(frame.id, version)
    is_pushed = found is not None and found.remote_id is not None
    return found if is_pushed or annotation.parent_prediction is not None else None


def _proposal_mask(
    storage: Storage, proposal: Prediction | None, project: Project, frame: Frame
) -> Mask | None:
    if proposal is None or proposal.mask_digest is None:
        return None
    mask = unpack(storage.get("masks", proposal.mask_digest))
    return check_mask(mask, len(project.classes), frame.height, frame.width)


def _set_aside(ports: IngestPorts, annotation: RemoteAnnotation, message: str) -> Ingested:
    with ports.database.write() as uow:
        uow.marks.set_aside(
            BAD_ANNOTATION, str(annotation.id), message, ports.clock(), task_id=annotation.task_id
        )
        uow.commit()
    return Ingested.SET_ASIDE
