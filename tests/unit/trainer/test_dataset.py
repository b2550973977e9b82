"""Frames as a training with tiles sees them, and such a training from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from loop.training_records import Split
from tests.discs import TINY, disc_job, disc_samples, draw_disc
from trainer.becoming import finish
from trainer.choosing import judge
from trainer.dataset import Batch, FrameSet, answers, training_batches
from trainer.engine import load_segmenter
from trainer.preparation import RETINAL, Preparation
from trainer.preprocess import even_contrast
from trainer.recipes import find_recipe
from trainer.training import begin, train
from trainer.weights import preparation_of

TILES = Preparation(tiles=True, vessel_tiles=1.0)
RECIPE = replace(TINY, size=32, augmentation="none", preparation=TILES)


@pytest.fixture
def frames(tmp_path: Path) -> FrameSet:
    return FrameSet(disc_samples(tmp_path, {Split.TRAIN: 6}), 1, 32, TILES)


def drawn(frames: FrameSet, seed: int) -> list[Batch]:
    with ThreadPoolExecutor(1) as maker:
        return list(training_batches(frames, RECIPE, seed, 1, maker))


def test_many_threads_make_the_same_batches_as_one(tmp_path: Path) -> None:
    recipe = replace(TINY, size=64, batch=2, augmentation="strong")
    frames = FrameSet(disc_samples(tmp_path, {Split.TRAIN: 6}), 1, 64)

    def made(threads: int) -> list[Batch]:
        with ThreadPoolExecutor(threads) as maker:
            some = [training_batches(frames, recipe, 1, epoch, maker, 2 * threads) for epoch in range(8)]
            return [batch for epoch in some for batch in epoch]

    alone, together = made(1), made(4)
    assert len(alone) > 16
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def holds_vessel(batches: Sequence[Batch]) -> list[bool]:
    return [bool(indices.any()) for _, index_maps in batches for indices in index_maps]


def test_training_sees_random_tiles_around_vessels_that_follow_the_seed(frames: FrameSet) -> None:
    first, again, other = (drawn(frames, seed) for seed in (1, 1, 2))
    images = first[0][0]
    assert images.shape == (4, 1, 32, 32)
    assert all(
        torch.equal(a, b) for pair in zip(first, again, strict=True) for a, b in zip(*pair, strict=True)
    )
    assert not torch.equal(images, other[0][0])
    assert all(holds_vessel(first))


def test_without_the_wish_some_tiles_hold_no_vessel(tmp_path: Path) -> None:
    preparation = replace(TILES, vessel_tiles=0.0)
    frames = FrameSet(disc_samples(tmp_path, {Split.TRAIN: 6}), 1, 32, preparation)
    found = holds_vessel([batch for seed in range(4) for batch in drawn(frames, seed)])
    assert 0 < sum(found) < len(found)


def test_a_tile_is_a_piece_of_its_frame_with_the_truth_of_that_place(frames: FrameSet) -> None:
    pictures = [frames.prepared(i) for i in range(len(frames))]
    for images, index_maps in drawn(frames, 3):
        for image, indices in zip(images, index_maps, strict=True):
            tile = np.rint((image[0].numpy() * 0.25 + 0.5) * 255).astype(np.uint8)
            assert any(
                (picture[y : y + 32, x : x + 32] == tile).all()
                and (truth[y : y + 32, x : x + 32] == indices.numpy()).all()
                for picture, truth in pictures
                for y, x in np.argwhere(picture[:-31, :-31] == tile[0, 0])
            )


def test_frames_smaller_than_a_tile_are_padded_and_cropped_ones_prepared_as_in_service(
    tmp_path: Path,
) -> None:
    samples = disc_samples(tmp_path, {Split.TRAIN: 1})
    image, mask = draw_disc(0)
    small = FrameSet(samples, 1, 128, replace(TILES, clahe_clip=2.0)).prepared(0)
    assert small[0].shape == small[1].shape == (128, 128)
    assert (small[0][:80, :100] == even_contrast(image, 2.0, 8)).all()
    assert (small[1][:80, :100] == mask[0]).all()
    assert not small[0][80:].any()


def test_a_network_is_judged_on_whole_frames_stitched_from_tiles(frames: FrameSet) -> None:
    seen: list[int] = []

    def ask(images: Tensor) -> Tensor:
        seen.append(len(images))
        return (images < -1.2).float()  # dark: the disc

    for index, (probs, indices) in enumerate(answers(frames, 4, ask)):
        picture, truth = frames.prepared(index)
        assert probs.shape == (1, *picture.shape) == (1, 80, 100)
        assert (indices.numpy() == truth).all()
        assert np.abs(probs[0] - ((picture / 255 - 0.5) / 0.25 < -1.2)).max() < 1e-6
    assert max(seen) == 4
    assert index == 5


def test_a_model_is_trained_judged_and_served_with_tiles(tmp_path: Path) -> None:
    recipe = replace(
        find_recipe("retinal"),
        network=TINY.network,
        size=32,
        epochs=2,
        epoch_steps=1,
        precision="float32",
        preparation=replace(RETINAL, tile_frame=96, crop="borders"),
    )
    digests = []
    for name in ("first", "again"):
        training = begin(disc_job(tmp_path, recipe, out=name))
        reports = list(train(training))
        assert all(report.dice is not None and 0 <= report.dice <= 1 for report in reports)
        assert judge(training) is not None
        path, digest, config = finish(training)
        digests.append(digest)
    assert digests[0] == digests[1]
    assert preparation_of(config) == recipe.preparation
    loaded = load_segmenter(path, 1, precision="float32")
    assert loaded.preparation == recipe.preparation
    assert loaded.smallest == recipe.smallest == 0
    assert loaded.examine(draw_disc(1)[0]).probs.shape == (1, 80, 100)
