"""What must hold after every fault, whatever was killed, cut off or full: nothing lost, half done or doubled.

One checker for all drills. It reads Label Studio, the database and the files each for itself and compares.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapters.bootstrap import Container
from adapters.formats.dataset import write_dataset
from adapters.unfinished import PREFIX
from loop.errors import BadInput, BadRequest, NotFound, SonoloopError
from loop.export import gather_export
from loop.ingest import drain_inbox, reconcile
from loop.masks import mask_digest
from loop.messages import BAD_ANNOTATION
from loop.mirror import IngestPorts
from loop.ports import BrushCodec, Clock, Database, Images, LabelStudio, Storage
from loop.records import Decision, Frame, MaskVersion, ModelVersion, Project
from loop.regions import result_to_mask
from loop.remote import RemoteAnnotation, RemoteTask
from loop.serving import ServingPorts, is_order_only, relay_outbox, served_history
from loop.training_records import Round, RoundState

LEFTOVERS = (".writing-*", "*.part", f"{PREFIX}*")
FOREIGN = {"rounds", "label-studio", "redis", "logs", "run"}
"""Folders of the home that others write to, or where a round may be at it."""
BY_HAND = "asked for by hand"


@dataclass(frozen=True)
class Parts:
    """What is compared. `served` asks Label Studio which version a project of its own serves; `root` is the
    home's folder (None: everything lies in memory).

    `by_clock` False: a clock was turned back, so the mirror may carry a later time than Label Studio.
    """

    database: Database
    storage: Storage
    images: Images
    label_studio: LabelStudio
    codec: BrushCodec
    clock: Clock
    served: Callable[[int], str]
    root: Path | None = None
    by_clock: bool = True

    @property
    def ingest(self) -> IngestPorts:
        return IngestPorts(self.database, self.storage, self.label_studio, self.codec, self.clock)

    @property
    def serving(self) -> ServingPorts:
        return ServingPorts(self.database, self.label_studio, self.clock)


@dataclass
class Findings:
    """How many `annotations` Label Studio holds, what the mirror `lost` of them, and what else is `wrong`."""

    annotations: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.lost and not self.wrong

    def __str__(self) -> str:
        return "\n".join(["everything holds" if self.is_whole else "broken:", *self.lost, *self.wrong])


def parts_of(container: Container) -> Parts:
    """Those of a home with its real Label Studio."""

    def served(project: int) -> str:
        return str(container.label_studio_api.get(f"/api/projects/{project}")["model_version"])

    return Parts(
        container.database,
        container.storage,
        container.images,
        container.label_studio,
        container.codec,
        container.clock,
        served,
        container.settings.root,
    )


def settle(parts: Parts, project_id: int) -> None:
    """What the workers do by and by: follow the inbox, look at all of Label Studio, apply the outbox."""
    drain_inbox(parts.ingest)
    reconcile(parts.ingest, project_id, full=True)
    relay_outbox(parts.serving)


def check(parts: Parts, project_id: int) -> Findings:
    """Assert that all holds. Raises AssertionError with every violation."""
    findings = examine(parts, project_id)
    assert findings.is_whole, str(findings)
    return findings


def examine(parts: Parts, project_id: int) -> Findings:
    """Compare everything, and return what was found."""
    with parts.database.read() as uow:
        project = uow.projects.get(project_id)
        frames = uow.frames.list(project_id)
        rounds, versions = uow.rounds.list(project_id), uow.models.list(project_id)
        history = [version for frame in frames for version in uow.masks.history(frame.id)]
        latest = {version.annotation_id: version for version in uow.masks.latest_of_all(project_id)}
        unread = {each.subject for each in uow.marks.list_set_aside() if each.kind == BAD_ANNOTATION}
    assert project.label_studio_id is not None
    tasks = list(parts.label_studio.tasks_changed_since(project.label_studio_id, None))
    findings = Findings(annotations=sum(len(task.annotations) for task in tasks))
    _compare_mirror(parts, project, frames, tasks, latest, unread, findings)
    findings.wrong += _wrong_rounds(rounds)
    findings.wrong += _wrong_champion(parts, project, rounds, versions)
    findings.wrong += _wrong_files(parts, project_id, frames, history, versions)
    findings.wrong += _leftovers(parts, rounds)
    if not findings.lost and parts.by_clock:  # which annotation is the newest hangs on the clock
        findings.wrong += _wrong_export(parts, project, frames, tasks)
    return findings


def export_digests(parts: Parts, project_id: int) -> dict[str, str]:
    """Write an export and give the SHA-256 of each COCO and mask file in it; nothing labelled gives {}."""
    with tempfile.TemporaryDirectory(prefix="sonoloop-export-") as folder:
        target = Path(folder) / "export"
        try:
            with parts.database.read() as uow:
                export = gather_export(uow, project_id)
        except BadRequest:
            return {}
        write_dataset(export, parts.storage, target)
        files = [path for top in ("coco", "masks") for path in sorted((target / top).rglob("*"))]
        return {
            str(path.relative_to(target)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.is_file()
        }


def _compare_mirror(
    parts: Parts,
    project: Project,
    frames: list[Frame],
    tasks: list[RemoteTask],
    latest: dict[int, MaskVersion],
    unread: set[str],
    findings: Findings,
) -> None:
    """Every annotation's newest state by id, time and mask; every gone one with its tombstone."""
    frame_of = {frame.task_id: frame for frame in frames if frame.task_id is not None}
    for task in tasks:
        frame = frame_of.get(task.id)
        if frame is None:
            findings.wrong.append(f"task {task.id} belongs to no frame")
            continue
        for annotation in task.annotations:
            found = latest.get(annotation.id)
            try:
                digest = _drawn(parts, project, frame, annotation)
            except BadInput:
                if str(annotation.id) not in unread:
                    findings.lost.append(f"annotation {annotation.id} cannot be read, and nobody is told")
                continue
            findings.lost += _lost(parts, annotation, found, digest)
    alive = {annotation.id for task in tasks for annotation in task.annotations}
    standing = {key for key, version in latest.items() if version.decision is not Decision.DELETED}
    findings.wrong += [f"annotation {key} is gone and has no tombstone" for key in sorted(standing - alive)]
    gone = sorted(frame_of.keys() - parts.label_studio.task_ids(project.label_studio_id or 0))
    findings.wrong += [f"task {task_id} of a frame is gone" for task_id in gone]


