"""Moving the champion's alias by hand: to any version, or back to the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from loop.errors import BadRequest, NotFound
from loop.planning import RoundPorts, wake
from loop.ports import Job, UnitOfWork
from loop.records import ModelVersion
from loop.serving import put_into_service


def promote(ports: RoundPorts, project_id: int, name: str) -> ModelVersion:
    """Put a version into service by its name; the champion itself changes nothing. Raises NotFound."""
    with ports.database.write() as uow:
        project = uow.projects.get(project_id)
        version = uow.models.find(project_id, name)
        if version is None:
            known = ", ".join(known.name for known in uow.models.list(project_id)) or "none yet"
            raise NotFound(
                f"the version {name!r}", f"one of: {known}", "name one of them", project=project_id
            )
        if version.id != project.champion_id:
            _serve(ports, uow, version)
    return version


def rollback(ports: RoundPorts, project_id: int) -> ModelVersion:
    """Put the champion's predecessor back into service.

    Raises BadRequest when none served before it, NotFound.
    """
    with ports.database.write() as uow:
        uow.projects.get(project_id)
        before = predecessor(uow.models.service_history(project_id))
        if before is None:
            raise BadRequest(
                "no version that served before",
                "a predecessor of the one in service",
                "promote one by name",
                project=project_id,
            )
        version = uow.models.get(before)
        _serve(ports, uow, version)
    return version


def predecessor(history: Sequence[tuple[int, datetime]]) -> int | None:
    """The version that served before the last one of (version id, since when) first came into service.

    So a second rollback goes one further back, and never returns to what was rolled back. None: there was
    none.
    """
    versions = [version for version, _ in history]
    first = versions.index(versions[-1]) if versions else 0
    return versions[first - 1] if first else None


def _serve(ports: RoundPorts, uow: UnitOfWork, version: ModelVersion) -> None:
    put_into_service(uow, version.project_id, version.id, ports.clock())
    uow.after_commit(lambda: wake(ports.queue, Job.RELAY))
    uow.commit()
