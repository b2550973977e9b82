"""Moving the champion's alias by hand: to any version, or back to the one before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from loop.errors import BadRequest, Conflict, NotFound
from loop.planning import RoundPorts, wake
from loop.ports import Job, Storage, UnitOfWork
from loop.records import ModelVersion
from loop.serving import is_order_only, put_into_service


def promote(ports: RoundPorts, storage: Storage, project_id: int, name: str) -> ModelVersion:
    """Put a version into service by its name; the champion itself changes nothing.

    Raises NotFound for an unknown version or one whose weights are gone, BadWeights for damaged ones: then
    nothing was changed.
    """
    with ports.database.read() as uow:
        version = _named(uow, project_id, name)
    require_weights(storage, version)
    with ports.database.write() as uow:
        if version.id != uow.projects.get(project_id).champion_id:
            _serve(ports, uow, version)
    return version


def rollback(ports: RoundPorts, storage: Storage, project_id: int) -> ModelVersion:
    """Put the champion's predecessor back into service.

    Raises BadRequest when none served before it, Conflict when another came into service meanwhile, NotFound
    or BadWeights as `promote`: then nothing was changed.
    """
    with ports.database.read() as uow:
        version = _served_before(uow, project_id)
    require_weights(storage, version)
    with ports.database.write() as uow:
        if _served_before(uow, project_id).id != version.id:
            raise Conflict(
                "a version that came into service just now",
                "the one that served when this began",
                "look at ./sonoloop status, then again",
                project=project_id,
            )
        _serve(ports, uow, version)
    return version


def require_weights(storage: Storage, version: ModelVersion) -> None:
    """Raises NotFound or BadWeights where a version could draw nothing; one without weights never does."""
    if is_order_only(version):
        return
    try:
        storage.get("models", version.digest)
    except NotFound as error:
        raise NotFound(
            f"the version {version.name!r}, whose weights are not in storage",
            "a version with its weights",
            "bring them back from a backup, or promote another",
            project=version.project_id,
            digest=version.digest,
        ) from error


def _named(uow: UnitOfWork, project_id: int, name: str) -> ModelVersion:
    uow.projects.get(project_id)
    version = uow.models.find(project_id, name)
    if version is None:
        known = ", ".join(known.name for known in uow.models.list(project_id)) or "none yet"
        raise NotFound(f"the version {name!r}", f"one of: {known}", "name one of them", project=project_id)
    return version


def _served_before(uow: UnitOfWork, project_id: int) -> ModelVersion:
    uow.projects.get(project_id)
    before = predecessor(uow.models.service_history(project_id))
    if before is None:
        raise BadRequest(
            "no version that served before",
            "a predecessor of the one in service",
            "promote one by name",
            project=project_id,
        )
    return uow.models.get(before)


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
