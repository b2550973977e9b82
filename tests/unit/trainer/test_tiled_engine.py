"""Serving with tiles, crop and CLAHE: by networks whose answer is known, and by a real one from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from loop.errors import BadWeights
from tests.discs import draw_disc
from trainer import engine
from trainer.engine import TorchSegmenter, load_segmenter
from trainer.networks import build_network
from trainer.networks.base import Network, Parts
from trainer.preparation import PLAIN, RETINAL, Preparation
from trainer.preprocess import even_contrast
from trainer.recipe_values import SMALLEST
from trainer.uncertainty import MEASURES
from trainer.weights import DESCRIPTION, describe, load_weights, save_weights

NAME = "mobilenetv2-unet"
TILES = Preparation(tiles=True, tile_overlap=0.25)


class Pixelwise(Network):
    """Answers each pixel by its own grey, as if there were no tiles: p = sigmoid of the normalised grey."""

    def __init__(self) -> None:
        super().__init__(multiple=8)
        self.anything = nn.Linear(1, 1)

    def answer(self, x: Tensor) -> Tensor:
        return x

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.answer(x), nn.functional.avg_pool2d(x, 8)

    def parts(self) -> Parts:
        return Parts([], [], [self.anything])


class ByPlace(Pixelwise):
    """Knows no grey: from sure of nothing at a tile's left edge to sure of a vessel at its right."""

    def answer(self, x: Tensor) -> Tensor:
        return torch.linspace(-6, 6, x.shape[-1]).expand_as(x)


def serving(
    network: Network, preparation: Preparation, side: int = 32, smallest: float = SMALLEST
) -> TorchSegmenter:
    return TorchSegmenter(
        network, ("vein",), [0], side, tuple(MEASURES), "float32", preparation, smallest=smallest
    )


def speckle(height: int, width: int, low: int = 130) -> NDArray[np.uint8]:
    """Grey that a pixelwise network takes for a vessel everywhere: one blob, so no specks are taken out."""
    return np.random.default_rng(height * width).integers(low, 255, (height, width), np.uint8)


def pixelwise(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-(image / 255 - 0.5) / 0.25)))


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 120), st.integers(8, 120), st.sampled_from([0.125, 0.3, 0.5, 0.75]))
def test_a_network_that_needs_no_surroundings_answers_as_without_tiles(
    height: int, width: int, overlap: float
) -> None:
    image = speckle(height, width)
    found = serving(Pixelwise(), replace(TILES, tile_overlap=overlap)).predict(image)
    assert found.shape == (1, height, width)
    assert np.abs(found[0] - pixelwise(image)).max() < 2e-6


@pytest.mark.parametrize("overlap", [0.125, 0.25, 0.5])
def test_a_network_that_answers_by_the_place_in_its_tile_shows_no_step(overlap: float) -> None:
    image = speckle(90, 131)
    tiled = serving(ByPlace(), replace(TILES, tile_overlap=overlap)).examine(image).probs[0]
    own = torch.linspace(-6, 6, 32).sigmoid().diff().max().item()
    assert np.abs(np.diff(tiled, axis=1)).max() < own + 2 / (overlap * 32)
    assert np.abs(np.diff(tiled, axis=0)).max() < 1e-6


def test_how_many_tiles_go_through_the_network_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, network = speckle(100, 70, low=0), build_network(NAME, 1)
    together = serving(network, TILES).examine(image)
    monkeypatch.setattr(engine, "TILE_PIXELS", {"cpu": 1})
    single = serving(network, TILES).examine(image)
    assert np.abs(together.probs - single.probs).max() < 1e-5
    assert np.abs(together.embedding - single.embedding).max() < 1e-5


def test_what_lies_outside_a_crop_is_nothing_and_inside_all_is_as_if_it_were_the_frame() -> None:
    image = speckle(80, 120)
    for has_tiles in (False, True):
        cropped = Preparation(crop="box", box=(0.25, 0.25, 0.75, 1), tiles=has_tiles)
        found = serving(Pixelwise(), cropped).predict(image)
        part = serving(Pixelwise(), Preparation(tiles=has_tiles)).predict(image[20:, 30:90])
        assert (found[:, 20:, 30:90] == part).all()
        assert np.count_nonzero(found) == part.size


