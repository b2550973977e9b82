"""Models ready for use: read from storage by digest and kept loaded."""

from __future__ import annotations

import threading
from collections import OrderedDict

from adapters.cores import usable_cores
from adapters.metrics.instruments import ModelMetrics
from adapters.metrics.timing import TimedSegmenter
from adapters.settings import Settings
from adapters.storage.local import LocalStorage
from adapters.storage.objects import ObjectStorage
from loop.ports import Database, Segmenter
from loop.records import ModelVersion

SEGMENTERS_KEPT = 2
"""The champion and its predecessor; a loaded network takes about 100 MB."""


class StoredSegmenters:
    """Implements `loop.ports.Segmenters`: models by digest from storage, the last two kept loaded."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        storage: LocalStorage | ObjectStorage,
        metrics: ModelMetrics,
    ) -> None:
        self._settings = settings
        self._database = database
        self._storage = storage
        self._metrics = metrics
        self._loaded: OrderedDict[int, Segmenter] = OrderedDict()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Do once what the first model of a process costs, seconds that other threads would wait for."""
        from trainer.engine import warm_up

        warm_up()

    def load(self, model: ModelVersion) -> Segmenter:
        """The model serving its project's classes. Raises BadWeights, NotFound, Unavailable."""
        with self._lock:
            if model.id not in self._loaded:
                self._loaded[model.id] = self._read(model)
            self._loaded.move_to_end(model.id)
            while len(self._loaded) > SEGMENTERS_KEPT:
                self._loaded.popitem(last=False)
            return self._loaded[model.id]

    def _read(self, model: ModelVersion) -> Segmenter:
        from trainer.engine import CHEAP, load_segmenter

        with self._database.read() as uow:
            project = uow.projects.get(model.project_id)
        segmenter = load_segmenter(
            self._storage.local_path("models", model.digest),
            self._settings.threads or usable_cores(),
            digest=model.digest,
            classes=project.classes,
            prior_class=project.settings.get("prior") or None,
            measures=sorted({*CHEAP, self._settings.strategy}),
        )
        return TimedSegmenter(segmenter, self._metrics)
