from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from loop.errors import BadRequest
from tests.discs import draw_disc
from trainer.augmentation import AUGMENTATIONS, STEPS, Augmentation

IMAGE, MASK = draw_disc(5, 128, 128)
INDICES = MASK[0].astype(np.uint8)
NAMES = [*AUGMENTATIONS, *STEPS, "mirror+speckle+shadow"]
HIDING = {"strong", "ultrasound", "shadow", "mirror+speckle+shadow"}
"""Their shadows and noise are meant to hide the vessel."""
KEPT = {"none": "390cd2fad596", "paper": "841000180612", "light": "8efe3ec1478a", "strong": "803a8b4bfee3"}
"""The beginning of the digest of each pipeline that models have been trained with."""


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_pair_whatever_came_before(name: str) -> None:
    augmentation = Augmentation(name)
    first = augmentation(IMAGE, INDICES, (1, 2, 3))
    augmentation(IMAGE, INDICES, (9,))
    again = augmentation(IMAGE, INDICES, (1, 2, 3))
    fresh = Augmentation(name)(IMAGE, INDICES, (1, 2, 3))
    assert all((a == b).all() and (a == c).all() for a, b, c in zip(first, again, fresh, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_masks_keep_their_indices_and_move_with_the_picture(name: str) -> None:
    augmentation = Augmentation(name)
    for seed in range(20):
        image, indices = augmentation((INDICES * 200).astype(np.uint8), INDICES, (seed,))
        assert image.dtype == indices.dtype == np.uint8
        assert set(np.unique(indices)) <= {0, 1}
        if name not in HIDING:
            assert ((image > 100) == (indices > 0)).mean() > 0.99


def test_transforms_fire_independently_of_each_other() -> None:
    augmentation = Augmentation("paper")
    flips = set()
    marked = np.zeros((64, 64), np.uint8)
    marked[12:20, 12:20] = 1
    for seed in range(60):
        _, indices = augmentation(marked, marked, (seed,))
        y, x = (int(axis.mean()) // 32 for axis in np.nonzero(indices))
        flips.add((y, x))
    assert flips == {(0, 0), (0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize("name", ["strong", "ultrasound"])
def test_the_skin_stays_on_top(name: str) -> None:
    skin = np.zeros((64, 64), np.uint8)
    skin[:10] = 1
    augmentation = Augmentation(name)
    moved = [augmentation(skin, skin, (seed,))[1] for seed in range(40)]
    assert all(np.nonzero(indices)[0].mean() < 32 for indices in moved if indices.any())


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_that_was_kept_as_json_is_the_same_when_it_is_read_back(name: str) -> None:
    augmentation = Augmentation(name)
    again = Augmentation.from_dict(json.loads(json.dumps(augmentation.as_dict)))
    assert again.as_dict == augmentation.as_dict
    for seed in range(6):
        pairs = zip(augmentation(IMAGE, INDICES, (seed,)), again(IMAGE, INDICES, (seed,)), strict=True)
        assert all((a == b).all() for a, b in pairs)


@pytest.mark.parametrize("name", KEPT)
def test_pipelines_that_models_were_trained_with_have_not_changed(name: str) -> None:
    steps = Augmentation(name).as_dict["transform"]
    assert hashlib.sha256(json.dumps(steps, sort_keys=True).encode()).hexdigest().startswith(KEPT[name])


@pytest.mark.parametrize(
    "values", [{}, {"transform": {"__class_fullname__": "Sharpen2", "p": 1}}, {"transform": 3}]
)
def test_what_is_no_pipeline_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="cannot be read"):
        Augmentation.from_dict(values)


def test_steps_are_done_in_the_order_of_their_names() -> None:
    kinds = [type(each).__name__ for each in Augmentation("shadow+mirror+time-gain").transforms]
    assert kinds == ["Shadow", "HorizontalFlip", "TimeGain"]


def test_an_unknown_name_is_refused() -> None:
    for name in ("mild", "mirror+mild", "mirror+strong", ""):
        with pytest.raises(BadRequest, match="time-gain"):
            Augmentation(name)
