"""Projects and the alias of the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import exists, insert, update

from db.models import ModelVersionRow, ProjectRow
from db.repositories.base import Repository, missing
from loop.records import Project


class SqlProjects(Repository[Project]):
    """Implements `loop.repositories.Projects`."""

    record, row = Project, ProjectRow

    def add(self, title: str, classes: Sequence[str], settings: Mapping[str, Any]) -> Project:
        """Store a project that has no champion yet."""
        values = {"title": title, "classes": classes, "settings": settings}
        row = self.connection.execute(insert(ProjectRow).values(**values).returning(*self.columns)).one()
        return Project(*row)

    def get(self, project_id: int) -> Project:
        """By id. Raises NotFound."""
        return self.by_id(project_id)

    def find_by_label_studio_id(self, label_studio_id: int) -> Project | None:
        """The project that mirrors this one of Label Studio, if any."""
        return self.first(self.select(ProjectRow.label_studio_id == label_studio_id))

    def set_label_studio_id(self, project_id: int, label_studio_id: int) -> None:
        """Raises NotFound, and Conflict when another project has it."""
        self.change(project_id, label_studio_id=label_studio_id)

    def set_champion(self, project_id: int, model_version_id: int) -> None:
        """Move the alias. Raises NotFound when the project has no such model version."""
        is_own = exists().where(
            ModelVersionRow.id == model_version_id, ModelVersionRow.project_id == project_id
        )
        statement = update(ProjectRow).where(ProjectRow.id == project_id, is_own)
        if self.connection.execute(statement.values(champion_id=model_version_id)).rowcount == 0:
            raise missing(f"ModelVersion of project {project_id}", model_version_id)

    def set_settings(self, project_id: int, settings: Mapping[str, Any]) -> None:
        """Replace all settings. Raises NotFound."""
        self.change(project_id, settings=settings)

    def list(self) -> list[Project]:
        """All, by id."""
        return self.all(self.select().order_by(ProjectRow.id))
