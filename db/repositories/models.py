"""The registry of model versions, and which of them served when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select

from db.models import ModelVersionRow, ServiceRow
from db.repositories.base import Repository
from db.repositories.locks import lock_project
from loop.records import ModelVersion


class SqlModels(Repository[ModelVersion]):
    """Implements `loop.repositories.Models`."""

    record, row = ModelVersion, ModelVersionRow

    def add(
        self,
        project_id: int,
        *,
        digest: str,
        round_id: int | None,
        origin: str,
        config: Mapping[str, Any],
        metrics: Mapping[str, Any],
        now: datetime,
    ) -> ModelVersion:
        """Register under the next number, from 0; the name is `p<project>-v<number>`.

        The same (round, digest) twice gives the first row, also where the round is None. Raises NotFound.
        """
        lock_project(self.connection, project_id)
        own = ModelVersionRow.project_id == project_id
        same = self.select(own, ModelVersionRow.round_id.is_not_distinct_from(round_id))
        known = self.first(same.where(ModelVersionRow.digest == digest))
        if known is not None:
            return known
        following = select(func.coalesce(func.max(ModelVersionRow.number) + 1, 0)).where(own)
        number = self.connection.execute(following).scalar_one()
        values = {
            "project_id": project_id,
            "number": number,
            "name": f"p{project_id}-v{number}",
            "digest": digest,
            "round_id": round_id,
            "origin": origin,
            "config": config,
            "metrics": metrics,
            "created_at": now,
        }
        statement = insert(ModelVersionRow).values(**values).returning(*self.columns)
        return ModelVersion(*self.connection.execute(statement).one())

    def get(self, model_version_id: int) -> ModelVersion:
        """By id. Raises NotFound."""
        return self.by_id(model_version_id)

    def find(self, project_id: int, name: str) -> ModelVersion | None:
        """By the name that Label Studio shows."""
        return self.first(self.select(ModelVersionRow.project_id == project_id, ModelVersionRow.name == name))

    def record_service(self, project_id: int, model_version_id: int, now: datetime) -> None:
        """Note that this version went into service now. Raises NotFound."""
        values = {"project_id": project_id, "model_version_id": model_version_id, "since": now}
        self.connection.execute(insert(ServiceRow).values(**values))

    def service_history(self, project_id: int) -> list[tuple[int, datetime]]:
        """(model version id, since when) in order of recording; the last is the champion."""
        query = select(ServiceRow.model_version_id, ServiceRow.since)
        rows = self.connection.execute(
            query.where(ServiceRow.project_id == project_id).order_by(ServiceRow.id)
        )
        return [(version, since) for version, since in rows]

    def set_withdrawn(self, model_version_id: int, at: datetime | None) -> None:
        """Note when its predictions left Label Studio; None: they may be there. Raises NotFound."""
        self.change(model_version_id, withdrawn_at=at)

    def list(self, project_id: int) -> list[ModelVersion]:
        """All versions of the project, by number."""
        query = self.select(ModelVersionRow.project_id == project_id)
        return self.all(query.order_by(ModelVersionRow.number))