def _lost(
    parts: Parts, annotation: RemoteAnnotation, found: MaskVersion | None, digest: str | None
) -> Iterator[str]:
    name = f"annotation {annotation.id} of {annotation.updated_at}"
    if found is None:
        yield f"{name} is not mirrored"
    elif found.decision is Decision.DELETED:
        yield f"{name} is there, but has a tombstone"
    elif found.mask_digest != digest or (found.decision is Decision.SKIPPED) != annotation.was_cancelled:
        yield f"{name} is mirrored with another mask, as of {found.updated_at}"
    elif parts.by_clock and found.updated_at != annotation.updated_at:
        yield f"{name} is mirrored as of {found.updated_at}"


def _drawn(parts: Parts, project: Project, frame: Frame, annotation: RemoteAnnotation) -> str | None:
    """The digest of what the reader drew; None for a skip. Raises BadInput."""
    if annotation.was_cancelled:
        return None
    size = frame.height, frame.width
    return mask_digest(result_to_mask(annotation.result, project.classes, *size, parts.codec))


def _wrong_rounds(rounds: list[Round]) -> Iterator[str]:
    """One live round at most, one round a manifest, no lease of a round that is over."""
    live = [row.number for row in rounds if row.state.is_live]
    if len(live) > 1:
        yield f"rounds {live} are all live"
    judged = (RoundState.PROMOTED, RoundState.REJECTED)
    manifests = Counter(
        row.training_set_digest for row in rounds if row.state in judged and BY_HAND not in row.reason
    )
    yield from (f"{count} rounds learned from one manifest" for count in manifests.values() if count > 1)
    for row in rounds:
        if not row.state.is_live and (row.lease_until is not None or row.finished_at is None):
            yield f"round {row.number} is {row.state} with a lease or without an end"
        if row.state is RoundState.FAILED and not row.error:
            yield f"round {row.number} failed without a reason"
        if row.state in judged and (row.candidate_id is None or row.verdict is None):
            yield f"round {row.number} is {row.state} without a candidate or a verdict"


