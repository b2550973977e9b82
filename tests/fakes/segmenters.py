"""A model without a network: it outlines what is bright, and every version draws a little differently."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadFrame, NotFound
from loop.ports import Examination
from loop.records import Frame, ModelVersion


class FakeSegmenter:
    """`FakeSegmenter(classes, threshold)` implements `loop.ports.Segmenter`; `looks` counts the frames it
    saw.
    """

    def __init__(self, classes: tuple[str, ...], threshold: int) -> None:
        self.classes = classes
        self.threshold = threshold
        self.looks = 0

    def predict(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        first = (image > self.threshold).astype(np.float32)
        nothing = np.zeros((len(self.classes) - 1, *image.shape), np.float32)
        return np.concatenate([first[None], nothing])

    def examine(self, image: NDArray[np.uint8]) -> Examination:
        self.looks += 1
        uncertainty = float(image.mean()) / 255
        embedding = np.array([image.mean(), image.std(), float(image[0, 0])], np.float32)
        return Examination(self.predict(image), {"boundary-entropy": uncertainty}, embedding)


class FakeSegmenters:
    """`FakeSegmenters(classes)` implements `loop.ports.Segmenters`: one segmenter a version, kept in
    `loaded`.
    """

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.loaded: dict[int, FakeSegmenter] = {}

    def load(self, model: ModelVersion) -> FakeSegmenter:
        return self.loaded.setdefault(model.id, FakeSegmenter(self.classes, 100 + 20 * model.number))

    @property
    def looks(self) -> int:
        """Frames that all versions together looked at."""
        return sum(segmenter.looks for segmenter in self.loaded.values())


class FakeImages:
    """`FakeImages()` implements `loop.ports.Images`; `pixels` by frame digest, `broken` digests raise
    BadFrame.
    """

    def __init__(self) -> None:
        self.pixels: dict[str, NDArray[np.uint8]] = {}
        self.broken: set[str] = set()

    def read(self, frame: Frame) -> NDArray[np.uint8]:
        if frame.digest in self.broken:
            raise BadFrame("a damaged frame", "a whole one", "import it again", frame=frame.id)
        if frame.digest not in self.pixels:
            raise NotFound("a frame without pixels", frame=frame.id)
        return self.pixels[frame.digest]
