"""The changes of `echoes` as albumentations knows them: one class each, its parameters ranges to draw from.

Their names and parameters are part of what is kept with a model: they may be added to, not renamed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from albumentations.core.transforms_interface import ImageOnlyTransform

from loop.errors import BadRequest
from trainer.augmentation.echoes import (
    Change,
    Picture,
    change_echoes,
    draw_shadow,
    draw_speckle,
    draw_time_gain,
)

Range = tuple[float, float]


class EchoTransform(ImageOnlyTransform):  # type: ignore[misc]
    """Changes echoes by what `draw` gives, from the transform's own generator."""

    def draw(self, height: int, width: int) -> Change:
        """The change in dB, (height, width) or of one row or column."""
        raise NotImplementedError

    def get_params_dependent_on_data(
        self,
        params: dict[str, Any],
        data: dict[str, Any],  # noqa: ARG002 - it is albumentations that calls
    ) -> dict[str, Any]:
        """Draw the change for a picture of this size."""
        return {"change": self.draw(*params["shape"][:2])}

    def apply(self, img: Picture, change: Change, **_: Any) -> Picture:
        """Uint8 (H, W) to the same."""
        return change_echoes(img, change)

    def between(self, span: Range) -> float:
        """Draw a number of a range."""
        return float(self.random_generator.uniform(*span))


class Gain(EchoTransform):
    """The whole picture brighter or darker by some dB."""

    def __init__(self, decibels: Range = (-4, 5), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.decibels = _range(decibels, -60, 60)

    def draw(self, height: int, width: int) -> Change:  # noqa: ARG002 - the same for any size
        """One number for all pixels."""
        return np.full((1, 1), self.between(self.decibels), np.float32)


class TimeGain(EchoTransform):
    """Brighter here and darker there along the depth: time gain sliders that stand otherwise."""

    def __init__(self, decibels: Range = (1, 6), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.decibels = _range(decibels, 0, 60)

    def draw(self, height: int, width: int) -> Change:  # noqa: ARG002 - the same for any width
        """A smooth curve over the rows."""
        return draw_time_gain(self.random_generator, height, self.between(self.decibels))


class Speckle(EchoTransform):
    """Other speckle over the picture's own, of a real grain, given as shares of the picture's height."""

    def __init__(
        self,
        strength: Range = (0.1, 0.35),
        axial: Range = (0.006, 0.010),
        lateral: Range = (0.020, 0.032),
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        self.strength = _range(strength, 0, 1)
        self.axial, self.lateral = _range(axial, 0.001, 0.2), _range(lateral, 0.001, 0.2)

    def draw(self, height: int, width: int) -> Change:
        """One number a pixel, neighbours alike."""
        grain = self.between(self.axial) * height, self.between(self.lateral) * height
        return draw_speckle(self.random_generator, (height, width), self.between(self.strength), *grain)


class Shadow(EchoTransform):
    """One or two acoustic shadows, from some depth down to the bottom."""

    def __init__(
        self,
        number: tuple[int, int] = (1, 2),
        top: Range = (0.05, 0.6),
        width: Range = (0.04, 0.18),
        decibels: Range = (4, 16),
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        least, most = _range(number, 1, 8)
        self.number = int(least), int(most)
        self.top, self.width = _range(top, 0, 1), _range(width, 0.005, 1)
        self.decibels = _range(decibels, 0, 60)

    def draw(self, height: int, width: int) -> Change:
        """The sum of the shadows."""
        change = np.zeros((height, width), np.float32)
        for _ in range(int(self.random_generator.integers(self.number[0], self.number[1] + 1))):
            drawn = (self.between(span) for span in (self.top, self.width, self.decibels))
            change += draw_shadow(self.random_generator, (height, width), *drawn)
        return change


def _range(values: Range, least: float, most: float) -> Range:
    """From JSON a range comes as a list."""
    low, high = values
    if not least <= low <= high <= most:
        need = f"one within {least} to {most}, the smaller first"
        raise BadRequest(f"a range of {low} to {high}", need, "swap them, or take less of the change")
    return low, high
