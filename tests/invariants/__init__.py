"""What must hold after every fault, whatever was killed, cut off or full: nothing lost, half done or doubled.

One checker for all drills. It reads Label Studio, the database and the files each for itself and compares.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from adapters.formats.dataset import write_dataset
from loop.errors import BadRequest
from loop.export import gather_export
from loop.ingest import drain_inbox, reconcile
from loop.messages import BAD_ANNOTATION
from loop.serving import relay_outbox
from tests.invariants.files import leftovers, wrong_files
from tests.invariants.labels import compare_mirror, wrong_export
from tests.invariants.parts import Findings, Parts, parts_of
from tests.invariants.rounds import wrong_champion, wrong_rounds

__all__ = ["Findings", "Parts", "check", "examine", "export_digests", "parts_of", "settle"]


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
    compare_mirror(parts, project, frames, tasks, latest, unread, findings)
    findings.wrong += wrong_rounds(rounds)
    findings.wrong += wrong_champion(parts, project, rounds, versions)
    findings.wrong += wrong_files(parts, project_id, frames, history, versions)
    findings.wrong += leftovers(parts, rounds)
    if not findings.lost and parts.by_clock:  # which annotation is the newest hangs on the clock
        findings.wrong += wrong_export(parts, project, frames, tasks)
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
