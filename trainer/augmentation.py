"""Augmentation: the only module that knows albumentations, so that it can be replaced in one place.

At import albumentations asks the internet for a newer release, unless NO_ALBUMENTATIONS_UPDATE is set: the
launcher sets it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest

Picture = NDArray[np.uint8]


class Augmentation:
    """A pipeline that turns (image, index map, seed) into another such pair: the same seed, the same pair.

    It keeps no random state between calls, so an interrupted training needs none restored. One thread only.
    """

    def __init__(self, name: str) -> None:
        import albumentations

        if name not in AUGMENTATIONS:
            raise BadRequest(f"augmentation {name!r}", f"one of {', '.join(sorted(AUGMENTATIONS))}")
        self._transforms = AUGMENTATIONS[name](albumentations)
        self._pipeline = albumentations.Compose(self._transforms)
        self.as_dict: dict[str, Any] = json.loads(json.dumps(albumentations.to_dict(self._pipeline)))
        """The whole pipeline in JSON's types: what is kept with a model."""

    def __call__(self, image: Picture, index_map: Picture, seed: Sequence[int]) -> tuple[Picture, Picture]:
        """Uint8 (S, S) twice to the same, moved together; the index map keeps its set of values."""
        # Compose.set_random_seed gives every transform the same seed, and with it the same first draw: all
        # those of one probability would fire together or not at all. So each gets a seed of its own.
        seeds = np.random.SeedSequence(seed).generate_state(len(self._transforms) + 1)
        self._pipeline.set_random_seed(int(seeds[-1]))
        for transform, own in zip(self._transforms, seeds, strict=False):
            transform.set_random_seed(int(own))
        moved = self._pipeline(image=image, mask=index_map)
        return moved["image"], moved["mask"]


def _none(_: Any) -> list[Any]:
    return []


def _paper(a: Any) -> list[Any]:
    """Flips, rotations and shifts, as the published study."""
    return [
        a.HorizontalFlip(p=0.5),
        a.VerticalFlip(p=0.5),
        a.Affine(rotate=(-15, 15), translate_percent=(-0.1, 0.1), p=0.7),
    ]


def _light(a: Any) -> list[Any]:
    """What frames of one scanner differ by: for a few steps from weights that know vessels already."""
    return [
        a.HorizontalFlip(p=0.5),
        a.Affine(scale=(0.85, 1.15), translate_percent=(-0.06, 0.06), rotate=(-10, 10), p=0.7),
        a.RandomBrightnessContrast(brightness_limit=0.15, contrast_limit=0.2, p=0.5),
        a.RandomGamma(gamma_limit=(75, 135), p=0.4),
    ]


def _strong(a: Any) -> list[Any]:
    """Geometry that keeps skin on top, and the grey of other scanners: gain, speckle, focus, shadow."""
    return [
        a.HorizontalFlip(p=0.5),
        a.Affine(scale=(0.7, 1.3), translate_percent=(-0.1, 0.1), rotate=(-15, 15), shear=(-5, 5), p=0.9),
        a.ElasticTransform(alpha=60, sigma=9, p=0.25),
        a.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.3, p=0.7),
        a.RandomGamma(gamma_limit=(60, 160), p=0.5),
        a.MultiplicativeNoise(multiplier=(0.7, 1.3), elementwise=True, p=0.3),
        a.GaussNoise(std_range=(0.01, 0.06), p=0.2),
        a.GaussianBlur(sigma_limit=(0.4, 1.6), p=0.25),
        a.Downscale(scale_range=(0.5, 0.9), p=0.1),
        a.CoarseDropout(
            num_holes_range=(1, 3),
            hole_height_range=(0.3, 0.9),
            hole_width_range=(0.02, 0.06),
            fill=0,
            fill_mask=None,
            p=0.1,
        ),
    ]


AUGMENTATIONS: dict[str, Callable[[Any], list[Any]]] = {
    "none": _none,
    "paper": _paper,
    "light": _light,
    "strong": _strong,
}
