"""A model with a stopwatch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adapters.metrics.instruments import ModelMetrics
from loop.ports import Examination, Segmenter


class TimedSegmenter(Segmenter):
    """Implements `loop.ports.Segmenter`: asks the given one and notes how long each frame took."""

    def __init__(self, segmenter: Segmenter, metrics: ModelMetrics) -> None:
        self._segmenter = segmenter
        self._frames = metrics.frames
        self.classes = segmenter.classes

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As the given one does."""
        with self._frames.labels("draw").time():
            return self._segmenter.predict(image)

    def examine(self, image: NDArray[np.uint8]) -> Examination:
        """As the given one does."""
        with self._frames.labels("examine").time():
            return self._segmenter.examine(image)
