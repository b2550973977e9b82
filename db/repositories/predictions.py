"""Predictions, one per frame and model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

from sqlalchemy import ColumnElement, Executable, update

from db.models import FrameRow, PredictionRow
from db.repositories.base import Repository, chunks
from loop.records import Drawn, Prediction, Purpose


class SqlPredictions(Repository[Prediction]):
    """Implements `loop.repositories.Predictions`."""

    record, row = Prediction, PredictionRow

    def put(
        self,
        frame_id: int,
        model_version_id: int,
        *,
        purpose: Purpose,
        mask_digest: str | None,
        uncertainty: float | None,
        place: float | None,
    ) -> Prediction:
        """Insert, or update the row of the same (frame, model version) while it has not been pushed.

        A pushed row is returned as it is. Raises NotFound for an unknown frame or version.
        """
        values = {
            "frame_id": frame_id,
            "model_version_id": model_version_id,
            "purpose": purpose,
            "mask_digest": mask_digest,
            "uncertainty": uncertainty,
            "place": place,
        }
        written = self.first(self._upsert, values)
        return written or Prediction(
            *self.connection.execute(self.select(*_key(frame_id, model_version_id))).one()
        )

    def put_many(self, model_version_id: int, drawn: Sequence[Drawn]) -> list[Prediction]:
        """The same for many frames, each given once, in few statements; by frame id. None gives none."""
        shared = {"model_version_id": model_version_id}
        found: list[Prediction] = []
        for chunk in chunks(drawn):
            rows = [asdict(item) | shared for item in chunk]
            written = {row.frame_id: Prediction(*row) for row in self.connection.execute(self._upsert, rows)}
            pushed = [item.frame_id for item in chunk if item.frame_id not in written]
            found += written.values()
            of_version = PredictionRow.model_version_id == model_version_id
            found += self.all(self.select(of_version, PredictionRow.frame_id.in_(pushed))) if pushed else []
        return sorted(found, key=lambda row: row.frame_id)

    def get(self, prediction_id: int) -> Prediction:
        """By id. Raises NotFound."""
        return self.by_id(prediction_id)

    def find(self, frame_id: int, model_version_id: int) -> Prediction | None:
        """By its key."""
        return self.first(self.select(*_key(frame_id, model_version_id)))

    def find_by_remote(self, remote_id: int) -> Prediction | None:
        """By Label Studio's id."""
        return self.first(self.select(PredictionRow.remote_id == remote_id))

    def for_version(
        self, project_id: int, model_version_id: int, among: Sequence[int] | None = None
    ) -> list[Prediction]:
        """Everything that a model version drew in a project, by frame id; `among`: of these frames alone,
        which costs no more than they are many.
        """
        query = self.select(
            PredictionRow.model_version_id == model_version_id, FrameRow.project_id == project_id
        )
        joined = query.join_from(PredictionRow, FrameRow, FrameRow.id == PredictionRow.frame_id)
        ordered = joined.order_by(PredictionRow.frame_id)
        if among is None:
            return self.all(ordered)
        parts = chunks(sorted(set(among)))
        return [row for part in parts for row in self.all(ordered.where(PredictionRow.frame_id.in_(part)))]

    def set_remote(self, remote_of_prediction: Mapping[int, int | None]) -> None:
        """Note Label Studio's ids; None: it holds that one no longer, and the row may change again. An id
        that another row had goes over to the new one. Raises NotFound.
        """
        for chunk in chunks([value for value in remote_of_prediction.values() if value is not None]):
            held = PredictionRow.remote_id.in_(chunk)
            self.connection.execute(update(PredictionRow).where(held).values(remote_id=None))
        self.change_each("remote_id", remote_of_prediction)

    def set_places(self, place_of_prediction: Mapping[int, float]) -> None:
        """Set the places, also of pushed rows. Raises NotFound."""
        self.change_each("place", place_of_prediction)

    @cached_property
    def _upsert(self) -> Executable:
        """Built once in a unit that stores thousands."""
        statement = self.insert()
        drawn = ("purpose", "mask_digest", "uncertainty", "place")
        upsert = statement.on_conflict_do_update(
            index_elements=["frame_id", "model_version_id"],
            set_={name: statement.excluded[name] for name in drawn},
            where=PredictionRow.remote_id.is_(None),
        )
        return upsert.returning(*self.columns)


def _key(frame_id: int, model_version_id: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PredictionRow.frame_id == frame_id, PredictionRow.model_version_id == model_version_id
