from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit, logit

from loop.errors import BadInput, BadRequest
from tests.discs import draw_disc
from trainer.crf import WIDEST, Bilateral, CrfSettings, Spatial, crf_from_dict, dense_crf

HEIGHT, WIDTH = 24, 31
Pairs = NDArray[np.float64]


def small_case(seed: int, step: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A noisy picture and unsure probabilities of two classes."""
    rng = np.random.default_rng(seed)
    image = draw_disc(seed, HEIGHT * step, WIDTH * step)[0][::step, ::step]
    return image, rng.uniform(0.02, 0.98, (2, HEIGHT, WIDTH)).astype(np.float32)


def all_pairs(image: NDArray[np.uint8], place: float, grey: float | None = None) -> Pairs:
    """The kernel between every pixel and every other one, by its definition, (H W, H W)."""
    rows, columns = np.indices(image.shape).reshape(2, -1).astype(float)
    distance = (np.subtract.outer(rows, rows) ** 2 + np.subtract.outer(columns, columns) ** 2) / place**2
    if grey is not None:
        levels = image.ravel().astype(float)
        distance += np.subtract.outer(levels, levels) ** 2 / grey**2
    return np.asarray(np.exp(-distance / 2))


def by_all_pairs(
    image: NDArray[np.uint8], probs: NDArray[np.float32], settings: CrfSettings
) -> NDArray[np.float64]:
    """The mean field of two labels, each with its own message, summed over all pairs of pixels."""
    scale = max(image.shape) / 512
    ties = []
    for weight, kernel in (
        (settings.appearance, all_pairs(image, settings.place * scale, settings.grey)),
        (settings.smoothness, all_pairs(image, settings.near * scale)),
    ):
        sums = kernel.sum(1)
        fair = kernel / np.sqrt(np.outer(sums, sums))
        np.fill_diagonal(fair, 0)
        ties.append(weight * fair)
    tied = sum(ties)
    inside = probs.reshape(len(probs), -1).astype(float)
    answers = []
    for first in inside:
        q = np.stack([1 - first, first])
        for _ in range(settings.iterations):
            energy = -np.log(np.stack([1 - first, first])) + q[::-1] @ tied.T  # Potts: the other label costs
            q = np.exp(-energy) / np.exp(-energy).sum(0)
        answers.append(q[1].reshape(image.shape))
    return np.stack(answers)


WIDE = 512 / WIDTH
SETTINGS = {
    "as it is delivered, in a frame of 31 px": CrfSettings(place=50, near=16.6),
    "wide in place": CrfSettings(
        appearance=5, smoothness=3, place=10 * WIDE, grey=10, near=2 * WIDE, iterations=10
    ),
    "narrow in grey": CrfSettings(appearance=5, smoothness=3, place=5 * WIDE, grey=3, near=1 * WIDE),
    "appearance alone": CrfSettings(appearance=10, place=6 * WIDE, grey=20, smoothness=0),
    "smoothness alone": CrfSettings(appearance=0, near=3 * WIDE, smoothness=5),
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_sums_over_all_pairs_of_pixels(name: str, seed: int) -> None:
    image, probs = small_case(seed)
    found = dense_crf(image, probs, SETTINGS[name])
    assert found.dtype == np.float32
    assert np.abs(found - by_all_pairs(image, probs, SETTINGS[name])).max() < 0.01


@pytest.mark.parametrize(("place", "grey"), [(3.0, 5.0), (9.0, 10.0), (20.0, 2.0), (2.0, 60.0)])
def test_the_grid_sums_within_three_percent_of_the_largest_sum(place: float, grey: float) -> None:
    image, probs = small_case(2)
    exact = (all_pairs(image, place, grey) @ probs[0].ravel()).reshape(image.shape)
    found = Bilateral(image, place, grey)(probs[0])
    assert np.abs(found - exact).max() < 0.03 * exact.max()


def test_sums_of_place_alone_are_exact_but_for_the_cut_tails() -> None:
    image, probs = small_case(3)
    exact = (all_pairs(image, 2.5) @ probs[1].ravel()).reshape(image.shape)
    assert np.abs(Spatial(2.5)(probs[1]) - exact).max() < 1e-3 * exact.max()


@pytest.mark.parametrize("shape", [(700, 90), (90, 700), (301, 300), (1, 900)])
@pytest.mark.parametrize("sigma", [40.0, 75.3, 500.0, 4000.0])
def test_sums_of_a_wide_gaussian_are_those_of_a_narrow_one_by_another_way(
    shape: tuple[int, int], sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    monkeypatch.setattr("trainer.crf.BAND", 5000)
    found = Spatial(sigma)(plane)
    rows, columns = (np.subtract.outer(np.arange(side), np.arange(side)) / sigma for side in shape)
    near = [np.where(abs(each) <= 4 + 1 / sigma, np.exp(-(each**2) / 2), 0) for each in (rows, columns)]
    exact = near[0] @ plane.astype(float) @ near[1]
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 1e-5 * (near[0] @ np.ones(shape) @ near[1]).max()


def test_the_widest_settings_cost_no_more_products_a_pixel_than_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`near` 64 in a frame of 4000 px is a Gaussian of 4001 taps on either axis."""
    taps, correlate = list[int](), ndimage.correlate1d

    def counted(values: Pairs, weights: Pairs, axis: int, mode: str) -> Pairs:
        taps.append(len(weights))
        return np.asarray(correlate(values, weights, axis, mode=mode))

    monkeypatch.setattr("trainer.crf.ndimage.correlate1d", counted)
    image = np.random.default_rng(0).integers(0, 255, (40, 4000), np.uint8)
    probs = np.full((1, *image.shape), 0.7, np.float32)
    for near in (1, 16, 64):
        for place in (16, 1024):
            found = dense_crf(image, probs, CrfSettings(near=near, place=place, iterations=1))
            assert np.isfinite(found).all()
    assert taps
    assert max(taps) <= WIDEST


def test_a_wide_gaussian_takes_little_memory_beside_the_frame() -> None:
    plane = np.ones((1500, 2000), np.float32)
    spatial = Spatial(300)
    tracemalloc.start()
    spatial(plane)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * plane.nbytes, "both axes' answers, and bands of 8 MB"


def test_a_blurred_answer_is_drawn_to_the_edge_of_the_disc() -> None:
    image, mask = draw_disc(5, 128, 128)
    rows, columns = np.nonzero(mask[0])
    distance = np.hypot(*(np.indices((128, 128)) - np.array([rows.mean(), columns.mean()])[:, None, None]))
    radius = np.sqrt(mask.sum() / np.pi)
    blurred = expit((1.35 * radius - distance) / 4).astype(np.float32)[np.newaxis]
    wrong = (blurred > 0.5) ^ mask
    left = (dense_crf(image, blurred, CrfSettings(appearance=5, grey=30, smoothness=3)) > 0.5) ^ mask
    assert left.sum() < 0.3 * wrong.sum()


def test_certain_probabilities_and_a_flat_picture_give_finite_answers() -> None:
    image = np.full((40, 50), 7, np.uint8)
    probs = np.zeros((3, 40, 50), np.float32)
    probs[1] = 1
    probs[2, :20] = 1
    found = dense_crf(image, probs)
    assert np.isfinite(found).all()
    assert (found[0] < 0.01).all()
    assert (found[1] > 0.99).all()
    assert 0 <= found.min() <= found.max() <= 1


def test_without_ties_nothing_changes() -> None:
    image, probs = small_case(4)
    settings = CrfSettings(appearance=0, smoothness=0)
    assert np.allclose(dense_crf(image, probs, settings), probs, atol=1e-5)
    assert np.allclose(logit(dense_crf(image, probs, settings)), logit(probs), atol=1e-3)


def test_a_frame_and_probabilities_that_do_not_fit_are_refused() -> None:
    image, probs = small_case(0)
    for wrong in (image[:-1], image.astype(np.float32), image[np.newaxis]):
        with pytest.raises(BadInput, match="uint8"):
            dense_crf(wrong, probs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"place": 15},
        {"grey": float("nan")},
        {"near": "3"},
        {"iterations": 1e9},
        {"smoothness": -1},
        {"speed": 1},
        {"near": 1e9},
        {"place": 10**400},
        {"appearance": 1e30},
        {"grey": float("inf")},
        {"iterations": 2.5},
        {"iterations": True},
        {"iterations": 10**5000},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as refused:
        crf_from_dict(values)
    assert next(iter(values)) in refused.value.message
    assert len(refused.value.message) < 300
    assert crf_from_dict(CrfSettings(place=20).to_dict()) == CrfSettings(place=20)