def _wrong_champion(
    parts: Parts, project: Project, rounds: list[Round], versions: list[ModelVersion]
) -> Iterator[str]:
    """Exactly one champion, the last of the service history; Label Studio follows once it was told."""
    with parts.database.read() as uow:
        service = [version for version, _ in uow.models.service_history(project.id)]
        switches = [version for version, _ in served_history(uow, project.id)]
        waiting = uow.outbox.pending()
    if not service or project.champion_id != service[-1]:
        yield f"the champion is {project.champion_id}, the last in service {service[-1:]}"
    for row in rounds:
        if row.state is RoundState.PROMOTED and row.candidate_id not in service:
            yield f"round {row.number} is promoted, but its candidate never served"
    by_round = Counter(version.round_id for version in versions if version.round_id is not None)
    candidates = {row.candidate_id for row in rounds}
    for version in versions:
        if version.round_id is not None and by_round[version.round_id] == 1 and version.id not in candidates:
            yield f"{version.name} was registered, but is no round's candidate"
    name = next((version.name for version in versions if version.id == project.champion_id), "")
    if switches and switches[-1] == project.champion_id and not waiting:
        served = parts.served(project.label_studio_id or 0)
        if served != name:
            yield f"Label Studio serves {served!r}, the champion is {name!r}"


def _wrong_files(
    parts: Parts,
    project_id: int,
    frames: list[Frame],
    history: list[MaskVersion],
    versions: list[ModelVersion],
) -> Iterator[str]:
    """Every row's file is there and is what its digest says."""
    with parts.database.read() as uow:
        drawn = [row for version in versions for row in uow.predictions.for_version(project_id, version.id)]
    without = [row.id for row in history if row.decision.is_trainable and row.mask_digest is None]
    yield from (f"mask version {row_id} may teach and has no mask" for row_id in without)
    masks = {row.mask_digest for row in history} | {row.mask_digest for row in drawn}
    models = {version.digest for version in versions if not is_order_only(version)}
    for kind, digests in (("masks", masks), ("models", models)):
        for digest in sorted(each for each in digests if each is not None):
            try:
                data = parts.storage.get(kind, digest)
                if kind == "models" and hashlib.sha256(data).hexdigest() != digest:
                    yield f"changed bytes of the model {digest}"
            except SonoloopError as error:
                yield f"{kind}: {error.message}"
    for frame in frames:
        try:
            parts.images.read(frame)
        except (BadInput, NotFound) as error:
            yield f"frame {frame.id}: {error.message}"


def _leftovers(parts: Parts, rounds: list[Round]) -> Iterator[str]:
    """No half-written file, and no weights of a round that is over; a live round may be writing just now."""
    if parts.root is None:
        return
    for folder in (each for each in parts.root.glob("*") if each.name not in FOREIGN):
        for pattern in LEFTOVERS:
            yield from (f"left over: {path.name}" for path in folder.rglob(pattern))
    for folder in (parts.root / "rounds" / str(row.id) for row in rounds if not row.state.is_live):
        for pattern in (*LEFTOVERS, "*.safetensors"):
            yield from (f"left over of an ended round: {path.name}" for path in folder.rglob(pattern))


def _wrong_export(
    parts: Parts, project: Project, frames: list[Frame], tasks: list[RemoteTask]
) -> Iterator[str]:
    """The export holds of each frame the newest mask that Label Studio holds of it, and nothing else but what
    it says may be older.
    """
    expected = dict(_newest_masks(parts, project, frames, tasks))
    found: dict[str, str | None] = {}
    with suppress(BadRequest), parts.database.read() as uow:
        export = gather_export(uow, project.id)
        found = {each.digest: each.mask_digest for each in export.frames if not each.may_be_outdated}
        for each in export.outdated():
            expected.pop(each.digest, None)
    if found != expected:
        differing = sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        yield f"the export differs from Label Studio in {differing} frames"


def _newest_masks(
    parts: Parts, project: Project, frames: list[Frame], tasks: list[RemoteTask]
) -> Iterator[tuple[str, str]]:
    frame_of = {frame.task_id: frame for frame in frames}
    for task in tasks:
        frame = frame_of.get(task.id)
        drawn: list[tuple[datetime, int, str]] = []
        for annotation in task.annotations if frame else ():
            try:
                digest = _drawn(parts, project, frame, annotation) if frame else None
            except BadInput:
                continue
            if digest is not None:
                drawn.append((annotation.updated_at, annotation.id, digest))
        if frame is not None and drawn:
            yield frame.digest, max(drawn)[2]
