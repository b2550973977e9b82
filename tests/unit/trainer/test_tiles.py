from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.preparation import OVERLAPS
from trainer.tiles import Grid, Probs, cut, cut_all, draw_corner, in_chunks, lay_grid, stitch

STEEPEST = 2.0
"""Share of two tiles' difference by which an answer changes from pixel to pixel, times the overlap in px."""

overlaps = st.floats(*OVERLAPS)
grids = st.builds(lay_grid, st.integers(1, 150), st.integers(1, 150), st.sampled_from([16, 32, 47]), overlaps)


def tiles_of(field: Probs, grid: Grid) -> Iterator[Probs]:
    """Cut float32 (C, H, W) as a network would answer that sees no tiles; 1 beyond the picture."""
    room = np.ones((len(field), grid.height + grid.side, grid.width + grid.side), np.float32)
    room[:, : grid.height, : grid.width] = field
    return (room[:, y : y + grid.side, x : x + grid.side] for y, x in grid.corners)


def smallest_overlap(starts: tuple[int, ...], side: int) -> int:
    return side - max(np.diff(starts), default=0)


@given(grids, st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_answers_that_do_not_depend_on_the_tile_come_back_as_they_were(
    grid: Grid, seed: int, classes: int
) -> None:
    shape = classes, grid.height, grid.width
    field = np.random.default_rng(seed).random(shape, np.float32)
    stitched = stitch(tiles_of(field, grid), grid)
    assert stitched.shape == field.shape
    assert stitched.dtype == np.float32
    assert np.abs(stitched - field).max() <= 1e-6


@given(grids)
def test_certain_answers_stay_between_0_and_1(grid: Grid) -> None:
    for value in (0, 1):
        field = np.full((1, grid.height, grid.width), value, np.float32)
        stitched = stitch(tiles_of(field, grid), grid)
        assert np.abs(stitched - value).max() <= 1e-6
        assert 0 <= stitched.min() <= stitched.max() <= 1


@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([16, 32, 47]), overlaps)
def test_tiles_cover_the_picture_overlap_as_asked_and_are_no_more_than_needed(
    height: int, width: int, side: int, overlap: float
) -> None:
    grid = lay_grid(height, width, side, overlap)
    for starts, length in ((grid.rows, height), (grid.columns, width)):
        assert starts[0] == 0
        assert starts[-1] == max(0, length - side)
        assert smallest_overlap(starts, side) >= overlap * side
        fewer = len(starts) - 1
        assert fewer < 2 or side + (fewer - 1) * (side - np.ceil(overlap * side)) < length


@given(grids, st.integers(0, 2**32 - 1))
def test_tiles_that_disagree_meet_without_a_step(grid: Grid, seed: int) -> None:
    """Each tile answers a number of its own: as far from the others as can be."""
    numbers = np.random.default_rng(seed).integers(0, 2, len(grid)).astype(np.float32)
    stitched = stitch((np.full((1, grid.side, grid.side), n, np.float32) for n in numbers), grid)
    for axis, starts in ((1, grid.rows), (2, grid.columns)):
        steps = np.abs(np.diff(stitched, axis=axis))
        assert steps.max(initial=0) <= STEEPEST / smallest_overlap(starts, grid.side) + 1e-6


@settings(max_examples=30)
@given(st.integers(40, 150), st.integers(40, 150), overlaps)
def test_an_answer_that_depends_on_the_place_in_the_tile_shows_no_edge(
    height: int, width: int, overlap: float
) -> None:
    """A network that is surer in the middle of its tile than at its edge, as real ones are."""
    grid = lay_grid(height, width, 32, overlap)
    middle = np.sin(np.pi * (np.arange(32) + 0.5) / 32)
    answer = (0.4 + 0.4 * middle[:, None] * middle)[np.newaxis].astype(np.float32)
    stitched = stitch((answer for _ in grid.corners), grid)
    own = np.abs(np.diff(answer, axis=2)).max()
    for axis, starts in ((1, grid.rows), (2, grid.columns)):
        bound = own + 0.4 * STEEPEST / smallest_overlap(starts, grid.side)
        assert np.abs(np.diff(stitched, axis=axis)).max() <= bound


def test_along_the_picture_s_edge_tiles_blend_as_they_do_in_its_middle() -> None:
    grid = lay_grid(64, 160, 64, 0.5)
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))[np.newaxis]
    stitched = stitch((ramp for _ in grid.corners), grid)
    assert np.abs(stitched - stitched[:, 32:33]).max() < 1e-6


@given(grids, st.integers(0, 2**32 - 1))
def test_a_cut_tile_shows_the_picture_and_is_black_beyond_it(grid: Grid, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(1, 255, (grid.height, grid.width), np.uint8)
    for (y, x), tile in zip(grid.corners, cut_all(picture, grid), strict=True):
        assert tile.shape == (grid.side, grid.side)
        part = picture[y : y + grid.side, x : x + grid.side]
        assert (tile[: part.shape[0], : part.shape[1]] == part).all()
        assert np.count_nonzero(tile) == part.size


@given(st.integers(32, 90), st.integers(32, 90), st.integers(0, 2**32 - 1), st.booleans())
def test_a_random_tile_lies_within_the_picture_and_around_a_class_where_there_is_one(
    height: int, width: int, seed: int, has_class: bool
) -> None:
    generator = np.random.default_rng(seed)
    indices = np.zeros((height, width), np.uint8)
    if has_class:
        indices[generator.integers(height), generator.integers(width)] = 2
    y, x = draw_corner(generator, indices, 32, around_class=True)
    assert 0 <= y <= height - 32
    assert 0 <= x <= width - 32
    assert cut(indices, y, x, 32).any() == has_class


def test_random_tiles_reach_every_part_of_a_picture() -> None:
    generator, empty = np.random.default_rng(0), np.zeros((70, 90), np.uint8)
    drawn = np.array([draw_corner(generator, empty, 32, around_class=False) for _ in range(600)])
    assert set(drawn[:, 0]) == set(range(39))
    assert set(drawn[:, 1]) == set(range(59))


@pytest.mark.parametrize(("number", "sizes"), [(0, []), (3, [3]), (8, [4, 4]), (9, [4, 4, 1])])
def test_chunks_lose_nothing(number: int, sizes: list[int]) -> None:
    chunks = list(in_chunks(range(number), 4))
    assert [len(chunk) for chunk in chunks] == sizes
    assert [item for chunk in chunks for item in chunk] == list(range(number))
