"""One loaded model version as Label Studio's protocol sees it: tasks in, one answer per task out."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from loop.errors import BadInput, NotFound
from loop.masks import Mask, mask_digest, pack, probs_to_mask, unpack
from loop.ports import BrushCodec, Database, Images, Segmenter, Storage
from loop.records import Frame, ModelVersion, Prediction, Project, Purpose
from loop.regions import mask_to_result
from ml_backend.base import LabelStudioMLBase

LAST_PLACE = 1.0
"""Lowest scores are served first: a frame drawn on demand goes behind those that the worker ranked."""

log = structlog.get_logger()


@dataclass(frozen=True)
class DrawingPorts:
    """What drawing on demand needs."""

    database: Database
    storage: Storage
    images: Images
    codec: BrushCodec


class SonoloopModel(LabelStudioMLBase):  # type: ignore[misc]  # the base class has no types
    """The model version that serves one project, loaded once and kept until its successor is loaded."""

    def __init__(
        self, project: Project, version: ModelVersion, segmenter: Segmenter, ports: DrawingPorts
    ) -> None:
        super().__init__()
        self.project = project
        self.version = version
        self._segmenter = segmenter
        self._ports = ports
        self._turn = threading.Lock()  # one frame at a time has all the cores

    def predict(self, tasks: Sequence[Mapping[str, Any]], **_: object) -> list[Any]:
        """One answer per task, in order: `result`, `score` and the version that really drew it.

        The answer for a task with nothing to draw is [], of which Label Studio stores nothing: a task we do
        not know, one to be read blind, one whose frame cannot be read. An empty result would be stored as a
        proposal instead.
        """
        return [self._answer(task) for task in tasks]

    def _answer(self, task: Mapping[str, Any]) -> dict[str, Any] | list[Any]:
        with self._ports.database.read() as uow:
            frame = uow.frames.find_by_task(int(task["id"]))
            known = uow.predictions.find(frame.id, self.version.id) if frame else None
        if frame is None or frame.project_id != self.project.id:
            log.info("task_unknown", task=task["id"])
            return []
        if frame.is_held_out or (known is not None and known.purpose is Purpose.ORDER_ONLY):
            return []
        try:
            mask = self._drawn(frame, known)
        except (BadInput, NotFound) as exc:
            log.warning("frame_not_drawn", frame=frame.id, task=task["id"], reason=exc.message)
            return []
        key = region_key(self.version, frame)
        result = mask_to_result(mask, self.project.classes, self._ports.codec, key)
        return {"result": result, "score": LAST_PLACE, "model_version": self.version.name}

    def _drawn(self, frame: Frame, known: Prediction | None) -> Mask:
        """The mask that is stored for this frame and version, else a new one, stored so that both are one."""
        if known is not None and known.mask_digest is not None:
            return unpack(self._ports.storage.get("masks", known.mask_digest))
        image = self._ports.images.read(frame)
        with self._turn:
            probs = self._segmenter.predict(image)
        mask = probs_to_mask(probs)
        self._keep(frame, mask)
        return mask

    def _keep(self, frame: Frame, mask: Mask) -> None:
        digest = mask_digest(mask)
        self._ports.storage.put("masks", digest, pack(np.asarray(mask)))
        with self._ports.database.write() as uow:
            uow.predictions.put(
                frame.id,
                self.version.id,
                purpose=Purpose.PROPOSAL,
                mask_digest=digest,
                uncertainty=None,
                place=None,
            )
            uow.commit()


def region_key(version: ModelVersion, frame: Frame) -> str:
    """What the region ids of a prediction hang on, the same as where the worker pushes it."""
    return f"{frame.digest} {version.name}"
