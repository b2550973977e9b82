"""Which model version Label Studio serves: the champion's alias is the truth, Label Studio follows it.

The alias moves at once, Label Studio only when it holds enough predictions of the new version. What a reader
saw therefore hangs on the moments at which Label Studio itself switched; they are noted here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from loop.class_names import is_undecided
from loop.errors import NotFound
from loop.messages import OutboxMessage
from loop.ports import Clock, Database, LabelStudio, UnitOfWork
from loop.records import ModelVersion, Project

SERVE = "serve"
ORDER_ONLY_ORIGIN = "none"


@dataclass(frozen=True)
class ServingPorts:
    """What a step needs that keeps Label Studio in line with the database."""

    database: Database
    label_studio: LabelStudio
    clock: Clock


def is_order_only(version: ModelVersion) -> bool:
    """Whether this version stands for having no weights: it puts frames in order and draws nothing."""
    return version.origin == ORDER_ONLY_ORIGIN


def proposes_nothing(version: ModelVersion, project: Project) -> bool:
    """Whether frames come to readers with nothing drawn while this version serves.

    So it is without weights; and with weights of one class that may be any of the project's (see
    `class_names`): a vessel that is proposed as the wrong class is soon submitted as that. These still put
    frames in order, and training begins from them.
    """
    known, prior = version.config.get("classes", ()), project.settings.get("prior")
    return is_order_only(version) or is_undecided(known, project.classes, prior)


def put_into_service(uow: UnitOfWork, project_id: int, model_version_id: int, now: datetime) -> None:
    """Move the alias, note it in the service history, and tell Label Studio through the outbox: one
    transaction.
    """
    uow.projects.set_champion(project_id, model_version_id)
    uow.models.record_service(project_id, model_version_id, now)
    uow.outbox.add(SERVE, {"project_id": project_id, "model_version_id": model_version_id}, now)


def relay_outbox(ports: ServingPorts) -> list[int]:
    """Apply the outbox in order and return the projects whose predictions must now follow their champion.

    A version that Label Studio served before is switched to at once, which makes a rollback quick; a new one
    is switched to once its predictions are there. Raises Unavailable; what was not applied stays in the
    outbox.
    """
    with ports.database.read() as uow:
        messages = uow.outbox.pending()
    projects: dict[int, None] = {}
    for message in messages:
        projects[_apply(ports, message)] = None
    return list(projects)


def switch(ports: ServingPorts, project: Project, version: ModelVersion) -> bool:
    """Make Label Studio serve a version and note when; False when Label Studio holds no prediction of it."""
    if project.label_studio_id is None:
        return False
    now = ports.clock()
    try:
        ports.label_studio.set_model_version(project.label_studio_id, version.name)
    except NotFound:
        return False
    with ports.database.write() as uow:
        note_served(uow, project.id, version.id, now)
        uow.commit()
    return True


def note_served(uow: UnitOfWork, project_id: int, model_version_id: int, now: datetime) -> None:
    """Add a switch of Label Studio to its history; the version that it served already adds nothing."""
    history = served_history(uow, project_id)
    if not history or history[-1][0] != model_version_id:
        history.append((model_version_id, now))
    lines = [[version, since.isoformat()] for version, since in history]
    uow.marks.set_cursor(_history_name(project_id), json.dumps(lines))


def served_history(uow: UnitOfWork, project_id: int) -> list[tuple[int, datetime]]:
    """(model version id, since when Label Studio serves it), in order; empty before the first switch."""
    lines = json.loads(uow.marks.cursor(_history_name(project_id)) or "[]")
    return [(int(version), datetime.fromisoformat(since)) for version, since in lines]


def _apply(ports: ServingPorts, message: OutboxMessage) -> int:
    project_id = int(message.payload["project_id"])
    with ports.database.read() as uow:
        project = uow.projects.get(project_id)
        version = uow.models.get(int(message.payload["model_version_id"]))
        was_served = any(served == version.id for served, _ in served_history(uow, project_id))
    try:
        if was_served and project.champion_id == version.id:
            switch(ports, project, version)
    except Exception as error:
        _note_failure(ports, message, error)
        raise
    with ports.database.write() as uow:
        uow.outbox.mark_done(message.id, ports.clock())
        uow.commit()
    return project_id


def _note_failure(ports: ServingPorts, message: OutboxMessage, error: Exception) -> None:
    with ports.database.write() as uow:
        uow.outbox.mark_failed(message.id, str(error))
        uow.commit()


def _history_name(project_id: int) -> str:
    return f"served-{project_id}"