def test_pieces_are_too_small_by_their_share_of_what_is_seen_of_a_frame() -> None:
    image = np.zeros((200, 200), np.uint8)
    image[50:53, 50:53] = 255
    quarter = replace(TILES, crop="box", box=(0.0, 0.0, 0.5, 0.5))
    for preparation, share, is_drawn in (
        (quarter, 9 / 100**2, True),
        (quarter, 10 / 100**2, False),
        (TILES, 9 / 100**2, False),
        (TILES, 0.0, True),
    ):
        found = serving(Pixelwise(), preparation, smallest=share)
        assert (found.predict(image) > 0.5).sum() == (9 if is_drawn else 0)
        assert (found.examine(image).probs == found.predict(image)).all()


def test_serving_evens_the_contrast_as_training_does() -> None:
    image = draw_disc(1, 64, 64)[0]
    evened = serving(Pixelwise(), Preparation(clahe_clip=2.0)).examine(image)
    by_hand = serving(Pixelwise(), PLAIN).examine(even_contrast(image, 2.0, 8))
    assert (evened.probs == by_hand.probs).all()
    assert evened.scores["boundary-entropy"] == by_hand.scores["boundary-entropy"]


@pytest.mark.parametrize(
    "preparation", [TILES, replace(RETINAL, tile_frame=96, crop="borders")], ids=["own", "all"]
)
def test_an_examination_by_tiles_has_scores_and_an_embedding_as_any_other(preparation: Preparation) -> None:
    image = np.zeros((90, 140), np.uint8)
    image[5:80, 20:130] = draw_disc(2, 75, 110)[0]
    network = build_network(NAME, 1)
    tiled, boxed = (serving(network, p).examine(image) for p in (preparation, PLAIN))
    assert tiled.embedding.shape == boxed.embedding.shape
    assert set(tiled.scores) == set(MEASURES)
    assert all(0 <= score <= 1 for score in tiled.scores.values())
    mirrored = serving(network, preparation).examine(np.ascontiguousarray(image[:, ::-1])).scores
    assert mirrored["flip-disagreement"] == pytest.approx(tiled.scores["flip-disagreement"], abs=0.02)


def test_a_model_serves_with_the_preparation_of_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, image = build_network(NAME, 1), draw_disc(2, 70, 90)[0]
    for preparation in (TILES, PLAIN):
        save_weights(tmp_path / "x", network, describe(NAME, ["vein"], 32, preparation))
        loaded = load_segmenter(tmp_path / "x", 1, precision="float32")
        assert loaded.preparation == preparation
        assert np.abs(loaded.predict(image) - serving(network, preparation).predict(image)).max() < 1e-5


def test_a_file_from_before_there_was_a_choice_serves_as_it_always_did(tmp_path: Path) -> None:
    old = describe(NAME, ["vein"], 32)
    del old["preparation"]
    save_weights(tmp_path / "x", build_network(NAME, 1), old)
    assert load_weights(tmp_path / "x")[1] == old
    loaded = load_segmenter(tmp_path / "x", 1)
    assert (loaded.preparation, loaded.smallest) == (PLAIN, 200 / 512**2)


@pytest.mark.parametrize("claim", [-0.1, 1, float("nan"), True, "0", None, [0.1]])
def test_a_file_that_claims_an_impossible_smallest_piece_is_refused(tmp_path: Path, claim: object) -> None:
    config = describe(NAME, ["v"], 32, smallest=claim)
    save_weights(tmp_path / "x", build_network(NAME, 1), config)
    with pytest.raises(BadWeights, match="smallest piece"):
        load_weights(tmp_path / "x")


@pytest.mark.parametrize(
    "claim", [{"tile_side": 3}, {"clahe_grid": 10**9}, [1], "x" * 10_000, {"y" * 10_000: 1}]
)
def test_a_file_that_claims_an_unknown_preparation_is_refused_in_a_short_sentence(
    tmp_path: Path, claim: object
) -> None:
    save_weights(tmp_path / "x", build_network(NAME, 1), describe(NAME, ["v"], 32) | {"preparation": claim})
    with pytest.raises(BadWeights, match="prepared") as refused:
        load_weights(tmp_path / "x")
    assert len(refused.value.message) < 500
    assert DESCRIPTION not in refused.value.got
