"""Webhooks as they come in, whatever they claim."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from loop.events import parse_event
from loop.ingest import keep_event
from loop.ports import UnitOfWork
from loop.records import MaskVersion
from tests.integration.loop.world import World


def receive(uow: UnitOfWork, payload: object, now: datetime) -> bool:
    """What the backend does with a webhook's body; False for a duplicate, and for one that says nothing."""
    event = parse_event(payload)
    return event is not None and keep_event(uow, event, now)


def hear(world: World, action: str, **content: Any) -> bool:
    """Label Studio's webhook arrives."""
    with world.database.write() as uow:
        payload = {"action": action, "project": {"id": world.label_studio_id}, **content}
        is_new = receive(uow, payload, world.clock())
        uow.commit()
    return is_new


def hear_created(world: World, annotation_id: int, action: str = "ANNOTATION_CREATED") -> bool:
    annotation = world.studio.get_annotation(annotation_id)
    body = {
        "id": annotation.id,
        "updated_at": annotation.updated_at.isoformat(),
        "result": ["not", "trusted"],
    }
    return hear(world, action, annotation=body, task={"id": annotation.task_id})


def only(versions: list[MaskVersion]) -> MaskVersion:
    assert len(versions) == 1
    return versions[0]
