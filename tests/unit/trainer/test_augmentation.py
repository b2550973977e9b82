from __future__ import annotations

import json

import numpy as np
import pytest

from loop.errors import BadRequest
from tests.discs import draw_disc
from trainer.augmentation import AUGMENTATIONS, Augmentation

IMAGE, MASK = draw_disc(5, 128, 128)
INDICES = MASK[0].astype(np.uint8)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_seed_gives_the_same_pair_whatever_came_before(name: str) -> None:
    augmentation = Augmentation(name)
    first = augmentation(IMAGE, INDICES, (1, 2, 3))
    augmentation(IMAGE, INDICES, (9,))
    again = augmentation(IMAGE, INDICES, (1, 2, 3))
    fresh = Augmentation(name)(IMAGE, INDICES, (1, 2, 3))
    assert all((a == b).all() and (a == c).all() for a, b, c in zip(first, again, fresh, strict=True))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_keep_their_indices_and_move_with_the_picture(name: str) -> None:
    augmentation = Augmentation(name)
    for seed in range(20):
        image, indices = augmentation((INDICES * 200).astype(np.uint8), INDICES, (seed,))
        assert image.dtype == indices.dtype == np.uint8
        assert set(np.unique(indices)) <= {0, 1}
        if name != "strong":  # whose shadows and noise are meant to hide the vessel
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


def test_strong_augmentation_keeps_the_skin_on_top() -> None:
    skin = np.zeros((64, 64), np.uint8)
    skin[:10] = 1
    augmentation = Augmentation("strong")
    moved = [augmentation(skin, skin, (seed,))[1] for seed in range(40)]
    assert all(np.nonzero(indices)[0].mean() < 32 for indices in moved if indices.any())


def test_the_pipeline_can_be_kept_as_json() -> None:
    assert "Affine" in json.dumps(Augmentation("paper").as_dict)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BadRequest, match="mild"):
        Augmentation("mild")
