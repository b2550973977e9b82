"""Augmentation: the only package that knows albumentations, so that it can be replaced in one place.

At import albumentations asks the internet for a newer release, unless NO_ALBUMENTATIONS_UPDATE is set: the
launcher sets it. So it is imported only when a pipeline is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loop.errors import BadRequest
from trainer.nearest import LONGEST_WORD, meant

Picture = NDArray[np.uint8]
ELASTIC_ALPHA, ELASTIC_SIGMA = 300, 16
"""A displacement of some 5 px that changes over some 16 px, whatever the picture's size."""


class Augmentation:
    """A pipeline that turns (image, index map, seed) into another such pair: the same seed, the same pair.

    `name` is a pipeline of `AUGMENTATIONS`, or steps of `STEPS` joined by "+", done in that order. It keeps
    no random state between calls, so an interrupted training needs none restored. One thread only. Raises
    BadRequest for an unknown name.
    """

    def __init__(self, name: str) -> None:
        import albumentations

        builders = [AUGMENTATIONS[name]] if name in AUGMENTATIONS else _steps(name)
        self._use(albumentations.Compose([each for build in builders for each in build(albumentations)]))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Augmentation:
        """Make the very pipeline of an `as_dict`. Raises BadRequest for anything else."""
        import albumentations

        import trainer.augmentation.transforms  # noqa: F401 - ours are found by name once they are known

        augmentation = cls.__new__(cls)
        try:
            augmentation._use(albumentations.from_dict(dict(values)))
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            got = f"a pipeline that cannot be read ({type(exc).__name__})"
            need, todo = "what a model's description holds as `augmentation`", "copy it from there unchanged"
            raise BadRequest(got, need, todo) from exc
        return augmentation

    def _use(self, pipeline: Any) -> None:
        import albumentations

        self._pipeline, self.transforms = pipeline, list(pipeline.transforms)
        self.as_dict: dict[str, Any] = json.loads(json.dumps(albumentations.to_dict(pipeline)))
        """The whole pipeline in JSON's types: what is kept with a model; `from_dict` reads it."""

    def __call__(self, image: Picture, index_map: Picture, seed: Sequence[int]) -> tuple[Picture, Picture]:
        """Uint8 (S, S) twice to the same, moved together; the index map keeps its set of values."""
        # Compose.set_random_seed gives every transform the same seed, and with it the same first draw: all
        # those of one probability would fire together or not at all. So each gets a seed of its own.
        seeds = np.random.SeedSequence(seed).generate_state(len(self.transforms) + 1)
        self._pipeline.set_random_seed(int(seeds[-1]))
        for transform, own in zip(self.transforms, seeds, strict=False):
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


def _ultrasound(a: Any) -> list[Any]:
    """What differs from one examination to the next: the probe's place and pressure, the settings, the way of
    the sound. Skin stays on top.
    """
    from trainer.augmentation import transforms

    return [
        a.HorizontalFlip(p=0.5),
        a.Affine(scale=(0.85, 1.15), translate_percent=(-0.08, 0.08), rotate=(-12, 12), p=0.7),
        a.Perspective(scale=(0.02, 0.06), p=0.2),
        a.ElasticTransform(alpha=ELASTIC_ALPHA, sigma=ELASTIC_SIGMA, p=0.2),
        transforms.Gain(p=0.5),
        transforms.TimeGain(p=0.5),
        transforms.Speckle(p=0.4),
        transforms.Shadow(p=0.25),
    ]


def check_augmentation(name: str) -> None:
    """Raises BadRequest for a name that is neither a pipeline nor steps."""
    if name not in AUGMENTATIONS:
        _steps(name)


def _ours(name: str, p: float) -> Callable[[Any], list[Any]]:
    def build(_: Any) -> list[Any]:
        from trainer.augmentation import transforms

        return [getattr(transforms, name)(p=p)]

    return build


def _steps(name: str) -> list[Callable[[Any], list[Any]]]:
    names = name.split("+")
    if not set(names) <= set(STEPS):
        known = f"one of {', '.join(sorted(AUGMENTATIONS))}, or some of {', '.join(STEPS)} joined by +"
        first = next(each for each in names if each not in STEPS)
        todo = meant(first, [*AUGMENTATIONS, *STEPS], "docs/preparation.md says what each does")
        todo = todo if first else "take the + without a step beside it away"
        raise BadRequest(f"augmentation {name[:LONGEST_WORD]!r}", known, todo)
    return [STEPS[each] for each in names]


AUGMENTATIONS: dict[str, Callable[[Any], list[Any]]] = {
    "none": _none,
    "paper": _paper,
    "light": _light,
    "strong": _strong,
    "ultrasound": _ultrasound,
}

STEPS: dict[str, Callable[[Any], list[Any]]] = {
    "mirror": lambda a: [a.HorizontalFlip(p=0.5)],
    "flip": lambda a: [a.VerticalFlip(p=0.5)],
    "rotation": lambda a: [a.Affine(rotate=(-15, 15), p=0.7)],
    "shift": lambda a: [a.Affine(translate_percent=(-0.1, 0.1), p=0.7)],
    "projection": lambda a: [a.Perspective(scale=(0.02, 0.08), p=0.4)],
    "elastic": lambda a: [a.ElasticTransform(alpha=ELASTIC_ALPHA, sigma=ELASTIC_SIGMA, p=0.4)],
    "gain": _ours("Gain", 0.5),
    "time-gain": _ours("TimeGain", 0.5),
    "speckle": _ours("Speckle", 0.4),
    "shadow": _ours("Shadow", 0.3),
}
